//! Receives the status callbacks of the voice providers.

use patchbay::function::{self, Error};
use status_callback::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::web(env!("CARGO_CRATE_NAME"), Deps::load, |deps, request| async move {
        handle(&deps, request).await
    })
    .await
}
