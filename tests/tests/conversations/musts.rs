//! The four musts: our own record before the platform's status, one hand-over message, never silent without a reason,
//! and never an answer to itself. Each under every setting of the switches that could break it.

use std::time::Duration;

use patchbay::chat::Platform;
use patchbay_simulators::chat::{
    ApiFault, CreatedEvent, EchoAuthor, EchoOrder, Endpoint, EventName, Greeting, HumanReply, HumanSender,
    IncomingSender, NestedMessage, Routes, Switches, TextChange, ThirdParty,
};
use patchbay_simulators::phones::{Behavior, Script};
use patchbay_simulators::webhook_faults::WebhookFault;
use patchbay_simulators::world::{ChatOptions, Options, World};

use crate::common::{ask, get, pass, phones, settle, until};
use crate::{INBOX, holder, opened, posts};

/// What the bot says when it hands over.
const HAND_OVER: &str = "A colleague will be with you shortly.";
/// A bot that repeats what it reads, so that a test sees which messages an answer belongs to.
const ECHO: &str = "
debounce_ms: 500
max_answers_per_minute: 10
rules:
  - say: 'You wrote: {{ message.text }}'
hand_over:
  words: [a person please]
  text: A colleague will be with you shortly.
  cancel_words: [never mind]
";

async fn world_with(platform: Platform, switches: Switches) -> World {
    let options = Options {
        sentinel: None,
        chat: ChatOptions {
            platform,
            switches,
            secret: None,
        },
        ..Options::default()
    };
    let world = World::start(options).await.unwrap();
    world.put_bot("shop", ECHO).await.unwrap();
    world
}

async fn world() -> World {
    world_with(Platform::Sangoma, Switches::default()).await
}

/// Asserts that the bot has posted these texts, and nothing else, in this order.
#[track_caller]
fn says(world: &World, id: u64, expected: &[&str]) {
    assert_eq!(posts(world, id), expected, "{:#?}", world.chat.messages(id));
}

#[tokio::test(start_paused = true)]
async fn the_bot_never_takes_its_own_message_for_another() {
    for platform in Platform::ALL {
        for author in [EchoAuthor::AgentBot, EchoAuthor::User, EchoAuthor::Nobody] {
            for text in [
                TextChange::Unchanged,
                TextChange::LineFeed,
                TextChange::Trimmed,
                TextChange::Escaped,
            ] {
                for order in [EchoOrder::AfterAnswer, EchoOrder::BeforeAnswer] {
                    let switches = Switches {
                        echo_author: author,
                        echo_text: text,
                        echo_order: order,
                        ..Switches::default()
                    };
                    let world = world_with(platform, switches).await;
                    let id = opened(&world, "Tom & Ann").await;
                    settle(&world).await;
                    world.chat.customer_writes(id, "and Sue").unwrap();
                    settle(&world).await;
                    says(&world, id, &["You wrote: Tom & Ann", "You wrote: and Sue"]);
                    assert_eq!(
                        holder(&world, id).await,
                        "bot",
                        "{platform} {author:?} {text:?} {order:?}"
                    );
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_the_customers_is_never_answered() {
    let switches = Switches {
        greeting: Greeting::AfterFirstMessage,
        automation_events: true,
        activity_events: true,
        unknown_events: true,
        status_changed: true,
        conversation_updated: true,
        bot_is_assignee: true,
        nested_message: NestedMessage::Older,
        ..Switches::default()
    };
    let world = world_with(Platform::Sangoma, switches).await;
    let id = opened(&world, "hello").await;
    settle(&world).await;
    world.chat.agent_notes(id, "jane.doe", "looks fine to me").unwrap();
    world.chat.other_bot_writes(id, "survey bot", "How did we do?").unwrap();
    settle(&world).await;
    assert!(world.chat.messages(id).len() > 3, "{:?}", world.chat.messages(id));
    says(&world, id, &["You wrote: hello"]);
}

#[tokio::test(start_paused = true)]
async fn every_message_of_the_customer_is_answered_whatever_its_event_looks_like() {
    for platform in Platform::ALL {
        for sender in [
            IncomingSender::Contact,
            IncomingSender::Untyped,
            IncomingSender::Nobody,
            IncomingSender::User,
        ] {
            for (created, nested) in [
                (CreatedEvent::AtOnce, NestedMessage::Last),
                (CreatedEvent::Late, NestedMessage::Older),
                (CreatedEvent::WithoutMessage, NestedMessage::Missing),
            ] {
                let switches = Switches {
                    incoming_sender: sender,
                    created_event: created,
                    nested_message: nested,
                    account: false,
                    empty_array: true,
                    ..Switches::default()
                };
                let world = world_with(platform, switches).await;
                let id = opened(&world, "one").await;
                settle(&world).await;
                world.chat.customer_writes(id, "two").unwrap();
                settle(&world).await;
                says(&world, id, &["You wrote: one", "You wrote: two"]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_on_two_urls_twice_and_out_of_order_is_answered_once() {
    let switches = Switches {
        routes: Routes::Both,
        ..Switches::default()
    };
    let world = world_with(Platform::Sangoma, switches).await;
    let events = world
        .callbacks()
        .events_url(Platform::Sangoma, &"main".parse().unwrap());
    world
        .chat
        .subscribe(&events, &[EventName::ConversationCreated, EventName::MessageCreated]);
    world.chat.fail_next_event(
        EventName::MessageCreated,
        WebhookFault::Duplicate(Duration::from_secs(3)),
    );
    world
        .chat
        .fail_next_event(EventName::MessageCreated, WebhookFault::Delay(Duration::from_secs(40)));
    let id = opened(&world, "one").await;
    world.chat.customer_writes(id, "two").unwrap();
    settle(&world).await;
    let said = posts(&world, id).join("\n");
    for text in ["one", "two"] {
        assert_eq!(said.matches(text).count(), 1, "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_answered_once() {
    let world = world().await;
    let id = world.chat.customer_opens(INBOX).unwrap();
    for text in ["my parcel", "from Monday", "is not here"] {
        world.chat.customer_writes(id, text).unwrap();
        world.clock.sleep(Duration::from_millis(300)).await;
    }
    settle(&world).await;
    says(&world, id, &["You wrote: my parcel\nfrom Monday\nis not here"]);
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_has_exactly_one_message_and_then_silence() {
    for platform in Platform::ALL {
        for (assigns, refused, reply) in [
            (false, false, HumanReply::LeavesPending),
            (true, false, HumanReply::OpensAndAssigns),
            (false, true, HumanReply::LeavesPending),
        ] {
            let switches = Switches {
                delivery_assigns: assigns,
                repetition_is_refused: refused,
                human_reply: reply,
                status_changed: true,
                conversation_updated: true,
                ..Switches::default()
            };
            let world = world_with(platform, switches).await;
            let id = opened(&world, "a person please").await;
            settle(&world).await;
            world.chat.customer_writes(id, "are you there?").unwrap();
            settle(&world).await;
            world.chat.agent_replies(id, "jane.doe", "I am here").unwrap();
            settle(&world).await;
            world.chat.customer_writes(id, "good").unwrap();
            settle(&world).await;
            says(&world, id, &[HAND_OVER]);
            assert_eq!(world.chat.delivered().len(), 1);
            assert_eq!(holder(&world, id).await, "human");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_between_the_hand_over_and_its_confirmation_is_neither_answered_nor_lost() {
    let world = world().await;
    world
        .chat
        .fail_next(Endpoint::Deliver, ApiFault::NoAnswer { done: true });
    let id = opened(&world, "a person please").await;
    pass(&world, 2).await;
    assert_eq!(holder(&world, id).await, "handing_off");
    world.chat.customer_writes(id, "it is urgent").unwrap();
    settle(&world).await;
    says(&world, id, &[HAND_OVER]);
    assert_eq!(holder(&world, id).await, "waiting");
    let shown = get(&world, &format!("/v1/conversations/{id}")).await;
    assert!(shown.json["timeline"].to_string().contains("it is urgent"), "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_person_who_writes_takes_over_whatever_the_platform_says_of_the_status() {
    for platform in Platform::ALL {
        for (reply, sender) in [
            (HumanReply::LeavesPending, HumanSender::User),
            (HumanReply::LeavesPending, HumanSender::External),
            (HumanReply::OpensAndAssigns, HumanSender::User),
        ] {
            let switches = Switches {
                human_reply: reply,
                human_sender: sender,
                ..Switches::default()
            };
            let world = world_with(platform, switches).await;
            let id = opened(&world, "hello").await;
            settle(&world).await;
            world.chat.agent_replies(id, "jane.doe", "Let me help").unwrap();
            settle(&world).await;
            world.chat.customer_writes(id, "thanks").unwrap();
            settle(&world).await;
            says(&world, id, &["You wrote: hello"]);
            assert_eq!(holder(&world, id).await, "human", "{platform} {reply:?} {sender:?}");
            // The bot answers again once the person has returned the conversation.
            world.chat.agent_notes(id, "jane.doe", "/bot").unwrap();
            settle(&world).await;
            world.chat.customer_writes(id, "one more thing").unwrap();
            settle(&world).await;
            says(&world, id, &["You wrote: hello", "You wrote: one more thing"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_dropped_when_a_person_writes_first() {
    let world = world().await;
    let id = opened(&world, "hello").await;
    settle(&world).await;
    world.chat.customer_writes(id, "where is my parcel?").unwrap();
    world.clock.sleep(Duration::from_millis(200)).await;
    world.chat.agent_replies(id, "jane.doe", "On its way").unwrap();
    settle(&world).await;
    says(&world, id, &["You wrote: hello"]);
}

#[tokio::test(start_paused = true)]
async fn two_bots_do_not_talk_to_each_other_for_long() {
    for party in [ThirdParty::loop_partner(), ThirdParty::auto_responder()] {
        let is_loop = party == ThirdParty::loop_partner();
        let world = world().await;
        world.chat.add_third_party(party);
        let id = opened(&world, "hello").await;
        settle(&world).await;
        let said = posts(&world, id);
        let hand_overs = said.iter().filter(|text| text.as_str() == HAND_OVER).count();
        assert_eq!(hand_overs, usize::from(is_loop), "{said:?}");
        assert!(said.len() <= 12, "{said:?}");
        assert_eq!(holder(&world, id).await == "waiting", is_loop);
    }
}

#[tokio::test(start_paused = true)]
async fn another_bot_of_the_platform_silences_nobody() {
    let world = world().await;
    world.chat.add_third_party(ThirdParty::other_bot());
    let id = opened(&world, "hello").await;
    settle(&world).await;
    world.chat.customer_writes(id, "again").unwrap();
    settle(&world).await;
    says(&world, id, &["You wrote: hello", "You wrote: again"]);
}

#[tokio::test(start_paused = true)]
async fn a_post_with_an_unclear_result_is_never_repeated() {
    for fault in [
        ApiFault::InternalError { done: true },
        ApiFault::InternalError { done: false },
        ApiFault::NoAnswer { done: true },
        ApiFault::NoAnswer { done: false },
        ApiFault::Malformed,
    ] {
        let world = world().await;
        world.chat.fail_next(Endpoint::Messages, fault);
        let id = opened(&world, "hello").await;
        settle(&world).await;
        world.chat.customer_writes(id, "again").unwrap();
        settle(&world).await;
        let tries = |text: &str| {
            let requests = world.chat.requests();
            requests
                .iter()
                .filter(|request| request.posts() == Some((id, text)))
                .count()
        };
        assert_eq!(tries("You wrote: hello"), 1, "{fault:?}");
        assert_eq!(tries("You wrote: again"), 1, "{fault:?}");
        assert_eq!(holder(&world, id).await, "bot", "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_certainly_failed_is_repeated() {
    for fault in [
        ApiFault::NotSent,
        ApiFault::TooManyRequests { retry_after: Some(2) },
        ApiFault::TooManyRequests { retry_after: None },
        ApiFault::Unauthorized,
    ] {
        let world = world().await;
        for _ in 0..3 {
            world.chat.fail_next(Endpoint::Messages, fault);
        }
        let id = opened(&world, "hello").await;
        settle(&world).await;
        says(&world, id, &["You wrote: hello"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_is_down_for_an_hour_gets_every_answer_afterwards() {
    let world = world().await;
    let now = world.clock.now();
    let id = opened(&world, "hello").await;
    settle(&world).await;
    world
        .chat
        .change_faults(|faults| faults.down = Some((now, now.plus_seconds(3_600))));
    world.chat.customer_writes(id, "again").unwrap();
    settle(&world).await;
    says(&world, id, &["You wrote: hello", "You wrote: again"]);
}

#[tokio::test(start_paused = true)]
async fn a_customer_who_no_longer_wants_to_wait_is_with_the_bot_again() {
    let world = world().await;
    let id = opened(&world, "a person please").await;
    settle(&world).await;
    world.chat.customer_writes(id, "Never mind!").unwrap();
    settle(&world).await;
    assert_eq!(holder(&world, id).await, "bot");
    world.chat.customer_writes(id, "hello").unwrap();
    settle(&world).await;
    says(&world, id, &[HAND_OVER, "You wrote: hello"]);
}

#[tokio::test(start_paused = true)]
async fn a_resolved_conversation_begins_again_with_the_bot() {
    let world = world().await;
    let id = opened(&world, "a person please").await;
    settle(&world).await;
    world.chat.agent_replies(id, "jane.doe", "Done").unwrap();
    world.chat.agent_resolves(id, "jane.doe").unwrap();
    settle(&world).await;
    world.chat.customer_writes(id, "hello").unwrap();
    settle(&world).await;
    says(&world, id, &[HAND_OVER, "You wrote: hello"]);
}

/// A bot that has employees phoned until one takes the chat.
const PHONES: &str = "
debounce_ms: 500
hand_over:
  words: [a person please]
  text: A colleague will be with you shortly.
  cancel_words: [never mind]
  call: dispatch
call:
  dispatch:
    text: A customer waits in the chat.
    employees: [{name: Anna, phone: '+12025550101'}]
    policy: {attempts: 10, retry_delay: 60}
";

#[tokio::test(start_paused = true)]
async fn employees_are_phoned_until_the_chat_needs_nobody_any_more() {
    for how in [
        "a person writes",
        "the customer gives up",
        "it is resolved",
        "the bot takes it back",
    ] {
        let options = Options {
            sentinel: None,
            phones: phones([Script::always(Behavior::NeverPicksUp)]),
            ..Options::default()
        };
        let world = World::start(options).await.unwrap();
        world.put_bot("shop", PHONES).await.unwrap();
        let id = opened(&world, "a person please").await;
        until(&world, "the second call", |world| world.calls().len() == 2).await;
        match how {
            "a person writes" => drop(world.chat.agent_replies(id, "jane.doe", "I am here").unwrap()),
            "the customer gives up" => drop(world.chat.customer_writes(id, "never mind").unwrap()),
            "it is resolved" => world.chat.agent_resolves(id, "jane.doe").unwrap(),
            _ => {
                let path = format!("/v1/conversations/{id}/give-back");
                assert_eq!(ask(&world, "POST", &path, &serde_json::Value::Null).await.status, 200);
            }
        }
        pass(&world, 10).await;
        assert!(world.routee.live_calls().is_empty(), "{how}: a phone rings on");
        settle(&world).await;
        assert_eq!(world.calls().len(), 2, "{how}");
        let shown = get(&world, &format!("/v1/conversations/{id}")).await;
        assert!(shown.json["timeline"].to_string().contains("\"resolve\""), "{shown:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_is_broken_hands_over_instead_of_saying_nothing() {
    let world = world().await;
    let broken = "
debounce_ms: 500
rules:
  - let: [{name: oops, value: session.nothing.at_all.here}]
    say: '{{ oops.more }}'
";
    if world.put_bot("shop", broken).await.is_err() {
        // The check found it. Then it cannot break a deployed bot.
        return;
    }
    let id = opened(&world, "hello").await;
    settle(&world).await;
    for text in ["hello?", "anybody?"] {
        world.chat.customer_writes(id, text).unwrap();
        settle(&world).await;
    }
    assert_eq!(holder(&world, id).await, "waiting", "{:?}", posts(&world, id));
}
