//! The content of COLLECT events and the effect of their replies.

use super::*;
use crate::phones::{Action, When};

/// The options twice with bargeIn, each followed by a pause.
fn two_options() -> Value {
    call(&[
        collect(),
        say(TICKET, false),
        say(OPTIONS, true),
        pause(10),
        say(OPTIONS, true),
        pause(6),
    ])
}

#[tokio::test(start_paused = true)]
async fn the_first_key_in_a_barge_in_verb_interrupts_it_and_causes_an_event_immediately() {
    let world = World::new(Switches::default(), Behavior::presses("1", When::OptionsSay(1))).await;
    let call = world.play(two_options()).await;
    assert_eq!(world.tones()[0], "1");
    // The ticket (2 s), half of the options (3 s), the event, then the rest of the plan.
    assert!(
        (talk_time(&call) - (2.0 + 1.5 + 0.02 + 10.0 + 3.0 + 6.0)).abs() < 0.05,
        "{}",
        talk_time(&call)
    );
}

#[tokio::test(start_paused = true)]
async fn a_hash_submits_immediately_even_in_a_pause_and_is_not_reported() {
    let world = World::new(Switches::default(), Behavior::presses("12#", When::Pause(1))).await;
    let call = world
        .play(call(&[collect_until_hash(), say(TICKET, false), pause(10)]))
        .await;
    let event = world
        .received()
        .into_iter()
        .find(|received| received.url == COLLECT_URL)
        .expect("an event");
    assert_eq!(event.tones().as_deref(), Some("1,2"));
    assert!(
        (since_answer(&call, event.at) - 7.8).abs() < 0.01,
        "{}",
        since_answer(&call, event.at)
    );
}

#[tokio::test(start_paused = true)]
async fn a_hash_is_ignored_without_submit_on_hash() {
    let world = World::new(Switches::default(), Behavior::presses("1#", When::Pause(1))).await;
    let call = world.play(call(&[collect(), say(TICKET, false), pause(10)])).await;
    assert_eq!(world.tones(), ["1"]);
    assert!(world.received().last().expect("one").at > call.ended_at.expect("ended"));
}

#[tokio::test(start_paused = true)]
async fn a_key_in_a_pause_is_reported_with_the_next_event_or_immediately() {
    for (quiet_keys, expected) in [
        (QuietKeys::Buffered, ["2,1"].as_slice()),
        (QuietKeys::AtOnce, &["2", "2,1"]),
    ] {
        let behavior = Behavior::presses("2", When::Pause(1)).and(When::OptionsSay(2), Action::Press("1".to_owned()));
        let world = World::new(
            Switches {
                quiet_keys,
                end_event: false,
                ..Switches::default()
            },
            behavior,
        )
        .await;
        world.play(two_options()).await;
        assert_eq!(world.tones(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_in_a_verb_without_barge_in_does_not_interrupt_it() {
    for (quiet_keys, expected) in [
        (QuietKeys::Buffered, ["1"].as_slice()),
        (QuietKeys::AtOnce, &["1", "1"]),
    ] {
        let switches = Switches {
            quiet_keys,
            ..Switches::default()
        };
        let world = World::new(switches, Behavior::presses("1", When::TicketSay)).await;
        let call = world.play(call(&[collect(), say(TICKET, false), pause(5)])).await;
        assert_eq!(world.tones(), expected);
        assert!((talk_time(&call) - 7.0).abs() < 0.01);
    }
}

#[tokio::test(start_paused = true)]
async fn several_keys_are_joined_with_or_without_commas() {
    for (tone_join, expected) in [(ToneJoin::Comma, "1,2,3"), (ToneJoin::Plain, "123")] {
        let world = World::new(
            Switches {
                tone_join,
                ..Switches::default()
            },
            Behavior::presses("123#", When::Pause(1)),
        )
        .await;
        world.play(call(&[collect_until_hash(), pause(10)])).await;
        assert_eq!(world.tones()[0], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_without_a_following_hash_are_in_the_end_event_or_lost() {
    for (unsubmitted_keys_are_kept, expected) in [(true, "1"), (false, "")] {
        let switches = Switches {
            unsubmitted_keys_are_kept,
            ..Switches::default()
        };
        let world = World::new(switches, Behavior::presses("1", When::Pause(1))).await;
        world.play(call(&[collect_until_hash(), pause(10)])).await;
        assert_eq!(world.tones(), [expected]);
        let call = world.routee.calls().pop().expect("a call");
        let (_, leg) = world.get(&format!("/voice/tracking/{}", call.message_id)).await;
        assert_eq!(leg["collectedTones"], "1", "tracking always has them");
    }
}

#[tokio::test(start_paused = true)]
async fn events_of_a_new_plan_include_earlier_keys_or_not() {
    for (tones_after_replacement, expected) in [
        (TonesAfterReplacement::Cumulative, ["7", "7,1", "7,1"]),
        (TonesAfterReplacement::Reset, ["7", "1", "1"]),
    ] {
        let behavior =
            Behavior::presses("7", When::OptionsSay(1)).and(When::OptionsSay(2), Action::Press("1".to_owned()));
        let world = World::new(
            Switches {
                tones_after_replacement,
                ..Switches::default()
            },
            behavior,
        )
        .await;
        world.answer_keys(|tones| match tones {
            "7" => Reply::plan(&plan(&[collect(), say(OPTIONS, true), pause(10)])),
            _ => Reply::ok(),
        });
        world.play(two_options()).await;
        assert_eq!(world.tones(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn max_digits_keys_cause_an_event_or_not() {
    for (max_digits_submits, expected) in [(true, ["1,2", "1,2,3"].as_slice()), (false, &["1,2,3"])] {
        let switches = Switches {
            max_digits_submits,
            ..Switches::default()
        };
        let world = World::new(switches, Behavior::presses("123", When::Pause(1))).await;
        let mut two = collect();
        two["maxDigits"] = json!(2);
        world.play(call(&[two, pause(10)])).await;
        assert_eq!(world.tones(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn with_submit_on_hash_max_digits_keys_cause_no_event() {
    let switches = Switches {
        quiet_keys: QuietKeys::AtOnce,
        end_event: false,
        ..Switches::default()
    };
    let world = World::new(switches, Behavior::presses("1", When::Pause(1))).await;
    let mut one = collect_until_hash();
    one["maxDigits"] = json!(1);
    world.play(call(&[one, pause(10)])).await;
    assert_eq!(world.tones(), [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_collect_at_the_end_of_a_plan_collects_from_the_answer_or_nothing() {
    for (collect_start, expected) in [
        (CollectStart::FromAnswer, ["1", "1"].as_slice()),
        (CollectStart::FromPosition, &[""]),
    ] {
        let world = World::new(
            Switches {
                collect_start,
                ..Switches::default()
            },
            Behavior::presses("1", When::OptionsSay(1)),
        )
        .await;
        let call = world.play(published()).await;
        assert_eq!(world.tones(), expected);
        assert!(talk_time(&call) < 31.0, "the key interrupts the SAY in both cases");
        assert_eq!(call.keys.len(), 1, "and it was pressed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_collect_at_the_start_of_a_plan_works_with_both_settings() {
    for collect_start in [CollectStart::FromAnswer, CollectStart::FromPosition] {
        let world = World::new(
            Switches {
                collect_start,
                ..Switches::default()
            },
            Behavior::presses("1", When::OptionsSay(1)),
        )
        .await;
        world.play(two_options()).await;
        assert_eq!(world.tones(), ["1", "1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_invalid_reply_the_plan_continues_or_the_call_is_dropped() {
    let invalid = [
        Reply::ok(),
        Reply::with(200, "not JSON"),
        Reply::plan(&plan(&[])),
        Reply::plan(&plan(&[json!({ "type": "HANGUP" })])),
        Reply::plan(&plan(&[json!({
            "type": "SAY", "message": { "text": "Thanks.", "language": "en-US", "gender": "male" }, "bargeIn": "maybe",
        })])),
        Reply::with(500, plan(&[say("Thanks.", false)]).to_string()),
        Reply::with(204, ""),
        Reply::plan(&plan(&[say("Thanks.", false)])).late(Duration::from_millis(3100)),
    ];
    for reply in invalid {
        for (invalid_reply, ended_by, options) in [
            (InvalidReply::Continue, EndedBy::Plan, 2),
            (InvalidReply::Drop, EndedBy::InvalidReply, 1),
        ] {
            let switches = Switches {
                invalid_reply,
                ..Switches::default()
            };
            let world = World::new(switches, Behavior::presses("1", When::OptionsSay(1))).await;
            let reply = reply.clone();
            world.answer_keys(move |_| reply.clone());
            let call = world.play(two_options()).await;
            assert_eq!(call.ended_by, Some(ended_by), "{call:?}");
            assert_eq!(call.texts().iter().filter(|text| **text == OPTIONS).count(), options);
            assert!(!call.texts().contains(&"Thanks."));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_field_in_a_reply_is_ignored_or_makes_it_invalid() {
    for (refuses_unknown_fields, replaced) in [(false, true), (true, false)] {
        let switches = Switches {
            refuses_unknown_fields,
            ..Switches::default()
        };
        let world = World::new(switches, Behavior::presses("1", When::OptionsSay(1))).await;
        world.answer_keys(|_| {
            let mut thanks = say("Thanks.", false);
            thanks["timeout"] = json!(5);
            Reply::plan(&plan(&[thanks]))
        });
        assert_eq!(world.play(two_options()).await.texts().contains(&"Thanks."), replaced);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_replaces_the_plan_unless_it_is_late() {
    for (after, replaced) in [(2900, true), (3100, false)] {
        let world = World::new(Switches::default(), Behavior::presses("1", When::OptionsSay(1))).await;
        world.answer_keys(move |_| Reply::plan(&plan(&[say("Thanks.", false)])).late(Duration::from_millis(after)));
        let call = world.play(two_options()).await;
        assert_eq!(call.texts().contains(&"Thanks."), replaced, "{after}");
        let outcomes: Vec<WebhookOutcome> = world
            .routee
            .webhooks()
            .into_iter()
            .filter(|webhook| webhook.kind == WebhookKind::Collect)
            .map(|webhook| webhook.outcome)
            .collect();
        assert_eq!(
            outcomes[0],
            if replaced {
                WebhookOutcome::Answered(200)
            } else {
                WebhookOutcome::TimedOut
            }
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_collect_event_is_json_or_a_form() {
    for (collect_as_form, content_type) in [(false, "application/json"), (true, "application/x-www-form-urlencoded")] {
        let switches = Switches {
            collect_as_form,
            ..Switches::default()
        };
        let world = World::new(switches, Behavior::silent(5)).await;
        world.answer(|_| Reply::ok());
        let call = world.play(two_options()).await;
        let event = world
            .received()
            .into_iter()
            .find(|received| received.url == COLLECT_URL)
            .expect("an event");
        assert_eq!(event.content_type, content_type);
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(event.body.as_bytes())
            .into_owned()
            .collect();
        assert_eq!(
            fields.contains(&("messageId".to_owned(), call.message_id)),
            collect_as_form
        );
    }
}

#[tokio::test(start_paused = true)]
async fn from_and_to_of_a_collect_event_are_as_in_a_status_or_swapped() {
    for (collect_swaps_numbers, to) in [(false, NUMBER), (true, "302100000000")] {
        let switches = Switches {
            collect_swaps_numbers,
            ..Switches::default()
        };
        let world = World::new(switches, Behavior::silent(5)).await;
        world.play(two_options()).await;
        let event = world
            .received()
            .into_iter()
            .find(|received| received.url == COLLECT_URL)
            .expect("an event");
        assert_eq!(event.json()["to"], to);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_of_a_collect_without_an_event_url_are_only_in_tracking() {
    let world = World::new(Switches::default(), Behavior::presses("1", When::OptionsSay(1))).await;
    let call = world
        .play(call(&[
            json!({ "type": "COLLECT" }),
            say(TICKET, false),
            say(OPTIONS, true),
            pause(2),
        ]))
        .await;
    assert_eq!(world.tones(), [] as [&str; 0]);
    let (_, leg) = world.get(&format!("/voice/tracking/{}", call.message_id)).await;
    assert_eq!(leg["collectedTones"], "1");
}
