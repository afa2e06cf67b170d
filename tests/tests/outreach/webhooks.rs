//! What the requester receives about interactions.

use std::collections::BTreeMap;
use std::time::Duration;

use patchbay::interaction::Interaction;
use patchbay::webhook::event_id;
use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::messages::{Habit, Mobiles};
use patchbay_simulators::phones::Behavior;
use patchbay_simulators::ses::{self, Mailboxes};
use patchbay_simulators::world::{InteractionOptions, World};
use serde_json::{Value, json};

use crate::common::{get, pass, phone, settle, text};
use crate::{ANA, MAIL, contact, load, outcomes, phones, put_skill, world};

/// A webhook of a skill.
pub(crate) fn webhook(strategy: &str) -> Value {
    json!({ "url": "https://requester.example.org/hook", "strategy": strategy })
}

/// What is wrong with the webhooks that the requester has got about these interactions.
pub(crate) async fn breaches(world: &World, ids: &[String]) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut got: BTreeMap<String, Value> = BTreeMap::new();
    for notification in world.notifications() {
        let (headers, body) = (notification.request.headers(), notification.request.body());
        if let Err(error) = world.signer.verify(headers, body, notification.at) {
            breaches.push(format!("a wrong signature: {error}"));
        }
        let id = headers["webhook-id"].to_str().unwrap().to_owned();
        let earlier = got.insert(id.clone(), notification.json());
        if earlier.is_some_and(|earlier| earlier != notification.json()) {
            breaches.push(format!("{id} came again with another body"));
        }
    }
    for id in ids {
        let interaction = load(world, id).await;
        let page = world
            .store
            .timeline_of::<Interaction>(&interaction.key, None, 1_000)
            .await;
        let page = page.unwrap();
        assert_eq!(page.next_cursor, None, "a longer timeline than the audit reads");
        let mut last = 0;
        for entry in page.entries {
            let Some(event) = interaction.event(&entry) else {
                continue;
            };
            let delivered = got.remove(&event_id(&interaction.key.clone().into(), &event.entry));
            match delivered {
                Some(body) if body["data"]["sequence"] != json!(event.sequence) => {
                    breaches.push(format!(
                        "{id}: {} is numbered {}",
                        event.entry, body["data"]["sequence"]
                    ));
                }
                None if !interaction.has_superseded(&entry) => {
                    breaches.push(format!("{id}: {} ({}) is missing", event.event_type, event.entry));
                }
                _ => {}
            }
            let sequence = event.sequence.unwrap_or(0);
            if sequence <= last {
                breaches.push(format!("{id}: {sequence} comes after {last}"));
            }
            last = sequence;
        }
    }
    let unknown = got.into_values().map(|body| format!("about no event: {body}"));
    breaches.extend(unknown);
    breaches
}

#[tokio::test(start_paused = true)]
async fn the_story_of_a_plan_arrives_complete_at_a_receiver_that_was_down_for_an_hour() {
    let interactions = InteractionOptions {
        mobiles: Mobiles::new().with(phone(ANA), Habit::answers("Thank you.", 60)),
        mailboxes: Mailboxes::new().with(MAIL, ses::Habit::arrives()),
        ..InteractionOptions::default()
    };
    let world = world(interactions, phones(ANA, Behavior::NeverPicksUp)).await;
    let keys = json!([{ "key": "1", "offer": "Press 1 to confirm." }]);
    let then = json!(["sms", "email"]);
    put_skill(
        &world,
        json!({ "call": { "keys": keys }, "answer_minutes": 30, "then": then, "webhook": webhook("OnChange") }),
    )
    .await;
    let notifier = |fault| Rule::new(fault).service(Service::Http).function("notifier");
    // It gets the first one, but its answer is lost.
    world.aws.faults().plan(notifier(Fault::LostAnswer).times(1));
    world.aws.faults().plan(notifier(Fault::Refused).times(u32::MAX));
    let id = contact(&world, "call", ANA, MAIL).await;
    pass(&world, 3_600).await;
    assert_eq!(
        outcomes(&load(&world, &id).await),
        [("call", "no_answer"), ("sms", "answered")]
    );
    assert_eq!(world.notifications().len(), 1, "the receiver is down");
    world.aws.faults().clear();
    settle(&world).await;
    assert_eq!(breaches(&world, std::slice::from_ref(&id)).await, Vec::<String>::new());
    let all = world.notifications();
    let mut bodies: BTreeMap<u64, Value> = BTreeMap::new();
    for notification in &all {
        let body = notification.json();
        bodies.insert(body["data"]["sequence"].as_u64().unwrap(), body);
    }
    assert_eq!(all.len(), bodies.len() + 1, "one came twice");
    let shown: Vec<Value> = bodies
        .values()
        .map(|body| {
            assert_eq!(text(body, "/data/interaction"), id);
            let field = |name: &str| body["data"].get(name).cloned().unwrap_or_default();
            json!([text(body, "/type"), field("channel"), field("reason"), field("text")])
        })
        .collect();
    let changed = |name: &str| json!([format!("interaction.{name}"), null, null, null]);
    assert_eq!(
        shown,
        [
            changed("sending"),
            changed("sent"),
            json!(["interaction.attempt_ended", "call", "no_answer", null]),
            json!(["interaction.received", "sms", null, "Thank you."]),
            json!(["interaction.attempt_ended", "sms", "answered", null]),
            changed("opened"),
            json!(["interaction.ended", null, "completed", null]),
        ]
    );
    let listed = get(&world, &format!("/v1/interactions/{id}/webhooks")).await;
    let listed = listed.json["webhooks"].as_array().unwrap().clone();
    assert!(
        listed.iter().all(|webhook| text(webhook, "/status") == "Delivered"),
        "{listed:?}"
    );
    assert_eq!(listed.len(), bodies.len());
}

#[tokio::test(start_paused = true)]
async fn notices_that_cannot_be_sent_are_forwarded_by_the_messenger() {
    let interactions = InteractionOptions {
        mobiles: Mobiles::new().with(phone(ANA), Habit::arrives()),
        ..InteractionOptions::default()
    };
    let world = world(interactions, patchbay_simulators::phones::Phones::new()).await;
    put_skill(&world, json!({ "webhook": webhook("OnStatus") })).await;
    let queue = Rule::new(Fault::Refused).service(Service::Sqs).target("notifications");
    world.aws.faults().plan(queue.times(u32::MAX));
    let id = contact(&world, "sms", ANA, MAIL).await;
    pass(&world, 600).await;
    let interaction = load(&world, &id).await;
    assert!(
        interaction.state.is_terminal(),
        "a webhook holds up an interaction: {interaction:?}"
    );
    assert_eq!(world.notifications().len(), 0);
    world.aws.faults().clear();
    world.clock.sleep(Duration::from_mins(10)).await;
    settle(&world).await;
    assert_eq!(breaches(&world, &[id]).await, Vec::<String>::new());
    assert!(world.notifications().len() >= 4);
}
