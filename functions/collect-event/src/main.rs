//! Routee's COLLECT events: the key that an employee pressed.

use std::convert::Infallible;

use collect_event::{Deps, handle};
use lambda_http::{Error, run, service_fn};
use patchbay::aws::Aws;
use patchbay::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let aws = Aws::load()?;
    let deps = Deps {
        engine: aws.engine()?,
        callbacks: aws.callbacks().await?,
    };
    run(service_fn(|request| async {
        Ok::<_, Infallible>(handle(&deps, request).await)
    }))
    .await
}
