//! What somebody must hear of: payments at the same time, and what of a payment is not kept. Said again at every repetition
//! of a webhook, for a function may die before it is heard.
//!
//! One test in a process of its own: a line that another test reached first, where nobody listened, stays unheard.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;
#[path = "common/lines.rs"]
mod lines;

use std::time::Duration;

use patchbay_simulators::twilio::{AtPay, CallRecord, Script};
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

async fn call(world: &World, at_pay: AtPay) -> CallRecord {
    let url = world.transfer_url().unwrap();
    world.twilio.call(&url, Script::new(CALLER, [at_pay])).await
}

/// The request that told the result of a payment.
async fn tell_again(world: &World, record: &CallRecord) {
    let result = record.requests.iter().find(|request| request.url.contains("/payment/"));
    let result = result.unwrap();
    world.twilio.post(&result.url, &result.form).await;
}

async fn paid_at_once(lines: &Lines) {
    let world = world([]).await;
    world.twilio.change(|twilio| twilio.status_callback = true);
    set(&world, "Two theatre seats").await;
    // The result comes so late that another call has begun to pay for something else, and paid.
    let first = call(&world, AtPay::CardThenHangsUp(CARD, 200));
    let second = async {
        while world.twilio.charges().is_empty() {
            world.clock.sleep(Duration::from_secs(1)).await;
        }
        world.clock.sleep(Duration::from_secs(155)).await;
        set(&world, "A programme").await;
        call(&world, AtPay::Card(CARD)).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(world.twilio.charges().len(), 2);
    let told = |line: &Value| {
        let fields = ["call", "confirmation_code", "other_call", "other_confirmation_code"];
        fields
            .map(|field| line["fields"][field].as_str().unwrap_or_default().to_owned())
            .to_vec()
    };
    let (one, other) = ([first.sid.as_str(), "ch_000001"], [second.sid.as_str(), "ch_000002"]);
    let lines_now = lines.take("paid twice");
    assert_eq!(lines_now.len(), 1, "{lines_now:?}");
    assert_eq!(lines_now[0]["level"], "ERROR");
    let both = told(&lines_now[0]);
    assert!(
        both == [one, other].concat() || both == [other, one].concat(),
        "{both:?}"
    );
    for (record, expected) in [(&first, [one, other]), (&second, [other, one])] {
        tell_again(&world, record).await;
        let lines_now = lines.take("paid twice");
        assert_eq!(lines_now.iter().map(told).collect::<Vec<_>>(), [expected.concat()]);
    }
}

async fn not_kept(lines: &Lines) {
    for (code, words) in [
        ("x".repeat(4_097), "too long"),
        (format!("20261126-{CARD}"), "a card's number"),
    ] {
        lines.take("");
        let world = world([]).await;
        world.twilio.change(|twilio| twilio.code = Some(code.clone()));
        set(&world, "Two theatre seats").await;
        let record = call(&world, AtPay::Card(CARD)).await;
        for _ in 0..2 {
            let told = lines.take("is not kept");
            assert!(!told.is_empty(), "{words}");
            assert!(
                told.iter()
                    .all(|line| line["level"] == "ERROR" && line.to_string().contains(words))
            );
            assert!(!format!("{told:?}").contains(CARD));
            tell_again(&world, &record).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_must_hear_of_is_said_and_said_again() {
    let (lines, _guard) = Lines::listen(Level::INFO);
    paid_at_once(&lines).await;
    not_kept(&lines).await;
}
