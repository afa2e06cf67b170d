//! Looks once a minute for dispatches that nothing moves any more, and moves them.

use std::convert::Infallible;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use patchbay::telemetry;
use sentinel::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let deps = Deps::load()?;
    run(service_fn(async |event: LambdaEvent<_>| {
        Ok::<_, Infallible>(handle(&deps, event.payload).await)
    }))
    .await
}
