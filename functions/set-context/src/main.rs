//! Stores what a voice agent knows about a caller; deletes it on request.

use patchbay::function::{self, Error};
use set_context::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::web(env!("CARGO_CRATE_NAME"), Deps::load, |deps, request| async move {
        handle(&deps, request).await
    })
    .await
}
