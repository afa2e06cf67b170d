//! A caller is transferred to us: takes a payment and hands the caller back.

use lambda_http::Error;
use patchbay::telemetry;
use patchbay::web::gateway;
use transfer::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let deps = Deps::load()?;
    gateway::run(|request| deps.answer(|deps| async move { handle(&deps, request).await })).await
}
