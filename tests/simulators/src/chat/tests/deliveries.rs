//! The delivery of events: responses, retries, time-outs, faults and signatures.

use super::*;
use crate::webhook_faults::WebhookFaults;

fn attempts(desk: &Desk, name: EventName) -> Vec<EventRecord> {
    let events = desk.chat.events().into_iter();
    events.filter(|event| event.name == name).collect()
}

#[tokio::test(start_paused = true)]
async fn a_bots_429_and_500_are_retried_3_times_then_people_get_the_conversation() {
    for status in [429, 500] {
        let desk = Desk::new(Switches::default()).await;
        desk.answer_with(move |_| Respond::with(status));
        let conversation = desk.opens();
        desk.writes(conversation, "Hello");
        desk.pass(30).await;
        let attempts = attempts(&desk, EventName::MessageCreated);
        let seconds: Vec<u64> = attempts
            .iter()
            .map(|attempt| attempt.at.since(base()).as_secs())
            .collect();
        assert_eq!(seconds, [0, 3, 6], "3 s apart");
        assert!(
            attempts
                .iter()
                .all(|attempt| attempt.outcome == WebhookOutcome::Answered(status))
        );
        let record = desk.chat.conversation(conversation).expect("a conversation");
        assert_eq!(record.status, Status::Open);
        let last = record.changes.last().map(|change| change.kind.clone());
        assert_eq!(
            last,
            Some(ChangeKind::Status {
                to: Status::Open,
                by: Cause::Undelivered
            })
        );
    }
}

#[tokio::test(start_paused = true)]
async fn any_other_failure_of_a_bot_is_final() {
    for status in [400, 403, 404, 502, 503] {
        let desk = Desk::new(Switches::default()).await;
        desk.answer_with(move |_| Respond::with(status));
        let conversation = desk.opens();
        desk.writes(conversation, "Hello");
        desk.pass(30).await;
        assert_eq!(attempts(&desk, EventName::MessageCreated).len(), 1);
        assert_eq!(desk.status(conversation), Status::Open);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_needs_5_seconds_is_too_slow() {
    for (millis, status) in [(4_900, Status::Pending), (5_100, Status::Open)] {
        let desk = Desk::new(Switches::default()).await;
        let after = Duration::from_millis(millis);
        desk.answer_with(move |_| Respond { after, status: 200 });
        let conversation = desk.opens();
        desk.writes(conversation, "Hello");
        desk.pass(30).await;
        assert_eq!(desk.status(conversation), status);
        assert_eq!(
            attempts(&desk, EventName::MessageCreated).len(),
            1,
            "a time-out is not retried"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn only_failed_message_events_open_a_conversation_and_only_if_the_switch_says_so() {
    for (failing, opens, expected) in [
        ("message_created", true, Status::Open),
        ("message_created", false, Status::Pending),
        ("webwidget_triggered", true, Status::Pending),
    ] {
        let desk = Desk::new(with(|switches| switches.failure_opens = opens)).await;
        desk.answer_with(move |arrived| Respond::with(if arrived.name() == failing { 404 } else { 200 }));
        let conversation = desk.opens();
        desk.writes(conversation, "Hello");
        desk.pass(30).await;
        assert_eq!(desk.status(conversation), expected, "{failing}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_webhook_is_never_retried_and_its_failure_has_no_effect() {
    let desk = Desk::new(Switches::default()).await;
    desk.chat.subscribe(WEBHOOK_URL, &[EventName::MessageCreated]);
    desk.answer_with(|arrived| Respond::with(if arrived.url == WEBHOOK_URL { 500 } else { 200 }));
    let conversation = desk.opens();
    desk.writes(conversation, "Hello");
    desk.pass(30).await;
    assert_eq!(desk.names(WEBHOOK_URL).len(), 1);
    assert_eq!(desk.status(conversation), Status::Pending);
}

#[tokio::test(start_paused = true)]
async fn an_event_may_be_duplicated_delayed_or_overtaken() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    let name = EventName::MessageCreated;
    desk.chat
        .fail_next_event(name, WebhookFault::Duplicate(Duration::from_secs(2)));
    desk.writes(conversation, "twice");
    desk.pass(5).await;
    desk.chat
        .fail_next_event(name, WebhookFault::Delay(Duration::from_secs(4)));
    desk.writes(conversation, "late");
    desk.writes(conversation, "in time");
    desk.pass(5).await;
    desk.chat.fail_next_event(name, WebhookFault::Reorder);
    desk.writes(conversation, "overtaken");
    desk.writes(conversation, "overtaking");
    desk.pass(5).await;
    desk.chat.fail_next_event(name, WebhookFault::Reorder);
    desk.writes(conversation, "alone");
    desk.pass(15).await;
    let events = desk.events("message_created");
    let texts: Vec<&str> = events
        .iter()
        .filter_map(|event| event.body["content"].as_str())
        .collect();
    let expected = ["twice", "twice", "in time", "late", "overtaking", "overtaken", "alone"];
    assert_eq!(texts, expected);
    assert!(desk.chat.is_idle());
}

#[tokio::test(start_paused = true)]
async fn an_event_for_a_webhook_may_be_lost_but_never_one_for_a_bot() {
    let desk = Desk::new(Switches::default()).await;
    desk.chat.subscribe(WEBHOOK_URL, &[EventName::MessageCreated]);
    desk.chat.change_faults(|faults| {
        faults.events = WebhookFaults {
            lose: 0.5,
            lose_for_good: 0.5,
            ..WebhookFaults::default()
        };
    });
    let conversation = desk.opens();
    for number in 0..50 {
        desk.writes(conversation, &format!("message {number}"));
    }
    desk.pass(30).await;
    let count = |url: &str| desk.names(url).iter().filter(|name| *name == "message_created").count();
    assert_eq!(count(BOT_URL), 50);
    assert!((5..20).contains(&count(WEBHOOK_URL)), "{}", count(WEBHOOK_URL));
}

#[tokio::test(start_paused = true)]
async fn a_bot_whose_response_is_lost_got_the_event_and_people_get_the_conversation() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    desk.chat
        .fail_next_event(EventName::MessageCreated, WebhookFault::LoseAnswer);
    desk.writes(conversation, "Hello");
    desk.pass(10).await;
    assert_eq!(desk.events("message_created").len(), 1);
    assert_eq!(desk.status(conversation), Status::Open);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_signed_over_its_time_and_its_body() {
    let at = Timestamp::from_millis(1_700_000_000_000);
    // The test vector of the contract, which was computed with openssl.
    let expected = "sha256=d33fc94ef25241ae55ad5741cc1267508597723521b3126a798d037423a7598d";
    assert_eq!(
        super::signature::sign("s3cr3t", at, r#"{"event":"message_created"}"#),
        expected
    );
    let long = "k".repeat(100);
    assert_ne!(
        super::signature::sign(&long, at, ""),
        super::signature::sign(&long[..64], at, "")
    );

    let desk = Desk::new(with(|switches| switches.secret = Some("s3cr3t".to_owned()))).await;
    desk.answer_with(|_| Respond::with(500));
    let conversation = desk.opens();
    desk.writes(conversation, "Hello");
    desk.pass(30).await;
    let events = desk.events("message_created");
    let header = |event: &Arrived, name: &str| event.headers[name].to_str().expect("text").to_owned();
    for event in &events {
        let seconds: i64 = header(event, super::signature::TIMESTAMP_HEADER)
            .parse()
            .expect("a number");
        assert_eq!(seconds, event.at.seconds(), "fresh for every attempt");
        let signature = super::signature::sign("s3cr3t", event.at, &event.text);
        assert_eq!(header(event, super::signature::SIGNATURE_HEADER), signature);
    }
    let deliveries: std::collections::BTreeSet<String> = events
        .iter()
        .map(|event| header(event, super::signature::DELIVERY_HEADER))
        .collect();
    assert_eq!((events.len(), deliveries.len()), (3, 1), "the same in all attempts");
}

#[tokio::test(start_paused = true)]
async fn without_a_client_no_event_arrives() {
    let clock = Clock::starting_at(base(), 1.0);
    let chat = Chat::new(clock.clone(), Switches::default(), 7);
    chat.connect_bot("Acme bot", BOT_URL, &[INBOX]);
    let conversation = chat.customer_opens(INBOX).expect("a conversation");
    chat.customer_writes(conversation, "Hello").expect("a message");
    clock.sleep(Duration::from_secs(1)).await;
    assert!(
        chat.events()
            .iter()
            .all(|event| matches!(event.outcome, WebhookOutcome::NotDelivered(_)))
    );
}
