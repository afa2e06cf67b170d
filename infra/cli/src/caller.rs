//! The last part of the demo: a caller goes from one voice agent to the next, and pays on the way.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use console::style;
use patchbay_simulators::twilio::{AtPay, CallRecord, Script};
use patchbay_simulators::world::{Options, PUBLIC_URL, TOKEN, World};
use serde_json::{Value, json};

use crate::output::counted;
use crate::screen::Screen;

const CALLER: &str = "+12025550143";

/// Plays one caller. Fails when the next agent does not know of the payment.
pub(crate) async fn follow(seed: u64, screen: &Screen) -> anyhow::Result<()> {
    let world = World::start(Options {
        seed,
        ..Options::default()
    })
    .await?;
    screen.line(style("A caller, two voice agents and a payment").bold().to_string());
    let purchase = json!({
        "caller": CALLER, "description": "Two theatre seats", "price": "42.00", "vendor": "acme-stage",
        "callback": "+12025550177", "full_name": "Ana Ruiz", "memory": "wants row F",
    });
    ask(&world, "set-context", &purchase).await?;
    screen.entry(
        "  agent A    ",
        format!("sets what it knows of {CALLER}, and transfers the call"),
    );
    let script = Script::new(CALLER, [AtPay::Declined, AtPay::Card("4242424242424242")]);
    let record = world.twilio.call(&world.transfer_url()?, script).await;
    tell(&record, screen);
    let context = ask(&world, "get-context", &json!({ "caller": CALLER })).await?;
    let text = |name: &str| context.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (status, memory, name) = (text("status"), text("memory"), text("full_name"));
    screen.entry("  agent B    ", format!("reads {status}, “{memory}”, {name}"));
    if status != "payment-success" || world.twilio.charges().len() != 1 || !record.failures.is_empty() {
        bail!("the payment went wrong: {status} {:?}", record.failures);
    }
    Ok(())
}

/// What was heard in a call and what was paid with, in order. Of sentences that are all heard again, the first is told and
/// the others are counted.
fn tell(record: &CallRecord, screen: &Screen) {
    let hears = |text: &str| screen.entry("  hears      ", style(text).dim().to_string());
    let mut again = 0;
    for (index, sentence) in record.heard.iter().enumerate() {
        let mut before = record.heard.iter().take(index);
        again = if before.any(|heard| sentence.ends_with(heard)) {
            again + 1
        } else {
            0
        };
        if again < 2 {
            hears(sentence);
        }
        let payment = record.payments.iter().find(|payment| payment.heard == index + 1);
        if again > 1 && (payment.is_some() || index + 1 == record.heard.len()) {
            hears(&format!(
                "… and {} as before",
                counted(again - 1, "sentence", "sentences")
            ));
        }
        if let Some(payment) = payment {
            screen.entry("  card       ", outcome(&payment.deed));
        }
    }
    for dialled in &record.dialled {
        let text = format!("{}, which sees {}", dialled.number, dialled.caller_id);
        screen.entry("  handed to  ", text);
    }
}

/// What came of an attempt to pay.
fn outcome(deed: &AtPay) -> String {
    match deed {
        AtPay::Declined => style("the first one is declined, so the caller is asked for another").yellow(),
        AtPay::Card(_) => style("another one is taken").green(),
        _ => style("nothing came of it").yellow(),
    }
    .to_string()
}

async fn ask(world: &World, verb: &str, body: &Value) -> anyhow::Result<Value> {
    let url = format!("{PUBLIC_URL}/voice/api/v1/twilio/{verb}?api_token={TOKEN}");
    let request = http::Request::post(url)
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_string()))?;
    let response = world.send(request).await?;
    if response.status() != http::StatusCode::OK {
        bail!("{verb} was answered with {}", response.status());
    }
    serde_json::from_slice(response.body()).context("an answer that is not JSON")
}
