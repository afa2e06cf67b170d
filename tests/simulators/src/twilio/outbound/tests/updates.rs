//! Updates: ending and redirecting a call.

use super::*;

const CANCEL: [(&str, &str); 1] = [("Status", "canceled")];
const COMPLETE: [(&str, &str); 1] = [("Status", "completed")];

/// A world with a call in this status, and the SID of the call.
async fn call_in(status: Status, switches: Switches) -> (World, String) {
    let world = World::new(switches, Behavior::silent(30));
    let twiml = twiml();
    let sid = world.order(&call(&twiml)).await;
    world.until(status).await;
    (world, sid)
}

#[tokio::test(start_paused = true)]
async fn a_call_cancelled_in_the_queue_causes_no_callback() {
    let (world, sid) = call_in(Status::Queued, Switches::default()).await;
    let (status, body) = world.update(&sid, &CANCEL).await;
    assert_eq!((status, &body["status"]), (200, &"canceled".into()));
    let call = world.until_over().await;
    assert_eq!(
        (call.status_names(), call.ended_by),
        (vec!["queued", "canceled"], Some(EndedBy::Api))
    );
    assert_eq!(world.statuses(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_call_cancelled_before_the_answer_causes_a_callback() {
    for before in [Status::Initiated, Status::Ringing] {
        let (world, sid) = call_in(before, Switches::default()).await;
        assert_eq!(world.update(&sid, &CANCEL).await.0, 200);
        let call = world.until_over().await;
        assert_eq!((call.status(), call.answered_at), (Status::Canceled, None));
        assert_eq!(world.statuses().last().map(String::as_str), Some("canceled"));
    }
}

#[tokio::test(start_paused = true)]
async fn completing_an_answered_call_hangs_up() {
    let (world, sid) = call_in(Status::InProgress, Switches::default()).await;
    world.pass(3.0).await;
    assert_eq!(world.update(&sid, &COMPLETE).await.1["status"], "completed");
    let call = world.until_over().await;
    assert_eq!((call.status(), call.ended_by), (Status::Completed, Some(EndedBy::Api)));
    assert!(talk_time(&call) < 3.2);
}

#[tokio::test(start_paused = true)]
async fn canceling_an_answered_call_has_one_of_three_effects() {
    for (late, answered, hangs_up) in [
        (CancelTooLate::Ignored, 200, false),
        (CancelTooLate::Refused, 400, false),
        (CancelTooLate::HangsUp, 200, true),
    ] {
        let (world, sid) = call_in(Status::InProgress, switches(|calls| calls.cancel_too_late = late)).await;
        let (status, body) = world.update(&sid, &CANCEL).await;
        assert_eq!(
            (status, body["code"] == 21_220),
            (answered, answered == 400),
            "{late:?}"
        );
        let call = world.until_over().await;
        assert_eq!(call.ended_by == Some(EndedBy::Api), hangs_up, "{late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn completing_an_unanswered_call_has_one_of_four_effects() {
    for (early, answered, becomes) in [
        (CompleteTooEarly::Canceled, 200, Status::Canceled),
        (CompleteTooEarly::Completed, 200, Status::Completed),
        (CompleteTooEarly::Refused, 400, Status::Completed),
        (CompleteTooEarly::Ignored, 200, Status::Completed),
    ] {
        let (world, sid) = call_in(Status::Ringing, switches(|calls| calls.complete_too_early = early)).await;
        assert_eq!(world.update(&sid, &COMPLETE).await.0, answered, "{early:?}");
        let call = world.until_over().await;
        let by_api = matches!(early, CompleteTooEarly::Canceled | CompleteTooEarly::Completed);
        assert_eq!(
            (call.status(), call.ended_by == Some(EndedBy::Api)),
            (becomes, by_api),
            "{early:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn updating_an_ended_call_has_no_effect() {
    for (after, answered) in [(UpdateAfterEnd::Refused, 400), (UpdateAfterEnd::Ignored, 200)] {
        let (world, sid) = call_in(Status::Ringing, switches(|calls| calls.update_after_end = after)).await;
        world.update(&sid, &CANCEL).await;
        world.until_over().await;
        for update in [CANCEL, COMPLETE] {
            let (status, body) = world.update(&sid, &update).await;
            assert_eq!((status, body["code"] == 21_220), (answered, answered == 400));
        }
        assert_eq!(world.twilio.calls()[0].status(), Status::Canceled);
    }
}

#[tokio::test(start_paused = true)]
async fn the_response_shows_the_new_or_the_previous_status() {
    for (update_shows_outcome, shown) in [(true, "canceled"), (false, "ringing")] {
        let switches = switches(|calls| calls.update_shows_outcome = update_shows_outcome);
        let (world, sid) = call_in(Status::Ringing, switches).await;
        assert_eq!(world.update(&sid, &CANCEL).await.1["status"], shown);
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_call_in_progress_can_be_redirected() {
    let other = "<Response><Say>Never mind.</Say></Response>";
    let (world, sid) = call_in(Status::Ringing, Switches::default()).await;
    let (status, body) = world.update(&sid, &[("Twiml", other)]).await;
    assert_eq!((status, &body["code"]), (400, &21_220.into()));
    world.until(Status::InProgress).await;
    world.pass(1.0).await;
    assert_eq!(world.update(&sid, &[("Twiml", other)]).await.0, 200);
    let call = world.until_over().await;
    assert_eq!(call.texts(), [TICKET, "Never mind."]);
    assert!(talk_time(&call) < 2.5);
}

#[tokio::test(start_paused = true)]
async fn invalid_updates_are_rejected() {
    let (world, sid) = call_in(Status::Ringing, Switches::default()).await;
    for fields in [
        &[("Status", "ringing")] as &[(&str, &str)],
        &[],
        &[("Url", VOICE_URL), ("Twiml", "<Response/>")],
        &[("Url", "x")],
    ] {
        assert_eq!(world.update(&sid, fields).await.0, 400, "{fields:?}");
    }
    assert_eq!(world.update("CA1", &CANCEL).await.0, 404);
    world.update(&sid, &[("Status", "canceled"), ("Reason", "x")]).await;
    assert!(matches!(
        world.twilio.unexpected().as_slice(),
        [Unexpected::Field { .. }]
    ));
}
