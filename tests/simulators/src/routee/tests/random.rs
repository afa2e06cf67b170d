//! Invariants under random switches, behaviors and faults.

use super::*;
use crate::rng::Rng;

/// Plays a few calls in a random world and returns all calls.
async fn random_world(seed: u64) -> (World, Vec<CallRecord>) {
    let mut rng = Rng::new(seed);
    let switches = Switches::random(&mut rng);
    let script = Script::always(Behavior::random(&mut rng))
        .then(Behavior::random(&mut rng))
        .then(Behavior::random(&mut rng));
    let mut world = World::seeded(switches, script, seed).await;
    world.answer(|received| {
        // The body may be a form, so it is not parsed as JSON.
        if received.url.contains("/collect") && received.body.contains('7') {
            Reply::plan(&plan(&[collect(), say(OPTIONS, true), pause(10)]))
        } else {
            Reply::ok()
        }
    });
    world
        .routee
        .change_faults(|faults| *faults = Faults::random(&mut rng, 0.2));
    for _ in 0..4 {
        let request = world.request("POST", "/voice/conversation", &published());
        if matches!(world.raw(request).await, Ok((401, _))) {
            let renewed = world.raw(token_request("client_credentials")).await;
            if let Ok((200, body)) = renewed {
                world.token = body["access_token"].as_str().unwrap_or_default().to_owned();
            }
        }
        world.pass(400).await;
    }
    let calls = world.routee.calls();
    (world, calls)
}

#[tokio::test(start_paused = true)]
async fn every_call_ends_with_one_final_status_despite_faults() {
    let mut ended = 0;
    for seed in 0..150 {
        let (world, calls) = random_world(seed).await;
        assert_eq!(world.routee.live_calls(), [], "seed {seed}");
        for call in calls {
            let intermediate = [Status::Queued, Status::Initiated, Status::Ringing, Status::InProgress];
            let finals = call
                .statuses
                .iter()
                .filter(|(_, status)| !intermediate.contains(status))
                .count();
            let unknown = call
                .statuses
                .iter()
                .filter(|(_, status)| *status == Status::Unknown)
                .count();
            assert_eq!(
                finals - usize::from(unknown > 0 && call.status() != Status::Unknown),
                1,
                "seed {seed}: {call:?}"
            );
            assert!(call.statuses.windows(2).all(|pair| pair[0].0 <= pair[1].0));
            assert_eq!(call.answered_at.is_some(), call.status_names().contains(&"InProgress"));
            ended += 1;
        }
        assert_eq!(world.routee.unexpected(), []);
    }
    assert!(ended > 200, "{ended}");
}

#[tokio::test(start_paused = true)]
async fn a_seed_replays_the_same_calls_and_webhooks_to_the_millisecond() {
    for seed in 0..30 {
        let (first, first_calls) = random_world(seed).await;
        let (second, second_calls) = random_world(seed).await;
        assert_eq!(first_calls, second_calls, "seed {seed}");
        assert_eq!(first.routee.webhooks(), second.routee.webhooks(), "seed {seed}");
        assert_eq!(first.received(), second.received(), "seed {seed}");
        assert_eq!(first.routee.requests(), second.routee.requests(), "seed {seed}");
    }
    let (_, one) = random_world(1).await;
    let (_, other) = random_world(2).await;
    assert_ne!(
        one.first().map(|call| &call.tracking_id),
        other.first().map(|call| &call.tracking_id)
    );
}

#[tokio::test(start_paused = true)]
async fn status_callbacks_match_the_statuses_of_the_calls() {
    for seed in 0..60 {
        let (world, calls) = random_world(seed).await;
        for received in world.received().iter().filter(|received| received.url == STATUS_URL) {
            let body = received.json();
            let call = calls
                .iter()
                .find(|call| body["messageId"] == call.message_id.as_str())
                .expect("a call");
            let name = body["status"]["name"].as_str().expect("a name");
            assert!(call.status_names().contains(&name), "seed {seed}: {name} {call:?}");
        }
    }
}
