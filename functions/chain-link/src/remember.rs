//! What a chain leaves behind for the next voice agent: the caller's context, shared with `set-context`.

use patchbay::chain::run::Remembered;
use patchbay::context::Draft;
use patchbay::ids::{ChainName, Nonce, Tenant};
use patchbay::phone::PhoneNumber;

use crate::Deps;

/// Who says it.
const VENDOR: &str = "agent4";

/// Writes what is remembered as a new set of the caller's context, on which no payment is to be taken. The same request
/// writes the same set: repeated at once, it changes nothing.
pub(crate) async fn remember(
    deps: &Deps,
    tenant: &Tenant,
    chain: &ChainName,
    caller: &PhoneNumber,
    key: &str,
    remembered: &Remembered,
) -> Result<(), String> {
    let said = remembered.description.trim();
    let draft = Draft {
        caller: Some(caller.as_str().to_owned()),
        description: Some(if said.is_empty() {
            chain.to_string()
        } else {
            said.to_owned()
        }),
        price: Some("0".to_owned()),
        vendor: Some(VENDOR.to_owned()),
        memory: Some(remembered.memory.clone()),
        transaction_type: Some("authorize".to_owned()),
        ..Draft::default()
    };
    let new = draft.check(None, false).map_err(|errors| {
        let names: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        format!("not sound: {}", names.join(", "))
    })?;
    let text = format!("{tenant}\n{key}\n{}\n{}", remembered.description, remembered.memory);
    let bits = deps.callbacks.derive("agent4 remember", &text);
    let generation = Nonce::new(bits.iter().take(8).fold(0, |bits, byte| (bits << 8) | u64::from(*byte)));
    deps.store
        .set_context(tenant, &new, generation, deps.clock.now())
        .await
        .map_err(|error| error.to_string())
}
