//! The API for dispatches: create, read, list, cancel, resolve, preview.

use dispatches::{Deps, handle};
use lambda_http::Error;
use patchbay::aws::Aws;
use patchbay::config;
use patchbay::telemetry;
use patchbay::web::gateway;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let aws = Aws::load()?;
    let deps = Deps {
        engine: aws.engine()?,
        targets: config::targets()?,
    };
    gateway::run(|request| handle(&deps, request)).await
}
