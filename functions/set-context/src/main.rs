//! A voice agent says what it knows of a caller.

use lambda_http::Error;
use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config;
use patchbay::secret::Randomness;
use patchbay::telemetry;
use patchbay::web::gateway;
use patchbay::web::tokens::Tokens;
use set_context::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let (store, clock) = (Aws::load()?.store()?, Clock::system());
    let deps = Deps {
        tokens: Tokens::new(store.clone(), clock.clone()),
        store,
        clock,
        random: Randomness::default(),
        home: config::default_country()?,
    };
    gateway::run(|request| handle(&deps, request)).await
}
