//! Receives what the providers of messages report, and what customers write.

use message_event::{Deps, handle, receive};
use patchbay::function::{self, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::web_with_events(
        env!("CARGO_CRATE_NAME"),
        Deps::load,
        |deps, request| async move { handle(&deps, request).await },
        |deps, event| async move { receive(&deps, &event).await },
    )
    .await
}
