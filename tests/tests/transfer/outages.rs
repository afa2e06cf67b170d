//! The table cannot be had.

use std::time::Duration;

use patchbay_simulators::aws::{Fault, Rule, Run, Service};
use patchbay_simulators::twilio::{CallRecord, Script};
use patchbay_simulators::world::World;

use crate::{CALLBACK, CALLER, CARD, call, get, purchase, purchase_with, world_with};

/// `times` requests of this function with this operation fail, after the first `skip`.
fn down(world: &World, fault: Fault, operation: &str, skip: u32, times: u32) {
    let rule = Rule::new(fault).service(Service::DynamoDb).function("transfer");
    world
        .aws
        .faults()
        .plan(rule.operation(operation).skip(skip).times(times));
}

/// A call in which every answer is one that Twilio takes, in time.
async fn heard(world: &World) -> CallRecord {
    let record = call(world, Script::new(CALLER, [CARD])).await;
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
async fn nobody_is_charged_when_the_context_cannot_be_had() {
    for fault in FAULTS {
        let world = world_with(&purchase()).await;
        down(&world, fault, "GetItem", 0, u32::MAX);
        let record = heard(&world).await;
        assert!(record.heard("You have not been charged."), "{fault:?} {record:#?}");
        assert_eq!((world.twilio.charges().len(), record.dialled.len()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_charged_when_the_call_cannot_be_put_down_but_he_is_handed_back() {
    for fault in FAULTS {
        let world = world_with(&purchase()).await;
        down(&world, fault, "UpdateItem", 0, u32::MAX);
        let record = heard(&world).await;
        assert!(record.heard("You have not been charged."), "{fault:?} {record:#?}");
        assert_eq!(world.twilio.charges().len(), 0);
        assert_eq!(record.dialled[0].number, CALLBACK);
    }
}

#[tokio::test(start_paused = true)]
async fn a_payment_survives_a_short_outage() {
    for fault in FAULTS {
        let world = world_with(&purchase()).await;
        down(&world, fault, "UpdateItem", 1, 4);
        heard(&world).await;
        assert_eq!(get(&world).await["status"], "payment-success", "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_cannot_be_stored_travels_on_and_is_stored_when_the_caller_was_handed_back() {
    for callback in [CALLBACK, ""] {
        for fault in FAULTS {
            let world = world_with(&purchase_with("callback", callback)).await;
            down(&world, fault, "UpdateItem", 1, u32::MAX);
            let calm = async {
                let is_over = |run: &Run| &*run.function == "transfer" && run.end.is_some();
                // The call and the result of the payment.
                while world.aws.recorder().runs().iter().filter(|run| is_over(run)).count() < 2 {
                    world.clock.sleep(Duration::from_millis(50)).await;
                }
                world.aws.faults().calm();
                assert_eq!(get(&world).await["status"], "in-progress", "{fault:?} {callback}");
            };
            let (record, ()) = tokio::join!(heard(&world), calm);
            assert!(record.heard("Thank you, that worked."), "{record:#?}");
            // Whoever hangs up at the thanks must not take the outcome along: it is tried again before a word is said.
            let answer = &record.requests[1].body;
            assert!(answer.contains("<Redirect") && !answer.contains("<Say"), "{answer}");
            assert_eq!(record.dialled.len(), usize::from(!callback.is_empty()));
            let context = get(&world).await;
            assert_eq!(context["status"], "payment-success", "{fault:?} {callback}");
            assert_eq!(context["processor"]["confirmation_code"], "ch_000001");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_handed_back_even_when_the_table_never_comes_back() {
    let world = world_with(&purchase()).await;
    down(&world, Fault::Refused, "UpdateItem", 1, u32::MAX);
    let record = heard(&world).await;
    assert!(record.heard("Thank you, that worked."));
    assert_eq!(record.dialled[0].number, CALLBACK);
    world.aws.faults().calm();
    assert_eq!(get(&world).await["status"], "in-progress");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_is_no_second_payment() {
    let world = world_with(&purchase()).await;
    down(&world, Fault::LostAnswer, "UpdateItem", 0, 1);
    down(&world, Fault::LostAnswer, "UpdateItem", 1, 1);
    heard(&world).await;
    assert_eq!(world.twilio.charges().len(), 1);
    assert_eq!(get(&world).await["status"], "payment-success");
}
