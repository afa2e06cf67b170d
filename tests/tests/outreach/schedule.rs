//! When something is sent: as the request says.

use patchbay::clock::Timestamp;
use patchbay::interaction::{Fact, Interaction};
use patchbay_simulators::messages::{CreateFault, Habit, Mobiles};
use patchbay_simulators::phones::Phones;
use patchbay_simulators::world::{InteractionOptions, World};
use serde_json::{Value, json};

use crate::common::{ask, get, pass, phone, settle};
use crate::{ANA, load, put_skill, state, world};

const HOURS: u64 = 3_600;

async fn reachable() -> World {
    let interactions = InteractionOptions {
        mobiles: Mobiles::new().with(phone(ANA), Habit::arrives()),
        ..InteractionOptions::default()
    };
    world(interactions, Phones::new()).await
}

/// Contacts the customer by SMS, with these fields besides.
async fn contact(world: &World, fields: &Value) -> String {
    let mut body = json!({
        "agentId": "leo", "channel": "sms", "skillId": "delivery",
        "customerOverride": { "firstName": "Ana", "phoneNumber": ANA },
    });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = ask(world, "POST", "/api/v1/calls", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text("/id").to_owned()
}

fn later(world: &World, hours: u32) -> Timestamp {
    world.clock.now().plus_seconds(hours * 3_600)
}

#[tokio::test(start_paused = true)]
async fn what_is_scheduled_is_sent_then_and_not_before() {
    let world = reachable().await;
    put_skill(&world, json!({ "expires_minutes": 60 })).await;
    let at = later(&world, 30);
    let id = contact(&world, &json!({ "scheduleAt": at })).await;
    pass(&world, 29 * HOURS).await;
    assert!(world.messages.messages().is_empty());
    assert_eq!(state(&load(&world, &id).await), "scheduled");
    settle(&world).await;
    assert_eq!(state(&load(&world, &id).await), "completed");
    let sent = &world.messages.messages()[0].at;
    assert!(*sent >= at && *sent < at.plus_seconds(60), "{sent} {at}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_latest_time_of_the_request() {
    let world = reachable().await;
    put_skill(&world, json!({})).await;
    world
        .messages
        .change_faults(|faults| faults.create = vec![(1.0, CreateFault::TooManyRequests)]);
    let id = contact(&world, &json!({ "latestAt": later(&world, 2) })).await;
    pass(&world, 3 * HOURS).await;
    world.messages.change_faults(|faults| faults.create.clear());
    settle(&world).await;
    assert_eq!(state(&load(&world, &id).await), "failed");
    assert!(world.messages.messages().is_empty());
}

/// Sends at a time at which it is 09:30 in Berlin: 02:30 or earlier wherever a number of the United States may lie.
async fn at_nine_thirty_in_berlin(fields: &Value) -> (World, String) {
    let world = reachable().await;
    let daytime =
        json!([{ "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "09:00", "until": "20:00" }]);
    put_skill(&world, json!({ "hours": { "zone": "callee", "periods": daytime } })).await;
    let midnight = world.clock.now().millis().div_euclid(86_400_000) + 1;
    let at = Timestamp::from_millis(midnight * 86_400_000).plus_seconds(8 * 3_600 + 1_800);
    let mut all = fields.clone();
    all["scheduleAt"] = json!(at);
    let id = contact(&world, &all).await;
    let wait = at.since(world.clock.now()).as_secs() + 600;
    pass(&world, wait).await;
    (world, id)
}

#[tokio::test(start_paused = true)]
async fn the_zone_of_the_request_counts_instead_of_those_of_the_number() {
    let (world, id) = at_nine_thirty_in_berlin(&json!({})).await;
    assert_eq!(
        (state(&load(&world, &id).await), world.messages.messages().len()),
        ("scheduled", 0)
    );
    let (world, id) = at_nine_thirty_in_berlin(&json!({ "timeZone": "Europe/Berlin" })).await;
    assert_eq!(
        (state(&load(&world, &id).await), world.messages.messages().len()),
        ("completed", 1)
    );
}

#[tokio::test(start_paused = true)]
async fn hours_are_bypassed_for_a_reason_that_is_kept() {
    let bypass = json!({ "bypassHours": { "reason": "agreed on the phone" } });
    let (world, id) = at_nine_thirty_in_berlin(&bypass).await;
    let interaction = load(&world, &id).await;
    assert_eq!((state(&interaction), world.messages.messages().len()), ("completed", 1));
    let timeline = world
        .store
        .timeline_of::<Interaction>(&interaction.key, None, 10)
        .await
        .unwrap();
    let Fact::Created { hours_bypass, .. } = &timeline.entries[0].fact else {
        unreachable!("{timeline:?}")
    };
    assert_eq!(hours_bypass.as_deref(), Some("agreed on the phone"));
    let view = get(&world, &format!("/v1/interactions/{id}")).await;
    assert_eq!(view.text("/plan/hours_bypass"), "agreed on the phone");
}

#[tokio::test(start_paused = true)]
async fn a_bypass_needs_no_skill_any_more() {
    let world = reachable().await;
    put_skill(&world, json!({})).await;
    let fields = json!({ "scheduleAt": later(&world, 1), "bypassHours": { "reason": "agreed on the phone" } });
    let id = contact(&world, &fields).await;
    let deleted = ask(&world, "DELETE", "/v1/skills/delivery", &Value::Null).await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
    settle(&world).await;
    assert_eq!(state(&load(&world, &id).await), "completed");
}
