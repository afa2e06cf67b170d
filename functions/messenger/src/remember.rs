//! Writes what is remembered of an interaction to the shared context of the caller.

use patchbay::caller_note::{self, NoteError};
use patchbay::context::ContextKey;
use patchbay::ids::Nonce;
use patchbay::interaction::Interaction;
use patchbay::interaction::memory::remembered;
use patchbay::ledger::{Interactions, LedgerError};
use patchbay::phone::PhoneNumber;

use crate::{Deps, Failure};

/// Writes the entry of an interaction, as it is now: the same message writes the same entry again, in the same place.
pub(crate) async fn remember(deps: &Deps, interaction: &Interaction) -> Result<(), Failure> {
    let Interactions {
        store, clock, random, ..
    } = &deps.interactions;
    let Some(found) = remembered(interaction) else {
        return Ok(());
    };
    let Ok(caller) = PhoneNumber::parse(found.phone) else {
        tracing::info!("nothing is remembered: the customer's phone number is none that can call");
        return Ok(());
    };
    let generation = Nonce::random(random).map_err(LedgerError::from)?;
    let (tenant, now) = (&interaction.key.tenant, clock.now());
    match caller_note::add_entry(store, tenant, &caller, found.entry, generation, now).await {
        Ok(()) => tracing::info!("remembered in the caller's context"),
        Err(NoteError::Store(error)) => return Err(error.into()),
        Err(error @ NoteError::Invalid(_)) => tracing::error!(%error, "nothing is remembered"),
    }
    // The customer may have been forgotten meanwhile, and their context erased before we wrote.
    let current = deps.interactions.load(&interaction.key).await?;
    if current.is_none_or(|current| current.parties.customer.id.is_empty()) {
        let tenant = tenant.clone();
        store
            .delete_context(&ContextKey { tenant, caller }, clock.now())
            .await?;
    }
    Ok(())
}
