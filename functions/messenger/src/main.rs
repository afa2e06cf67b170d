//! Consumes the `interactions` queue: contacts customers, and finds out the outcome.

use messenger::{Deps, handle};
use patchbay::function::{self, Error};
use patchbay::interaction::Message;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::consumer::<Message, _, _, _>(env!("CARGO_CRATE_NAME"), Deps::load, |deps, event| async move {
        handle(&deps, event).await
    })
    .await
}
