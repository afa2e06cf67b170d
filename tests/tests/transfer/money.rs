//! Which sets are the same purchase, and that each purchase is paid at most once.

use std::time::Duration;

use patchbay_simulators::aws::{Fault, InvocationRecord, Rule, Service};
use patchbay_simulators::twilio::{CallerScript, PaymentInput};
use patchbay_simulators::world::World;
use serde_json::{Value, json};

use crate::common::{Answer, send, with_token, world};
use crate::{CALLBACK, CALLER, CARD, call, get, pays, post, purchase, purchase_with, set, world_with};

/// Sets a context with this query, as an agent does. Returns what the response says about the purchase: `new`, `same`
/// or `none`.
async fn set_with(world: &World, query: &str, body: &Value) -> String {
    let answer = post(world, &format!("set-context{query}"), body).await;
    assert_eq!(answer["status"], "success", "{answer}");
    answer["message"]["purchase"].as_str().unwrap_or("missing").to_owned()
}

/// A set with only a note for the next agent.
fn note(memory: &str) -> Value {
    json!({ "caller": CALLER, "memory": memory })
}

async fn full_context(world: &World) -> Answer {
    let request = with_token("GET", &format!("/v1/contexts/{CALLER}"));
    send(world, request.body(bytes::Bytes::new()).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn a_purchase_that_is_set_again_is_not_paid_again() {
    let mut with_a_name = purchase_with("full_name", "Ana R.");
    with_a_name["memory"] = "wants row G".into();
    for again in [
        purchase(),
        purchase_with("price", "42"),
        purchase_with("price", "42.0"),
        purchase_with("description", " Two  theater seats "),
        purchase_with("callback", ""),
        with_a_name,
        note("wants row G"),
    ] {
        let world = world_with(&purchase()).await;
        pays(&world, [CARD]).await;
        set(&world, &again).await;
        assert_eq!(get(&world).await["status"], "payment-success", "{again}");
        let record = pays(&world, [CARD]).await;
        assert!(record.heard("This has been paid already."), "{again} {record:#?}");
        assert_eq!(world.twilio.charges().len(), 1, "{again}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_description_price_vendor_type_or_customer_is_another_purchase() {
    for (field, value) in [
        ("description", "Three theater seats"),
        ("price", "42.01"),
        ("vendor", "acme-opera"),
        ("transaction_type", "authorize"),
        ("customer_id", "cus_1"),
        ("order_id", "1009"),
    ] {
        let world = world_with(&purchase()).await;
        pays(&world, [CARD]).await;
        assert_eq!(
            set_with(&world, "", &purchase_with(field, value)).await,
            "new",
            "{field}"
        );
        assert_eq!(get(&world).await["status"], "pending", "{field}");
        pays(&world, [CARD]).await;
        assert_eq!(world.twilio.charges().len(), 2, "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_returns_whether_its_purchase_is_new_and_an_agent_can_force_it() {
    let world = world([]).await;
    let order = |id: &str| purchase_with("order_id", id);
    for (query, body, expected) in [
        ("", purchase(), "new"),
        ("", purchase(), "same"),
        ("?new=false", purchase(), "same"),
        ("?new=true", purchase(), "new"),
        // From now on, a repeated set means this purchase.
        ("", purchase(), "same"),
        ("", note("x"), "none"),
        ("", order("1"), "new"),
        ("", order("1"), "same"),
        ("", purchase(), "same"),
        ("", order("2"), "new"),
        ("", order("1"), "same"),
        ("?new=true&replace=true", order("1"), "new"),
    ] {
        assert_eq!(set_with(&world, query, &body).await, expected, "{query} {body}");
    }
    let answer = full_context(&world).await;
    assert_eq!(answer.text("/versions/0/order_id"), "1", "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_purchase_is_paid_and_earlier_ones_stay_paid() {
    let world = world_with(&purchase_with("order_id", "1")).await;
    pays(&world, [CARD]).await;
    set_with(&world, "?new=true", &purchase_with("order_id", "1")).await;
    assert_eq!(get(&world).await["status"], "pending");
    pays(&world, [CARD]).await;
    set(&world, &purchase_with("order_id", "2")).await;
    assert_eq!(get(&world).await["status"], "pending");
    set(&world, &purchase_with("order_id", "1")).await;
    let context = get(&world).await;
    assert_eq!(
        (&context["status"], &context["processor"]["confirmation_code"]),
        (&json!("payment-success"), &json!("ch_000002"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_paid_purchase_is_recognized_after_twenty_others() {
    let world = world_with(&purchase()).await;
    pays(&world, [CARD]).await;
    for n in 0..20 {
        set(&world, &purchase_with("description", format!("{n} programs"))).await;
        assert_eq!(get(&world).await["status"], "pending");
    }
    set(&world, &purchase()).await;
    assert_eq!(get(&world).await["status"], "payment-success");
    let record = pays(&world, [CARD]).await;
    assert!(record.heard("This has been paid already."), "{record:#?}");
    assert_eq!(world.twilio.charges().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_calls_of_a_caller_never_pay_at_once_although_the_context_changes() {
    for between in [
        purchase(),
        purchase_with("memory", "wants row G"),
        purchase_with("description", "A program"),
        note("wants row G"),
    ] {
        for query in ["", "?new=true"] {
            let world = world_with(&purchase()).await;
            let first = pays(&world, [PaymentInput::Nothing, PaymentInput::Nothing, CARD]);
            let second = async {
                world.clock.sleep(Duration::from_secs(5)).await;
                set_with(&world, query, &between).await;
                pays(&world, [CARD]).await
            };
            let (first, second) = tokio::join!(first, second);
            assert!(first.heard("Thank you, that worked."), "{first:#?}");
            assert!(second.heard("was begun in another call"), "{between}: {second:#?}");
            assert_eq!(world.twilio.charges().len(), 1, "{between}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_note_does_not_change_a_pending_payment() {
    let world = world_with(&purchase()).await;
    set(&world, &note("wants row G")).await;
    let context = get(&world).await;
    assert_eq!(
        (&context["status"], &context["memory"], &context["price"]),
        (&json!("pending"), &json!("wants row G"), &json!("42.00"))
    );
    assert_eq!(
        full_context(&world).await.json["versions"].as_array().map(Vec::len),
        Some(1)
    );
    let record = pays(&world, [CARD]).await;
    assert!(record.heard("You are about to pay $42.00 to acme-stage"), "{record:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_without_a_purchase_is_connected_or_hears_goodbye() {
    for (callback, dials) in [(Some(CALLBACK), 1), (None, 0)] {
        let world = world([]).await;
        let mut body = note("wants row F");
        body["callback"] = json!(callback);
        set(&world, &body).await;
        let context = get(&world).await;
        assert_eq!(
            (&context["status"], &context["price"]),
            (&json!("no-payment"), &json!(""))
        );
        let record = pays(&world, [CARD]).await;
        assert_eq!((record.payments.len(), record.dials.len()), (0, dials), "{record:#?}");
        assert!(callback.is_some() || record.heard("Goodbye."), "{record:#?}");
        assert!(record.requests.iter().all(|request| !request.body.contains("<Pay")));
        assert_eq!(world.twilio.charges(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_arrives_before_its_call_does_not_block_the_next_call() {
    for has_context in [true, false] {
        let world = world([]).await;
        if has_context {
            set(&world, &purchase()).await;
        }
        let overtaken = CallerScript {
            overtaken: true,
            ..CallerScript::new(CALLER, [CARD])
        };
        let late = call(&world, overtaken).await;
        assert_eq!(late.failures, Vec::<String>::new());
        assert!(!late.requests[1].body.contains("<Pay"), "{late:#?}");
        if !has_context {
            assert_eq!(get(&world).await["status"], "no-context");
            set(&world, &purchase()).await;
            // The late webhooks once more, now that there is a context.
            for repeated in world.twilio.repeat(&late).await {
                assert!(!repeated.body.contains("<Pay"), "{repeated:?}");
            }
        }
        assert_eq!(get(&world).await["status"], "pending");
        let record = pays(&world, [CARD]).await;
        assert!(record.heard("Thank you, that worked."), "{record:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_early_ends_of_a_caller_do_not_block_a_payment() {
    let world = world_with(&purchase()).await;
    for _ in 0..20 {
        let overtaken = CallerScript {
            overtaken: true,
            ..CallerScript::new(CALLER, [CARD])
        };
        let late = call(&world, overtaken).await;
        assert!(!late.requests[1].body.contains("<Pay"), "{late:#?}");
    }
    pays(&world, [CARD]).await;
    assert_eq!(get(&world).await["status"], "payment-success");
}

#[tokio::test(start_paused = true)]
async fn a_payment_result_may_arrive_after_the_end_of_its_call() {
    let world = world_with(&purchase()).await;
    world.twilio.change(|twilio| twilio.status_callback = true);
    let first = pays(&world, [PaymentInput::CardThenHangsUp("4242424242424242", 60)]);
    let second = async {
        while world.twilio.charges().is_empty() {
            world.clock.sleep(Duration::from_secs(1)).await;
        }
        world.clock.sleep(Duration::from_secs(10)).await;
        assert_eq!(get(&world).await["status"], "caller-hung-up");
        pays(&world, [CARD]).await
    };
    let (_, second) = tokio::join!(first, second);
    assert!(second.heard("was begun in another call"), "{second:#?}");
    assert_eq!(world.twilio.charges().len(), 1);
    assert_eq!(get(&world).await["status"], "payment-success");
}

#[tokio::test(start_paused = true)]
async fn after_a_hang_up_the_caller_can_pay_once_no_result_can_arrive_any_more() {
    let world = world_with(&purchase()).await;
    world.twilio.change(|twilio| {
        twilio.status_callback = true;
        twilio.action_after_hang_up = false;
    });
    pays(&world, [PaymentInput::HangsUp]).await;
    let record = pays(&world, [CARD]).await;
    assert!(record.heard("was begun in another call"), "{record:#?}");
    world.clock.sleep(Duration::from_mins(3)).await;
    let record = pays(&world, [CARD]).await;
    assert!(record.heard("Thank you, that worked."), "{record:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_stored_completely_or_not_at_all() {
    for (length, is_stored) in [(200, true), (201, true), (4_096, true), (4_097, false)] {
        for kind in ["once", "authorize"] {
            let world = world_with(&purchase_with("transaction_type", kind)).await;
            let code = "x".repeat(length);
            world.twilio.change(|twilio| twilio.code = Some(code.clone()));
            let record = pays(&world, [CARD]).await;
            assert!(record.heard("Thank you, that worked."), "{record:#?}");
            let context = get(&world).await;
            assert_eq!(context["status"], "payment-success");
            let field = if kind == "once" { "confirmation_code" } else { "token" };
            let expected = is_stored.then_some(code);
            assert_eq!(context["processor"][field].as_str(), expected.as_deref(), "{length}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_contains_a_card_number_is_not_stored() {
    for (code, is_stored) in [
        ("20261126-4242424242424242", false),
        ("994242 4242/4242.424299", false),
        ("6a8ac4ba-0580-4975-ad2f-89d94a2f20aa", true),
        ("20261126-0001", true),
    ] {
        let world = world_with(&purchase()).await;
        world.twilio.change(|twilio| twilio.code = Some(code.to_owned()));
        pays(&world, [CARD]).await;
        let context = get(&world).await;
        assert_eq!(context["status"], "payment-success");
        assert_eq!(
            context["processor"]["confirmation_code"].is_string(),
            is_stored,
            "{code}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_arrives_hours_late_is_stored() {
    let world = world_with(&purchase_with("ttl", 60)).await;
    pays(&world, [PaymentInput::CardThenHangsUp("4242424242424242", 3 * 3_600)]).await;
    assert_eq!(get(&world).await["status"], "payment-success");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_stored_at_once_is_passed_on_if_it_fits_into_the_url() {
    for (length, is_stored) in [(1_500, true), (4_096, false)] {
        let world = world_with(&purchase()).await;
        let code = "x".repeat(length);
        world.twilio.change(|twilio| twilio.code = Some(code.clone()));
        let fault = Rule::new(Fault::Refused)
            .service(Service::DynamoDb)
            .function("transfer");
        world
            .aws
            .faults()
            .plan(fault.operation("UpdateItem").skip(1).times(u32::MAX));
        let recovery = async {
            let is_over = |run: &InvocationRecord| &*run.function == "transfer" && run.end.is_some();
            while world.aws.recorder().runs().iter().filter(|run| is_over(run)).count() < 2 {
                world.clock.sleep(Duration::from_millis(50)).await;
            }
            world.aws.faults().clear();
        };
        let (record, ()) = tokio::join!(pays(&world, [CARD]), recovery);
        assert!(record.requests.iter().all(|request| request.url.len() <= 4_000));
        let context = get(&world).await;
        assert_eq!(context["status"], "payment-success");
        assert_eq!(
            context["processor"]["confirmation_code"].as_str(),
            is_stored.then_some(code.as_str())
        );
        let debug = context["debug"].as_str().unwrap();
        assert_eq!(debug.contains("lost: confirmation_code"), !is_stored, "{debug}");
    }
}
