//! The last part of the demo: a caller is transferred from one voice agent to another and pays in between.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use console::style;
use patchbay_simulators::twilio::{CallRecord, CallerScript, PaymentInput};
use patchbay_simulators::world::{Options, PUBLIC_URL, TOKEN, World};
use serde_json::{Value, json};

use crate::output::counted;
use crate::screen::Screen;

const CALLER: &str = "+12025550143";

/// Runs one caller. Fails if the second agent does not see the payment, or if it is not charged exactly once.
pub(crate) async fn run(seed: u64, screen: &Screen) -> anyhow::Result<()> {
    let world = World::start(Options {
        seed,
        ..Options::default()
    })
    .await?;
    screen.line(style("A caller, two voice agents and a payment").bold().to_string());
    let purchase = json!({
        "caller": CALLER, "description": "Two theater seats", "price": "42.00", "vendor": "acme-stage",
        "callback": "+12025550177", "full_name": "Ana Ruiz", "memory": "wants row F",
    });
    post(&world, "set-context", &purchase).await?;
    screen.entry(
        "  agent A    ",
        format!("stores the context of {CALLER} and transfers the call"),
    );
    let script = CallerScript::new(CALLER, [PaymentInput::Declined, PaymentInput::Card("4242424242424242")]);
    let record = world.twilio.call(&world.transfer_url()?, script).await;
    print_call(&record, screen);
    let context = post(&world, "get-context", &json!({ "caller": CALLER })).await?;
    let text = |name: &str| context.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (status, memory, name) = (text("status"), text("memory"), text("full_name"));
    screen.entry("  agent B    ", format!("reads {status}, “{memory}”, {name}"));
    if status != "payment-success" || world.twilio.charges().len() != 1 || !record.failures.is_empty() {
        bail!("the payment failed: status {status:?}, failures {:?}", record.failures);
    }
    Ok(())
}

/// Prints the spoken sentences and payments of a call in order. Of a run of repeated sentences, the first is printed
/// and the others are counted.
fn print_call(record: &CallRecord, screen: &Screen) {
    let hears = |text: &str| screen.entry("  hears      ", style(text).dim().to_string());
    let mut repeated = 0;
    for (index, sentence) in record.heard.iter().enumerate() {
        let mut before = record.heard.iter().take(index);
        repeated = if before.any(|heard| sentence.ends_with(heard)) {
            repeated + 1
        } else {
            0
        };
        if repeated < 2 {
            hears(sentence);
        }
        let payment = record.payments.iter().find(|payment| payment.heard == index + 1);
        if repeated > 1 && (payment.is_some() || index + 1 == record.heard.len()) {
            hears(&format!(
                "… and {} repeated",
                counted(repeated - 1, "sentence", "sentences")
            ));
        }
        if let Some(payment) = payment {
            screen.entry("  card       ", format_payment(&payment.input));
        }
    }
    for dial in &record.dials {
        let text = format!("{}, caller id {}", dial.number, dial.caller_id);
        screen.entry("  transfer   ", text);
    }
}

/// The outcome of a payment attempt.
fn format_payment(input: &PaymentInput) -> String {
    match input {
        PaymentInput::Declined => style("the first card is declined, the caller is asked for another").yellow(),
        PaymentInput::Card(_) => style("the second card is accepted").green(),
        _ => style("no payment was made").yellow(),
    }
    .to_string()
}

async fn post(world: &World, verb: &str, body: &Value) -> anyhow::Result<Value> {
    let url = format!("{PUBLIC_URL}/voice/api/v1/twilio/{verb}?api_token={TOKEN}");
    let request = http::Request::post(url)
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_string()))?;
    let response = world.send(request).await?;
    if response.status() != http::StatusCode::OK {
        bail!("{verb} failed with status {}", response.status());
    }
    serde_json::from_slice(response.body()).context("the response is not JSON")
}
