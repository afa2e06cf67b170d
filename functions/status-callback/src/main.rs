//! Routee's status callbacks: what became of a call.

use std::convert::Infallible;

use lambda_http::{Error, run, service_fn};
use patchbay::telemetry;
use patchbay::web::problem::Problem;
use status_callback::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let deps = Deps::load()?;
    run(service_fn(|request| async {
        Ok::<_, Infallible>(match deps.current().await {
            Ok(deps) => handle(&deps, request).await,
            Err(_) => Problem::unavailable(1).into_response(),
        })
    }))
    .await
}
