//! Applies what providers report about attempts and what customers write, with what it means for the list of opt-outs.

use std::pin::Pin;

use super::callbacks::MessageReference;
use super::receiver;
use crate::clock::Timestamp;
use crate::ids::{InteractionId, InteractionKey, Nonce, Tenant};
use crate::interaction::{AttemptOutcome, Channel, Content, Event, EventOutcome, Incoming, Interaction, Reply, Report};
use crate::ledger::{Interactions, LedgerError};
use crate::phone::PhoneNumber;
use crate::providers::ses::EmailAddress;
use crate::store::{Address, OptOutChange, OptOutSource, StoreError};

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
    // Nobody but the customer says it in a call of ours.
    let is_key = interaction
        .leg_of(attempt)
        .is_some_and(|leg| matches!(leg.content, Content::Announcement { .. }));
    let by = if is_key {
        OptOutSource::Key
    } else {
        OptOutSource::Provider
    };
    let InteractionKey { tenant, id } = &interaction.key;
    let change = OptOutChange::opt_out(by, interactions.clock.now()).about(*id);
    let putting: Boxed<'_, _> = Box::pin(interactions.store.change_opt_out(tenant, &address, &change));
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
    if interaction.is_some_and(|interaction| interaction.leg_of(message.attempt).is_none()) {
        return Ok(());
    }
    let InteractionKey { tenant, id } = &message.interaction;
    let change = OptOutChange::opt_out(OptOutSource::Provider, interactions.clock.now()).about(*id);
    let putting: Boxed<'_, _> = Box::pin(interactions.store.change_opt_out(tenant, recipient, &change));
    putting.await
}

/// The outcome of a customer's message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Taken {
    /// The interaction that it belongs to.
    pub interaction: InteractionId,
    /// What it did there.
    pub outcome: EventOutcome,
}

/// Applies a message that names no interaction: on the list of opt-outs, in its thread, and in its interaction. `None`
/// if it belongs to none.
///
/// # Errors
/// When DynamoDB or SQS fails, or other writers were faster every time. Applying the message again is safe.
pub async fn take_incoming(
    interactions: &Interactions,
    tenant: &Tenant,
    message: &Incoming,
) -> Result<Option<Taken>, LedgerError> {
    let (store, reply) = (&interactions.store, &message.reply);
    let ours = message.to.as_ref().map(PhoneNumber::as_str);
    let customer = message.from.as_str();
    let finding: Boxed<'_, _> = Box::pin(find(interactions, tenant, message));
    // What the customer wants counts, whether or not their interaction can be read.
    let found = finding.await;
    let id = found.as_ref().ok().and_then(|found| Some(found.as_ref()?.key.id));
    if let Some(change) = opt_out_change(message, id) {
        let changing: Boxed<'_, _> = Box::pin(store.change_opt_out(tenant, &message.from, &change));
        changing.await?;
    }
    let putting: Boxed<'_, _> = Box::pin(store.put_received(tenant, reply.channel, ours, customer, reply.at));
    putting.await?;
    let Some(interaction) = found? else {
        return Ok(None);
    };
    let replied_to = message.replied_to.as_deref();
    let event = |interaction: &Interaction| Event::Replied {
        reply: Reply {
            attempt: replied_to.and_then(|id| attempt_of(interaction, id)),
            ..reply.clone()
        },
    };
    let id = interaction.key.id;
    let applying: Boxed<'_, _> = Box::pin(interactions.apply_to(interaction, event));
    let outcome = applying.await?.outcome;
    Ok(Some(Taken {
        interaction: id,
        outcome,
    }))
}

/// What a message means for the list of opt-outs. It counts from the time at which it was received first.
fn opt_out_change(message: &Incoming, interaction: Option<InteractionId>) -> Option<OptOutChange> {
    let reply = &message.reply;
    let change = match (reply.is_opt_out, message.is_opt_in) {
        (true, _) => OptOutChange::opt_out(OptOutSource::Word, reply.at),
        (false, true) => OptOutChange::end(OptOutSource::Word, reply.at),
        (false, false) => return None,
    };
    let change = change.in_message(&reply.id);
    Some(match interaction {
        Some(id) => change.about(id),
        None => change,
    })
}

/// The interaction that a message answers: the one that sent the message that it names; otherwise the newest in its
/// thread that has not ended; otherwise the newest.
async fn find(
    interactions: &Interactions,
    tenant: &Tenant,
    message: &Incoming,
) -> Result<Option<Interaction>, StoreError> {
    let ours = message.to.as_ref().map(PhoneNumber::as_str);
    let (channel, customer) = (message.reply.channel, message.from.as_str());
    let thread = interactions.store.thread(tenant, channel, ours, customer).await?;
    let (mut open, mut ended) = (None, None);
    for written in thread.into_iter().flat_map(|thread| thread.written) {
        let key = InteractionKey {
            tenant: tenant.clone(),
            id: written.interaction,
        };
        let Some(interaction) = interactions.load(&key).await? else {
            continue;
        };
        let replied_to = message.replied_to.as_deref();
        if replied_to.is_some_and(|id| attempt_of(&interaction, id).is_some()) {
            return Ok(Some(interaction));
        }
        let place = if interaction.state.is_terminal() {
            &mut ended
        } else {
            &mut open
        };
        place.get_or_insert(interaction);
        if open.is_some() && replied_to.is_none() {
            break;
        }
    }
    Ok(open.or(ended))
}

/// Applies a message of the customer to its interaction. `None` if that does not exist (any more).
///
/// # Errors
/// When DynamoDB or SQS fails, or other writers were faster every time. Applying the message again is safe.
pub async fn apply_reply(
    interactions: &Interactions,
    key: &InteractionKey,
    reply: &Reply,
) -> Result<Option<EventOutcome>, LedgerError> {
    let event = |_: &Interaction| Event::Replied { reply: reply.clone() };
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

/// A key that a customer pressed in the call of an attempt. The same key of one call is one answer: providers repeat keys.
pub fn key_reply(attempt: Nonce, key: char, at: Timestamp, is_opt_out: bool) -> Reply {
    Reply {
        id: format!("{attempt}-{key}"),
        channel: Channel::Call,
        attempt: Some(attempt),
        text: key.to_string(),
        at,
        is_opt_out,
    }
}

/// The address to which an attempt was sent.
fn address_of(interaction: &Interaction, attempt: Nonce) -> Option<Address> {
    receiver::address(interaction.leg_of(attempt)?).ok()?
}
