//! Looks once a minute for stuck dispatches, chats and interactions, and gets them moving again.

use patchbay::function::{self, Error};
use sentinel::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::scheduled(env!("CARGO_CRATE_NAME"), Deps::load, |deps, event| async move {
        handle(&deps, event).await
    })
    .await
}
