//! Works off the `calls` queue: places calls, watches them, ends waits.

use dialer::{Deps, handle};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use patchbay::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let deps = Deps::load()?;
    run(service_fn(|event: LambdaEvent<_>| async {
        Ok::<_, Error>(handle(deps.current().await?.as_ref(), event.payload).await)
    }))
    .await
}
