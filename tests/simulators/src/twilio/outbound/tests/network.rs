//! Two providers on one phone network.

use super::*;
use crate::exchange::{PhoneEvent, PhoneEventKind, Provider};
use crate::routee;

const ROUTEE_CALL: &str =
    r#"{"from":"302100000000","to":{"phone":"+12025550123"},"dialPlan":{"verbs":[{"type":"PAUSE","duration":3}]}}"#;

/// Places a call through a Routee.
async fn call_with(routee: &routee::Routee) {
    let credentials = STANDARD.encode(format!("{}:{}", routee::APPLICATION_ID, routee::APPLICATION_SECRET));
    let token = http::Request::post("https://auth.routee.net/oauth/token")
        .header("authorization", format!("Basic {credentials}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from_static(b"grant_type=client_credentials"));
    let answer = routee.send(token.expect("a request")).await.expect("an answer");
    let token: Value = serde_json::from_slice(answer.body()).expect("JSON");
    let order = http::Request::post("https://connect.routee.net/voice/conversation")
        .header(
            "authorization",
            format!("Bearer {}", token["access_token"].as_str().expect("a token")),
        )
        .header("content-type", "application/json")
        .body(Bytes::from_static(ROUTEE_CALL.as_bytes()));
    let answer = routee.send(order.expect("a request")).await.expect("an answer");
    assert_eq!(answer.status(), 200);
}

fn routee_on_network_of(world: &World) -> routee::Routee {
    routee::Routee::on_network(
        world.exchange.clone(),
        world.clock.clone(),
        routee::Switches::default(),
        1,
    )
}

#[tokio::test(start_paused = true)]
async fn a_script_advances_with_the_calls_of_all_providers() {
    let world = World::new(
        Switches::default(),
        Behavior::Busy.then(Behavior::silent(5)).then(Behavior::Fails),
    );
    let routee = routee_on_network_of(&world);
    let twiml = twiml();
    world.play(&call(&twiml)).await;
    call_with(&routee).await;
    while !routee.live_calls().is_empty() {
        world.pass(1.0).await;
    }
    world.play(&call(&twiml)).await;
    let statuses: Vec<Status> = world.twilio.calls().iter().map(OutboundCall::status).collect();
    assert_eq!(statuses, [Status::Busy, Status::Failed]);
    assert_eq!(routee.calls()[0].status(), routee::Status::Completed);
}

#[tokio::test(start_paused = true)]
async fn live_calls_to_a_number_are_counted_over_all_providers() {
    let world = World::new(Switches::default(), Behavior::silent(5));
    let routee = routee_on_network_of(&world);
    let twiml = twiml();
    world.order(&call(&twiml)).await;
    call_with(&routee).await;
    world.pass(8.0).await;
    assert_eq!(
        (routee.live_calls_to(&number()), world.twilio.live_calls_to(&number())),
        (2, 2)
    );
    assert_eq!(world.exchange.most_live_calls_to_one_number(), 2);
    let call = world.until_over().await;
    assert_eq!(
        (call.status(), routee.calls()[0].status()),
        (Status::Completed, routee::Status::Completed)
    );
    assert_eq!(world.exchange.live_calls_to(&number()), 0);
}

#[tokio::test(start_paused = true)]
async fn a_listener_receives_the_events_of_all_providers_in_order() {
    let world = World::new(Switches::default(), Behavior::presses("1", When::TicketSay));
    let routee = routee_on_network_of(&world);
    let events: Arc<Mutex<Vec<PhoneEvent>>> = Arc::default();
    let (sink, twilio) = (Arc::clone(&events), world.twilio.clone());
    world.exchange.subscribe(move |event| {
        // A listener may query the simulator: nothing is locked while it runs.
        assert!(twilio.calls().len() < 9);
        sink.lock().expect("not poisoned").push(event.clone());
    });
    let twiml = twiml();
    world.play(&call(&twiml)).await;
    let said = |text: &str| PhoneEventKind::Says { text: text.to_owned() };
    let events_now = || events.lock().expect("not poisoned").clone();
    let happened: Vec<PhoneEventKind> = events_now().into_iter().map(|event| event.kind).collect();
    assert_eq!(
        happened,
        [
            PhoneEventKind::Created,
            PhoneEventKind::Ringing,
            PhoneEventKind::Answered { machine: false },
            said(TICKET),
            PhoneEventKind::Key { key: '1' },
            PhoneEventKind::KeysReported { keys: "1".to_owned() },
            PhoneEventKind::PlanReplaced,
            said("Thank you."),
            PhoneEventKind::Ended {
                status: "completed",
                by: EndedBy::Plan
            },
        ]
    );
    call_with(&routee).await;
    world.pass(30.0).await;
    let count = |provider: Provider| events_now().iter().filter(|event| event.provider == provider).count();
    assert_eq!(count(Provider::Twilio), happened.len());
    assert!(count(Provider::Routee) > 3);
    assert!(events_now().iter().all(|event| event.to == NUMBER));
}

#[tokio::test(start_paused = true)]
async fn a_call_to_a_number_without_a_script_is_unexpected_and_not_answered() {
    let world = World::new(Switches::default(), Behavior::Busy);
    let call = world.play(&with(&call("<Response/>"), &[("To", "+12025550199")])).await;
    assert_eq!(call.status(), Status::NoAnswer);
    let unexpected = world.twilio.unexpected();
    assert!(
        matches!(unexpected.as_slice(), [Unexpected::Call { to, .. }] if to == "+12025550199"),
        "{unexpected:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn routee_requests_fail_during_an_outage() {
    use crate::exchange::Outage;
    for (outage, status) in [(Outage::Errors, Some(500)), (Outage::Hangs, None)] {
        let world = World::new(Switches::default(), Behavior::Busy);
        let routee = routee_on_network_of(&world);
        routee.change_faults(|faults| faults.outage = Some(outage));
        let token = http::Request::post("https://auth.routee.net/oauth/token").body(Bytes::new());
        let answer = routee.send(token.expect("a request")).await;
        assert_eq!(answer.ok().map(|answer| answer.status().as_u16()), status);
        routee.change_faults(|faults| faults.outage = None);
        call_with(&routee).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_common_records_of_both_providers_agree() {
    let world = World::new(
        Switches::default(),
        Behavior::presses("1", When::AfterAnswer(Duration::from_secs(1))),
    );
    let routee = routee_on_network_of(&world);
    let twiml = twiml();
    let twilios = world.play(&call(&twiml)).await.placed();
    call_with(&routee).await;
    world.pass(30.0).await;
    let routees = routee.calls()[0].placed();
    for placed in [&twilios, &routees] {
        assert_eq!(
            (placed.to.as_str(), placed.keys.len(), placed.cut_off),
            (NUMBER, 1, false)
        );
        assert!(placed.answered_at.is_some() && placed.ended_at.is_some() && placed.ended_by.is_some());
    }
    assert_eq!((twilios.status, routees.status), ("completed", "Completed"));
    assert_eq!(twilios.status_url.as_deref(), Some(STATUS_URL));
}
