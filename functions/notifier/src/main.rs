//! Consumes the `notifications` queue: delivers webhooks to requesters.

use notifier::{Deps, handle};
use patchbay::function::{self, Error};
use patchbay::webhook::Notice;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::consumer::<Notice, _, _, _>(env!("CARGO_CRATE_NAME"), Deps::load, |deps, event| async move {
        handle(&deps, event).await
    })
    .await
}
