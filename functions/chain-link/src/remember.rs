//! Writes the note of a chain to the context of the caller.

use patchbay::caller_note::CallerNote;
use patchbay::chain::reply::CallerMemory;
use patchbay::ids::{Nonce, Tenant};
use patchbay::phone::PhoneNumber;

use crate::Deps;

/// Writes the note. A repeated request writes the same note with the same generation, and changes nothing.
pub(crate) async fn remember(
    deps: &Deps,
    tenant: &Tenant,
    caller: &PhoneNumber,
    key: &str,
    remembered: &CallerMemory,
) -> Result<(), String> {
    let CallerMemory { description, memory } = remembered;
    let text = format!("{tenant}\n{key}\n{description}\n{memory}");
    let bits = deps.callbacks.derive("agent4 remember", &text);
    let generation = Nonce::new(bits.iter().take(8).fold(0, |bits, byte| (bits << 8) | u64::from(*byte)));
    let note = CallerNote { description, memory };
    let writing = note.write(&deps.store, tenant, caller, generation, deps.clock.now());
    writing.await.map_err(|error| error.to_string())
}
