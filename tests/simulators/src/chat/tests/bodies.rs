//! The bodies of events, in every form that the switches allow.

use super::*;

/// The event about a customer's message under these switches.
async fn incoming(switches: Switches) -> Value {
    let desk = Desk::new(switches).await;
    let conversation = desk.opens();
    desk.writes(conversation, "Where is my parcel?");
    desk.pass(1).await;
    desk.last_message()
}

#[tokio::test(start_paused = true)]
async fn a_message_event_has_the_documented_shape() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    let message = desk.writes(conversation, "Where is my parcel?");
    desk.pass(1).await;
    let arrived = desk.events("message_created").pop().expect("an event");
    assert_eq!(arrived.url, BOT_URL);
    assert_eq!(arrived.headers["content-type"], "application/json");
    assert!(!arrived.headers.contains_key(super::signature::SIGNATURE_HEADER));
    let body = arrived.body;
    for (pointer, expected) in [
        ("/id", json!(message)),
        ("/content", json!("Where is my parcel?")),
        ("/message_type", json!("incoming")),
        ("/content_type", json!("text")),
        ("/content_attributes", json!({})),
        ("/private", json!(false)),
        ("/created_at", json!("2026-11-30T09:00:00.080Z")),
        ("/sender/type", json!("contact")),
        ("/inbox", json!({ "id": 7, "name": "Shop chat" })),
        ("/account/id", json!(1)),
        ("/conversation/id", json!(conversation)),
        ("/conversation/status", json!("pending")),
        ("/conversation/channel", json!("Channel::WebWidget")),
        ("/conversation/account/id", json!(1)),
        ("/conversation/meta/assignee", Value::Null),
        ("/conversation/meta/sender/type", json!("contact")),
        ("/conversation/messages/0/id", json!(message)),
        ("/conversation/messages/0/message_type", json!(0)),
        ("/conversation/messages/0/created_at", json!(1_796_029_200)),
        ("/conversation/messages/0/sender_type", json!("Contact")),
        ("/event", json!("message_created")),
    ] {
        assert_eq!(body.pointer(pointer), Some(&expected), "{pointer} in {body:#}");
    }
    assert!(body.get("attachments").is_none());
}

#[tokio::test(start_paused = true)]
async fn an_attachment_has_no_content() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    desk.chat
        .customer_sends_attachment(conversation, "")
        .expect("a message");
    desk.pass(1).await;
    let body = desk.last_message();
    assert_eq!(
        (&body["content"], &body["attachments"][0]["file_type"]),
        (&Value::Null, &json!("image"))
    );
    desk.chat
        .customer_sends_attachment(conversation, "a photo")
        .expect("a message");
    desk.pass(1).await;
    assert_eq!(desk.last_message()["content"], "a photo");
}

#[tokio::test(start_paused = true)]
async fn the_sender_of_a_customers_message_has_the_form_of_the_switch() {
    for (form, kind) in [
        (IncomingSender::Contact, Some(json!("contact"))),
        (IncomingSender::Untyped, None),
        (IncomingSender::Nobody, None),
        (IncomingSender::User, Some(json!("user"))),
    ] {
        let body = incoming(with(|switches| switches.incoming_sender = form)).await;
        assert_eq!(body["sender"].get("type").cloned(), kind, "{form:?}");
        assert_eq!(body["sender"].is_null(), form == IncomingSender::Nobody);
        assert_eq!(body["message_type"], "incoming");
    }
}

#[tokio::test(start_paused = true)]
async fn ids_are_numbers_or_strings() {
    let body = incoming(with(|switches| switches.event_ids = IdForm::Text)).await;
    for pointer in [
        "/id",
        "/conversation/id",
        "/inbox/id",
        "/conversation/messages/0/conversation_id",
    ] {
        assert!(body.pointer(pointer).is_some_and(Value::is_string), "{pointer}");
    }
    assert!(body["conversation"]["unread_count"].is_number(), "no id");
}

#[tokio::test(start_paused = true)]
async fn times_have_the_form_of_the_switch() {
    for (form, expected) in [
        (TimeForm::Zulu, json!("2026-11-30T09:00:00.080Z")),
        (TimeForm::WithoutZone, json!("2026-11-30T09:00:00.080")),
        (TimeForm::Spaced, json!("2026-11-30 09:00:00 UTC")),
        (TimeForm::Epoch, json!(1_796_029_200)),
    ] {
        let body = incoming(with(|switches| switches.times = form)).await;
        assert_eq!(body["created_at"], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_account_of_a_conversation_may_be_missing() {
    let body = incoming(with(|switches| switches.account = false)).await;
    assert!(body["conversation"].get("account").is_none());
}

#[tokio::test(start_paused = true)]
async fn empty_attributes_may_be_an_array() {
    let body = incoming(with(|switches| switches.empty_array = true)).await;
    assert_eq!(
        (&body["content_attributes"], &body["content_type"]),
        (&json!([]), &Value::Null)
    );
}

#[tokio::test(start_paused = true)]
async fn the_nested_message_is_the_last_an_older_one_or_missing() {
    for (nested, expected) in [
        (NestedMessage::Last, Some("second")),
        (NestedMessage::Older, Some("first")),
        (NestedMessage::Missing, None),
    ] {
        let desk = Desk::new(with(|switches| switches.nested_message = nested)).await;
        let conversation = desk.opens();
        desk.writes(conversation, "first");
        desk.writes(conversation, "second");
        desk.pass(1).await;
        let body = desk.last_message();
        assert_eq!(body["content"], "second");
        assert_eq!(body["conversation"]["messages"][0]["content"].as_str(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_private_note_is_not_the_nested_message() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    desk.writes(conversation, "Hello");
    desk.chat
        .agent_notes(conversation, "jane.doe", "a difficult one")
        .expect("a note");
    desk.pass(1).await;
    let body = desk.last_message();
    assert_eq!(
        (&body["private"], &body["content"]),
        (&json!(true), &json!("a difficult one"))
    );
    assert_eq!(body["conversation"]["messages"][0]["content"], "Hello");
}

#[tokio::test(start_paused = true)]
async fn a_pending_conversation_may_have_the_oldest_name() {
    let body = incoming(with(|switches| switches.pending_name = PendingName::Bot)).await;
    assert_eq!(body["conversation"]["status"], "bot");
}

#[tokio::test(start_paused = true)]
async fn the_bot_is_the_assignee_or_nobody() {
    let body = incoming(with(|switches| switches.bot_is_assignee = true)).await;
    let meta = &body["conversation"]["meta"];
    assert_eq!(
        (&meta["assignee"]["type"], &meta["assignee_type"]),
        (&json!("agent_bot"), &json!("AgentBot"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_persons_reply_names_the_person_or_only_in_its_attributes() {
    for sender in [HumanSender::User, HumanSender::External] {
        let desk = Desk::new(with(|switches| switches.human_sender = sender)).await;
        let conversation = desk.opens();
        desk.chat
            .agent_replies(conversation, "jane.doe", "Hello")
            .expect("a message");
        desk.pass(1).await;
        let body = desk.last_message();
        assert_eq!(body["message_type"], "outgoing");
        let name = body["content_attributes"]["external_sender_name"].as_str();
        match sender {
            HumanSender::User => assert_eq!((&body["sender"]["type"], name), (&json!("user"), None)),
            HumanSender::External => assert_eq!((&body["sender"], name), (&Value::Null, Some("jane.doe"))),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_click_updates_the_message_that_offers_the_choice() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    let path = format!("conversations/{conversation}/messages");
    let items = json!([{ "title": "Track", "value": "track" }, { "title": "Return", "value": "return" }]);
    let message =
        json!({ "content": "What?", "content_type": "input_select", "content_attributes": { "items": items } });
    let (status, body) = desk.chatwoot("POST", &path, CHATWOOT_BOT_TOKEN, message).await;
    assert_eq!(status, 200);
    desk.pass(2).await;
    desk.forget_events();
    let clicked = desk.chat.customer_clicks(conversation, "Track").expect("a click");
    desk.pass(1).await;
    assert_eq!(body["id"], clicked);
    let [event] = desk.events("message_updated").try_into().expect("one event");
    assert_eq!(
        (&event.body["message_type"], &event.body["content_type"]),
        (&json!("outgoing"), &json!("input_select"))
    );
    let submitted = &event.body["content_attributes"]["submitted_values"];
    assert_eq!(*submitted, json!([{ "title": "Track", "value": "track" }]));

    let written = desk
        .chat
        .customer_clicks(conversation, "Something else")
        .expect("a message");
    desk.pass(1).await;
    assert_eq!(desk.last_message()["id"], written, "what is not offered is written");
}

#[tokio::test(start_paused = true)]
async fn what_is_known_about_the_customer_is_in_later_events() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    let known = desk
        .chat
        .customer_is(conversation, "Sam Roe", Some("sam@example.org"), Some("+12025550123"));
    known.expect("a conversation");
    desk.writes(conversation, "Hello");
    desk.pass(1).await;
    let body = desk.last_message();
    for sender in [&body["sender"], &body["conversation"]["meta"]["sender"]] {
        assert_eq!(
            (&sender["name"], &sender["phone_number"]),
            (&json!("Sam Roe"), &json!("+12025550123"))
        );
    }
}
