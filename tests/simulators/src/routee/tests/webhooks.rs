//! The delivery of status webhooks: deadlines and retries.

use super::*;

/// The times of the attempts to deliver the final status, in seconds after the first.
fn attempts(world: &World) -> Vec<u64> {
    let webhooks = world.routee.webhooks();
    let busy: Vec<&WebhookRecord> = webhooks
        .iter()
        .filter(|webhook| webhook.kind == WebhookKind::Status(Status::Busy))
        .collect();
    assert!(
        busy.iter()
            .zip(1..)
            .all(|(webhook, attempt)| webhook.attempt == attempt)
    );
    busy.iter()
        .map(|webhook| webhook.at.since(busy[0].at).as_secs())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_unacknowledged_status_is_retried_twelve_times_over_a_day() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    world.answer(|_| Reply::with(500, ""));
    world.play(published()).await;
    world.pass(3 * 86_400).await;
    assert_eq!(
        attempts(&world),
        [0, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400]
    );
}

#[tokio::test(start_paused = true)]
async fn the_retry_schedule_can_be_scaled() {
    let world = World::new(
        Switches {
            retry_scale: 0.1,
            ..Switches::default()
        },
        Behavior::Busy,
    )
    .await;
    world.answer(|_| Reply::with(500, ""));
    world.play(published()).await;
    world.pass(86_400).await;
    assert_eq!(
        attempts(&world),
        [0, 3, 6, 12, 30, 60, 90, 180, 360, 720, 1440, 2880, 8640]
    );
}

#[tokio::test(start_paused = true)]
async fn only_a_200_within_two_seconds_ends_the_retries() {
    for (reply, outcome, count) in [
        (Reply::ok(), WebhookOutcome::Answered(200), 1),
        (
            Reply::ok().late(Duration::from_millis(1900)),
            WebhookOutcome::Answered(200),
            1,
        ),
        (
            Reply::ok().late(Duration::from_millis(2100)),
            WebhookOutcome::TimedOut,
            13,
        ),
        (Reply::with(201, ""), WebhookOutcome::Answered(201), 13),
        (Reply::with(204, ""), WebhookOutcome::Answered(204), 13),
        (Reply::with(404, ""), WebhookOutcome::Answered(404), 13),
    ] {
        let world = World::new(Switches::default(), Behavior::Busy).await;
        world.answer(move |_| reply.clone());
        world.play(published()).await;
        world.pass(2 * 86_400).await;
        assert_eq!(attempts(&world).len(), count, "{outcome:?}");
        assert!(world.routee.webhooks().iter().all(|webhook| webhook.outcome == outcome));
    }
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_retry_ends_the_retries() {
    let world = World::new(Switches::default(), Behavior::Busy).await;
    let mut refusals = 0;
    world.answer(move |received| {
        let refuse = received.status().as_deref() == Some("Busy") && refusals < 2;
        refusals += usize::from(refuse);
        if refuse { Reply::with(503, "") } else { Reply::ok() }
    });
    world.play(published()).await;
    world.pass(86_400).await;
    assert_eq!(attempts(&world), [0, 30, 60]);
    assert_eq!(
        world.statuses(),
        ["Queued", "Initiated", "Ringing", "Busy", "Busy", "Busy"]
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_client_attempts_fail_and_are_recorded() {
    let clock = Clock::starting_at(base(), 1.0);
    let phones = Phones::new().with(number(), Behavior::Busy);
    let routee = Routee::new(clock.clone(), Switches::default(), phones, 1);
    let response = routee
        .send(token_request("client_credentials"))
        .await
        .expect("an answer");
    let body: Value = serde_json::from_slice(response.body()).expect("JSON");
    let request = http::Request::post("http://127.0.0.1:1/voice/conversation")
        .header(
            "authorization",
            format!("Bearer {}", body["access_token"].as_str().expect("a token")),
        )
        .header("content-type", "application/json")
        .body(Bytes::from(published().to_string()))
        .expect("a request");
    assert_eq!(routee.send(request).await.expect("an answer").status(), 200);
    clock.sleep(Duration::from_secs(10)).await;
    let webhooks = routee.webhooks();
    assert_eq!(webhooks.len(), 4);
    assert!(
        webhooks
            .iter()
            .all(|webhook| matches!(webhook.outcome, WebhookOutcome::NotDelivered(_)))
    );
}
