//! The last part of the demo: a caller goes from one voice agent to the next, and pays on the way.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use console::style;
use patchbay_simulators::twilio::{AtPay, Script};
use patchbay_simulators::world::{Options, PUBLIC_URL, TOKEN, World};
use serde_json::{Value, json};

const CALLER: &str = "+12025550143";

/// Plays one caller. Fails when the next agent does not know of the payment.
pub(crate) async fn follow(seed: u64) -> anyhow::Result<()> {
    let world = World::start(Options {
        seed,
        ..Options::default()
    })
    .await?;
    println!("{}", style("A caller, two voice agents and a payment").bold());
    let purchase = json!({
        "caller": CALLER, "description": "Two theatre seats", "price": "42.00", "vendor": "acme-stage",
        "callback": "+12025550177", "full_name": "Ana Ruiz", "memory": "wants row F",
    });
    ask(&world, "set-context", &purchase).await?;
    println!("  agent A    sets what it knows of {CALLER}, and transfers the call");
    let script = Script::new(CALLER, [AtPay::WrongNumber, AtPay::Card("4242424242424242")]);
    let record = world.twilio.call(&world.transfer_url()?, script).await;
    for sentence in &record.heard {
        println!("  hears      {}", style(sentence).dim());
    }
    for dialled in &record.dialled {
        println!("  handed to  {}, which sees {}", dialled.number, dialled.caller_id);
    }
    let context = ask(&world, "get-context", &json!({ "caller": CALLER })).await?;
    let text = |name: &str| context.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    println!(
        "  agent B    reads {}, \"{}\", {}",
        text("status"),
        text("memory"),
        text("full_name")
    );
    if text("status") != "payment-success" || world.twilio.charges().len() != 1 || !record.failures.is_empty() {
        bail!("the payment went wrong: {} {:?}", text("status"), record.failures);
    }
    Ok(())
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
