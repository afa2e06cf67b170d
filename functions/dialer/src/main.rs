//! Works off the `calls` queue: places calls, watches them, ends waits.

use std::convert::Infallible;

use dialer::{Deps, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use patchbay::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let deps = Deps::load().await?;
    run(service_fn(|event: LambdaEvent<_>| async {
        Ok::<_, Infallible>(handle(&deps, event.payload).await)
    }))
    .await
}
