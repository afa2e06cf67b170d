//! The flows of a transfer: what the caller does and hears, and what agent B reads afterwards.

use std::time::Duration;

use patchbay_simulators::twilio::{Callee, CallerScript, PaymentInput};
use serde_json::json;

use crate::common::{cost, world};
use crate::{CALLBACK, CALLER, CARD, call, get, pays, purchase, purchase_with, script, set, world_with};

#[tokio::test(start_paused = true)]
async fn a_payment_is_taken_and_visible_to_the_next_agent() {
    let world = world_with(&purchase()).await;
    let began = world.clock.now();
    let record = pays(&world, [CARD]).await;
    assert!(record.heard("Hello Ana Ruiz."), "{record:#?}");
    assert!(record.heard("You are about to pay $42.00 to acme-stage for: Two theater seats."));
    assert!(record.heard("Thank you, that worked."));
    let [dial] = &record.dials[..] else {
        panic!("{record:#?}")
    };
    assert_eq!((dial.number.as_str(), dial.caller_id.as_str()), (CALLBACK, CALLER));
    let [charge] = &world.twilio.charges()[..] else {
        panic!("expected exactly one charge")
    };
    assert_eq!(charge.amount.as_deref(), Some("42.00"));
    assert_eq!(
        (charge.connector.as_str(), charge.description.as_str()),
        ("Default", "acme-stage: Two theater seats")
    );
    let context = get(&world).await;
    assert_eq!(context["status"], "payment-success");
    assert_eq!(context["memory"], "wants row F");
    assert_eq!(
        context["processor"],
        json!({ "connector": "Default", "confirmation_code": "ch_000001", "last_four": "4242", "card_type": "visa" })
    );
    assert_eq!(context["debug"], "Pay ended with success");
    let start = patchbay::clock::Timestamp::parse(context["start_time"].as_str().unwrap()).unwrap();
    assert!(start.since(began) < Duration::from_secs(1), "{start}");
    // The start of the call, the result of the payment, and the end of the call to agent B.
    assert_eq!(record.requests.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_transfer_costs_two_requests_to_dynamodb_then_one_then_none() {
    let world = world_with(&purchase()).await;
    let mut costs = Vec::new();
    let record = call(&world, script([CARD], Callee::Answers(30))).await;
    for request in &record.requests {
        // A repeated request costs at most as much. The last run is measured.
        world.twilio.post(&request.url, &request.form).await;
        costs.push(cost(&world, "transfer"));
    }
    // A repeated transfer finds the payment and stops there.
    assert_eq!(costs, [(1, 0, 0), (1, 0, 0), (0, 0, 0)]);
    world.aws.recorder().clear();
    set(&world, &purchase_with("price", "43")).await;
    pays(&world, [CARD]).await;
    let runs: Vec<u32> = (world.aws.recorder().runs().iter())
        .filter(|run| &*run.function == "transfer")
        .map(|run| run.dynamodb)
        .collect();
    assert_eq!(runs, [2, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_card_for_later_charges_becomes_a_token() {
    for kind in ["authorize", "subscription"] {
        let world = world_with(&purchase_with("transaction_type", kind)).await;
        let record = pays(&world, [CARD]).await;
        assert!(record.heard("You are not charged now."), "{record:#?}");
        assert_eq!(world.twilio.charges()[0].amount, None);
        let context = get(&world).await;
        assert_eq!(context["status"], "payment-success");
        assert_eq!(context["processor"]["token"], "tok_000001");
        assert_eq!(context["processor"]["confirmation_code"], json!(null));
    }
}

#[tokio::test(start_paused = true)]
async fn the_caller_and_the_next_agent_learn_how_the_payment_ended() {
    for (at_pay, tries, status, words, debug) in [
        (
            vec![PaymentInput::Declined],
            3,
            "payment-failed",
            "Sorry, the payment did not work.",
            "Pay ended with too-many-failed-attempts, code 64012",
        ),
        (
            vec![PaymentInput::Nothing, PaymentInput::WrongNumber, CARD],
            3,
            "payment-success",
            "Thank you",
            "Pay ended with success",
        ),
        (
            vec![PaymentInput::WrongNumber, PaymentInput::Star],
            2,
            "payment-cancelled",
            "The payment was cancelled.",
            "Pay ended with caller-interrupted-with-star",
        ),
        (
            vec![PaymentInput::ConnectorFails],
            1,
            "payment-failed",
            "Sorry, the payment did not work.",
            "Pay ended with payment-connector-error, code 64002",
        ),
    ] {
        let world = world_with(&purchase()).await;
        let record = pays(&world, at_pay.clone()).await;
        let prompts = (record.heard.iter())
            .filter(|sentence| sentence.contains("the number of your card"))
            .count();
        assert_eq!(prompts, tries, "{at_pay:?}");
        assert!(record.heard(words), "{record:#?}");
        assert_eq!(record.dials[0].number, CALLBACK);
        let context = get(&world).await;
        assert_eq!((&context["status"], &context["debug"]), (&json!(status), &json!(debug)));
        assert_eq!(world.twilio.charges().len(), usize::from(status == "payment-success"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_during_the_payment_is_recorded_and_nobody_is_dialed() {
    let world = world_with(&purchase()).await;
    let record = pays(&world, [PaymentInput::HangsUp]).await;
    assert_eq!(record.dials, []);
    assert_eq!(get(&world).await["status"], "caller-hung-up");
    // They call again, and pay.
    pays(&world, [CARD]).await;
    assert_eq!(get(&world).await["status"], "payment-success");
}

#[tokio::test(start_paused = true)]
async fn without_a_callback_the_call_ends_with_goodbye() {
    let world = world_with(&purchase_with("callback", "")).await;
    let record = pays(&world, [CARD]).await;
    assert!(record.heard.last().unwrap().ends_with("Goodbye."), "{record:#?}");
    assert_eq!(record.dials, []);
    assert_eq!(get(&world).await["status"], "payment-success");
}

#[tokio::test(start_paused = true)]
async fn the_caller_hears_that_the_next_agent_cannot_be_reached() {
    for callee in [Callee::Busy, Callee::NeverPicksUp, Callee::Fails] {
        let world = world_with(&purchase()).await;
        let record = call(&world, script([CARD], callee)).await;
        assert_eq!(record.failures, Vec::<String>::new());
        assert!(record.heard("Sorry, we could not connect you."), "{record:#?}");
        assert_eq!(get(&world).await["status"], "payment-success");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_without_a_context_or_number_hears_why() {
    let world = world([]).await;
    for (from, words) in [
        ("+12025550199", "there is no payment waiting"),
        ("anonymous", "we could not see the number"),
        ("+266696687", "we could not see the number"),
        ("client:alice", "we could not see the number"),
        ("sip:a@example.org", "we could not see the number"),
        ("", "we could not see the number"),
    ] {
        let record = call(&world, CallerScript::new(from, [CARD])).await;
        assert_eq!(record.failures, Vec::<String>::new(), "{from}");
        assert!(record.heard(words), "{from}: {record:#?}");
        assert_eq!((record.dials.len(), record.requests.len()), (0, 1), "{from}");
    }
    assert_eq!(world.twilio.charges(), []);
}

#[tokio::test(start_paused = true)]
async fn an_expired_context_is_not_found() {
    let world = world_with(&purchase_with("ttl", 60)).await;
    world.clock.sleep(Duration::from_secs(62)).await;
    let record = pays(&world, [CARD]).await;
    assert!(record.heard("there is no payment waiting"), "{record:#?}");
    assert_eq!(world.twilio.charges(), []);
    assert_eq!(get(&world).await["status"], "no-context");
}

#[tokio::test(start_paused = true)]
async fn a_context_that_expires_during_the_payment_still_has_the_outcome() {
    let world = world_with(&purchase_with("ttl", 60)).await;
    world.clock.sleep(Duration::from_secs(50)).await;
    pays(&world, [PaymentInput::Nothing, PaymentInput::Nothing, CARD]).await;
    assert_eq!(get(&world).await["status"], "payment-success");
}

#[tokio::test(start_paused = true)]
async fn nobody_pays_twice_for_one_purchase() {
    let world = world_with(&purchase()).await;
    pays(&world, [CARD]).await;
    let record = pays(&world, [CARD]).await;
    assert!(record.heard("This has been paid already."), "{record:#?}");
    assert_eq!(record.dials[0].number, CALLBACK);
    assert_eq!(world.twilio.charges().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_one_of_two_simultaneous_calls_is_asked_to_pay() {
    let world = world_with(&purchase()).await;
    let first = pays(&world, [PaymentInput::Nothing, PaymentInput::Nothing, CARD]);
    let second = async {
        world.clock.sleep(Duration::from_secs(5)).await;
        pays(&world, [CARD]).await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.heard("Thank you, that worked."), "{first:#?}");
    assert!(second.heard("was begun in another call"), "{second:#?}");
    assert_eq!(second.dials[0].number, CALLBACK);
    assert_eq!(world.twilio.charges().len(), 1);
    assert_eq!(get(&world).await["status"], "payment-success");
}

#[tokio::test(start_paused = true)]
async fn after_a_hang_up_the_caller_can_pay_at_once_if_twilio_reported_it_and_later_otherwise() {
    for is_reported in [true, false] {
        let world = world_with(&purchase()).await;
        world.twilio.change(|twilio| twilio.action_after_hang_up = is_reported);
        pays(&world, [PaymentInput::HangsUp]).await;
        if !is_reported {
            let record = pays(&world, [CARD]).await;
            assert!(record.heard("call again in half an hour"), "{record:#?}");
            assert_eq!(world.twilio.charges(), []);
            world.clock.sleep(Duration::from_mins(25)).await;
        }
        let record = pays(&world, [CARD]).await;
        assert!(record.heard("Thank you, that worked."), "{record:#?}");
        assert_eq!(world.twilio.charges().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_outcome_of_an_earlier_call_stays_with_its_purchase() {
    let world = world_with(&purchase()).await;
    let first = pays(&world, [PaymentInput::Nothing, PaymentInput::Nothing, CARD]);
    let second = async {
        world.clock.sleep(Duration::from_secs(5)).await;
        set(&world, &purchase_with("description", "A program")).await;
        world.clock.sleep(Duration::from_secs(175)).await;
        pays(&world, [PaymentInput::Star]).await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.heard("Two theater seats") && second.heard("A program"));
    assert!(first.heard("Thank you, that worked."));
    let context = get(&world).await;
    assert_eq!(context["description"], "A program");
    assert_eq!(context["status"], "payment-cancelled");
    let key = patchbay::context::ContextKey {
        tenant: "main".parse().unwrap(),
        caller: crate::common::phone(CALLER),
    };
    let context = world.store.context(&key, world.clock.now()).await.unwrap().unwrap();
    assert_eq!(context.earlier[0].status().name(), "payment-success");
    let bought = context.earlier[0].data.purchase.as_ref().unwrap();
    assert_eq!(bought.description, "Two theater seats");
}

#[tokio::test(start_paused = true)]
async fn a_persona_without_a_voice_uses_the_published_default() {
    for (persona, voice) in [
        ("english-jessica", "Polly.Joanna-Neural"),
        ("klingon-worf", "Polly.Joanna-Neural"),
        ("british-amy", "Polly.Amy-Neural"),
    ] {
        let world = world_with(&purchase_with("persona", persona)).await;
        let record = pays(&world, [CARD]).await;
        for request in record.requests.iter().filter(|request| request.body.contains("<Say")) {
            let sentences = request.body.matches("<Say ").count();
            assert_eq!(
                request.body.matches(voice).count(),
                sentences,
                "{persona}: {}",
                request.body
            );
        }
    }
}
