//! Webhooks about interactions.

use std::time::Duration;

use notifier::payload::interaction::payload;
use patchbay::ids::{InteractionId, InteractionKey, Nonce};
use patchbay::interaction::{
    Agent, Attempt, AttemptOutcome, Channel, Customer, EndReason, Entry, Fact, Interaction, Leg, NewInteraction,
    Parties, Plan, Progress, State, create,
};
use patchbay::interaction::{Content, DecisionContext};
use patchbay::webhook::{DeliveryStatus, Notice, Strategy, Webhook};
use serde_json::{Value, json};

use crate::handle::{next, only_dead_letter};
use crate::support::{Answer, START, URL, World, message, signer, world};

const NONE: [&str; 0] = [];
const ATTEMPT: Nonce = Nonce::new(1);

fn interaction() -> Interaction {
    let leg = Leg {
        channel: Channel::Sms,
        back_end: "carrier".to_owned(),
        from: "+12025550100".to_owned(),
        to: "+12025550143".to_owned(),
        content: Content::Text {
            text: "Your order is on its way.".to_owned(),
        },
        attempts: 1,
        retry_seconds: 60,
        outcome_seconds: 600,
        answer_seconds: Some(600),
        is_polled: false,
    };
    let new = NewInteraction {
        parties: Parties {
            agent: Agent {
                id: "leo".to_owned(),
                name: "Leo".to_owned(),
                phone: "+12025550100".to_owned(),
                email: String::new(),
            },
            skill: "delivery".to_owned(),
            customer: Customer {
                id: "c1".to_owned(),
                name: "Ana Ruiz".to_owned(),
                phone: "+12025550143".to_owned(),
                ..Customer::default()
            },
        },
        plan: Plan {
            legs: vec![leg],
            not_before: START,
            latest_at: START.plus_seconds(3_600),
            remember: false,
            time_zone: None,
            hours_bypass: None,
        },
        note: String::new(),
        webhook: Some(Webhook {
            url: URL.to_owned(),
            strategy: Strategy::OnStatus,
        }),
        blank_variables: Vec::new(),
        unused_fields: Vec::new(),
    };
    let key = InteractionKey {
        tenant: "acme".parse().expect("tenant"),
        id: InteractionId::new(0x2a),
    };
    let context = DecisionContext {
        now: START,
        nonce: ATTEMPT,
    };
    let decision = create(key, new, context).expect("a decision");
    decision.next.expect("an interaction")
}

/// The second entry of the commit that made version 3.
fn entry(fact: Fact) -> Entry {
    Entry {
        id: "0000000003-001".to_owned(),
        at: START,
        fact,
    }
}

fn received() -> Fact {
    Fact::Received {
        message: "+12025550143-1".to_owned(),
        channel: Channel::Sms,
        text: "Where is it?".to_owned(),
        is_cut: false,
        is_opt_out: false,
    }
}

fn progressed(progress: Progress) -> Fact {
    Fact::Progressed {
        attempt: ATTEMPT,
        channel: Some(Channel::Sms),
        progress,
    }
}

fn notice(entry: &Entry) -> Notice {
    Notice::first(interaction().key.into(), entry.id.clone(), START)
}

/// A world with [`interaction`], one entry of its timeline, and a receiver that follows `script`.
fn world_of(fact: Fact, script: &[Answer]) -> (World, Entry) {
    let (mut world, entry) = (world(Vec::new(), script), entry(fact));
    world.deps.store.interaction = Some(interaction());
    world.deps.store.interaction_entries = vec![entry.clone()];
    (world, entry)
}

fn body(event_type: &str, more: &Value) -> Value {
    let mut body = json!({
        "type": event_type,
        "timestamp": "2027-01-15T08:00:00.000Z",
        "data": {
            "interaction": "00000000-0000-8000-8000-00000000002a",
            "skill": "delivery",
            "sequence": 3_001,
            "at": "2027-01-15T08:00:00.000Z",
        },
    });
    for (name, value) in more.as_object().expect("an object") {
        body["data"][name] = value.clone();
    }
    body
}

#[test]
fn every_event_says_what_happened_and_never_who_the_customer_is() {
    let attempt = json!({ "id": ATTEMPT });
    let changed = |to| Fact::StateChanged {
        from: State::Scheduled,
        to,
    };
    let outcome = AttemptOutcome::Failed {
        detail: "+12025550143 is no mobile number".to_owned(),
    };
    for (fact, event_type, more) in [
        (
            changed(State::Sending),
            "sending",
            json!({ "state": "sending", "status": "processing" }),
        ),
        (
            changed(State::Sent),
            "sent",
            json!({ "state": "sent", "status": "in-progress" }),
        ),
        (
            changed(State::Open),
            "opened",
            json!({ "state": "open", "status": "open" }),
        ),
        (
            changed(State::Unknown),
            "unknown",
            json!({ "state": "unknown", "status": "stalled" }),
        ),
        (
            changed(State::ended(EndReason::OptedOut)),
            "ended",
            json!({ "state": "ended", "status": "canceled", "reason": "opted_out" }),
        ),
        (
            Fact::AttemptEnded {
                attempt: ATTEMPT,
                channel: Channel::Sms,
                outcome: outcome.clone(),
            },
            "attempt_ended",
            json!({ "attempt": attempt, "channel": "sms", "reason": "failed" }),
        ),
        (
            Fact::SettledLate {
                attempt: ATTEMPT,
                channel: Some(Channel::Sms),
                outcome: outcome.clone(),
            },
            "attempt_settled",
            json!({ "attempt": attempt, "channel": "sms", "reason": "failed" }),
        ),
        (
            Fact::SettledLate {
                attempt: ATTEMPT,
                channel: None,
                outcome,
            },
            "attempt_settled",
            json!({ "attempt": attempt, "reason": "failed" }),
        ),
        (
            progressed(Progress::Read),
            "progressed",
            json!({ "attempt": attempt, "channel": "sms", "progress": "read" }),
        ),
        (
            received(),
            "received",
            json!({ "channel": "sms", "text": "Where is it?" }),
        ),
        (
            Fact::Received {
                message: "m".to_owned(),
                channel: Channel::Sms,
                text: "STOP".to_owned(),
                is_cut: true,
                is_opt_out: true,
            },
            "received",
            json!({ "channel": "sms", "text": "STOP", "cut": true, "opt_out": true }),
        ),
    ] {
        let shown = payload(&interaction(), &entry(fact)).expect("a payload");
        assert_eq!(shown, body(&format!("interaction.{event_type}"), &more));
        for private in ["+1202555", "Ana", "c1", "Your order"] {
            assert!(!shown.to_string().contains(private), "{shown}");
        }
    }
    let note = Fact::NoteChanged { note: "n".to_owned() };
    assert_eq!(payload(&interaction(), &entry(note)), None);
}

#[tokio::test(start_paused = true)]
async fn every_retry_has_the_id_and_the_body_of_the_first_attempt_whatever_has_happened_since() {
    let (mut world, entry) = world_of(received(), &[Answer::Status(500)]);
    assert_eq!(world.handle(vec![message("m-1", &notice(&entry))]).await, NONE);
    let again = next(&world);
    let interaction = world.deps.store.interaction.as_mut().expect("an interaction");
    interaction.version = 9;
    interaction.state = State::ended(EndReason::Resolved);
    interaction.attempt = None;
    interaction.parties.agent.id = "mia".to_owned();
    world.deps.clock.sleep_until(again.due_at).await;
    assert_eq!(world.handle(vec![message("m-2", &again)]).await, NONE);
    let got = world.receiver.got.lock().expect("not poisoned");
    let [first, second] = &got[..] else { panic!("{got:?}") };
    assert_eq!(first.headers()["webhook-id"], second.headers()["webhook-id"]);
    assert_eq!(first.body(), second.body());
    assert_eq!(signer().verify(first.headers(), first.body(), START), Ok(()));
    let shown: Value = serde_json::from_slice(first.body()).expect("JSON");
    let more = json!({ "channel": "sms", "text": "Where is it?" });
    assert_eq!(shown, body("interaction.received", &more));
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_answers_is_not_kept() {
    let answer = Answer::Says(400, "no such order: Where is it?");
    let (world, entry) = world_of(received(), &[answer]);
    assert_eq!(world.handle(vec![message("m-1", &notice(&entry))]).await, NONE);
    let deliveries = world.deps.store.deliveries.lock().expect("not poisoned");
    assert_eq!(deliveries[&entry.id].answer, "400 Bad Request");
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_out_of_date_is_not_delivered() {
    for (progress, visits) in [(None, 1), (Some(Progress::Delivered), 1), (Some(Progress::Read), 0)] {
        let (mut world, entry) = world_of(progressed(Progress::Delivered), &[]);
        let interaction = world.deps.store.interaction.as_mut().expect("an interaction");
        interaction.attempt = Some(Attempt {
            progress,
            ..Attempt::planned(ATTEMPT, 0, START)
        });
        assert_eq!(world.handle(vec![message("m-1", &notice(&entry))]).await, NONE);
        assert_eq!(world.receiver.visits(), visits, "{progress:?}");
        let outcome = world.deps.store.deliveries.lock().expect("not poisoned")[&entry.id].outcome;
        assert_eq!(outcome == DeliveryStatus::Superseded, visits == 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_webhook_is_a_dead_letter_without_private_data() {
    let (world, entry) = world_of(received(), &[Answer::Status(410)]);
    assert_eq!(world.handle(vec![message("m-1", &notice(&entry))]).await, NONE);
    let letter = only_dead_letter(&world);
    assert_eq!((letter.subject, letter.entry), (interaction().key.into(), entry.id));
}

/// The customer was forgotten: the interaction is blank, and its entries are gone.
#[tokio::test(start_paused = true)]
async fn a_notice_about_a_forgotten_interaction_ends_quietly() {
    let (mut world, entry) = world_of(received(), &[]);
    world.deps.store.interaction.as_mut().expect("an interaction").webhook = None;
    assert_eq!(world.handle(vec![message("m-1", &notice(&entry))]).await, NONE);
    world.deps.store.interaction_entries.clear();
    world.deps.clock.sleep(Duration::from_mins(5)).await;
    assert_eq!(world.handle(vec![message("m-2", &notice(&entry))]).await, NONE);
    assert_eq!(
        (world.receiver.visits(), world.sent(), world.dead()),
        (0, Vec::new(), Vec::new())
    );
    assert!(world.deps.store.deliveries.lock().expect("not poisoned").is_empty());
}
