//! A voice agent says what it knows of a caller.

use lambda_http::Error;
use patchbay::telemetry;
use patchbay::web::gateway;
use set_context::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let deps = Deps::load()?;
    gateway::run(|request| deps.answer(|deps| async move { handle(&deps, request).await })).await
}
