//! The events of the contract, as they are read.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/providers/chatwoot/fixtures/{name}.json"));
    serde_json::from_slice(&fs::read(path).expect(name)).expect("JSON")
}

/// The conversation and the event, as we store them; null for an irrelevant event.
fn read(body: &Value) -> Value {
    match read_event(body.to_string().as_bytes()).expect("JSON") {
        ReceivedEvent::Conversation { conversation, event } => json!({ "of": conversation, "event": event }),
        ReceivedEvent::Irrelevant { .. } => Value::Null,
    }
}

/// A part of the event in a fixture.
fn part(name: &str, pointer: &str) -> Value {
    read(&fixture(name)).pointer(pointer).cloned().unwrap_or_default()
}

/// A fixture with some of its fields changed.
fn changed(name: &str, changes: &[(&str, Value)]) -> Value {
    let mut body = fixture(name);
    for (pointer, value) in changes {
        *body.pointer_mut(pointer).expect(pointer) = value.clone();
    }
    body
}

#[test]
fn message_of_the_customer_is_read_with_everything_around_it() {
    let expected = json!({
        "of": "1201",
        "event": {
            "kind": "message",
            "inbox": "7",
            "message": { "id": "9001", "direction": "incoming", "text": "where is my parcel", "author": "customer" },
            "contact": { "id": "41", "name": "quiet-fog-12", "language": "en" },
            "status": "pending",
        },
    });
    assert_eq!(read(&fixture("customer-message")), expected);
}

#[test]
fn newer_sender_has_no_type_and_more_details() {
    let name = "customer-message-without-type";
    assert_eq!(part(name, "/event/message/author"), "customer");
    let expected = json!({
        "id": "41", "name": "Sam Roe", "email": "sam@example.org", "phone": "+12025550143", "language": "de",
    });
    assert_eq!(part(name, "/event/contact"), expected);
}

#[test]
fn author_and_direction_are_distinguished() {
    for (name, direction, author) in [
        ("bot-echo", "outgoing", json!("bot")),
        ("human-reply", "outgoing", json!({ "human": "Jo" })),
        ("human-reply-while-pending", "outgoing", json!({ "human": "Jo" })),
        ("private-note", "outgoing", json!({ "human": "Jo" })),
        ("paired-phone", "outgoing", json!({ "human": "Kim" })),
        ("greeting", "template", json!("unknown")),
        ("api-message-without-sender", "incoming", json!("unknown")),
        ("api-message-of-user", "incoming", json!({ "human": "Acme API" })),
        ("attachments-only", "incoming", json!("customer")),
    ] {
        assert_eq!(part(name, "/event/message/direction"), direction, "{name}");
        assert_eq!(part(name, "/event/message/author"), author, "{name}");
        let private = if name == "private-note" {
            json!(true)
        } else {
            Value::Null
        };
        assert_eq!(part(name, "/event/message/private"), private, "{name}");
    }
}

#[test]
fn owner_of_an_api_token_is_not_the_contact() {
    assert_eq!(
        part("api-message-of-user", "/event/contact"),
        json!({ "id": "41", "name": "quiet-fog-12" })
    );
    // Neither is the person or the bot who writes to the customer.
    assert_eq!(part("human-reply", "/event/contact/name"), "quiet-fog-12");
}

#[test]
fn ids_may_be_texts_and_most_fields_may_be_missing() {
    let expected = json!({
        "of": "1201",
        "event": {
            "kind": "message",
            "inbox": "7",
            "message": { "id": "9007", "direction": "incoming", "text": "hi", "author": "customer" },
            "contact": { "id": "41", "name": "Sam Roe" },
            "status": "open",
        },
    });
    assert_eq!(read(&fixture("text-ids")), expected);
    let least = json!({ "event": "message_created", "id": 1, "message_type": 0, "conversation": { "id": 2 } });
    let message = json!({ "id": "1", "direction": "incoming", "text": "", "author": "unknown" });
    let expected = json!({ "of": "2", "event": { "kind": "message", "message": message, "contact": {} } });
    assert_eq!(read(&least), expected);
}

#[test]
fn message_without_text_counts_its_attachments() {
    assert_eq!(part("attachments-only", "/event/message/text"), "");
    assert_eq!(part("attachments-only", "/event/message/attachments"), 2);
}

#[test]
fn only_the_message_at_the_top_is_read() {
    // The conversation's last message may be an older one of the customer.
    assert_eq!(part("private-note", "/event/message/text"), "The customer is cross.");
    let body = changed(
        "customer-message",
        &[("/conversation/messages/0/content", json!("another"))],
    );
    assert_eq!(
        read(&body).pointer("/event/message/text"),
        Some(&json!("where is my parcel"))
    );
}

#[test]
fn long_text_is_cut_at_a_character() {
    let body = changed(
        "customer-message",
        &[("/content", json!("ü".repeat(MAX_TEXT_CHARS + 1)))],
    );
    assert_eq!(read(&body)["event"]["message"]["text"], "ü".repeat(MAX_TEXT_CHARS));
}

#[test]
fn choice_is_a_message_of_the_customer_with_an_id_of_its_own() {
    let message = part("choice", "/event/message");
    let id = message["id"].as_str().expect("an id").to_owned();
    assert!(
        id.starts_with("9011-choice-") && id.len() == "9011-choice-".len() + 16,
        "{id}"
    );
    let expected = json!({ "id": id, "direction": "incoming", "text": "track", "author": "customer" });
    assert_eq!((part("choice", "/event/kind"), message), (json!("choice"), expected));

    // The same choice has the same id again, another one another.
    let values = "/content_attributes/submitted_values";
    let with = |submitted: Value| read(&changed("choice", &[(values, submitted)]))["event"]["message"].clone();
    assert_eq!(with(json!([{ "title": "Follow", "value": "track" }]))["id"], id);
    assert_ne!(with(json!([{ "title": "Return", "value": "return" }]))["id"], id);
    assert_eq!(with(json!([{ "title": "Return" }]))["text"], "Return");
    assert_eq!(
        with(json!([{ "name": "name", "value": "Sam" }, { "name": "age", "value": 44 }]))["text"],
        "Sam\n44"
    );
    for nothing in [
        json!([]),
        json!(null),
        json!("track"),
        json!([{ "value": " " }]),
        json!([null]),
    ] {
        assert_eq!(with(nothing.clone()), Value::Null, "{nothing}");
    }
}

#[test]
fn update_of_a_message_without_a_choice_is_irrelevant() {
    for name in ["read-receipt", "deleted"] {
        assert_eq!(read(&fixture(name)), Value::Null, "{name}");
    }
    for (pointer, value) in [
        ("/message_type", json!("incoming")),
        ("/private", json!(true)),
        ("/content_attributes", json!([])),
        ("/id", json!("9".repeat(60))),
    ] {
        assert_eq!(read(&changed("choice", &[(pointer, value)])), Value::Null, "{pointer}");
    }
    let deleted = changed(
        "customer-message",
        &[("/content_attributes", json!({ "deleted": true }))],
    );
    assert_eq!(read(&deleted), Value::Null);
}

#[test]
fn status_and_assignee_are_hints() {
    for (name, status, is_assigned) in [
        ("customer-message", "pending", false),
        ("human-reply", "open", true),
        ("human-reply-while-pending", "pending", false),
        // A bot that is assigned is no person.
        ("text-ids", "open", false),
        ("conversation-opened", "open", true),
        ("conversation-assigned-to-bot", "open", false),
    ] {
        assert_eq!(part(name, "/event/status"), status, "{name}");
        let assigned = if is_assigned { json!(true) } else { Value::Null };
        assert_eq!(part(name, "/event/assigned"), assigned, "{name}");
    }
    for (word, status) in [
        (json!("bot"), json!("pending")),
        (json!("snoozed"), json!("snoozed")),
        (json!("Open"), json!("open")),
        (json!("on hold"), json!("other")),
        (json!(null), Value::Null),
        (json!({}), Value::Null),
    ] {
        let body = read(&changed("customer-message", &[("/conversation/status", word.clone())]));
        assert_eq!(body["event"]["status"], status, "{word}");
    }
    for (assignee, is_assigned) in [
        (json!({ "id": 5 }), true),
        (json!({ "name": "Jo" }), true),
        (json!({ "id": 3, "type": "AgentBot" }), false),
        (json!({}), false),
        (json!([]), false),
        (json!("Jo"), false),
    ] {
        let body = read(&changed(
            "customer-message",
            &[("/conversation/meta/assignee", assignee.clone())],
        ));
        assert_eq!(
            body["event"]["assigned"].as_bool().unwrap_or_default(),
            is_assigned,
            "{assignee}"
        );
    }
}

#[test]
fn events_about_a_conversation_have_its_id_at_the_top() {
    for (name, kind, status) in [
        ("conversation-created", "created", "pending"),
        ("conversation-opened", "updated", "open"),
        ("conversation-assigned-to-bot", "updated", "open"),
        ("conversation-resolved", "resolved", "resolved"),
        ("conversation-status-changed", "resolved", "resolved"),
    ] {
        let body = read(&fixture(name));
        let event = &body["event"];
        assert_eq!(
            (&body["of"], &event["kind"], &event["status"]),
            (&json!("1201"), &json!(kind), &json!(status)),
            "{name}"
        );
        assert_eq!(
            (&event["inbox"], &event["message"]),
            (&json!("7"), &Value::Null),
            "{name}"
        );
        assert_eq!(event["contact"]["name"], "quiet-fog-12", "{name}");
    }
    // Without a status the name of the event says it.
    let opened = changed("conversation-opened", &[("/status", Value::Null)]);
    assert_eq!(read(&opened)["event"]["status"], "open");
    // An update of a resolved conversation does not resolve it again.
    let updated = changed("conversation-assigned-to-bot", &[("/status", json!("resolved"))]);
    assert_eq!(read(&updated)["event"]["kind"], "updated");
}

#[test]
fn everything_else_is_irrelevant() {
    for (name, event) in [
        ("widget-triggered", "webwidget_triggered"),
        ("automation", "automation_event.message_created"),
        ("contact-updated", "contact_updated"),
        ("read-receipt", "message_updated"),
    ] {
        let read = read_event(fixture(name).to_string().as_bytes());
        let name = event.to_owned();
        assert_eq!(read, Ok(ReceivedEvent::Irrelevant { name }));
    }
    for (body, name) in [
        ("null", ""),
        ("[]", ""),
        ("7", ""),
        ("{}", ""),
        (r#"{"event":7}"#, ""),
        (r#"{"event":"message_action_executed"}"#, "message_action_executed"),
        ("{\"event\":\"a b\\nc\u{e9}\"}", "abc"),
    ] {
        let name = name.to_owned();
        assert_eq!(
            read_event(body.as_bytes()),
            Ok(ReceivedEvent::Irrelevant { name }),
            "{body}"
        );
    }
    let long = json!({ "event": "x".repeat(500) }).to_string();
    let name = "x".repeat(MAX_EVENT_NAME_CHARS);
    assert_eq!(read_event(long.as_bytes()), Ok(ReceivedEvent::Irrelevant { name }));
}

#[test]
fn message_without_conversation_direction_or_valid_id_is_irrelevant() {
    for (pointer, value) in [
        ("/id", Value::Null),
        ("/id", json!("a/b")),
        ("/id", json!("9".repeat(65))),
        ("/conversation", Value::Null),
        ("/conversation", json!([])),
        ("/conversation/id", json!({})),
        ("/conversation/id", json!(true)),
        ("/conversation/id", json!("#")),
        ("/message_type", json!("activity")),
        ("/message_type", json!(2)),
        ("/message_type", Value::Null),
    ] {
        assert_eq!(
            read(&changed("customer-message", &[(pointer, value)])),
            Value::Null,
            "{pointer}"
        );
    }
}

#[test]
fn details_of_the_contact_are_bounded() {
    let body = changed(
        "customer-message-without-type",
        &[
            ("/sender/name", json!("n".repeat(MAX_NAME_CHARS + 1))),
            (
                "/sender/email",
                json!(format!("{}@example.org", "e".repeat(MAX_EMAIL_CHARS))),
            ),
            ("/sender/phone_number", json!("1".repeat(MAX_PHONE_CHARS + 1))),
            ("/sender/id", json!("not an id")),
            (
                "/conversation/additional_attributes/conversation_language",
                json!("<script>"),
            ),
        ],
    );
    let expected = json!({ "id": "41", "name": "n".repeat(MAX_NAME_CHARS) });
    assert_eq!(read(&body)["event"]["contact"], expected);
    for (tag, expected) in [
        (json!("pt_BR"), json!("pt-BR")),
        (json!("en-US"), json!("en-US")),
        (json!(" "), Value::Null),
        (json!("1"), Value::Null),
        (json!("a".repeat(MAX_LANGUAGE_CHARS + 1)), Value::Null),
    ] {
        let pointer = "/conversation/additional_attributes/browser_language";
        let body = read(&changed("customer-message", &[(pointer, tag.clone())]));
        assert_eq!(body["event"]["contact"]["language"], expected, "{tag}");
    }
}

#[test]
fn body_that_is_not_json_is_an_error() {
    assert_eq!(read_event(b""), Err(UnreadableJson::Empty));
    assert!(matches!(
        read_event(b"event=message_created"),
        Err(UnreadableJson::NotJson { .. })
    ));
}

/// Any JSON, with the names that we read among its fields.
fn any_json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,20}".prop_map(Value::from),
        prop::sample::select(vec![
            "message_created",
            "outgoing",
            "incoming",
            "agent_bot",
            "user",
            "resolved",
            "true"
        ])
        .prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "event",
        "id",
        "content",
        "message_type",
        "private",
        "content_attributes",
        "deleted",
        "submitted_values",
        "title",
        "value",
        "sender",
        "type",
        "name",
        "email",
        "inbox",
        "attachments",
        "conversation",
        "status",
        "inbox_id",
        "meta",
        "assignee",
        "assignee_type",
        "additional_attributes",
        "browser_language",
        "messages",
    ]);
    scalar.prop_recursive(4, 64, 8, move |inner| {
        let fields = prop::collection::vec((name.clone(), inner.clone()), 0..8);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::Array),
            fields.prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

/// The pointers of all fields in a value.
fn pointers(value: &Value) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(all) => all
            .iter()
            .enumerate()
            .map(|(index, value)| (index.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    let below = |(name, value): (String, &Value)| {
        let inside = pointers(value).into_iter().map(move |rest| format!("/{name}{rest}"));
        inside.collect::<Vec<_>>()
    };
    std::iter::once(String::new())
        .chain(inner.into_iter().flat_map(below))
        .collect()
}

proptest! {
    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_event(&body);
    }

    #[test]
    fn no_json_panics(body in any_json()) {
        prop_assert!(read_event(body.to_string().as_bytes()).is_ok());
    }

    #[test]
    fn no_field_of_an_event_may_be_odd_enough_to_panic(
        name in prop::sample::select(vec!["customer-message", "choice", "human-reply", "conversation-opened", "text-ids"]),
        at in any::<prop::sample::Index>(),
        value in any_json(),
    ) {
        let mut body = fixture(name);
        let pointers = pointers(&body);
        let pointer = at.get(&pointers);
        *body.pointer_mut(pointer).expect("a pointer of the body") = value;
        let read = read_event(body.to_string().as_bytes());
        if let Ok(ReceivedEvent::Conversation { event, .. }) = &read {
            let message = event.message.as_ref();
            prop_assert!(message.is_none_or(|message| message.text.chars().count() <= MAX_TEXT_CHARS));
            prop_assert!(serde_json::to_string(event).expect("JSON").len() < 4 * MAX_TEXT_CHARS + 4_096);
        }
        prop_assert!(read.is_ok());
    }
}
