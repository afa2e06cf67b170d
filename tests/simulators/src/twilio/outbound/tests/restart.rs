//! What is left of calls when the process that was the network is killed.

use dynoxide::Database;

use super::*;

#[tokio::test(start_paused = true)]
async fn calls_that_are_over_are_still_there_and_others_ring_once_more() {
    let journal = Journal::open(Database::memory().expect("a database")).expect("a journal");
    let twiml = twiml();
    let before = World::new(Switches::default(), Behaviour::Busy.then(Behaviour::silent(5)));
    before.twilio.go_on(journal.clone()).expect("an empty journal");
    let over = before.play(&call(&twiml)).await;
    let sid = before.order(&call(&twiml)).await;
    before.until(Status::InProgress).await;

    let after = World::new(
        Switches::default(),
        Behaviour::Busy.then(Behaviour::silent(5)).then(Behaviour::Fails),
    );
    after.twilio.go_on(journal).expect("what was written");
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
    assert!(first >= Some(3), "numbers go on: {first:?}");
    assert_eq!(
        after.play(&call(&twiml)).await.status(),
        Status::Failed,
        "the script goes on"
    );
}

#[tokio::test(start_paused = true)]
async fn callbacks_on_their_way_are_sent_once_more() {
    let journal = Journal::open(Database::memory().expect("a database")).expect("a journal");
    let before = World::new(Switches::default(), Behaviour::Busy);
    before.twilio.go_on(journal.clone()).expect("an empty journal");
    before.twilio.disturb_next(
        Target::Status(Status::Busy),
        WebhookFault::Delay(Duration::from_mins(10)),
    );
    before.play(&call("<Response/>")).await;
    assert_eq!(before.statuses(), ["initiated", "ringing"]);

    let after = World::new(Switches::default(), Behaviour::Busy);
    after.twilio.go_on(journal.clone()).expect("what was written");
    after.pass(5.0).await;
    assert_eq!(after.statuses(), ["busy"]);
    let third = World::new(Switches::default(), Behaviour::Busy);
    third.twilio.go_on(journal).expect("what was written");
    third.pass(5.0).await;
    assert_eq!(third.statuses(), Vec::<String>::new(), "it was taken");
}
