//! Faults of requests, and outages.

use super::*;
use crate::exchange::Outage;

#[tokio::test(start_paused = true)]
async fn a_fault_has_its_response_and_its_effect_or_none() {
    for (fault, status, posts) in [
        (ApiFault::TooManyRequests { retry_after: None }, Some(429), 0),
        (ApiFault::InternalError { done: false }, Some(500), 0),
        (ApiFault::InternalError { done: true }, Some(500), 1),
        (ApiFault::Unavailable, Some(503), 0),
        (ApiFault::NoAnswer { done: false }, None, 0),
        (ApiFault::NoAnswer { done: true }, None, 1),
        (ApiFault::NotSent, None, 0),
        (ApiFault::Unauthorized, Some(401), 0),
        (ApiFault::Refused(404), Some(404), 0),
        (ApiFault::Malformed, Some(200), 1),
    ] {
        let desk = Desk::new(Switches::default()).await;
        let conversation = desk.opens();
        desk.chat.fail_next(Endpoint::Messages, fault);
        let sent = desk.try_post("digital-interactions/messages/", desk.message(conversation, "Hello"));
        let result = sent.await;
        assert_eq!(result.as_ref().ok().map(|(status, _)| *status), status, "{fault:?}");
        match fault {
            ApiFault::NotSent => assert!(matches!(result, Err(SendError::NotSent(_)))),
            ApiFault::NoAnswer { .. } => assert!(matches!(result, Err(SendError::NoResponse(_)))),
            _ => {}
        }
        assert_eq!(desk.chat.posts_of_bot().len(), posts, "{fault:?}");
        let request = desk.chat.requests().pop().expect("a request");
        assert_eq!((request.fault, request.status), (Some(fault), status));
        assert_eq!(request.message.is_some(), posts == 1);
        assert!(!request.is_confirmed());
        let expected = if fault == ApiFault::Unauthorized { 401 } else { 200 };
        assert_eq!(desk.says(conversation, "again").await.0, expected, "one request only");
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_may_say_when_to_retry() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    desk.chat
        .fail_next(Endpoint::Any, ApiFault::TooManyRequests { retry_after: Some(7) });
    let mut body = desk.message(conversation, "Hello");
    body["tenant_domain"] = TENANT_DOMAIN.into();
    let request = desk.request("POST", "digital-interactions/messages/", &body);
    let response = desk.chat.send(request).await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"7".parse().expect("a value"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_planned_fault_waits_for_a_request_of_its_group() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    for group in [
        Endpoint::Token,
        Endpoint::Deliver,
        Endpoint::Finish,
        Endpoint::Calls,
        Endpoint::SetUp,
        Endpoint::Conversations,
    ] {
        desk.chat.fail_next(group, ApiFault::Unavailable);
    }
    assert_eq!(desk.says(conversation, "Hello").await.0, 200);
    assert_eq!(desk.raw(token_request(SCOPES)).await.expect("an answer").0, 503);
    assert_eq!(desk.deliver(conversation).await.0, 503);
    assert_eq!(desk.finish(conversation).await.0, 503);
    assert_eq!(desk.post("queues/call/", json!({})).await.0, 503);
    assert_eq!(desk.post("digital-interactions/webhooks/", json!({})).await.0, 503);
    assert_eq!(desk.post("digital-interactions/contacts/", json!({})).await.0, 503);
    assert_eq!(desk.deliver(conversation).await.0, 200, "each once");
    for (group, status) in [(Endpoint::Deliver, "open"), (Endpoint::Finish, "resolved")] {
        desk.chat.fail_next(group, ApiFault::Unavailable);
        let path = format!("conversations/{conversation}/toggle_status");
        let body = json!({ "status": status });
        assert_eq!(desk.chatwoot("POST", &path, CHATWOOT_BOT_TOKEN, body).await.0, 503);
    }
    for group in [Endpoint::Bots, Endpoint::Inboxes, Endpoint::Assign, Endpoint::Webhooks] {
        desk.chat.fail_next(group, ApiFault::Unavailable);
    }
    let list = desk.request("GET", "digital-interactions/inboxes/", &Value::Null);
    assert_eq!(desk.raw(list).await.expect("an answer").0, 503);
    for path in ["agents-bot/", "agents-bot/assign/", "webhooks/"] {
        assert_eq!(
            desk.post(&format!("digital-interactions/{path}"), json!({})).await.0,
            503,
            "{path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn random_faults_occur_as_often_as_their_rate_says() {
    let desk = Desk::new(Switches::default()).await;
    desk.chat
        .change_faults(|faults| faults.api = vec![(0.3, ApiFault::InternalError { done: false })]);
    let conversation = desk.opens();
    let mut failed = 0;
    for number in 0..150 {
        failed += usize::from(desk.says(conversation, &format!("message {number}")).await.0 == 500);
    }
    assert!((25..65).contains(&failed), "{failed}");
    assert_eq!(desk.chat.posts_of_bot().len(), 150 - failed);
    assert_eq!(
        desk.raw(token_request(SCOPES)).await.expect("an answer").0,
        200,
        "tokens have rates of their own"
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_api_lasts_until_it_is_removed() {
    for outage in [Outage::Errors, Outage::Hangs] {
        let desk = Desk::new(Switches::default()).await;
        let conversation = desk.opens();
        desk.chat.change_faults(|faults| faults.outage = Some(outage));
        let sent = desk
            .try_post("digital-interactions/messages/", desk.message(conversation, "Hello"))
            .await;
        match outage {
            Outage::Errors => assert_eq!(sent.expect("an answer").0, 500),
            Outage::Hangs => assert!(matches!(sent, Err(SendError::NoResponse(_)))),
        }
        assert!(desk.chat.posts_of_bot().is_empty());
        desk.chat.change_faults(|faults| faults.outage = None);
        assert_eq!(desk.says(conversation, "Hello").await.0, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_is_down_refuses_connections_and_sends_its_events_later() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    desk.pass(1).await;
    let (from, until) = (desk.clock.now(), desk.clock.now().plus_seconds(60));
    desk.chat.change_faults(|faults| faults.down = Some((from, until)));
    desk.writes(conversation, "Hello");
    let sent = desk
        .try_post("digital-interactions/messages/", desk.message(conversation, "Hello"))
        .await;
    assert!(matches!(sent, Err(SendError::NotSent(_))));
    assert!(matches!(
        desk.raw(token_request(SCOPES)).await,
        Err(SendError::NotSent(_))
    ));
    desk.pass(55).await;
    assert!(desk.events("message_created").is_empty());
    desk.pass(10).await;
    let [event] = desk.events("message_created").try_into().expect("one event");
    assert!(event.at >= until);
    assert_eq!(desk.says(conversation, "Hello").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn people_may_act_while_a_request_is_under_way() {
    let desk = Desk::new(Switches::default()).await;
    let conversation = desk.opens();
    desk.chat.during_next(Endpoint::Deliver, move |chat| {
        chat.customer_writes(conversation, "Are you still there?")
            .expect("a message");
    });
    assert_eq!(desk.says(conversation, "One moment").await.0, 200);
    assert_eq!(desk.chat.messages(conversation).len(), 1, "another group");
    let before = desk.clock.now();
    assert_eq!(desk.deliver(conversation).await.0, 200);
    let written = desk.chat.messages(conversation).pop().expect("a message");
    let delivered = desk.chat.delivered()[0];
    assert!(before <= delivered.at && delivered.at < written.at && written.at < desk.clock.now());
}
