//! A voice agent asks what is known of a caller.

use std::convert::Infallible;

use get_context::{Deps, handle};
use lambda_http::{Error, run, service_fn};
use patchbay::telemetry;

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
