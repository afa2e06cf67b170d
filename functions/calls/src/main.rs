//! Entry point of the function.

use calls::{Deps, handle};
use patchbay::function::{self, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::web(env!("CARGO_CRATE_NAME"), Deps::load, |deps, request| async move {
        handle(&deps, request).await
    })
    .await
}
