//! A caller is transferred to us: takes a payment and hands the caller back.

use std::convert::Infallible;

use lambda_http::{Error, run, service_fn};
use patchbay::telemetry;
use transfer::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let deps = Deps::load()?;
    run(service_fn(|request| async {
        let answer = deps.answer(|deps| async move { handle(&deps, request).await });
        Ok::<_, Infallible>(answer.await)
    }))
    .await
}
