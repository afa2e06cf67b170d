//! Answers Agent4: task chains whose links are data, and the API for them.

use std::convert::Infallible;

use chain_link::{Deps, handle};
use lambda_http::{Error, run, service_fn};
use patchbay::telemetry;
use patchbay::web::problem::Problem;

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
