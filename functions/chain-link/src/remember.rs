//! Writes the note of a chain to the context of the caller, which `set-context` writes too.

use patchbay::chain::reply::CallerMemory;
use patchbay::context::draft::MAX_MEMORY;
use patchbay::context::{ContextDraft, SetOptions};
use patchbay::ids::{Nonce, Tenant};
use patchbay::phone::PhoneNumber;

use crate::Deps;

/// Writes the note as the memory of the caller. It is not a purchase: the current purchase and its payment stay, and a
/// caller without a context gets one without a purchase. A repeated request writes the same note with the same
/// generation, and changes nothing.
pub(crate) async fn remember(
    deps: &Deps,
    tenant: &Tenant,
    caller: &PhoneNumber,
    key: &str,
    remembered: &CallerMemory,
) -> Result<(), String> {
    let parts = [remembered.description.trim(), remembered.memory.as_str()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let draft = ContextDraft {
        caller: Some(caller.as_str().to_owned()),
        memory: Some(truncate(parts.join("\n"))),
        ..ContextDraft::default()
    };
    let new = draft.check(None, SetOptions::default()).map_err(|errors| {
        let names: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        format!("invalid: {}", names.join(", "))
    })?;
    let text = format!("{tenant}\n{key}\n{}\n{}", remembered.description, remembered.memory);
    let bits = deps.callbacks.derive("agent4 remember", &text);
    let generation = Nonce::new(bits.iter().take(8).fold(0, |bits, byte| (bits << 8) | u64::from(*byte)));
    let set = deps.store.set_context(tenant, &new, generation, deps.clock.now());
    set.await.map(drop).map_err(|error| error.to_string())
}

/// Truncates a memory to the maximum length: a truncated note is better than none.
fn truncate(mut memory: String) -> String {
    let mut end = memory.len().min(MAX_MEMORY);
    while !memory.is_char_boundary(end) {
        end -= 1;
    }
    memory.truncate(end);
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_truncated_between_characters() {
        assert_eq!(truncate("row F".to_owned()), "row F");
        let long = "ä".repeat(MAX_MEMORY);
        let truncated = truncate(format!("x{long}"));
        assert_eq!(truncated.len(), MAX_MEMORY - 1);
        assert!(truncated.ends_with('ä'));
    }
}
