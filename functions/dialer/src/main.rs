//! Consumes the `dialing` queue: places calls, watches them, ends them, ends waits.

use dialer::{Deps, handle};
use patchbay::dispatch::work::Message;
use patchbay::function::{self, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    function::consumer::<Message, _, _, _>(env!("CARGO_CRATE_NAME"), Deps::load, |deps, event| async move {
        handle(&deps, event).await
    })
    .await
}
