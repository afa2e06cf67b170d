//! A voice agent asks what is known of a caller.

use get_context::{Deps, handle};
use lambda_http::Error;
use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config;
use patchbay::telemetry;
use patchbay::web::gateway;
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
    gateway::run(|request| handle(&deps, request)).await
}
