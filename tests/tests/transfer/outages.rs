//! Transfers while DynamoDB is unavailable.

use std::time::Duration;

use patchbay_simulators::aws::{Fault, InvocationRecord, Rule, Service};
use patchbay_simulators::twilio::{CallRecord, CallerScript};
use patchbay_simulators::world::World;

use crate::{CALLBACK, CALLER, CARD, call, get, purchase, purchase_with, world_with};

/// Makes `times` requests of the transfer function with this operation fail, after the first `skip`.
fn break_down(world: &World, fault: Fault, operation: &str, skip: u32, times: u32) {
    let rule = Rule::new(fault).service(Service::DynamoDb).function("transfer");
    world
        .aws
        .faults()
        .plan(rule.operation(operation).skip(skip).times(times));
}

/// A paying call in which Twilio accepts every response, and each arrives in time.
async fn pay(world: &World) -> CallRecord {
    let record = call(world, CallerScript::new(CALLER, [CARD])).await;
    assert_eq!(record.failures, Vec::<String>::new(), "{record:#?}");
    record
}

const FAULTS: [Fault; 4] = [
    Fault::Refused,
    Fault::LostRequest,
    Fault::InternalError,
    Fault::Throttled,
];

#[tokio::test(start_paused = true)]
async fn a_caller_is_not_charged_while_the_context_cannot_be_read() {
    for fault in FAULTS {
        let world = world_with(&purchase()).await;
        break_down(&world, fault, "GetItem", 0, u32::MAX);
        let record = pay(&world).await;
        assert!(record.heard("You have not been charged."), "{fault:?} {record:#?}");
        assert_eq!((world.twilio.charges().len(), record.dials.len()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_connected_but_not_charged_while_the_call_cannot_be_recorded() {
    for fault in FAULTS {
        let world = world_with(&purchase()).await;
        break_down(&world, fault, "UpdateItem", 0, u32::MAX);
        let record = pay(&world).await;
        assert!(record.heard("You have not been charged."), "{fault:?} {record:#?}");
        assert_eq!(world.twilio.charges().len(), 0);
        assert_eq!(record.dials[0].number, CALLBACK);
    }
}

#[tokio::test(start_paused = true)]
async fn a_payment_survives_a_short_outage() {
    for fault in FAULTS {
        let world = world_with(&purchase()).await;
        break_down(&world, fault, "UpdateItem", 1, 4);
        pay(&world).await;
        assert_eq!(get(&world).await["status"], "payment-success", "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_payment_result_that_cannot_be_stored_is_passed_on_in_urls_and_stored_later() {
    for callback in [CALLBACK, ""] {
        for fault in FAULTS {
            let world = world_with(&purchase_with("callback", callback)).await;
            break_down(&world, fault, "UpdateItem", 1, u32::MAX);
            let recovery = async {
                let is_over = |run: &InvocationRecord| &*run.function == "transfer" && run.end.is_some();
                // Two invocations: the start of the call, and the result of the payment.
                while world.aws.recorder().runs().iter().filter(|run| is_over(run)).count() < 2 {
                    world.clock.sleep(Duration::from_millis(50)).await;
                }
                world.aws.faults().clear();
                assert_eq!(get(&world).await["status"], "in-progress", "{fault:?} {callback}");
            };
            let (record, ()) = tokio::join!(pay(&world), recovery);
            assert!(record.heard("Thank you, that worked."), "{record:#?}");
            // A retry comes before the thanks, so that the result is not lost when the caller hangs up on hearing them.
            let answer = &record.requests[1].body;
            assert!(answer.contains("<Redirect") && !answer.contains("<Say"), "{answer}");
            assert_eq!(record.dials.len(), usize::from(!callback.is_empty()));
            let context = get(&world).await;
            assert_eq!(context["status"], "payment-success", "{fault:?} {callback}");
            assert_eq!(context["processor"]["confirmation_code"], "ch_000001");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_connected_even_if_dynamodb_does_not_recover() {
    let world = world_with(&purchase()).await;
    break_down(&world, Fault::Refused, "UpdateItem", 1, u32::MAX);
    let record = pay(&world).await;
    assert!(record.heard("Thank you, that worked."));
    assert_eq!(record.dials[0].number, CALLBACK);
    world.aws.faults().clear();
    assert_eq!(get(&world).await["status"], "in-progress");
}

#[tokio::test(start_paused = true)]
async fn a_lost_response_of_dynamodb_causes_no_second_payment() {
    let world = world_with(&purchase()).await;
    break_down(&world, Fault::LostAnswer, "UpdateItem", 0, 1);
    break_down(&world, Fault::LostAnswer, "UpdateItem", 1, 1);
    pay(&world).await;
    assert_eq!(world.twilio.charges().len(), 1);
    assert_eq!(get(&world).await["status"], "payment-success");
}
