//! Errors that an operator must see are logged: two payments for one caller at the same time, and fields of a payment
//! that were dropped. They are logged again whenever the webhook is repeated, because a function may crash before it
//! has logged.
//!
//! One test in its own process: `tracing` caches per call site whether a subscriber listens, so a line that another
//! test logged first, without one, would never be captured.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;
#[path = "common/lines.rs"]
mod lines;

use std::time::Duration;

use patchbay_simulators::twilio::{CallRecord, CallerScript, PaymentInput};
use patchbay_simulators::world::{TOKEN, World};
use serde_json::{Value, json};
use tracing::Level;

use crate::common::{request, send, world};
use crate::lines::Lines;

const CALLER: &str = "+12025550143";
const CARD: &str = "4242424242424242";

async fn set(world: &World, description: &str) {
    let purchase = json!({ "caller": CALLER, "description": description, "price": "42.00", "vendor": "acme-stage" });
    let request = request("POST", &format!("/voice/api/v1/twilio/set-context?api_token={TOKEN}"));
    let request = request.header("content-type", "application/json");
    let answer = send(world, request.body(purchase.to_string().into()).unwrap()).await;
    assert_eq!(answer.status, 200);
}

async fn call(world: &World, at_pay: PaymentInput) -> CallRecord {
    let url = world.transfer_url().unwrap();
    world.twilio.call(&url, CallerScript::new(CALLER, [at_pay])).await
}

/// Repeats the webhook with the result of a payment.
async fn repeat_result(world: &World, record: &CallRecord) {
    let result = record.requests.iter().find(|request| request.url.contains("/payment/"));
    let result = result.unwrap();
    world.twilio.post(&result.url, &result.form).await;
}

async fn two_payments_are_logged(lines: &Lines) {
    let world = world([]).await;
    world.twilio.change(|twilio| twilio.status_callback = true);
    set(&world, "Two theater seats").await;
    // The result of the first call arrives after a second call has paid for something else.
    let first = call(&world, PaymentInput::CardThenHangsUp(CARD, 200));
    let second = async {
        while world.twilio.charges().is_empty() {
            world.clock.sleep(Duration::from_secs(1)).await;
        }
        world.clock.sleep(Duration::from_secs(155)).await;
        set(&world, "A program").await;
        call(&world, PaymentInput::Card(CARD)).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(world.twilio.charges().len(), 2);
    let logged_calls = |line: &Value| {
        let fields = ["call", "confirmation_code", "other_call", "other_confirmation_code"];
        fields
            .map(|field| line["fields"][field].as_str().unwrap_or_default().to_owned())
            .to_vec()
    };
    let (one, other) = ([first.sid.as_str(), "ch_000001"], [second.sid.as_str(), "ch_000002"]);
    let lines_now = lines.take("paid twice");
    assert_eq!(lines_now.len(), 1, "{lines_now:?}");
    assert_eq!(lines_now[0]["level"], "ERROR");
    let both = logged_calls(&lines_now[0]);
    assert!(
        both == [one, other].concat() || both == [other, one].concat(),
        "{both:?}"
    );
    for (record, expected) in [(&first, [one, other]), (&second, [other, one])] {
        repeat_result(&world, record).await;
        let lines_now = lines.take("paid twice");
        assert_eq!(
            lines_now.iter().map(logged_calls).collect::<Vec<_>>(),
            [expected.concat()]
        );
    }
}

async fn dropped_fields_are_logged(lines: &Lines) {
    for (code, words) in [
        ("x".repeat(4_097), "too long"),
        (format!("20261126-{CARD}"), "a card number"),
    ] {
        lines.take("");
        let world = world([]).await;
        world.twilio.change(|twilio| twilio.code = Some(code.clone()));
        set(&world, "Two theater seats").await;
        let record = call(&world, PaymentInput::Card(CARD)).await;
        for _ in 0..2 {
            let dropped = lines.take("was dropped");
            assert!(!dropped.is_empty(), "{words}");
            assert!(
                dropped
                    .iter()
                    .all(|line| line["level"] == "ERROR" && line.to_string().contains(words))
            );
            assert!(!format!("{dropped:?}").contains(CARD));
            repeat_result(&world, &record).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn payment_errors_are_logged_at_every_repetition() {
    let (lines, _guard) = Lines::capture(Level::INFO);
    two_payments_are_logged(&lines).await;
    dropped_fields_are_logged(&lines).await;
}
