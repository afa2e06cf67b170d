//! Chatwoot's own paths, about the same inboxes and conversations.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_known_token_and_the_account_are_required() {
    let desk = Desk::new(Switches::default()).await;
    assert_eq!(
        desk.chatwoot("GET", "inboxes", CHATWOOT_USER_TOKEN, Value::Null)
            .await
            .0,
        200
    );
    let (status, body) = desk.chatwoot("GET", "inboxes", "unknown", Value::Null).await;
    assert_eq!((status, body), (401, json!({ "error": "Invalid Access Token" })));
    let request = http::Request::get(format!("{CHATWOOT_URL}/api/v1/accounts/2/inboxes"))
        .header("api_access_token", CHATWOOT_USER_TOKEN)
        .body(Bytes::new())
        .expect("a request");
    assert_eq!(desk.raw(request).await.expect("an answer").0, 401);
    let profile = http::Request::get(format!("{CHATWOOT_URL}/api/v1/profile"))
        .header("api_access_token", CHATWOOT_USER_TOKEN)
        .body(Bytes::new())
        .expect("a request");
    assert_eq!(desk.raw(profile).await.expect("an answer").0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_bots_token_is_for_conversations_only() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    let path = format!("conversations/{conversation}");
    assert_eq!(
        desk.chatwoot("GET", &path, CHATWOOT_BOT_TOKEN, Value::Null).await.0,
        200
    );
    for path in ["contacts", "inboxes", "agent_bots", "webhooks"] {
        assert_eq!(
            desk.chatwoot("GET", path, CHATWOOT_BOT_TOKEN, Value::Null).await.0,
            401,
            "{path}"
        );
    }
    let without_bot = Chat::new(desk.clock.clone(), Switches::default(), 1);
    let request = http::Request::get(format!("{CHATWOOT_URL}/api/v1/accounts/1/conversations"))
        .header("api_access_token", CHATWOOT_BOT_TOKEN)
        .body(Bytes::new())
        .expect("a request");
    let response = without_bot.send(request).await.expect("an answer");
    assert_eq!(response.status(), 401, "the token of a bot that does not exist");
}

#[tokio::test(start_paused = true)]
async fn bots_are_created_changed_assigned_and_deleted() {
    let desk = Desk::new(Switches::default()).await;
    let token = CHATWOOT_USER_TOKEN;
    let bot = json!({ "name": "Returns", "description": "x", "outgoing_url": "https://hooks.example.org/other" });
    let (status, body) = desk.chatwoot("POST", "agent_bots", token, bot).await;
    let id = body["id"].as_u64().expect("an id");
    assert_eq!(
        (status, &body["outgoing_url"]),
        (200, &json!("https://hooks.example.org/other"))
    );
    assert!(body["access_token"].is_string());
    let (_, list) = desk.chatwoot("GET", "agent_bots", token, Value::Null).await;
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    let path = format!("agent_bots/{id}");
    let (_, body) = desk.chatwoot("PATCH", &path, token, json!({ "name": "Renamed" })).await;
    assert_eq!((&body["name"], &body["description"]), (&json!("Renamed"), &json!("x")));
    assert_eq!(
        desk.chatwoot("POST", "inboxes/8/set_agent_bot", token, json!({ "agent_bot": id }))
            .await,
        (200, Value::Null)
    );
    let (_, body) = desk.chatwoot("GET", "inboxes/8/agent_bot", token, Value::Null).await;
    assert_eq!(body["agent_bot"]["id"], id);
    assert_eq!(
        desk.chatwoot("POST", "inboxes/8/set_agent_bot", token, json!({ "agent_bot": 99 }))
            .await
            .0,
        404
    );
    assert_eq!(desk.chatwoot("DELETE", &path, token, Value::Null).await.0, 200);
    assert_eq!(desk.chat.inboxes()[1].bot, None);
    assert_eq!(desk.chatwoot("GET", &path, token, Value::Null).await.0, 404);
    let wrong = json!({ "name": "x", "outgoing_url": "nowhere" });
    let (status, body) = desk.chatwoot("POST", "agent_bots", token, wrong).await;
    assert_eq!((status, &body["attributes"]), (422, &json!(["outgoing_url"])));
}

#[tokio::test(start_paused = true)]
async fn webhooks_are_created_changed_and_deleted() {
    let desk = Desk::new(Switches::default()).await;
    let token = CHATWOOT_USER_TOKEN;
    let names = json!(["message_created", "conversation_updated"]);
    for body in [
        json!({ "url": WEBHOOK_URL, "subscriptions": names }),
        json!({ "webhook": { "url": "https://hooks.example.org/other", "subscriptions": names } }),
    ] {
        let (status, answer) = desk.chatwoot("POST", "webhooks", token, body.clone()).await;
        assert_eq!((status, &answer["payload"]["webhook"]["subscriptions"]), (200, &names));
        let (status, answer) = desk.chatwoot("POST", "webhooks", token, body).await;
        assert_eq!(
            (status, &answer["message"]),
            (422, &json!("Url has already been taken"))
        );
    }
    let id = desk.chat.webhooks()[0].id;
    let changed = json!({ "url": "https://hooks.example.org/third", "subscriptions": ["message_updated"] });
    assert_eq!(
        desk.chatwoot("PATCH", &format!("webhooks/{id}"), token, changed)
            .await
            .0,
        200
    );
    assert_eq!(desk.chat.webhooks()[0].subscriptions, ["message_updated"]);
    assert_eq!(
        desk.chatwoot("DELETE", &format!("webhooks/{id}"), token, Value::Null)
            .await
            .0,
        200
    );
    let (_, list) = desk.chatwoot("GET", "webhooks", token, Value::Null).await;
    assert_eq!(list["payload"]["webhooks"].as_array().map(Vec::len), Some(1));
    let wrong = json!({ "url": "https://hooks.example.org/x", "subscriptions": ["everything"] });
    assert_eq!(desk.chatwoot("POST", "webhooks", token, wrong).await.0, 422);
}

#[tokio::test(start_paused = true)]
async fn inboxes_and_the_status_have_the_form_of_the_server_or_of_its_description() {
    for (answers, inboxes, status, set) in [
        (ChatwootAnswers::Server, "/payload/0/id", "/payload/current_status", 200),
        (ChatwootAnswers::Description, "/0/id", "/current_status", 204),
    ] {
        let desk = Desk::new(with(|switches| switches.chatwoot_answers = answers)).await;
        let token = CHATWOOT_USER_TOKEN;
        let (_, body) = desk.chatwoot("GET", "inboxes", token, Value::Null).await;
        assert_eq!(body.pointer(inboxes), Some(&json!(7)));
        let conversation = desk.opens();
        let path = format!("conversations/{conversation}/toggle_status");
        let (_, body) = desk.chatwoot("POST", &path, token, json!({ "status": "open" })).await;
        assert_eq!(body.pointer(status), Some(&json!("open")));
        let assign = json!({ "agent_bot": desk.bot });
        assert_eq!(
            desk.chatwoot("POST", "inboxes/8/set_agent_bot", token, assign).await.0,
            set
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_has_the_bot_or_the_user_as_author() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    let path = format!("conversations/{conversation}/messages");
    let as_bot = json!({ "content": "2", "sender_type": "AgentBot", "sender_id": desk.bot });
    for (token, body, author, kind) in [
        (
            CHATWOOT_BOT_TOKEN,
            json!({ "content": "1" }),
            Some(desk.bot),
            "agent_bot",
        ),
        (CHATWOOT_USER_TOKEN, as_bot, Some(desk.bot), "agent_bot"),
        (CHATWOOT_USER_TOKEN, json!({ "content": "3" }), None, "user"),
    ] {
        let (status, answer) = desk.chatwoot("POST", &path, token, body.clone()).await;
        assert_eq!(
            (status, &answer["content"], &answer["message_type"]),
            (200, &body["content"], &json!(1))
        );
        desk.pass(1).await;
        assert_eq!(desk.last_message()["sender"]["type"], kind);
        assert_eq!(
            desk.chat.posts_of_bot().pop().map(|post| post.author),
            Some(Author::Bot { bot: author })
        );
    }
    let (status, list) = desk.chatwoot("GET", &path, CHATWOOT_BOT_TOKEN, Value::Null).await;
    assert_eq!((status, list["payload"].as_array().map(Vec::len)), (200, Some(3)));
    let private = json!({ "content": "only for the team", "private": true });
    desk.chatwoot("POST", &path, CHATWOOT_BOT_TOKEN, private).await;
    assert_eq!(
        desk.chat.posts_of_bot().len(),
        3,
        "a private message is not to the customer"
    );
}

#[tokio::test(start_paused = true)]
async fn incoming_messages_are_for_api_inboxes() {
    let desk = Desk::new(Switches::default()).await;
    for (inbox, expected) in [(INBOX, 422), (9, 200)] {
        let conversation = desk.chat.customer_opens(inbox).expect("a conversation");
        let path = format!("conversations/{conversation}/messages");
        let message = json!({ "content": "Hello", "message_type": "incoming" });
        assert_eq!(
            desk.chatwoot("POST", &path, CHATWOOT_USER_TOKEN, message).await.0,
            expected
        );
    }
}

#[tokio::test(start_paused = true)]
async fn items_have_only_the_fields_of_their_kind() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    let path = format!("conversations/{conversation}/messages");
    for (kind, item, expected) in [
        ("input_select", json!({ "title": "a", "value": "b" }), 200),
        ("input_select", json!({ "title": "a", "link": "b" }), 422),
        ("article", json!({ "title": "a", "description": "b", "link": "c" }), 200),
        ("cards", json!({ "title": "a", "price": 3 }), 422),
    ] {
        let message = json!({ "content": "x", "content_type": kind, "content_attributes": { "items": [item] } });
        assert_eq!(
            desk.chatwoot("POST", &path, CHATWOOT_BOT_TOKEN, message).await.0,
            expected,
            "{kind}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_status_is_set_or_toggled() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    let path = format!("conversations/{conversation}/toggle_status");
    for (body, expected) in [
        (json!({ "status": "open" }), Status::Open),
        (json!({ "status": "pending" }), Status::Pending),
        (json!({}), Status::Open),
        (json!({}), Status::Resolved),
        (json!({ "status": "snoozed" }), Status::Snoozed),
    ] {
        assert_eq!(desk.chatwoot("POST", &path, CHATWOOT_BOT_TOKEN, body).await.0, 200);
        assert_eq!(desk.status(conversation), expected);
    }
    assert_eq!(
        desk.chatwoot("POST", &path, CHATWOOT_BOT_TOKEN, json!({ "status": "gone" }))
            .await
            .0,
        422
    );
    assert_eq!((desk.chat.delivered().len(), desk.chat.finished().len()), (2, 1));
    let typing = format!("conversations/{conversation}/toggle_typing_status");
    assert_eq!(
        desk.chatwoot("POST", &typing, CHATWOOT_BOT_TOKEN, json!({ "typing_status": "on" }))
            .await
            .0,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn contacts_conversations_labels_and_assignments_are_kept() {
    let desk = Desk::new(Switches::default()).await;
    let token = CHATWOOT_USER_TOKEN;
    let contact =
        json!({ "inbox_id": 9, "name": "Sam Roe", "email": "sam@example.org", "phone_number": "+12025550123" });
    let (status, body) = desk.chatwoot("POST", "contacts", token, contact.clone()).await;
    let id = body["payload"]["contact"]["id"].as_u64().expect("an id");
    assert_eq!(status, 200);
    assert!(body["payload"]["contact_inbox"]["source_id"].is_string());
    let (status, body) = desk.chatwoot("POST", "contacts", token, contact).await;
    assert_eq!((status, &body["attributes"]), (422, &json!(["email"])));
    let (_, found) = desk
        .chatwoot("GET", "contacts/search?q=sam%40example.org", token, Value::Null)
        .await;
    assert_eq!(found["payload"][0]["id"], id);
    let (_, found) = desk
        .chatwoot("GET", &format!("contacts/{id}"), token, Value::Null)
        .await;
    assert_eq!(found["payload"]["name"], "Sam Roe");

    let first = json!({ "content": "Hello", "message_type": "incoming" });
    let begin = json!({ "inbox_id": 9, "contact_id": id, "message": first });
    let (status, body) = desk.chatwoot("POST", "conversations", token, begin).await;
    let conversation = body["id"].as_u64().expect("an id");
    assert_eq!(
        (status, &body["account_id"], &body["messages"][0]["content"]),
        (200, &json!(1), &json!("Hello"))
    );
    assert!(desk.chat.messages(conversation)[0].is_of_customer());
    let labels = format!("conversations/{conversation}/labels");
    desk.chatwoot("POST", &labels, token, json!({ "labels": ["returns"] }))
        .await;
    let (_, body) = desk.chatwoot("GET", &labels, token, Value::Null).await;
    assert_eq!(body, json!({ "payload": ["returns"] }));
    let assignments = format!("conversations/{conversation}/assignments");
    let (_, body) = desk
        .chatwoot("POST", &assignments, token, json!({ "assignee_id": 15 }))
        .await;
    assert_eq!(body["name"], "jane.doe");
    assert_eq!(
        desk.chatwoot("POST", &assignments, token, json!({ "assignee_id": 99 }))
            .await
            .0,
        404
    );
    let (_, body) = desk.chatwoot("GET", "agents", token, Value::Null).await;
    assert_eq!(body[2]["availability_status"], "offline");
    let (_, body) = desk.chatwoot("GET", "conversations", token, Value::Null).await;
    assert_eq!(body["data"]["payload"][0]["id"], conversation);
    assert_eq!(
        desk.chatwoot("GET", "conversations/99", token, Value::Null).await.0,
        404
    );
    assert_eq!(desk.chatwoot("GET", "reports", token, Value::Null).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn both_apis_show_the_same_conversations() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    desk.says(conversation, "through Sangoma's API").await;
    let path = format!("conversations/{conversation}/messages");
    let message = json!({ "content": "through Chatwoot's" });
    desk.chatwoot("POST", &path, CHATWOOT_BOT_TOKEN, message).await;
    let (_, list) = desk.chatwoot("GET", &path, CHATWOOT_BOT_TOKEN, Value::Null).await;
    let texts: Vec<&str> = list["payload"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|m| m["content"].as_str())
        .collect();
    assert_eq!(texts, ["through Sangoma's API", "through Chatwoot's"]);
    let apis: Vec<Api> = desk.chat.requests().iter().skip(1).map(|request| request.api).collect();
    assert_eq!(apis, [Api::Sangoma, Api::Chatwoot, Api::Chatwoot]);
}
