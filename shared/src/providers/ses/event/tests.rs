//! The events of the contract, as they are read: duplicated, reordered, and hostile.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/providers/ses/fixtures/{name}.json"));
    serde_json::from_slice(&fs::read(path).expect(name)).expect("JSON")
}

/// A fixture with some of its fields changed.
fn changed(name: &str, changes: &[(&str, Value)]) -> Value {
    let mut body = fixture(name);
    for (pointer, value) in changes {
        *body.pointer_mut(pointer).expect(pointer) = value.clone();
    }
    body
}

fn read_all(body: &Value) -> Vec<ReceivedEvent> {
    read_events(body.to_string().as_bytes()).expect("JSON")
}

/// The only event.
fn read(body: &Value) -> EmailEvent {
    match read_all(body).as_slice() {
        [ReceivedEvent::Email(event)] => (**event).clone(),
        other => panic!("{other:?}"),
    }
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).expect(text)
}

fn bounced(permanent: bool, cause: BounceCause, status: Option<&str>) -> Occurrence {
    Occurrence::Bounced(Bounce {
        permanent,
        cause,
        status: status.map(str::to_owned),
    })
}

const EVENTS: [&str; 11] = [
    "send",
    "delivery",
    "delivery-delay",
    "bounce-permanent",
    "bounce-transient",
    "complaint",
    "reject",
    "rendering-failure",
    "open",
    "click",
    "subscription",
];

#[test]
fn every_event_is_read_with_message_recipient_and_tags() {
    let until = Some(time("2026-11-26T21:00:00.120Z"));
    for (name, what, at) in [
        ("send", Occurrence::Sent, "2026-11-26T09:00:00.120Z"),
        ("delivery", Occurrence::Delivered, "2026-11-26T09:00:03.400Z"),
        (
            "delivery-delay",
            Occurrence::Delayed { until },
            "2026-11-26T09:10:00.000Z",
        ),
        (
            "bounce-permanent",
            bounced(true, BounceCause::NoMailbox, Some("5.1.1")),
            "2026-11-26T09:00:02.900Z",
        ),
        (
            "bounce-transient",
            bounced(false, BounceCause::Other, None),
            "2026-11-26T09:05:00.000Z",
        ),
        (
            "complaint",
            Occurrence::Complained { suppressed: false },
            "2026-11-26T12:00:00.000Z",
        ),
        ("reject", Occurrence::Rejected, "2026-11-26T09:00:00.120Z"),
        (
            "rendering-failure",
            Occurrence::RenderingFailed,
            "2026-11-26T09:00:00.120Z",
        ),
        ("open", Occurrence::Opened, "2026-11-26T10:00:00.000Z"),
        ("click", Occurrence::Clicked, "2026-11-26T10:00:05.000Z"),
        (
            "subscription",
            Occurrence::SubscriptionChanged,
            "2026-11-26T10:01:00.000Z",
        ),
    ] {
        let event = read(&fixture(name));
        assert_eq!((event.what, event.at), (what, Some(time(at))), "{name}");
        assert_eq!(
            event.message.as_str(),
            "0107018c-0000-4000-8000-0000000000a4-000000",
            "{name}"
        );
        let tags = event.tags.expect("tags");
        assert_eq!((tags.interaction.as_str(), tags.attempt), ("01MADEUP", 2), "{name}");
        let recipient = event.recipient.expect("a recipient");
        assert_eq!(recipient.as_str(), "ana@example.net", "{name}");
    }
}

#[test]
fn notification_of_an_identity_has_no_tags() {
    let event = read(&fixture("notification-bounce"));
    assert_eq!(event.what, bounced(false, BounceCause::Other, None));
    assert_eq!((event.tags, event.recipient.is_some()), (None, true));
}

#[test]
fn invocation_by_sns_may_have_several_events() {
    let events = read_all(&fixture("sns"));
    let expected = ["delivery", "bounce-permanent"].map(|name| ReceivedEvent::Email(Box::new(read(&fixture(name)))));
    assert_eq!(events, expected);
}

#[test]
fn event_is_the_same_by_whatever_way_it_comes() {
    let event = read(&fixture("delivery"));
    assert_eq!(read(&fixture("event-bridge")), event);
    // A queue that is subscribed to the topic.
    let message = fixture("delivery").to_string();
    assert_eq!(read(&json!({ "Type": "Notification", "Message": message })), event);
    // EventBridge names the event in its own words.
    for (title, name) in [
        ("Email Sent", "send"),
        ("Email Delivered", "delivery"),
        ("Email Bounced", "bounce-permanent"),
        ("Email Complaint Received", "complaint"),
        ("Email Rejected", "reject"),
        ("Email Opened", "open"),
        ("Email Clicked", "click"),
        ("Email Rendering Failed", "rendering-failure"),
        ("Email Delivery Delayed", "delivery-delay"),
        ("Email Subscribed", "subscription"),
    ] {
        let mut detail = fixture(name);
        detail.as_object_mut().expect("an object").remove("eventType");
        let body = json!({ "source": "aws.ses", "detail-type": title, "detail": detail });
        assert_eq!(read(&body), read(&fixture(name)), "{title}");
    }
}

#[test]
fn copies_have_one_key_and_different_events_have_different_keys() {
    let keys: Vec<String> = EVENTS.iter().map(|name| read(&fixture(name)).key).collect();
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(key.len(), 64);
        assert!(!keys.iter().take(index).any(|other| other == key), "{}", EVENTS[index]);
    }
    let key = |changes: &[(&str, Value)]| read(&changed("bounce-permanent", changes)).key;
    let original = key(&[]);
    // What may differ between two copies.
    assert_eq!(
        key(&[("/bounce/bouncedRecipients/0/emailAddress", json!("Ana@Example.net"))]),
        original
    );
    assert_eq!(key(&[("/bounce/timestamp", json!("2026-11-26T09:00:02Z"))]), original);
    for (pointer, other) in [
        ("/mail/messageId", json!("another")),
        ("/bounce/bouncedRecipients/0/emailAddress", json!("bo@example.net")),
        ("/bounce/feedbackId", json!("another")),
        ("/bounce/feedbackId", json!("")),
    ] {
        assert_ne!(key(&[(pointer, other)]), original, "{pointer}");
    }
    let opened = |at: &str| read(&changed("open", &[("/open/timestamp", json!(at))])).key;
    assert_ne!(opened("2026-11-26T10:00:00Z"), opened("2026-11-26T10:00:01Z"));
}

#[test]
fn bounces_are_distinguished() {
    for (kind, sub_type, permanent, cause) in [
        ("Permanent", "General", true, BounceCause::Other),
        ("Permanent", "NoEmail", true, BounceCause::NoMailbox),
        ("Permanent", "Suppressed", true, BounceCause::Suppressed),
        ("Permanent", "OnAccountSuppressionList", true, BounceCause::Suppressed),
        ("Permanent", "UnsubscribedRecipient", true, BounceCause::Unsubscribed),
        ("Transient", "MailboxFull", false, BounceCause::MailboxFull),
        ("Transient", "MessageTooLarge", false, BounceCause::Content),
        ("Transient", "ContentRejected", false, BounceCause::Content),
        ("Transient", "AttachmentRejected", false, BounceCause::Content),
        ("Undetermined", "Undetermined", false, BounceCause::Other),
        ("Strange", "New", false, BounceCause::Other),
    ] {
        let body = changed(
            "bounce-permanent",
            &[
                ("/bounce/bounceType", json!(kind)),
                ("/bounce/bounceSubType", json!(sub_type)),
            ],
        );
        assert_eq!(
            read(&body).what,
            bounced(permanent, cause, Some("5.1.1")),
            "{kind} {sub_type}"
        );
    }
    for odd in [
        json!("550 user ana@example.net unknown"),
        json!(5),
        json!(null),
        json!("5".repeat(13)),
    ] {
        let body = changed(
            "bounce-permanent",
            &[("/bounce/bouncedRecipients/0/status", odd.clone())],
        );
        assert_eq!(read(&body).what, bounced(true, BounceCause::NoMailbox, None), "{odd}");
    }
}

#[test]
fn report_that_a_mail_is_no_spam_is_no_complaint() {
    let kind = "/complaint/complaintFeedbackType";
    for no_spam in ["not-spam", "Not-Spam"] {
        let name = "not-spam".to_owned();
        let body = changed("complaint", &[(kind, json!(no_spam))]);
        assert_eq!(read_all(&body), [ReceivedEvent::Irrelevant { name }]);
    }
    for spam in [
        json!("fraud"),
        json!("auth-failure"),
        json!("virus"),
        json!("other"),
        json!("new"),
        json!(null),
    ] {
        let body = changed("complaint", &[(kind, spam)]);
        assert_eq!(read(&body).what, Occurrence::Complained { suppressed: false });
    }
    let suppressed = changed(
        "complaint",
        &[("/complaint/complaintSubType", json!("OnAccountSuppressionList"))],
    );
    assert_eq!(read(&suppressed).what, Occurrence::Complained { suppressed: true });
}

#[test]
fn event_about_several_recipients_becomes_one_for_each() {
    let both = json!([{ "emailAddress": "ana@example.net" }, { "emailAddress": "Bo <bo@example.net>" }, {}, 5]);
    let events = read_all(&changed("complaint", &[("/complaint/complainedRecipients", both)]));
    let [ReceivedEvent::Email(first), ReceivedEvent::Email(second)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_ne!(first.key, second.key);
    assert_eq!(second.recipient, EmailAddress::parse("bo@example.net").ok());
    let many: Vec<Value> = (0..500).map(|n| json!(format!("a{n}@example.net"))).collect();
    assert_eq!(
        read_all(&changed("delivery", &[("/delivery/recipients", json!(many))])).len(),
        MAX_RECIPIENTS
    );
}

#[test]
fn status_is_the_same_in_every_order() {
    let status = |names: &[&str]| {
        let events = names.iter().map(|name| read(&fixture(name)).what);
        events.filter_map(|what| EmailStatus::after(&what)).max()
    };
    for (names, expected) in [
        (&["send"][..], Some(EmailStatus::Sent)),
        (&["send", "delivery"], Some(EmailStatus::Delivered)),
        (&["delivery-delay", "send"], Some(EmailStatus::Delayed)),
        (&["delivery-delay", "delivery"], Some(EmailStatus::Delivered)),
        (&["send", "bounce-transient"], Some(EmailStatus::SoftBounced)),
        // An automatic reply of the recipient.
        (&["delivery", "bounce-transient"], Some(EmailStatus::Delivered)),
        (&["delivery", "bounce-permanent"], Some(EmailStatus::HardBounced)),
        (&["delivery", "complaint", "open"], Some(EmailStatus::Complained)),
        (&["bounce-permanent", "complaint"], Some(EmailStatus::Complained)),
        (&["send", "reject"], Some(EmailStatus::Failed)),
        (&["rendering-failure"], Some(EmailStatus::Failed)),
        (&["open", "click", "subscription"], None),
    ] {
        let reversed: Vec<&str> = names.iter().rev().copied().collect();
        let twice = [names, names].concat();
        for order in [names, &reversed, &twice] {
            assert_eq!(status(order), expected, "{order:?}");
        }
    }
}

#[test]
fn what_is_missing_or_odd_makes_one_event_irrelevant() {
    for (body, name) in [
        (json!({}), ""),
        (json!([]), ""),
        (json!(null), ""),
        (json!({ "eventType": "Delivery" }), "Delivery"),
        (
            json!({ "eventType": "Delivery", "mail": { "messageId": 5 } }),
            "Delivery",
        ),
        (
            json!({ "eventType": "Delivery", "mail": { "messageId": "../x" } }),
            "Delivery",
        ),
        (json!({ "eventType": "Novel\n", "mail": { "messageId": "m" } }), "Novel"),
        (
            json!({ "notificationType": "AmazonSnsSubscriptionSucceeded" }),
            "AmazonSnsSubscriptionSucceeded",
        ),
        (json!({ "Message": "Successfully validated SNS topic" }), "unreadable"),
        (json!({ "Message": { "eventType": "Send" } }), "unreadable"),
        (
            json!({ "detail": "x", "detail-type": "Scheduled Event" }),
            "Scheduled Event",
        ),
    ] {
        let name = name.to_owned();
        assert_eq!(read_all(&body), [ReceivedEvent::Irrelevant { name }], "{body}");
    }
    // The rest of the invocation is read.
    let mut sns = fixture("sns");
    *sns.pointer_mut("/Records/0/Sns/Message").expect("a message") = json!("{");
    let name = "unreadable".to_owned();
    let events = read_all(&sns);
    assert_eq!(events.first(), Some(&ReceivedEvent::Irrelevant { name }));
    assert!(matches!(events.get(1), Some(ReceivedEvent::Email(_))));
    assert_eq!(read_all(&json!({ "Records": [] })), []);
    for unreadable in ["", "{", "<html>"] {
        assert!(read_events(unreadable.as_bytes()).is_err(), "{unreadable}");
    }
}

#[test]
fn event_needs_only_a_name_and_a_message() {
    let least = read(&json!({ "eventType": "bounce", "mail": { "messageId": "m" } }));
    assert_eq!(least.what, bounced(false, BounceCause::Other, None));
    assert_eq!((least.tags, least.recipient, least.at), (None, None, None));
    for (pointer, odd) in [
        ("/mail/tags", json!([])),
        ("/mail/tags/interaction", json!([])),
        ("/mail/tags/interaction", json!(["a b"])),
        ("/mail/tags/attempt", json!(["-1"])),
        ("/mail/tags/attempt", json!([{}])),
        ("/mail/tags", json!(null)),
    ] {
        assert_eq!(read(&changed("delivery", &[(pointer, odd)])).tags, None, "{pointer}");
    }
    let bare = changed(
        "delivery",
        &[
            ("/mail/tags/interaction", json!("x")),
            ("/mail/tags/attempt", json!([3])),
        ],
    );
    assert_eq!(read(&bare).tags.map(|tags| tags.attempt), Some(3));
    let odd = changed(
        "delivery",
        &[
            ("/delivery/recipients", json!(["a@b.c, evil@d.e"])),
            ("/delivery/timestamp", json!("soon")),
        ],
    );
    assert_eq!((read(&odd).recipient, read(&odd).at), (None, None));
}

#[test]
fn huge_and_deep_events_are_read_or_refused() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let body = fixture("delivery")
        .to_string()
        .replacen('{', &format!("{{\"x\":{deep},"), 1);
    assert_eq!(
        read_events(body.as_bytes()),
        Ok(vec![ReceivedEvent::Email(Box::new(read(&fixture("delivery"))))])
    );
    let many = format!("{{\"Records\":[{}{{}}]}}", "{},".repeat(300_000));
    assert_eq!(read_events(many.as_bytes()), Err(UnreadableJson::Large));
    let some = format!("{{\"Records\":[{}{{}}]}}", "{},".repeat(500));
    assert_eq!(read_events(some.as_bytes()).map(|events| events.len()), Ok(MAX_RECORDS));
}

proptest! {
    #[test]
    fn no_body_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]\":,a-z0-9 ]{0,80}", inner in "\\PC{0,60}") {
        let _ = read_events(&bytes);
        let _ = read_events(text.as_bytes());
        let body = json!({ "Records": [{ "Sns": { "Message": inner } }] }).to_string();
        prop_assert_eq!(read_events(body.as_bytes()).map(|events| events.len()), Ok(1));
    }
}
