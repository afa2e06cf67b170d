//! Restoring calls and callbacks after the process was killed.

use dynoxide::Database;

use super::*;

#[tokio::test(start_paused = true)]
async fn ended_calls_are_restored_and_live_calls_ring_again() {
    let journal = Journal::open(Database::memory().expect("a database")).expect("a journal");
    let twiml = twiml();
    let before = World::new(Switches::default(), Behavior::Busy.then(Behavior::silent(5)));
    before.twilio.restore(journal.clone()).expect("an empty journal");
    let over = before.play(&call(&twiml)).await;
    let sid = before.order(&call(&twiml)).await;
    before.until(Status::InProgress).await;

    let after = World::new(
        Switches::default(),
        Behavior::Busy.then(Behavior::silent(5)).then(Behavior::Fails),
    );
    after.twilio.restore(journal).expect("what was written");
    assert_eq!(after.twilio.calls()[0], over);
    let live = after.until(Status::InProgress).await;
    assert_eq!(live.sid, sid);
    let call_again = after.until_over().await;
    assert_eq!((&call_again.sid, call_again.texts().len()), (&sid, 3));
    let received = after.received_at(STATUS_URL);
    assert!(
        received
            .iter()
            .all(|received| received.field("CallSid") == Some(sid.as_str()))
    );
    let first = received[0]
        .field("SequenceNumber")
        .and_then(|number| number.parse::<u32>().ok());
    assert!(first >= Some(3), "sequence numbers continue: {first:?}");
    assert_eq!(
        after.play(&call(&twiml)).await.status(),
        Status::Failed,
        "the script continues"
    );
}

#[tokio::test(start_paused = true)]
async fn callbacks_in_delivery_are_sent_again() {
    let journal = Journal::open(Database::memory().expect("a database")).expect("a journal");
    let before = World::new(Switches::default(), Behavior::Busy);
    before.twilio.restore(journal.clone()).expect("an empty journal");
    before.twilio.fail_next_webhook(
        Target::Status(Status::Busy),
        WebhookFault::Delay(Duration::from_mins(10)),
    );
    before.play(&call("<Response/>")).await;
    assert_eq!(before.statuses(), ["initiated", "ringing"]);

    let after = World::new(Switches::default(), Behavior::Busy);
    after.twilio.restore(journal.clone()).expect("what was written");
    after.pass(5.0).await;
    assert_eq!(after.statuses(), ["busy"]);
    let third = World::new(Switches::default(), Behavior::Busy);
    third.twilio.restore(journal).expect("what was written");
    third.pass(5.0).await;
    assert_eq!(third.statuses(), Vec::<String>::new(), "it was accepted");
}
