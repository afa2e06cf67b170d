//! Customers, agents and other bots with a script, and the console.

use super::*;

fn texts(desk: &Desk, conversation: u64) -> Vec<String> {
    let messages = desk.chat.messages(conversation).into_iter();
    messages.map(|message| message.text).collect()
}

#[tokio::test(start_paused = true)]
async fn a_customer_follows_their_script() {
    let desk = Desk::new(Switches::default()).await;
    let customer = Customer::new(INBOX)
        .bursts(&["one", "two", "three"], Duration::from_millis(500))
        .pauses(Duration::from_secs(10))
        .then(Says::Attachment("a photo".to_owned()))
        .then(Says::Click("Track".to_owned()))
        .waits(Duration::from_mins(1))
        .writes("thanks");
    let conversation = desk.chat.let_in(customer).expect("an inbox");
    desk.pass(20).await;
    let messages = desk.chat.messages(conversation);
    let times: Vec<u128> = messages
        .iter()
        .map(|message| message.at.since(messages[0].at).as_millis())
        .collect();
    assert_eq!(times, [0, 500, 1_000, 11_000, 11_000]);
    assert!(!desk.chat.is_idle(), "the customer waits for an answer");
    desk.says(conversation, "Here it is").await;
    desk.pass(10).await;
    assert_eq!(
        texts(&desk, conversation),
        ["one", "two", "three", "a photo", "Track", "Here it is", "thanks"]
    );
    assert!(desk.chat.is_idle());
    assert_eq!(desk.chat.let_in(Customer::new(99)), Err(ActionError::NoInbox(99)));
}

#[tokio::test(start_paused = true)]
async fn a_customer_does_not_wait_for_an_answer_without_limit() {
    let desk = Desk::new(Switches::default()).await;
    let customer = Customer::new(INBOX)
        .writes("one")
        .waits(Duration::from_secs(30))
        .writes("two");
    let conversation = desk.chat.let_in(customer).expect("an inbox");
    desk.pass(60).await;
    let messages = desk.chat.messages(conversation);
    assert_eq!(messages[1].at.since(messages[0].at).as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn an_agent_takes_a_waiting_conversation_answers_and_leaves() {
    for (then, status, last) in [
        (Habit::Stays, Status::Open, "I am Jane"),
        (Habit::GivesBack("#bot".to_owned()), Status::Open, "#bot"),
        (Habit::GivesBackPublicly("#bot".to_owned()), Status::Open, "#bot"),
        (Habit::Resolves, Status::Resolved, "I am Jane"),
    ] {
        let desk = Desk::new(Switches::default()).await;
        desk.chat
            .put_to_work(Agent::new("jane.doe", Duration::from_secs(30), "I am Jane").who(then.clone()));
        let conversation = desk.opens();
        desk.deliver(conversation).await;
        desk.pass(25).await;
        assert!(desk.chat.messages(conversation).is_empty(), "not yet");
        desk.pass(60).await;
        let record = desk.chat.conversation(conversation).expect("a conversation");
        assert_eq!((record.status, record.assignee.as_deref()), (status, Some("jane.doe")));
        let message = desk.chat.messages(conversation).pop().expect("a message");
        assert_eq!(
            (message.text.as_str(), message.private),
            (last, matches!(then, Habit::GivesBack(_)))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn agents_take_turns_and_leave_what_somebody_else_has_taken() {
    let desk = Desk::new(Switches::default()).await;
    for name in ["jane.doe", "kim.poe"] {
        desk.chat.put_to_work(Agent::new(name, Duration::from_secs(5), "Hello"));
    }
    let conversations: Vec<u64> = (0..3).map(|_| desk.opens()).collect();
    for conversation in &conversations {
        desk.deliver(*conversation).await;
    }
    desk.chat
        .agent_takes(conversations[1], "john.roe")
        .expect("a conversation");
    desk.pass(60).await;
    let assignee = |conversation: u64| desk.chat.conversation(conversation).and_then(|record| record.assignee);
    let assignees: Vec<String> = conversations
        .iter()
        .filter_map(|conversation| assignee(*conversation))
        .collect();
    assert_eq!(assignees, ["jane.doe", "john.roe", "jane.doe"]);
    assert!(desk.chat.messages(conversations[1]).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_loop_partner_answers_every_message_to_the_customer() {
    let desk = Desk::new(Switches::default()).await;
    let partner = ThirdParty {
        at_most: 3,
        ..ThirdParty::loop_partner()
    };
    desk.chat.add_third_party(partner.clone());
    let conversation = desk.opens();
    for _ in 0..5 {
        desk.says(conversation, "Hello").await;
        desk.pass(5).await;
    }
    let messages = desk.chat.messages(conversation);
    let partners: Vec<&Message> = messages.iter().filter(|message| message.is_of_customer()).collect();
    assert_eq!(partners.len(), 3, "up to its limit");
    assert_eq!(partners[0].author, Author::Other(partner.name));
    desk.pass(5).await;
    let incoming = desk.events("message_created").into_iter();
    assert_eq!(
        incoming
            .filter(|event| event.body["message_type"] == "incoming")
            .count(),
        3
    );
}

#[tokio::test(start_paused = true)]
async fn an_auto_responder_answers_once_in_its_time() {
    let desk = Desk::new(Switches::default()).await;
    desk.chat.add_third_party(ThirdParty {
        inbox: Some(INBOX),
        responds: Responds::OncePer(Duration::from_mins(1)),
        ..ThirdParty::auto_responder()
    });
    let conversation = desk.opens();
    let elsewhere = desk.chat.customer_opens(8).expect("a conversation");
    for seconds in [5, 5, 60] {
        desk.says(conversation, "Hello").await;
        desk.says(elsewhere, "Hello").await;
        desk.pass(seconds).await;
    }
    desk.says(conversation, "Hello").await;
    desk.pass(5).await;
    let count = |conversation: u64| {
        let messages = desk.chat.messages(conversation).into_iter();
        messages.filter(Message::is_of_customer).count()
    };
    assert_eq!((count(conversation), count(elsewhere)), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn another_bot_of_the_platform_answers_the_customer() {
    let desk = Desk::new(Switches::default()).await;
    desk.chat.add_third_party(ThirdParty::other_bot());
    let conversation = desk.opens();
    desk.writes(conversation, "Hello");
    desk.pass(5).await;
    let body = desk.last_message();
    assert_eq!(
        (&body["message_type"], &body["sender"]["type"]),
        (&json!("outgoing"), &json!("agent_bot"))
    );
    assert!(desk.chat.posts_of_bot().is_empty(), "it is not ours");
    let message = desk
        .chat
        .other_bot_writes(conversation, "survey", "How was it?")
        .expect("a message");
    assert_eq!(
        desk.chat.messages(conversation).last().map(|last| last.id),
        Some(message)
    );
}

#[tokio::test(start_paused = true)]
async fn the_console_shows_conversations_and_does_what_people_do() {
    let desk = Desk::new(Switches::default()).await;
    let act = |name: &str, fields: Value| desk.chat.act(name, &fields).expect("done");
    let conversation = act("open", json!({ "inbox": "7" }))["conversation"].clone();
    act("write", json!({ "conversation": conversation, "text": "Hello" }));
    act("attach", json!({ "conversation": conversation, "text": "" }));
    act("click", json!({ "conversation": conversation, "text": "Track" }));
    act(
        "reply",
        json!({ "conversation": conversation, "agent": "jane.doe", "text": "Hi" }),
    );
    act(
        "note",
        json!({ "conversation": conversation, "agent": "jane.doe", "text": "easy" }),
    );
    act("take", json!({ "conversation": conversation, "agent": "jane.doe" }));
    act("log-out", json!({ "agent": "jane.doe" }));
    let view = desk.chat.inbox_json();
    assert_eq!(
        view["inboxes"][0],
        json!({ "id": 7, "name": "Shop chat", "bot": "Acme bot" })
    );
    assert_eq!(view["agents"][0], json!({ "name": "jane.doe", "is_logged_in": false }));
    let shown = &view["conversations"][0];
    assert_eq!(
        (&shown["status"], &shown["assignee"]),
        (&json!("open"), &json!("jane.doe"))
    );
    let messages = shown["messages"].as_array().expect("messages");
    let by: Vec<&str> = messages.iter().filter_map(|message| message["by"].as_str()).collect();
    assert_eq!(by, ["customer", "customer", "customer", "agent", "agent"]);
    assert_eq!(
        (&messages[1]["attachments"], &messages[4]["private"]),
        (&json!(1), &json!(true))
    );
    for (name, expected) in [
        ("release", Status::Pending),
        ("snooze", Status::Snoozed),
        ("resolve", Status::Resolved),
    ] {
        act(name, json!({ "conversation": conversation, "agent": "jane.doe" }));
        assert_eq!(desk.status(1_201), expected);
    }
    let view = desk.chat.inbox_json();
    let changes = view["conversations"][0]["changes"].as_array().expect("changes");
    let changes: Vec<(&Value, &Value, &Value)> = changes
        .iter()
        .map(|change| (&change["status"], &change["name"], &change["assignee"]))
        .collect();
    let jane = json!("jane.doe");
    assert_eq!(
        changes,
        [
            (&Value::Null, &Value::Null, &jane),
            (&json!("open"), &jane, &Value::Null),
            (&Value::Null, &Value::Null, &Value::Null),
            (&json!("pending"), &jane, &Value::Null),
            (&json!("snoozed"), &jane, &Value::Null),
            (&json!("resolved"), &jane, &Value::Null),
        ]
    );
    act("log-in", json!({ "agent": "jane.doe" }));
    for (name, fields) in [
        ("dance", json!({})),
        ("open", json!({})),
        ("write", json!({ "conversation": 1_201 })),
    ] {
        assert!(
            matches!(desk.chat.act(name, &fields), Err(ActionError::NoAction(_))),
            "{name}"
        );
    }
}
