//! Invariants under random switches, behaviors and faults.

use super::*;
use crate::rng::Rng;

/// Plays a few calls in a random world and returns all calls.
async fn random_world(seed: u64) -> (World, Vec<OutboundCall>) {
    let mut rng = Rng::new(seed);
    let switches = Switches::random(&mut rng);
    let script = Script::always(Behavior::random(&mut rng))
        .then(Behavior::random(&mut rng))
        .then(Behavior::random(&mut rng));
    let world = World::seeded(switches, script, seed);
    world
        .twilio
        .change_faults(|faults| *faults = CallFaults::random(&mut rng, 0.2));
    let twiml = twiml();
    let detection = [
        ("MachineDetection", "Enable"),
        ("AsyncAmd", "true"),
        ("AsyncAmdStatusCallback", DETECTION_URL),
    ];
    for number in 0..4 {
        let fields = if number % 2 == 0 {
            call(&twiml)
        } else {
            with(&call(&twiml), &detection)
        };
        // The request may fail.
        let _ = world.try_create(&fields).await;
        world.pass(400.0).await;
        if let Some(live) = world.twilio.live_calls().first() {
            let _ = world
                .raw(post(&format!("Calls/{}.json", live.sid), &[("Status", "canceled")]))
                .await;
        }
    }
    while !world.twilio.live_calls().is_empty() {
        world.pass(60.0).await;
    }
    world.pass(300.0).await;
    let calls = world.twilio.calls();
    (world, calls)
}

#[tokio::test(start_paused = true)]
async fn every_call_ends_with_one_final_status_despite_faults() {
    let mut ended = 0;
    for seed in 0..150 {
        let (world, calls) = random_world(seed).await;
        for call in calls {
            let finals = call.statuses.iter().filter(|(_, status)| status.is_final()).count();
            assert_eq!(finals, 1, "seed {seed}: {call:?}");
            assert!(call.statuses.windows(2).all(|pair| pair[0].0 <= pair[1].0));
            assert_eq!(call.answered_at.is_some(), call.status_names().contains(&"in-progress"));
            ended += 1;
        }
        assert_eq!(world.twilio.unexpected(), [], "seed {seed}");
        assert_eq!(world.exchange.live_calls_to(&number()), 0, "seed {seed}");
    }
    assert!(ended > 200, "{ended}");
}

#[tokio::test(start_paused = true)]
async fn a_seed_replays_the_same_calls_and_webhooks_to_the_millisecond() {
    for seed in 0..30 {
        let (first, first_calls) = random_world(seed).await;
        let (second, second_calls) = random_world(seed).await;
        assert_eq!(first_calls, second_calls, "seed {seed}");
        assert_eq!(first.twilio.webhooks(), second.twilio.webhooks(), "seed {seed}");
        assert_eq!(first.received(), second.received(), "seed {seed}");
        assert_eq!(first.twilio.requests(), second.twilio.requests(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn callbacks_match_statuses_and_submitted_digits_match_pressed_keys() {
    for seed in 0..60 {
        let (world, calls) = random_world(seed).await;
        for received in world.received_at(STATUS_URL) {
            let sid = received.field("CallSid");
            let call = calls
                .iter()
                .find(|call| sid == Some(call.sid.as_str()))
                .expect("a call");
            let status = received.field("CallStatus").expect("a status");
            assert!(call.status_names().contains(&status), "seed {seed}: {status} {call:?}");
        }
        for call in calls {
            for (at, digits) in &call.submitted_digits {
                let pressed = |digit| call.keys.iter().any(|(when, key)| when <= at && *key == digit);
                assert!(digits.chars().all(pressed), "seed {seed}: {digits}");
            }
        }
    }
}
