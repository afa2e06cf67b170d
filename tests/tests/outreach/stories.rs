//! One customer at a time.

use std::time::Duration;

use patchbay::interaction::{Channel, Entry, Fact, Interaction, Message, Sender, Work};
use patchbay::messaging;
use patchbay::store::Priority;
use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::exchange::Provider;
use patchbay_simulators::messages::{Answer, CreateFault, Habit, Habits, Mobiles, Target, WebhookFault};
use patchbay_simulators::phones::{Behavior, Phones, When};
use patchbay_simulators::ses::{self, Mailboxes, SendFault};
use patchbay_simulators::world::{InteractionOptions, World};
use serde_json::json;

use crate::common::{ask, get, pass, phone, settle};
use crate::{ANA, MAIL, contact, load, outcomes, phones, put_agent, put_skill, state, world};

fn mobile(habits: impl Into<Habits>) -> InteractionOptions {
    InteractionOptions {
        mobiles: Mobiles::new().with(phone(ANA), habits),
        ..InteractionOptions::default()
    }
}

fn mailbox(habit: ses::Habit) -> InteractionOptions {
    InteractionOptions {
        mailboxes: Mailboxes::new().with(MAIL, habit),
        ..InteractionOptions::default()
    }
}

/// A world in which the customer's phone is not called.
async fn writing(interactions: InteractionOptions) -> World {
    world(interactions, Phones::new()).await
}

fn texts(world: &World) -> usize {
    world.messages.messages().len()
}

#[tokio::test(start_paused = true)]
async fn an_sms_that_needs_no_answer_is_done_when_it_is_delivered() {
    for over in ["twilio", "routee"] {
        let world = writing(mobile(Habit::arrives())).await;
        put_agent(&world, over).await;
        put_skill(&world, json!({})).await;
        let id = contact(&world, "sms", ANA, MAIL).await;
        assert_eq!(texts(&world), 0, "create sends nothing");
        settle(&world).await;
        let interaction = load(&world, &id).await;
        assert_eq!((state(&interaction), texts(&world)), ("completed", 1), "{over}");
        assert_eq!(outcomes(&interaction), [("sms", "delivered")]);
        let shown = get(&world, &format!("/api/v1/calls/{id}")).await;
        assert_eq!(shown.text("/status"), "completed");
        assert_eq!(shown.text("/messages/0/content"), "Hi Ana, your order is on its way.");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_lands_in_the_interaction_and_ends_the_plan() {
    let world = writing(mobile(Habit::answers_twice("Yes, thank you.", 40))).await;
    put_skill(&world, json!({ "answer_minutes": 60, "then": ["email"] })).await;
    let id = contact(&world, "sms", ANA, MAIL).await;
    pass(&world, 300).await;
    let interaction = load(&world, &id).await;
    assert_eq!(state(&interaction), "open");
    let answers = interaction
        .thread
        .iter()
        .filter(|message| message.by == Sender::Customer);
    assert_eq!(answers.count(), 2);
    settle(&world).await;
    assert_eq!(state(&load(&world, &id).await), "completed");
    assert!(world.ses.emails().is_empty(), "the plan goes on after an answer");
}

/// The memory of the caller's context, as a voice agent reads it.
async fn memory(world: &World, number: &str) -> String {
    let by = json!({ "caller": number });
    let answer = ask(world, "POST", "/voice/api/v1/twilio/get-context", &by).await;
    answer.json["memory"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_next_voice_agent_knows_what_the_customer_answered() {
    let world = writing(mobile(Habit::answers("Yes, tomorrow.", 40))).await;
    put_skill(&world, json!({ "answer_minutes": 60 })).await;
    let context = json!({ "caller": ANA, "memory": "Sits in row F." });
    ask(&world, "POST", "/voice/api/v1/twilio/set-context", &context).await;
    // What is remembered waits for the table, however long it is unavailable.
    let throttled = Rule::new(Fault::Throttled)
        .service(Service::DynamoDb)
        .function("messenger");
    let id = contact(&world, "sms", ANA, MAIL).await;
    pass(&world, 30).await;
    world.aws.faults().plan(throttled.operation("UpdateItem").times(12));
    pass(&world, 600).await;
    let open = memory(&world, ANA).await;
    for part in [
        &format!("Interaction {id}: the agent Leo"),
        "\"Yes, tomorrow.\"",
        "Sits in row F.",
    ] {
        assert!(open.contains(part), "no {part} in {open}");
    }
    settle(&world).await;
    let ended = memory(&world, ANA).await;
    assert!(ended.contains("It has ended: completed."), "{ended}");
    assert_eq!(ended.matches("Interaction ").count(), 1, "{ended}");
    assert!(ended.ends_with("\n\nSits in row F."), "{ended}");

    put_skill(&world, json!({ "remember": false })).await;
    contact(&world, "sms", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!(memory(&world, ANA).await, ended);

    let shown = get(&world, &format!("/api/v1/calls/{id}")).await;
    let customer = format!("/v1/customers/{}", shown.text("/customerId"));
    assert_eq!(ask(&world, "DELETE", &customer, &json!(null)).await.status, 204);
    assert_eq!(memory(&world, ANA).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_customer_who_does_not_answer_is_written_to_over_the_next_channel() {
    let mut interactions = mobile(Habit::arrives());
    interactions.mailboxes = Mailboxes::new().with(MAIL, ses::Habit::arrives());
    let world = world(interactions, phones(ANA, Behavior::NeverPicksUp)).await;
    let call = json!({ "keys": [{ "key": "1", "offer": "Press 1 to confirm." }] });
    put_skill(
        &world,
        json!({ "call": call, "answer_minutes": 30, "then": ["sms", "email"] }),
    )
    .await;
    let id = contact(&world, "call", ANA, MAIL).await;
    settle(&world).await;
    let interaction = load(&world, &id).await;
    assert_eq!(
        outcomes(&interaction),
        [("call", "no_answer"), ("sms", "no_answer"), ("email", "no_answer")]
    );
    assert_eq!(state(&interaction), "no_answer");
    assert_eq!((texts(&world), world.ses.emails().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_key_in_an_announcement_is_an_answer() {
    for over in ["twilio", "routee"] {
        let behavior = Behavior::presses("1", When::OptionsSay(1));
        let world = world(InteractionOptions::default(), phones(ANA, behavior)).await;
        put_agent(&world, over).await;
        let keys = json!([{ "key": "1", "offer": "Press 1 to confirm.", "reply": "Thank you." }]);
        put_skill(&world, json!({ "call": { "keys": keys }, "then": ["sms"] })).await;
        let id = contact(&world, "call", ANA, MAIL).await;
        settle(&world).await;
        let interaction = load(&world, &id).await;
        assert_eq!(outcomes(&interaction), [("call", "answered")], "{over}");
        assert_eq!((state(&interaction), texts(&world)), ("completed", 0), "{over}");
        let answer = interaction.thread.iter().find(|message| message.by == Sender::Customer);
        assert_eq!(
            answer.map(|answer| (answer.channel, answer.text.as_str())),
            Some((Channel::Call, "1"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_opts_out_ends_all_contact() {
    let world = world(
        mobile(Habit::arrives()),
        phones(ANA, Behavior::presses("9", When::OptionsSay(1))),
    )
    .await;
    let keys = json!([{ "key": "9", "offer": "Press 9 to get no more calls.", "action": "opt_out" }]);
    put_skill(&world, json!({ "call": { "keys": keys }, "then": ["sms"] })).await;
    let id = contact(&world, "call", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!(state(&load(&world, &id).await), "opted_out");
    let again = contact(&world, "sms", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!((state(&load(&world, &again).await), texts(&world)), ("opted_out", 0));
}

/// Two keys, of which one opts out.
fn two_keys() -> serde_json::Value {
    json!([
        { "key": "1", "offer": "Press 1 to confirm." },
        { "key": "9", "offer": "Press 9 to get no more calls.", "action": "opt_out" },
    ])
}

/// A call over Routee in which a key is pressed, and none of whose keys is reported.
async fn pressed_unreported(key: &str) -> World {
    let behavior = Behavior::presses(key, When::OptionsSay(1));
    let world = world(mobile(Habit::arrives()), phones(ANA, behavior)).await;
    put_agent(&world, "routee").await;
    put_skill(&world, json!({ "call": { "keys": two_keys() }, "then": ["sms"] })).await;
    world.routee.change_faults(|faults| faults.collect.lose_for_good = 1.0);
    world
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_report_is_lost_counts() {
    for lost_statuses in [0.0, 1.0] {
        for (key, end) in [("1", "completed"), ("9", "opted_out"), ("5", "completed")] {
            let world = pressed_unreported(key).await;
            let lose = |faults: &mut patchbay_simulators::routee::Faults| faults.status.lose_for_good = lost_statuses;
            world.routee.change_faults(lose);
            let id = contact(&world, "call", ANA, MAIL).await;
            settle(&world).await;
            let sent = usize::from(key == "5");
            assert_eq!((state(&load(&world, &id).await), texts(&world)), (end, sent), "{key}");
            if key == "9" {
                let again = contact(&world, "sms", ANA, MAIL).await;
                settle(&world).await;
                assert_eq!((state(&load(&world, &again).await), texts(&world)), ("opted_out", 0));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_key_is_asked_for_until_the_provider_answers() {
    let world = pressed_unreported("9").await;
    let now = world.clock.now();
    let queries = Rule::new(Fault::InternalError).service(Service::Http).operation("GET");
    world.aws.faults().plan(queries.during(now..now.plus_seconds(900)));
    let id = contact(&world, "call", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!((state(&load(&world, &id).await), texts(&world)), ("opted_out", 0));
}

#[tokio::test(start_paused = true)]
async fn a_text_that_was_sent_although_the_provider_refused_it_is_not_sent_again() {
    for over in ["twilio", "routee"] {
        let world = writing(mobile(Habit::answers("Yes", 30))).await;
        put_agent(&world, over).await;
        put_skill(&world, json!({ "answer_minutes": 60 })).await;
        world.messages.fail_next_create(CreateFault::ThrottledAndSent);
        let id = contact(&world, "sms", ANA, MAIL).await;
        settle(&world).await;
        let interaction = load(&world, &id).await;
        assert_eq!(outcomes(&interaction), [("sms", "answered")], "{over}");
        assert_eq!(texts(&world), 1, "{over}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_whose_result_and_reports_are_lost_is_found() {
    let world = writing(mobile(Habit::arrives())).await;
    put_skill(&world, json!({ "then": ["email"] })).await;
    world.messages.fail_next_create(CreateFault::NoAnswer { sent: true });
    world.messages.change_faults(|faults| faults.status.lose_for_good = 1.0);
    let id = contact(&world, "sms", ANA, MAIL).await;
    settle(&world).await;
    let interaction = load(&world, &id).await;
    assert_eq!(outcomes(&interaction), [("sms", "delivered")]);
    assert_eq!((texts(&world), world.ses.audit().emails.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn customers_are_called_also_while_calls_to_employees_never_end() {
    let world = world(InteractionOptions::default(), phones(ANA, Behavior::silent(2))).await;
    put_skill(&world, json!({})).await;
    let (store, interval) = (world.store.clone(), 1_000);
    let reserve = || store.reserve_slot("twilio", interval, Priority::First, world.clock.now());
    for _ in 0..120 {
        reserve().await.unwrap();
    }
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(contact(&world, "call", ANA, MAIL).await);
    }
    // As many calls to employees as the pace allows, for five minutes.
    for _ in 0..300 {
        reserve().await.unwrap();
        pass(&world, 1).await;
    }
    for id in ids {
        assert_eq!(state(&load(&world, &id).await), "completed");
    }
    // No more than their share: the backlog grows by each slot and the one that is given up for it.
    let end = world.store.backlog_end("twilio").await.unwrap().unwrap();
    assert!(end <= world.clock.now().plus_seconds(120 + 2 * 3 + 1), "{end}");
}

#[tokio::test(start_paused = true)]
async fn stop_by_sms_holds_for_every_later_interaction() {
    let world = writing(mobile(Habit::stops(30))).await;
    put_skill(&world, json!({ "answer_minutes": 60 })).await;
    let first = contact(&world, "sms", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!(state(&load(&world, &first).await), "opted_out");
    for channel in ["sms", "call", "whatsapp", "email"] {
        let id = contact(&world, channel, ANA, MAIL).await;
        settle(&world).await;
        assert_eq!(state(&load(&world, &id).await), "opted_out", "{channel}");
    }
    assert_eq!((texts(&world), world.ses.emails().len()), (1, 0));
    // START ends the block of the provider and ours.
    let start = Answer::new("START", 1);
    world
        .messages
        .write(Provider::Twilio, messaging::Channel::Sms, ANA, "+12025550100", start);
    pass(&world, 10).await;
    contact(&world, "sms", ANA, MAIL).await;
    pass(&world, 20).await;
    assert_eq!(texts(&world), 2);
}

#[tokio::test(start_paused = true)]
async fn an_opt_out_that_the_api_undoes_still_holds_at_the_provider() {
    let world = writing(mobile(Habit::stops(30).then(Habit::opted_out()))).await;
    put_skill(&world, json!({ "answer_minutes": 60 })).await;
    contact(&world, "sms", ANA, MAIL).await;
    settle(&world).await;
    let undone = ask(
        &world,
        "DELETE",
        &format!("/v1/opt-outs/{ANA}"),
        &serde_json::Value::Null,
    )
    .await;
    assert_eq!(undone.status, 204, "{undone:?}");
    let id = contact(&world, "sms", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!((state(&load(&world, &id).await), texts(&world)), ("opted_out", 1));
}

#[tokio::test(start_paused = true)]
async fn an_unclear_answer_is_never_sent_again_and_a_status_settles_it() {
    let world = writing(mobile(Habit::arrives_after(90))).await;
    put_skill(&world, json!({})).await;
    world
        .messages
        .fail_next_create(CreateFault::InternalError { sent: true });
    let id = contact(&world, "sms", ANA, MAIL).await;
    settle(&world).await;
    let interaction = load(&world, &id).await;
    assert_eq!((state(&interaction), texts(&world)), ("completed", 1));
    let timeline = world
        .store
        .timeline_of::<Interaction>(&interaction.key, None, 50)
        .await
        .unwrap();
    let is_unclear = |entry: &Entry| matches!(entry.fact, Fact::Unclear { .. });
    assert!(timeline.entries.iter().any(is_unclear), "it was clear: {timeline:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unclear_answer_without_a_message_ends_as_unclear_or_goes_on() {
    let world = writing(InteractionOptions {
        mailboxes: Mailboxes::new().with(MAIL, ses::Habit::arrives()),
        ..mobile(Habit::arrives())
    })
    .await;
    put_skill(&world, json!({ "then": ["email"] })).await;
    world.messages.fail_next_create(CreateFault::NoAnswer { sent: false });
    let id = contact(&world, "sms", ANA, MAIL).await;
    settle(&world).await;
    let interaction = load(&world, &id).await;
    assert_eq!(outcomes(&interaction), [("sms", "unclear"), ("email", "delivered")]);
    assert_eq!(texts(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_are_tried_again_later() {
    let world = writing(mobile(Habit::arrives())).await;
    put_skill(&world, json!({})).await;
    for _ in 0..3 {
        world.messages.fail_next_create(CreateFault::TooManyRequests);
    }
    let id = contact(&world, "sms", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!((state(&load(&world, &id).await), texts(&world)), ("completed", 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_outside_of_hours() {
    // The world begins on Monday, 23 November 2026 at 03:00 UTC: ten in the evening in Washington.
    let world = writing(mobile(Habit::arrives())).await;
    let periods = json!([{ "days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "until": "20:00" }]);
    put_skill(&world, json!({ "hours": { "zone": "callee", "periods": periods } })).await;
    let id = contact(&world, "sms", ANA, MAIL).await;
    pass(&world, 3_600).await;
    assert_eq!((state(&load(&world, &id).await), texts(&world)), ("scheduled", 0));
    settle(&world).await;
    assert_eq!(state(&load(&world, &id).await), "completed");
    let sent = world.messages.messages().first().unwrap().at;
    assert_eq!(
        sent.to_string().get(..16),
        Some("2026-11-23T14:00"),
        "nine in Washington"
    );
}

#[tokio::test(start_paused = true)]
async fn an_email_keeps_the_hours_at_the_customers_number_or_needs_a_named_zone() {
    let world = writing(mailbox(ses::Habit::arrives())).await;
    let hours = |zone: &str| {
        let periods = json!([{ "days": ["sun"], "from": "20:00", "until": "23:00" }]);
        json!({ "hours": { "zone": zone, "periods": periods } })
    };
    put_skill(&world, hours("callee")).await;
    // It is Sunday evening in Washington.
    let id = contact(&world, "email", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!(state(&load(&world, &id).await), "completed");
    let body = json!({
        "agentId": "leo", "channel": "email", "skillId": "delivery",
        "customerOverride": { "firstName": "Bo", "email": "bo@example.net" },
    });
    let answer = ask(&world, "POST", "/api/v1/calls", &body).await;
    settle(&world).await;
    assert_eq!(
        state(&load(&world, answer.text("/id")).await),
        "refused",
        "nobody knows where Bo is"
    );
    assert_eq!(world.ses.emails().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whatsapp_without_a_template_needs_a_message_of_the_customer() {
    let world = writing(mobile(Habit::arrives())).await;
    put_skill(&world, json!({})).await;
    let id = contact(&world, "whatsapp", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!((state(&load(&world, &id).await), texts(&world)), ("refused", 0));
    let template = json!({ "template": "HX00000000000000000000000000000001", "variables": { "1": "{{firstName}}" } });
    put_skill(&world, json!({ "whatsapp": template })).await;
    let id = contact(&world, "whatsapp", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!((state(&load(&world, &id).await), texts(&world)), ("completed", 1));
}

#[tokio::test(start_paused = true)]
async fn an_email_is_sent_once_and_its_events_tell_its_outcome() {
    let world = writing(mailbox(ses::Habit::arrives())).await;
    put_skill(&world, json!({})).await;
    world.ses.fail_next_send(SendFault::NoAnswer { sent: true });
    let id = contact(&world, "email", ANA, MAIL).await;
    settle(&world).await;
    let interaction = load(&world, &id).await;
    assert_eq!((state(&interaction), world.ses.emails().len()), ("completed", 1));
    assert_eq!(outcomes(&interaction), [("email", "delivered")]);
}

#[tokio::test(start_paused = true)]
async fn an_email_that_bounces_goes_on_by_sms() {
    let mut interactions = mailbox(ses::Habit::bounces());
    interactions.mobiles = Mobiles::new().with(phone(ANA), Habit::arrives());
    let world = writing(interactions).await;
    put_skill(&world, json!({ "then": ["sms"] })).await;
    let id = contact(&world, "email", ANA, MAIL).await;
    settle(&world).await;
    let interaction = load(&world, &id).await;
    assert_eq!(outcomes(&interaction), [("email", "failed"), ("sms", "delivered")]);
}

#[tokio::test(start_paused = true)]
async fn the_opt_out_button_of_an_email_holds_for_the_next_one() {
    let world = writing(mailbox(ses::Habit::opts_out(60))).await;
    put_skill(&world, json!({ "answer_minutes": 60 })).await;
    let id = contact(&world, "email", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!(state(&load(&world, &id).await), "opted_out");
    let id = contact(&world, "email", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!(
        (state(&load(&world, &id).await), world.ses.emails().len()),
        ("opted_out", 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_report_is_asked_for_when_it_is_due() {
    let world = writing(mobile(Habit::arrives())).await;
    put_skill(&world, json!({})).await;
    for _ in 0..8 {
        world.messages.fail_next_webhook(Target::AnyStatus, WebhookFault::Lose);
    }
    let id = contact(&world, "sms", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!(outcomes(&load(&world, &id).await), [("sms", "delivered")]);
}

#[tokio::test(start_paused = true)]
async fn an_interaction_that_is_canceled_in_time_sends_nothing() {
    let world = writing(mobile(Habit::arrives())).await;
    let periods = json!([{ "days": ["fri"], "from": "09:00", "until": "20:00" }]);
    put_skill(
        &world,
        json!({ "hours": { "zone": "UTC", "periods": periods }, "expires_minutes": 10_080 }),
    )
    .await;
    let id = contact(&world, "sms", ANA, MAIL).await;
    pass(&world, 60).await;
    let answer = ask(
        &world,
        "PUT",
        &format!("/api/v1/calls/{id}"),
        &json!({ "status": "canceled" }),
    )
    .await;
    assert_eq!((answer.status, answer.text("/status")), (200, "canceled"), "{answer:?}");
    pass(&world, 7 * 86_400).await;
    assert_eq!(texts(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn an_interaction_over_elemente_is_polled_until_it_ends() {
    let world = writing(InteractionOptions::default()).await;
    let sender = json!({ "over": "elemente", "agent_id": "a-1", "skill_id": "s-1" });
    let agent = json!({ "name": "Leo", "channels": { "call": sender, "webchat": sender } });
    ask(&world, "PUT", "/v1/agents/leo", &agent).await;
    put_skill(&world, json!({})).await;
    for channel in ["call", "webchat"] {
        let id = contact(&world, channel, ANA, MAIL).await;
        settle(&world).await;
        assert_eq!(state(&load(&world, &id).await), "completed", "{channel}");
    }
    assert_eq!(world.elemente.interactions().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_one_interaction_is_none_to_another_over_elemente() {
    let world = writing(mobile(Habit::answers("Yes", 300))).await;
    put_skill(&world, json!({ "answer_minutes": 60 })).await;
    let ours = contact(&world, "sms", ANA, MAIL).await;
    pass(&world, 60).await;
    let sender = json!({ "over": "elemente", "agent_id": "a-1", "skill_id": "s-1" });
    let agent = json!({ "name": "Leo", "channels": { "sms": sender } });
    ask(&world, "PUT", "/v1/agents/leo", &agent).await;
    let theirs = contact(&world, "sms", ANA, MAIL).await;
    pass(&world, 600).await;
    assert_eq!(state(&load(&world, &ours).await), "open");
    let theirs = load(&world, &theirs).await;
    assert!(theirs.thread.iter().all(|message| message.by == Sender::Agent));
}

#[tokio::test(start_paused = true)]
async fn a_text_is_not_valid_longer_than_its_interaction() {
    let world = writing(mobile(Habit::arrives())).await;
    put_skill(&world, json!({ "expires_minutes": 5 })).await;
    contact(&world, "sms", ANA, MAIL).await;
    pass(&world, 30).await;
    let requests = world.messages.requests();
    let create = requests.iter().find(|request| request.method == "POST").unwrap();
    let mut fields = create.body.split('&').filter_map(|field| field.split_once('='));
    let (_, validity) = fields.find(|(name, _)| *name == "ValidityPeriod").unwrap();
    let seconds: u32 = validity.parse().unwrap();
    assert!((200..=300).contains(&seconds), "{seconds}");
}

/// A call in which a key is pressed while the webhooks cannot reach the table.
async fn pressed_without_the_table(key: &str) -> (World, String) {
    let behavior = Behavior::presses(key, When::OptionsSay(1));
    let world = world(mobile(Habit::arrives()), phones(ANA, behavior)).await;
    let keys = json!([
        { "key": "1", "offer": "Press 1 to confirm." },
        { "key": "2", "offer": "Press 2 to hear it again.", "action": "repeat" },
        { "key": "9", "offer": "Press 9 to get no more calls.", "action": "opt_out" },
    ]);
    put_skill(&world, json!({ "call": { "keys": keys }, "then": ["sms"] })).await;
    let id = contact(&world, "call", ANA, MAIL).await;
    let now = world.clock.now();
    let outage = Rule::new(Fault::InternalError)
        .service(Service::DynamoDb)
        .function("message-event");
    world.aws.faults().plan(outage.during(now..now.plus_seconds(120)));
    settle(&world).await;
    (world, id)
}

#[tokio::test(start_paused = true)]
async fn a_key_counts_although_the_table_could_not_be_reached() {
    let (world, id) = pressed_without_the_table("1").await;
    assert_eq!(outcomes(&load(&world, &id).await), [("call", "answered")]);
    let (world, id) = pressed_without_the_table("9").await;
    assert_eq!(state(&load(&world, &id).await), "opted_out");
    let again = contact(&world, "sms", ANA, MAIL).await;
    settle(&world).await;
    assert_eq!((state(&load(&world, &again).await), texts(&world)), ("opted_out", 0));
    for key in ["2", "5"] {
        let (world, id) = pressed_without_the_table(key).await;
        assert_eq!(
            outcomes(&load(&world, &id).await),
            [("call", "no_key"), ("sms", "delivered")],
            "{key}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_another_back_end_leads_ends_with_its_interaction() {
    let world = writing(InteractionOptions::default()).await;
    let agent = json!({
        "name": "Leo", "channels": { "sms": { "over": "elemente", "agent_id": "a-1", "skill_id": "s-1" } },
    });
    ask(&world, "PUT", "/v1/agents/leo", &agent).await;
    put_skill(&world, json!({})).await;
    let id = contact(&world, "sms", ANA, MAIL).await;
    pass(&world, 5).await;
    let canceled = ask(
        &world,
        "PUT",
        &format!("/api/v1/calls/{id}"),
        &json!({ "status": "canceled" }),
    )
    .await;
    assert_eq!(canceled.status, 200, "{canceled:?}");
    settle(&world).await;
    let statuses = world
        .elemente
        .interactions()
        .into_iter()
        .map(|theirs| theirs.set_status);
    assert_eq!(statuses.collect::<Vec<_>>(), [Some("canceled".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_delivered_twice_takes_no_answers_from_a_newer_interaction() {
    let world = writing(mobile(Habit::arrives().then(Habit::answers("Yes", 300)))).await;
    put_skill(&world, json!({ "answer_minutes": 60 })).await;
    let older = contact(&world, "sms", ANA, MAIL).await;
    pass(&world, 60).await;
    let newer = contact(&world, "sms", ANA, MAIL).await;
    pass(&world, 60).await;
    let sent = load(&world, &older).await;
    let attempt = sent.attempt.unwrap().id;
    let again = Message::at_once(sent.key, Work::Send { attempt }, world.clock.now());
    let queue = world.aws.sqs().queue("interactions").unwrap();
    queue.put(serde_json::to_string(&again).unwrap(), Duration::ZERO);
    pass(&world, 600).await;
    assert_eq!(state(&load(&world, &newer).await), "open");
    assert_eq!((state(&load(&world, &older).await), texts(&world)), ("sent", 2));
}
