//! Takes a payment from a transferred caller and connects them to the next agent.

use patchbay::function::{self, Error};
use transfer::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::web(env!("CARGO_CRATE_NAME"), Deps::load, |deps, request| async move {
        handle(&deps, request).await
    })
    .await
}
