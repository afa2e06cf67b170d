//! Consumes the `conversations` queue: runs the bots, posts their answers, hands chats to people.

use patchbay::conversation::Message;
use patchbay::function::{self, Error};
use responder::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::consumer::<Message, _, _, _>(env!("CARGO_CRATE_NAME"), Deps::load, |deps, event| async move {
        handle(&deps, event).await
    })
    .await
}
