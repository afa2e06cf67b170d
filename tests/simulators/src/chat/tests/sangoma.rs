//! Sangoma's API about bots, inboxes, webhooks, contacts, conversations and messages.

use super::*;

/// The ids in the responses, wherever the body has them.
fn id_of(body: &Value) -> Option<u64> {
    let objects = [
        body,
        &body["payload"],
        &body["payload"]["contact"],
        &body["agent_bot"],
        &body["contact"],
        &body["conversation"],
        &body["message"],
    ];
    let id = objects.into_iter().find_map(|object| object.get("id"))?;
    id.as_u64().or_else(|| id.as_str()?.parse().ok())
}

#[tokio::test(start_paused = true)]
async fn a_bot_is_created_and_assigned_to_an_inbox() {
    let desk = Desk::new(Switches::default()).await;
    let bot = json!({ "name": "Returns", "outgoing_url": "https://hooks.example.org/other", "description": "x" });
    let (status, body) = desk.post("digital-interactions/agents-bot/", bot).await;
    assert_eq!(status, 200);
    let id = id_of(&body).expect("an id");
    // Strings in this request, numbers elsewhere: as documented.
    let assign = json!({ "inbox_id": "8", "agent_bot_id": id.to_string() });
    assert_eq!(
        desk.post("digital-interactions/agents-bot/assign/", assign).await.0,
        200
    );
    let conversation = desk.chat.customer_opens(8).expect("a conversation");
    assert_eq!(desk.status(conversation), Status::Pending);
    desk.writes(conversation, "Hello");
    desk.pass(1).await;
    assert!(
        desk.names("https://hooks.example.org/other")
            .contains(&"message_created".to_owned())
    );
    assert!(desk.names(BOT_URL).is_empty(), "the other bot gets nothing");

    for (inbox, bot) in [("70", id), ("8", 700)] {
        let assign = json!({ "inbox_id": inbox, "agent_bot_id": bot.to_string() });
        assert_eq!(
            desk.post("digital-interactions/agents-bot/assign/", assign).await.0,
            404
        );
    }
    for bot in [
        json!({ "name": "x", "outgoing_url": "nowhere" }),
        json!({ "outgoing_url": BOT_URL }),
    ] {
        let (status, _) = desk.post("digital-interactions/agents-bot/", bot).await;
        assert!(status == 422 || status == 400);
    }
}

#[tokio::test(start_paused = true)]
async fn the_inboxes_are_listed_in_every_form() {
    for (answers, pointer) in [
        (AnswerForm::AsChatwoot, "/payload"),
        (AnswerForm::Bare, ""),
        (AnswerForm::Payload, "/payload"),
        (AnswerForm::Named, "/results"),
        (AnswerForm::Empty, ""),
    ] {
        let desk = Desk::new(with(|switches| switches.answers = answers)).await;
        let request = desk.request("GET", "digital-interactions/inboxes/", &Value::Null);
        let (_, body) = desk.raw(request).await.expect("an answer");
        let list = body.pointer(pointer).and_then(Value::as_array).expect("a list");
        assert_eq!(list.len(), INBOXES.len());
        assert_eq!((&list[0]["id"], &list[0]["name"]), (&json!(7), &json!("Shop chat")));
        assert_eq!(list[0]["channel_type"], "Channel::WebWidget");
    }
}

#[tokio::test(start_paused = true)]
async fn responses_have_the_form_and_the_ids_of_the_switches() {
    for answers in [
        AnswerForm::AsChatwoot,
        AnswerForm::Bare,
        AnswerForm::Payload,
        AnswerForm::Named,
    ] {
        for answer_ids in [IdForm::Number, IdForm::Text] {
            let desk = Desk::new(with(|switches| {
                switches.answers = answers;
                switches.answer_ids = answer_ids;
            }))
            .await;
            let conversation = desk.opens();
            let (status, body) = desk.says(conversation, "Hello").await;
            assert_eq!((status, id_of(&body)), (200, Some(desk.chat.posts_of_bot()[0].id)));
            let has_text = body.to_string().contains("\"conversation_id\":\"1201\"");
            assert_eq!(has_text, answer_ids == IdForm::Text);
            let (_, body) = desk.deliver(conversation).await;
            assert!(body.to_string().contains("current_status"), "{body}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn responses_that_nothing_depends_on_may_be_empty() {
    for (answers, expected) in [(AnswerForm::Empty, 200), (AnswerForm::NoContent, 204)] {
        let desk = Desk::new(with(|switches| switches.answers = answers)).await;
        let conversation = desk.opens();
        assert_eq!(desk.says(conversation, "Hello").await, (expected, Value::Null));
        assert_eq!(desk.deliver(conversation).await, (expected, Value::Null));
        assert_eq!(desk.chat.posts_of_bot().len(), 1);
        let contact =
            json!({ "name": "Sam Roe", "email": "sam@example.org", "inbox_id": 9, "phone_number": "+120255501" });
        let (_, body) = desk.post("digital-interactions/contacts/", contact).await;
        assert!(id_of(&body).is_some(), "nothing could follow without this id");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_created_has_the_status_of_the_switch() {
    for (created_status, expected) in [(CreatedStatus::Ok, 200), (CreatedStatus::Created, 201)] {
        let desk = Desk::new(with(|switches| switches.created_status = created_status)).await;
        let conversation = desk.opens();
        assert_eq!(desk.says(conversation, "Hello").await.0, expected);
        assert_eq!(desk.finish(conversation).await.0, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_gets_the_events_to_which_it_is_subscribed() {
    let desk = Desk::new(Switches::default()).await;
    let webhook = json!({ "url": WEBHOOK_URL, "subscriptions": ["conversation_created", "message_created"] });
    assert_eq!(
        desk.post("digital-interactions/webhooks/", webhook.clone()).await.0,
        200
    );
    let conversation = desk.opens();
    desk.writes(conversation, "Hello");
    desk.deliver(conversation).await;
    desk.pass(1).await;
    assert_eq!(desk.names(WEBHOOK_URL), ["conversation_created", "message_created"]);
    assert_eq!(
        desk.names(BOT_URL),
        ["webwidget_triggered", "message_created", "conversation_opened"],
        "a bot gets other events"
    );

    assert_eq!(
        desk.post("digital-interactions/webhooks/", webhook).await.0,
        422,
        "the URL is taken"
    );
    for subscriptions in [
        json!([]),
        json!(["everything"]),
        json!(["message_updated"]),
        Value::Null,
    ] {
        let webhook = json!({ "url": "https://hooks.example.org/x", "subscriptions": subscriptions });
        assert_eq!(desk.post("digital-interactions/webhooks/", webhook).await.0, 422);
    }
}

#[tokio::test(start_paused = true)]
async fn the_url_of_a_webhook_is_unique_or_not() {
    for (unique, expected) in [(true, 422), (false, 200)] {
        let desk = Desk::new(with(|switches| switches.webhooks_are_unique = unique)).await;
        let webhook = json!({ "url": WEBHOOK_URL, "subscriptions": ["message_created"] });
        assert_eq!(
            desk.post("digital-interactions/webhooks/", webhook.clone()).await.0,
            200
        );
        assert_eq!(desk.post("digital-interactions/webhooks/", webhook).await.0, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_own_widget_creates_contact_and_conversation_and_posts_in_both_directions() {
    let desk = Desk::new(Switches::default()).await;
    let contact = json!({ "name": "Sam Roe", "email": "sam@example.org", "inbox_id": 9, "phone_number": "+120255501" });
    let (status, body) = desk.post("digital-interactions/contacts/", contact.clone()).await;
    let id = id_of(&body).expect("an id");
    assert_eq!(
        (status, &body["payload"]["contact"]["email"]),
        (200, &json!("sam@example.org"))
    );
    assert_eq!(
        desk.post("digital-interactions/contacts/", contact).await.0,
        422,
        "the e-mail address is taken"
    );
    for wrong in [
        json!({ "name": "x", "email": "nobody", "inbox_id": 9 }),
        json!({ "name": "x", "email": "x@example.org", "inbox_id": 9, "phone_number": "12025550123" }),
    ] {
        assert_eq!(desk.post("digital-interactions/contacts/", wrong).await.0, 422);
    }

    let begin = json!({
        "source_id": "sam@example.org", "contact_id": id, "inbox_id": 9, "priority": 1, "initial_message": "Hello",
    });
    let (status, body) = desk.post("digital-interactions/conversations/", begin).await;
    let conversation = id_of(&body).expect("an id");
    assert_eq!(
        (status, &body["contact_inbox"]["source_id"]),
        (200, &json!("sam@example.org"))
    );
    for (content, kind) in [("Where is it?", "incoming"), ("On its way.", "outgoing")] {
        let message = json!({ "content": content, "message_type": kind, "conversation_id": conversation });
        assert_eq!(desk.post("digital-interactions/messages/", message).await.0, 200);
    }
    let messages = desk.chat.messages(conversation);
    let kinds: Vec<(MessageKind, &str)> = messages
        .iter()
        .map(|message| (message.kind, message.text.as_str()))
        .collect();
    let expected = [
        (MessageKind::Incoming, "Hello"),
        (MessageKind::Incoming, "Where is it?"),
        (MessageKind::Outgoing, "On its way."),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(messages[2].author, Author::Bot { bot: None });
}

#[tokio::test(start_paused = true)]
async fn the_initial_message_and_own_incoming_messages_have_an_event_or_not() {
    for (initial, own, expected) in [(true, true, 2), (false, true, 1), (true, false, 0), (false, false, 0)] {
        let desk = Desk::new(with(|switches| {
            switches.initial_message_event = initial;
            switches.own_incoming_event = own;
        }))
        .await;
        desk.chat.subscribe(WEBHOOK_URL, &[EventName::MessageCreated]);
        let contact = json!({ "name": "Sam Roe", "email": "sam@example.org", "inbox_id": 9 });
        let (_, body) = desk.post("digital-interactions/contacts/", contact).await;
        let begin = json!({
            "source_id": "sam@example.org", "contact_id": id_of(&body), "inbox_id": 9, "initial_message": "Hello",
        });
        let (_, body) = desk.post("digital-interactions/conversations/", begin).await;
        let message = json!({ "content": "x", "message_type": "incoming", "conversation_id": id_of(&body) });
        desk.post("digital-interactions/messages/", message).await;
        desk.pass(1).await;
        assert_eq!(desk.names(WEBHOOK_URL).len(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_needs_content_a_known_conversation_and_a_known_bot() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    let send = async |change: fn(&mut Value)| {
        let mut body = desk.message(conversation, "Hello");
        change(&mut body);
        desk.post("digital-interactions/messages/", body).await.0
    };
    assert_eq!(send(|body| body["content"] = " ".into()).await, 400);
    assert_eq!(send(|body| body["content"] = "x".repeat(150_001).into()).await, 422);
    assert_eq!(send(|body| body["conversation_id"] = Value::Null).await, 400);
    assert_eq!(send(|body| body["conversation_id"] = 9.into()).await, 404);
    assert_eq!(send(|body| body["message_type"] = "template".into()).await, 422);
    assert_eq!(send(|body| body["agent_bot_id"] = Value::Null).await, 400);
    assert_eq!(send(|body| body["agent_bot_id"] = 99.into()).await, 404);
    assert!(desk.chat.posts_of_bot().is_empty());
    assert_eq!(
        send(|body| body["conversation_id"] = "1201".into()).await,
        200,
        "strings of digits are accepted"
    );
    let unnamed = json!({ "content": "Older form", "conversation_id": conversation });
    assert_eq!(desk.post("digital-interactions/messages/", unnamed).await.0, 200);
    let authors: Vec<Author> = desk.chat.posts_of_bot().into_iter().map(|post| post.author).collect();
    assert_eq!(
        authors,
        [Author::Bot { bot: Some(desk.bot) }, Author::Bot { bot: None }]
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_links_a_message_to_its_request_and_the_response() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    desk.chat
        .fail_next(Endpoint::Messages, ApiFault::InternalError { done: true });
    assert_eq!(desk.says(conversation, "Hello").await.0, 500);
    let [post] = desk.chat.posts_of_bot().try_into().expect("one message");
    let request = desk.chat.requests()[post.request.expect("a request")].clone();
    assert_eq!((request.status, request.message), (Some(500), Some(post.id)));
    assert_eq!(
        (request.api, request.body["content"].as_str()),
        (Api::Sangoma, Some("Hello"))
    );
    let answer: Value = serde_json::from_str(&request.answer).expect("JSON");
    assert_eq!(answer["id"], post.id, "the answer that was lost is recorded");
}

#[tokio::test(start_paused = true)]
async fn more_than_200_messages_in_a_minute_are_refused() {
    let desk = Desk::new(with(|switches| switches.response_time = Duration::from_millis(10))).await;
    let conversation = desk.opens();
    for number in 0..200 {
        assert_eq!(desk.says(conversation, &format!("message {number}")).await.0, 200);
    }
    let (status, body) = desk.says(conversation, "one more").await;
    assert_eq!((status, body), (422, json!({ "error": "Too many messages" })));
    assert_eq!(
        desk.chat.customer_writes(conversation, "x"),
        Err(ActionError::TooManyMessages(conversation))
    );
    desk.pass(61).await;
    assert_eq!(desk.says(conversation, "one more").await.0, 200);
}
