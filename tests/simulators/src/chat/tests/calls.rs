//! Calls on behalf of queues and agents.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_call_for_a_known_queue_is_accepted() {
    let desk = Desk::new(Switches::default()).await;
    let call = |queue: &str| json!({ "queue_name": queue, "destination": "+12025550123" });
    assert_eq!(desk.post("queues/call/", call("support_en")).await.0, 200);
    assert_eq!(desk.post("queues/call/", call("unknown")).await.0, 404);
    desk.chat.add_queue("unknown");
    assert_eq!(desk.post("queues/call/", call("unknown")).await.0, 200);
    assert_eq!(
        desk.post("queues/call/", json!({ "queue_name": "support_en" })).await.0,
        400
    );
    let queues: Vec<OnBehalfOf> = desk.chat.calls().into_iter().map(|call| call.on_behalf_of).collect();
    let queue = |name: &str| OnBehalfOf::Queue(name.to_owned());
    assert_eq!(queues, [queue("support_en"), queue("unknown")]);
}

#[tokio::test(start_paused = true)]
async fn a_call_for_an_agent_who_is_logged_in_is_accepted() {
    for (logged_out, expected) in [(LoggedOut::Conflict, 409), (LoggedOut::BadRequest, 400)] {
        let desk = Desk::new(with(|switches| switches.logged_out = logged_out)).await;
        let call = |agent: &str| json!({ "agent_name": agent, "destination": "+12025550123" });
        assert_eq!(desk.post("agents/call/", call("jane.doe")).await.0, 200);
        assert_eq!(desk.post("agents/call/", call("kim.poe")).await.0, expected);
        assert_eq!(desk.post("agents/call/", call("nobody")).await.0, 404);
        desk.chat.set_logged_in("kim.poe", true);
        assert_eq!(desk.post("agents/call/", call("kim.poe")).await.0, 200);
        let calls = desk.chat.calls();
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].destination, "+12025550123");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_response_is_lost_was_placed_or_not() {
    for done in [true, false] {
        let desk = Desk::new(Switches::default()).await;
        desk.chat.fail_next(Endpoint::Calls, ApiFault::NoAnswer { done });
        let call = json!({ "queue_name": "support_en", "destination": "+12025550123" });
        let error = desk.try_post("queues/call/", call).await.expect_err("no answer");
        assert!(matches!(error, SendError::NoResponse(_)));
        assert_eq!(desk.chat.calls().len(), usize::from(done));
    }
}
