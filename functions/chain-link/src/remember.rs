//! What a chain leaves behind for the next voice agent: a note in the caller's context, shared with `set-context`.

use patchbay::chain::reply::Remembered;
use patchbay::context::Draft;
use patchbay::context::draft::{How, MAX_MEMORY};
use patchbay::ids::{Nonce, Tenant};
use patchbay::phone::PhoneNumber;

use crate::Deps;

/// Writes what is remembered as the caller's memory. It is no purchase: what is to be paid, and what was, stays as it is,
/// and where nothing is known of the caller, there is nothing to pay. The same request writes the same: repeated, it changes
/// nothing.
pub(crate) async fn remember(
    deps: &Deps,
    tenant: &Tenant,
    caller: &PhoneNumber,
    key: &str,
    remembered: &Remembered,
) -> Result<(), String> {
    let parts = [remembered.description.trim(), remembered.memory.as_str()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let draft = Draft {
        caller: Some(caller.as_str().to_owned()),
        memory: Some(cut(parts.join("\n"))),
        ..Draft::default()
    };
    let new = draft.check(None, How::default()).map_err(|errors| {
        let names: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        format!("not sound: {}", names.join(", "))
    })?;
    let text = format!("{tenant}\n{key}\n{}\n{}", remembered.description, remembered.memory);
    let bits = deps.callbacks.derive("agent4 remember", &text);
    let generation = Nonce::new(bits.iter().take(8).fold(0, |bits, byte| (bits << 8) | u64::from(*byte)));
    let set = deps.store.set_context(tenant, &new, generation, deps.clock.now());
    set.await.map(drop).map_err(|error| error.to_string())
}

/// As much of a memory as a context takes: a note that is too long is better than none.
fn cut(mut memory: String) -> String {
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
    fn a_memory_is_cut_between_two_characters() {
        assert_eq!(cut("row F".to_owned()), "row F");
        let long = "ä".repeat(MAX_MEMORY);
        let cut = cut(format!("x{long}"));
        assert_eq!(cut.len(), MAX_MEMORY - 1);
        assert!(cut.ends_with('ä'));
    }
}
