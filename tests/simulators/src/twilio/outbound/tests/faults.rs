//! All faults, planned and random.

use super::*;
use crate::exchange::Outage;

async fn created(fault: CreateFault) -> (World, Result<(u16, Value), SendError>) {
    let world = World::new(Switches::default(), Behavior::Busy);
    world.twilio.fail_next_create(fault);
    let twiml = twiml();
    let answer = world.try_create(&call(&twiml)).await;
    (world, answer)
}

#[tokio::test(start_paused = true)]
async fn a_failed_create_request_may_or_may_not_place_a_call() {
    for (fault, answered, calls) in [
        (CreateFault::TooManyRequests, Some((429, 20_429)), 0),
        (CreateFault::Refused(21_215), Some((400, 21_215)), 0),
        (CreateFault::NoMoney(10_001), Some((400, 10_001)), 0),
        (CreateFault::Unauthorized, Some((401, 20_003)), 0),
        (CreateFault::InternalError { placed: false }, Some((500, 20_500)), 0),
        (CreateFault::InternalError { placed: true }, Some((500, 20_500)), 1),
        (CreateFault::Unavailable { placed: false }, Some((503, 0)), 0),
        (CreateFault::Unavailable { placed: true }, Some((503, 0)), 1),
        (CreateFault::Malformed, Some((201, 0)), 1),
        (CreateFault::NoAnswer { placed: false }, None, 0),
        (CreateFault::NoAnswer { placed: true }, None, 1),
        (CreateFault::Reset { placed: false }, None, 0),
        (CreateFault::Reset { placed: true }, None, 1),
        (CreateFault::NotSent, None, 0),
    ] {
        let (world, answer) = created(fault).await;
        assert_eq!(world.twilio.calls().len(), calls, "{fault:?}");
        match (answer, answered) {
            (Ok((status, body)), Some((expected, code))) => {
                assert_eq!(
                    (status, body["code"].as_u64().unwrap_or(0)),
                    (expected, code),
                    "{fault:?}"
                );
            }
            (Err(error), None) => {
                let not_sent = matches!(error, SendError::NotSent(_));
                assert_eq!(not_sent, fault == CreateFault::NotSent, "{fault:?}");
            }
            (answer, _) => panic!("{fault:?}: {answer:?}"),
        }
        let again = world.try_create(&call("<Response/>")).await;
        assert_eq!(again.expect("an answer").0, 201, "only once: {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_callback_can_arrive_before_the_response() {
    let (world, answer) = created(CreateFault::WebhookFirst).await;
    assert_eq!(answer.expect("an answer").0, 201);
    assert_eq!(world.statuses(), ["initiated", "ringing", "busy"]);
}

#[tokio::test(start_paused = true)]
async fn an_account_without_money_places_no_calls() {
    for (no_money_status, code) in [(400, 10_001), (403, 20_005)] {
        let world = World::new(
            switches(|calls| calls.no_money_status = no_money_status),
            Behavior::Busy,
        );
        world.twilio.change_faults(|faults| faults.no_money = Some(code));
        for _ in 0..2 {
            let (status, body) = world.try_create(&call("<Response/>")).await.expect("an answer");
            assert_eq!((status, &body["code"]), (no_money_status, &code.into()));
        }
        world.twilio.change_faults(|faults| faults.no_money = None);
        world.order(&call("<Response/>")).await;
        assert_eq!(world.twilio.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_update_may_or_may_not_take_effect() {
    for (fault, answered, carried_out) in [
        (ApiFault::InternalError, Some(500), false),
        (ApiFault::Unavailable, Some(503), false),
        (ApiFault::NotFound, Some(404), false),
        (ApiFault::Unauthorized, Some(401), false),
        (ApiFault::TooManyRequests, Some(429), false),
        (ApiFault::Malformed, Some(200), true),
        (ApiFault::NoAnswer, None, false),
        (ApiFault::AnswerLost, None, true),
        (ApiFault::NotSent, None, false),
    ] {
        let world = World::new(Switches::default(), Behavior::silent(30));
        let twiml = twiml();
        let sid = world.order(&call(&twiml)).await;
        world.until(Status::Ringing).await;
        world.twilio.fail_next(Endpoint::Read, fault);
        world.twilio.fail_next(Endpoint::Update, fault);
        let path = format!("Calls/{sid}.json");
        let read = world.raw(request("GET", &path, AUTH_TOKEN, String::new())).await;
        assert_eq!(read.ok().map(|(status, _)| status), answered, "{fault:?}");
        let updated = world.raw(post(&path, &[("Status", "canceled")])).await;
        assert_eq!(updated.ok().map(|(status, _)| status), answered, "{fault:?}");
        let is_over = world.twilio.live_calls().is_empty();
        assert_eq!(is_over, carried_out, "{fault:?}");
        assert_eq!(world.get(&path).await.0, 200, "only once: {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_have_no_effect_during_an_outage() {
    for (outage, answered) in [(Outage::Errors, Some(500)), (Outage::Hangs, None)] {
        let world = World::new(Switches::default(), Behavior::Busy);
        world.twilio.change_faults(|faults| faults.outage = Some(outage));
        let began = world.clock.now();
        for request in [
            post("Calls.json", &call("<Response/>")),
            request("GET", "Balance.json", AUTH_TOKEN, String::new()),
        ] {
            let answer = world.raw(request).await;
            assert_eq!(answer.ok().map(|(status, _)| status), answered, "{outage:?}");
        }
        let waited = world.clock.now().since(began).as_secs();
        assert_eq!(waited >= 20, outage == Outage::Hangs);
        assert_eq!(world.twilio.calls().len(), 0);
        world.twilio.change_faults(|faults| faults.outage = None);
        assert_eq!(world.get("Balance.json").await.0, 200);
    }
}

/// The statuses that arrive when one callback has this fault, and their tokens.
async fn play_with_fault(target: Target, fault: WebhookFault) -> (Vec<String>, Vec<String>) {
    let world = World::new(Switches::default(), Behavior::Busy);
    world.twilio.fail_next_webhook(target, fault);
    world.play(&call("<Response/>")).await;
    world.pass(60.0).await;
    let tokens = world
        .received_at(STATUS_URL)
        .iter()
        .map(|received| received.token.clone())
        .collect();
    (world.statuses(), tokens)
}

#[tokio::test(start_paused = true)]
async fn callbacks_can_be_lost_duplicated_delayed_and_reordered() {
    let ringing = Target::Status(Status::Ringing);
    let usual = vec!["initiated", "ringing", "busy"];
    for (fault, arrived) in [
        (WebhookFault::LoseForGood, vec!["initiated", "busy"]),
        (WebhookFault::LoseAnswer, usual.clone()),
        (WebhookFault::Lose, vec!["initiated", "busy", "ringing"]),
        (
            WebhookFault::Duplicate(Duration::from_secs(5)),
            vec!["initiated", "ringing", "busy", "ringing"],
        ),
        (
            WebhookFault::Delay(Duration::from_secs(20)),
            vec!["initiated", "busy", "ringing"],
        ),
    ] {
        let (statuses, tokens) = play_with_fault(ringing, fault).await;
        assert_eq!(statuses, arrived, "{fault:?}");
        let mut different = tokens.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(
            different.len(),
            tokens.len().min(3),
            "a duplicate has the same token: {fault:?}"
        );
    }
    let (statuses, _) = play_with_fault(Target::Status(Status::Initiated), WebhookFault::Reorder).await;
    assert_eq!(statuses, ["ringing", "initiated", "busy"]);
}

#[tokio::test(start_paused = true)]
async fn an_action_without_a_response_ends_the_call() {
    let twiml = twiml();
    let behavior = Behavior::presses("1", When::TicketSay);
    for (fault, heard) in [
        (WebhookFault::Lose, "Thank you."),
        (WebhookFault::Duplicate(Duration::from_secs(3)), "Thank you."),
        (WebhookFault::Delay(Duration::from_secs(5)), "Thank you."),
        (
            WebhookFault::Delay(Duration::from_secs(30)),
            "An application error has occurred.",
        ),
        (WebhookFault::LoseAnswer, "An application error has occurred."),
        (WebhookFault::LoseForGood, "An application error has occurred."),
    ] {
        let world = World::new(Switches::default(), behavior.clone());
        world.twilio.fail_next_webhook(Target::Document, fault);
        let call = world.play(&call(&twiml)).await;
        world.pass(60.0).await;
        assert_eq!(call.texts(), [TICKET, heard], "{fault:?}");
        let arrived = match fault {
            WebhookFault::LoseForGood => 0,
            WebhookFault::Duplicate(_) => 2,
            _ => 1,
        };
        assert_eq!(world.digits().len(), arrived, "{fault:?}");
    }
}
