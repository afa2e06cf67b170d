//! Applies what providers report about attempts and what customers write, with what it means for the list of opt-outs.

use std::pin::Pin;

use super::callbacks::MessageReference;
use crate::ids::{InteractionKey, Nonce};
use crate::interaction::{AttemptOutcome, Channel, Event, EventOutcome, Interaction, Leg, Reply, Report};
use crate::ledger::{Interactions, LedgerError};
use crate::phone::PhoneNumber;
use crate::providers::ses::EmailAddress;
use crate::store::{Address, StoreError};

/// A type-erased box: the SDK's futures are nested more deeply than the compiler's limit.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Applies the report that `report` makes from the current state. `None` if the interaction does not exist (any more).
/// An opt-out is put on the list first: a report that is repeated after a failure completes both.
///
/// # Errors
/// When DynamoDB or SQS fails, or other writers were faster every time. Applying the report again is safe.
pub async fn apply_report(
    interactions: &Interactions,
    message: &MessageReference,
    report: impl Fn(&Interaction) -> Report + Sync,
) -> Result<Option<EventOutcome>, LedgerError> {
    let (key, attempt) = (&message.interaction, message.attempt);
    let Some(interaction) = interactions.load(key).await? else {
        return Ok(None);
    };
    if report(&interaction).outcome == Some(AttemptOutcome::OptedOut) {
        note_opt_out(interactions, &interaction, attempt).await?;
    }
    let event = |interaction: &Interaction| Event::Reported {
        attempt,
        report: report(interaction),
    };
    let applied: Boxed<'_, _> = Box::pin(interactions.apply_to(interaction, event));
    Ok(Some(applied.await?.outcome))
}

/// Puts the address to which an attempt was sent on the list of opt-outs. One of another interaction is ignored.
///
/// # Errors
/// When DynamoDB fails.
pub async fn note_opt_out(
    interactions: &Interactions,
    interaction: &Interaction,
    attempt: Nonce,
) -> Result<(), StoreError> {
    let Some(address) = address_of(interaction, attempt) else {
        return Ok(());
    };
    let tenant = &interaction.key.tenant;
    let putting: Boxed<'_, _> = Box::pin(
        interactions
            .store
            .put_opt_out(tenant, &address, interactions.clock.now()),
    );
    putting.await
}

/// Puts the recipient of an attempt on the list of opt-outs, as the provider names them: also if the interaction no longer
/// exists or has forgotten them. An attempt that the interaction does not know is none of ours, and ignored.
///
/// # Errors
/// When DynamoDB fails.
pub async fn note_recipient_opt_out(
    interactions: &Interactions,
    message: &MessageReference,
    recipient: &EmailAddress,
) -> Result<(), StoreError> {
    let interaction = interactions.load(&message.interaction).await?;
    if interaction.is_some_and(|interaction| leg_of(&interaction, message.attempt).is_none()) {
        return Ok(());
    }
    let (store, now) = (&interactions.store, interactions.clock.now());
    let putting: Boxed<'_, _> = Box::pin(store.put_opt_out(&message.interaction.tenant, recipient, now));
    putting.await
}

/// Applies a message of the customer. `replied_to` is the provider's id of the message of ours that it answers, if the
/// channel tells it. `None` if the interaction does not exist (any more).
///
/// # Errors
/// When DynamoDB or SQS fails, or other writers were faster every time. Applying the message again is safe.
pub async fn apply_reply(
    interactions: &Interactions,
    key: &InteractionKey,
    reply: &Reply,
    replied_to: Option<&str>,
) -> Result<Option<EventOutcome>, LedgerError> {
    let event = |interaction: &Interaction| Event::Replied {
        reply: Reply {
            attempt: reply.attempt.or_else(|| attempt_of(interaction, replied_to?)),
            ..reply.clone()
        },
    };
    let applied: Boxed<'_, _> = Box::pin(interactions.apply(key, event));
    Ok(applied.await?.map(|applied| applied.outcome))
}

/// The attempt that the provider knows by this id.
fn attempt_of(interaction: &Interaction, provider_id: &str) -> Option<Nonce> {
    let current = interaction.attempt.iter();
    let current = current.map(|attempt| (attempt.id, attempt.provider_id.as_deref()));
    let past = interaction.past.iter().rev();
    let mut all = current.chain(past.map(|past| (past.id, past.provider_id.as_deref())));
    all.find(|(_, id)| *id == Some(provider_id)).map(|(attempt, _)| attempt)
}

/// The leg of an attempt, under any of the ids that it had; `None` for an attempt of another interaction.
pub fn leg_of(interaction: &Interaction, attempt: Nonce) -> Option<&Leg> {
    let current = interaction.attempt.iter();
    let mut current = current.filter(|current| current.id == attempt || current.earlier.contains(&attempt));
    let mut past = interaction.past.iter().filter(|past| past.id == attempt);
    let leg = current.next().map(|current| current.leg);
    interaction.leg(leg.or_else(|| past.next().map(|past| past.leg))?)
}

/// The address to which an attempt was sent.
fn address_of(interaction: &Interaction, attempt: Nonce) -> Option<Address> {
    let leg = leg_of(interaction, attempt)?;
    match leg.channel {
        Channel::Email => EmailAddress::parse(&leg.to).map(Address::Email).ok(),
        _ => PhoneNumber::parse(&leg.to).map(Address::Phone).ok(),
    }
}
