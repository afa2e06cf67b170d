//! Statuses and assignments, and their events.

use super::*;

fn named(desk: &Desk) -> Vec<String> {
    let names = desk.names(BOT_URL).into_iter();
    names.filter(|name| name.starts_with("conversation_")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_conversation_is_pending_if_a_bot_has_its_inbox_and_else_open() {
    let desk = Desk::new(Switches::default()).await;
    let (with_bot, without) = (desk.opens(), desk.chat.customer_opens(8).expect("a conversation"));
    assert_eq!(
        (desk.status(with_bot), desk.status(without)),
        (Status::Pending, Status::Open)
    );
    assert_eq!(desk.chat.customer_opens(77), Err(ActionError::NoInbox(77)));
}

#[tokio::test(start_paused = true)]
async fn delivering_opens_and_finishing_resolves_a_conversation() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    let (status, body) = desk.deliver(conversation).await;
    assert_eq!((status, &body["payload"]["current_status"]), (200, &json!("open")));
    assert_eq!(desk.status(conversation), Status::Open);
    assert_eq!(desk.finish(conversation).await.0, 200);
    assert_eq!(desk.status(conversation), Status::Resolved);
    desk.pass(1).await;
    assert_eq!(named(&desk), ["conversation_opened", "conversation_resolved"]);
    let (delivered, finished) = (desk.chat.delivered(), desk.chat.finished());
    assert_eq!(
        (delivered[0].conversation, finished[0].conversation),
        (conversation, conversation)
    );
    assert!(
        desk.chat.requests()[delivered[0].request]
            .path
            .ends_with("/deliver-to-agent/")
    );
    assert_eq!(desk.deliver(99).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn repeating_a_delivery_or_an_end_is_accepted_or_refused() {
    for (refused, expected) in [(false, 200), (true, 422)] {
        let desk = Desk::new(with(|switches| switches.repetition_is_refused = refused)).await;
        let conversation = desk.opens();
        assert_eq!(desk.deliver(conversation).await.0, 200);
        assert_eq!(desk.deliver(conversation).await.0, expected);
        assert_eq!(desk.finish(conversation).await.0, 200);
        assert_eq!(desk.finish(conversation).await.0, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_assigns_an_agent_or_nobody() {
    for assigns in [false, true] {
        let desk = Desk::new(with(|switches| switches.delivery_assigns = assigns)).await;
        let conversation = desk.opens();
        desk.deliver(conversation).await;
        desk.pass(1).await;
        let assignee = desk.chat.conversation(conversation).expect("one").assignee;
        assert_eq!(assignee.as_deref(), assigns.then_some("jane.doe"));
        let event = desk.events("conversation_opened").pop().expect("an event");
        assert_eq!(
            event.body["meta"]["assignee"]["type"].as_str(),
            assigns.then_some("user")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_customer_who_writes_to_a_resolved_conversation_returns_it_to_the_bot() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    desk.finish(conversation).await;
    desk.writes(conversation, "One more thing");
    assert_eq!(desk.status(conversation), Status::Pending);
    desk.pass(1).await;
    assert_eq!(desk.last_message()["conversation"]["status"], "pending");

    let without_bot = desk.chat.customer_opens(8).expect("a conversation");
    desk.chat
        .agent_resolves(without_bot, "jane.doe")
        .expect("a conversation");
    desk.writes(without_bot, "One more thing");
    assert_eq!(desk.status(without_bot), Status::Open);
}

#[tokio::test(start_paused = true)]
async fn an_open_conversation_never_returns_to_pending_by_a_message() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    desk.deliver(conversation).await;
    desk.writes(conversation, "Anybody here?");
    assert_eq!(desk.status(conversation), Status::Open);
    desk.chat
        .agent_snoozes(conversation, "jane.doe")
        .expect("a conversation");
    desk.writes(conversation, "Hello?");
    assert_eq!(desk.status(conversation), Status::Open);
}

#[tokio::test(start_paused = true)]
async fn a_persons_reply_leaves_a_conversation_pending_or_opens_and_assigns_it() {
    for (reply, status, assignee) in [
        (HumanReply::LeavesPending, Status::Pending, None),
        (HumanReply::OpensAndAssigns, Status::Open, Some("jane.doe")),
    ] {
        let desk = Desk::new(with(|switches| switches.human_reply = reply)).await;
        let conversation = desk.opens();
        desk.chat
            .agent_replies(conversation, "jane.doe", "I take it")
            .expect("a message");
        let record = desk.chat.conversation(conversation).expect("a conversation");
        assert_eq!((record.status, record.assignee.as_deref()), (status, assignee));
        assert_eq!(
            desk.chat.agent_replies(conversation, "x", "y"),
            Err(ActionError::NoAgent("x".into()))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_takeover_opens_and_assigns() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    desk.chat.agent_takes(conversation, "jane.doe").expect("a conversation");
    desk.pass(1).await;
    let event = desk.events("conversation_opened").pop().expect("an event");
    assert_eq!(
        (&event.body["id"], &event.body["status"]),
        (&json!(conversation), &json!("open"))
    );
    assert_eq!(event.body["meta"]["assignee"]["name"], "jane.doe");
    assert!(event.body.get("conversation").is_none(), "the body is the conversation");

    desk.chat
        .agent_releases(conversation, "jane.doe")
        .expect("a conversation");
    let record = desk.chat.conversation(conversation).expect("a conversation");
    assert_eq!((record.status, record.assignee), (Status::Pending, None));
}

#[tokio::test(start_paused = true)]
async fn a_resolved_conversation_keeps_its_assignee_or_not() {
    for stays in [true, false] {
        let desk = Desk::new(with(|switches| switches.assignee_stays = stays)).await;
        let conversation = desk.opens();
        desk.chat.agent_takes(conversation, "jane.doe").expect("a conversation");
        desk.chat
            .agent_resolves(conversation, "jane.doe")
            .expect("a conversation");
        desk.writes(conversation, "One more thing");
        desk.pass(1).await;
        let body = desk.last_message();
        assert_eq!(body["conversation"]["status"], "pending");
        assert_eq!(body["conversation"]["meta"]["assignee"].is_object(), stays);
    }
}

#[tokio::test(start_paused = true)]
async fn changes_of_status_have_the_events_of_the_switches() {
    for (opened, changed, updated, expected) in [
        (true, false, false, vec!["conversation_opened"]),
        (false, true, false, vec!["conversation_status_changed"]),
        (false, false, true, vec!["conversation_updated"]),
        (false, false, false, vec![]),
    ] {
        let desk = Desk::new(with(|switches| {
            switches.opened_and_resolved = opened;
            switches.status_changed = changed;
            switches.conversation_updated = updated;
        }))
        .await;
        let conversation = desk.opens();
        desk.deliver(conversation).await;
        desk.pass(1).await;
        assert_eq!(named(&desk), expected);
        if changed || updated {
            let body = &desk.events(expected[0])[0].body;
            let expected = json!([{ "status": { "previous_value": "pending", "current_value": "open" } }]);
            assert_eq!(body["changed_attributes"], expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_assignment_has_an_event_or_not() {
    for updated in [true, false] {
        let desk = Desk::new(with(|switches| switches.conversation_updated = updated)).await;
        let conversation = desk.opens();
        let body = json!({ "assignee_id": 15 });
        let path = format!("conversations/{conversation}/assignments");
        assert_eq!(desk.chatwoot("POST", &path, CHATWOOT_USER_TOKEN, body).await.0, 200);
        desk.pass(1).await;
        assert_eq!(desk.events("conversation_updated").len(), usize::from(updated));
        assert_eq!(desk.status(conversation), Status::Pending);
    }
}

#[tokio::test(start_paused = true)]
async fn an_activity_has_an_event_only_if_the_switch_says_so() {
    for activity in [true, false] {
        let desk = Desk::new(with(|switches| switches.activity_events = activity)).await;
        let conversation = desk.opens();
        desk.deliver(conversation).await;
        desk.pass(1).await;
        let kinds: Vec<Value> = desk
            .events("message_created")
            .iter()
            .map(|event| event.body["message_type"].clone())
            .collect();
        assert_eq!(kinds, if activity { vec![json!("activity")] } else { vec![] });
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_conversation_is_reported_to_webhooks_at_once_late_or_without_a_message() {
    for (created_event, expected) in [
        (CreatedEvent::AtOnce, None),
        (CreatedEvent::Late, Some("second")),
        (CreatedEvent::WithoutMessage, None),
    ] {
        let desk = Desk::new(with(|switches| switches.created_event = created_event)).await;
        desk.chat.subscribe(WEBHOOK_URL, &[EventName::ConversationCreated]);
        let conversation = desk.opens();
        desk.writes(conversation, "first");
        desk.writes(conversation, "second");
        desk.pass(5).await;
        let [event] = desk.events("conversation_created").try_into().expect("one event");
        assert_eq!(
            (event.url.as_str(), &event.body["id"]),
            (WEBHOOK_URL, &json!(conversation))
        );
        assert_eq!(
            event.body["messages"][0]["content"].as_str(),
            expected,
            "{created_event:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_greeting_is_a_template_without_a_sender() {
    for (greeting, expected) in [
        (Greeting::Off, vec!["incoming", "incoming"]),
        (Greeting::AtOpening, vec!["template", "incoming", "incoming"]),
        (Greeting::AfterFirstMessage, vec!["incoming", "template", "incoming"]),
    ] {
        let desk = Desk::new(with(|switches| switches.greeting = greeting)).await;
        let conversation = desk.opens();
        desk.writes(conversation, "Hello");
        desk.writes(conversation, "Anybody here?");
        desk.pass(1).await;
        let events = desk.events("message_created");
        let kinds: Vec<&str> = events
            .iter()
            .filter_map(|event| event.body["message_type"].as_str())
            .collect();
        assert_eq!(kinds, expected);
        let template = events.iter().find(|event| event.body["message_type"] == "template");
        assert!(template.is_none_or(|template| template.body["sender"].is_null()));
    }
}

#[tokio::test(start_paused = true)]
async fn opening_the_widget_has_an_event_without_a_conversation_or_none() {
    for widget in [true, false] {
        let desk = Desk::new(with(|switches| switches.widget_events = widget)).await;
        desk.opens();
        desk.pass(1).await;
        let events = desk.events("webwidget_triggered");
        assert_eq!(events.len(), usize::from(widget));
        assert!(events.iter().all(|event| event.body["current_conversation"].is_null()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_automation_rule_sends_the_conversation_with_the_last_public_message() {
    let desk = Desk::new(with(|switches| switches.automation_events = true)).await;
    let conversation = desk.opens();
    desk.writes(conversation, "Hello");
    desk.chat
        .agent_notes(conversation, "jane.doe", "a note")
        .expect("a note");
    desk.pass(1).await;
    let events = desk.events("automation_event.message_created");
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!(
            (&event.body["id"], &event.body["messages"][0]["content"]),
            (&json!(conversation), &json!("Hello"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_events_may_precede_the_others() {
    let desk = Desk::new(with(|switches| switches.unknown_events = true)).await;
    let conversation = desk.opens();
    desk.writes(conversation, "Hello");
    desk.pass(1).await;
    assert_eq!(
        desk.names(BOT_URL),
        [
            "webwidget_triggered",
            "message_action_executed",
            "integration.disconnected",
            "message_action_executed",
            "integration.disconnected",
            "message_created"
        ]
    );
    assert!(desk.events("integration.disconnected")[0].body.get("id").is_none());
}

#[tokio::test(start_paused = true)]
async fn events_go_to_bots_to_webhooks_or_to_both() {
    for (routes, to_bot, to_webhook) in [
        (Routes::Both, 1, 1),
        (Routes::BotsOnly, 1, 0),
        (Routes::WebhooksOnly, 0, 1),
    ] {
        let desk = Desk::new(with(|switches| switches.routes = routes)).await;
        desk.chat.subscribe(WEBHOOK_URL, &[EventName::MessageCreated]);
        let conversation = desk.opens();
        desk.writes(conversation, "Hello");
        desk.pass(1).await;
        let count = |url: &str| desk.names(url).iter().filter(|name| *name == "message_created").count();
        assert_eq!((count(BOT_URL), count(WEBHOOK_URL)), (to_bot, to_webhook));
    }
}
