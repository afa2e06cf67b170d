//! Notes for the context of a caller: what the next person or voice agent who talks to them should know. `set-context`
//! writes to the same context.

use crate::clock::Timestamp;
use crate::context::entry::bounded;
use crate::context::{ContextDraft, MemoryChange, MemoryEntry, NewContext, SetOptions};
use crate::ids::{Nonce, Tenant};
use crate::phone::PhoneNumber;
use crate::store::{Store, StoreError};

/// A note about a caller.
#[derive(Clone, Copy, Debug)]
pub struct CallerNote<'a> {
    /// Why the caller is in touch: the first line. Empty when unknown.
    pub description: &'a str,
    /// What should be remembered.
    pub memory: &'a str,
}

/// Why a note could not be written.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// The context refuses these fields.
    #[error("invalid: {0}")]
    Invalid(String),
    /// DynamoDB failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CallerNote<'_> {
    /// Writes the note as the memory of the caller. It is not a purchase: the current purchase and its payment stay, and
    /// a caller without a context gets one without a purchase. The same note written again with the same `generation`
    /// changes nothing.
    ///
    /// # Errors
    /// When the note is invalid, or DynamoDB fails.
    pub async fn write(
        &self,
        store: &Store,
        tenant: &Tenant,
        caller: &PhoneNumber,
        generation: Nonce,
        now: Timestamp,
    ) -> Result<(), NoteError> {
        let parts = [self.description.trim(), self.memory];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let draft = ContextDraft {
            caller: Some(caller.as_str().to_owned()),
            memory: Some(bounded(parts.join("\n"))),
            ..ContextDraft::default()
        };
        let new = checked(draft)?;
        store.set_context(tenant, &new, generation, now).await?;
        Ok(())
    }
}

/// Adds an entry to the memory of a caller, in place of what it said before. What others wrote stays. Otherwise as
/// [`CallerNote::write`]; it may be repeated.
///
/// # Errors
/// When DynamoDB fails, or too many others write to the same context.
pub async fn add_entry(
    store: &Store,
    tenant: &Tenant,
    caller: &PhoneNumber,
    entry: MemoryEntry,
    generation: Nonce,
    now: Timestamp,
) -> Result<(), NoteError> {
    let draft = ContextDraft {
        caller: Some(caller.as_str().to_owned()),
        memory: Some(String::new()),
        ..ContextDraft::default()
    };
    let new = NewContext {
        memory: MemoryChange::Add(entry),
        ..checked(draft)?
    };
    store.set_context(tenant, &new, generation, now).await?;
    Ok(())
}

fn checked(draft: ContextDraft) -> Result<NewContext, NoteError> {
    draft.check(None, SetOptions::default()).map_err(|errors| {
        let names: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        NoteError::Invalid(names.join(", "))
    })
}
