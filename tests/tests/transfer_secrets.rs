//! No card data is stored: neither in the table nor in a log.
//!
//! One test in its own process: `tracing` caches per call site whether a subscriber listens, so a line that another
//! test logged first, without one, would never be captured.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;
#[path = "common/lines.rs"]
mod lines;

use patchbay_simulators::aws::{self, Fault, Rule, Service};
use patchbay_simulators::twilio::{Callee, CallerScript, PaymentInput};
use patchbay_simulators::world::{TOKEN, World};
use serde_json::json;
use tracing::Level;

use crate::common::{request, send, world};
use crate::lines::Lines;

const CALLER: &str = "+12025550143";

async fn set(world: &World, order: &str) {
    let purchase = json!({
        "order_id": order,
        "caller": CALLER, "description": "Two seats", "price": "42.00", "vendor": "acme-stage",
        "callback": "+12025550177", "full_name": "Ana Ruiz",
    });
    let request = request("POST", &format!("/voice/api/v1/twilio/set-context?api_token={TOKEN}"));
    let request = request.header("content-type", "application/json");
    let answer = send(world, request.body(purchase.to_string().into()).unwrap()).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test(start_paused = true)]
async fn no_card_number_code_or_expiry_is_in_table_or_log() {
    let (lines, _guard) = Lines::capture(Level::INFO);
    let world = world([]).await;
    let url = world.transfer_url().unwrap();
    let card = PaymentInput::Card("4242424242424242");
    for (order, at_pay) in (1..).zip([
        PaymentInput::Declined,
        PaymentInput::ConnectorFails,
        PaymentInput::Star,
        PaymentInput::HangsUp,
        card.clone(),
    ]) {
        set(&world, &format!("{order}")).await;
        let script = CallerScript {
            callee: Callee::Busy,
            ..CallerScript::new(CALLER, [at_pay])
        };
        let record = world.twilio.call(&url, script).await;
        assert_eq!(record.failures, Vec::<String>::new());
        // The simulator does send the data that must not be stored.
        let sent = format!("{:?}", record.requests);
        assert!(sent.contains("1231") && sent.contains("20500"), "{sent}");
    }
    for (operation, skip) in [("UpdateItem", 1), ("GetItem", 0)] {
        set(&world, operation).await;
        let rule = Rule::new(Fault::Refused)
            .service(Service::DynamoDb)
            .function("transfer");
        world
            .aws
            .faults()
            .plan(rule.operation(operation).skip(skip).times(u32::MAX));
        world.twilio.call(&url, CallerScript::new(CALLER, [card.clone()])).await;
        world.aws.faults().clear();
    }
    world
        .twilio
        .call(&url, CallerScript::new("anonymous", [card.clone()]))
        .await;
    world.twilio.set_token("another");
    world.twilio.call(&url, CallerScript::new(CALLER, [card])).await;

    let (dynamodb, _) = aws::clients(&world.aws, &aws::retries());
    let items = dynamodb.scan().table_name("patchbay").send().await.unwrap();
    let table = format!("{:?}", items.items());
    let log = lines.text();
    for expected in ["payment-success", "payment-failed", "ch_000001", "visa"] {
        assert!(table.contains(expected), "no {expected:?} in {table}");
    }
    for expected in [
        "asking the caller to pay",
        "a payment has ended",
        "the next agent was not reached",
        "an outcome could not be stored: only this log line has it",
        "ch_000002",
        "the caller has no usable number",
        "rejected a request without a valid Twilio signature",
        "the caller was not charged",
        "…43",
    ] {
        assert!(log.contains(expected), "no {expected:?} in {log}");
    }
    let secrets = [
        "4242424242424242",
        "4000000000000002",
        "\"1231\"",
        "1231 ",
        " 987",
        "\"987\"",
        "20500",
        "was declined\"",
    ];
    for secret in secrets {
        assert!(!table.contains(secret), "{secret:?} in {table}");
    }
    let private = ["2025550143", "2025550177", "Ruiz", "Two seats", "made-up-auth-token"];
    for secret in ["4242424242424242", "4000000000000002", " 987", "20500"]
        .into_iter()
        .chain(private)
    {
        assert!(!log.contains(secret), "{secret:?} in {log}");
    }
}
