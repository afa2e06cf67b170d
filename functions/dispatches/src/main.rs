//! The API for dispatches: create, read, list, cancel, resolve, preview.

use std::convert::Infallible;

use dispatches::{Deps, handle};
use lambda_http::{Error, run, service_fn};
use patchbay::aws::Aws;
use patchbay::config;
use patchbay::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let aws = Aws::load()?;
    let deps = Deps {
        engine: aws.engine()?,
        targets: config::targets()?,
    };
    run(service_fn(|request| async {
        Ok::<_, Infallible>(handle(&deps, request).await)
    }))
    .await
}
