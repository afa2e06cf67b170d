//! A voice agent says what it knows of a caller.

use std::convert::Infallible;

use lambda_http::{Error, run, service_fn};
use patchbay::telemetry;
use set_context::{Deps, handle};

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
