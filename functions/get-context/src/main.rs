//! A voice agent asks what is known of a caller.

use std::convert::Infallible;

use get_context::{Deps, handle};
use lambda_http::{Error, run, service_fn};
use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config;
use patchbay::telemetry;
use patchbay::web::tokens::Tokens;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let (store, clock) = (Aws::load()?.store()?, Clock::system());
    let deps = Deps {
        tokens: Tokens::new(store.clone(), clock.clone()),
        store,
        clock,
        home: config::default_country()?,
    };
    let answer = async |request| Ok::<_, Infallible>(handle(&deps, request).await);
    run(service_fn(answer)).await
}
