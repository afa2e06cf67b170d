//! Sends an attempt: claim, send, record.
//!
//! Until the claim every message may be repeated; after it nothing is sent a second time. The watch that is sent with
//! the claim finds out about attempts whose record was lost.

use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::ids::{InteractionKey, Nonce};
use patchbay::interaction::{Channel, Clearance, Event, Interaction, Leg, Message, Phase, SendResult};
use patchbay::ledger::{AppliedChange, LedgerError};
use patchbay::messaging::ServiceId;
use patchbay::outreach::inbound;
use patchbay::store::Address;

use crate::back_ends::chat_link;
use crate::clearance::{WhatsAppWindow, addresses, clearance};
use crate::{Deps, Failure, boxed};

/// Time limit of a request to a back end.
const SEND_LIMIT: Duration = Duration::from_secs(15);
/// Pauses between the attempts to record a result. Without the record nobody knows whether anything was sent, and it is
/// not sent again.
const RECORD_PAUSES: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(600),
    Duration::from_millis(1_200),
];

/// Sends the attempt that a message asks for, if it may be sent now.
pub(crate) async fn send(
    deps: &Deps,
    message: &Message,
    interaction: Interaction,
    attempt: Nonce,
) -> Result<(), Failure> {
    let now = deps.interactions.clock.now();
    let (leg, due_at) = match planned(&interaction, attempt) {
        Some((leg, due_at)) => (sent_leg(deps, &interaction, leg, now), due_at),
        // Sent, or not wanted any more. Nothing may point to it again, and no slot is taken.
        None => return Ok(()),
    };
    if due_at > now {
        return deps.resend(message, due_at).await;
    }
    let addresses = addresses(&interaction, &leg);
    let first = addresses.as_ref().ok().and_then(|addresses| addresses.first());
    let thread = first.and_then(|address| Thread::of(&leg, address));
    let window = boxed(whatsapp_window(deps, &interaction, thread.as_ref())).await?;
    let cleared = boxed(clearance(deps, &interaction, &leg, &addresses, window, now)).await?;
    if cleared == Clearance::Granted
        && let Some(thread) = &thread
    {
        // Before the claim: an answer may arrive at once, and has to find its interaction.
        boxed(thread.note(deps, &interaction.key)).await?;
    }
    let begins = |_: &Interaction| Event::SendBegins {
        attempt,
        clearance: cleared.clone(),
    };
    let applied = deps.interactions.apply_to(interaction, begins).await?;
    let Some(interaction) = deps.settle(message, applied).await? else {
        return Ok(());
    };
    let result = boxed(send_once(deps, &interaction, &leg, attempt, window)).await;
    log(deps, &leg, attempt, &result);
    if result == SendResult::OptedOut
        && let Err(error) = inbound::note_opt_out(&deps.interactions, &interaction, attempt).await
    {
        // The provider refuses the next message, too.
        tracing::error!(%error, "an opt-out at the provider could not be recorded");
    }
    record(deps, interaction, attempt, &result).await?;
    Ok(())
}

/// What is sent for a leg: the message with the link, if it is a web chat on our own page.
fn sent_leg(deps: &Deps, interaction: &Interaction, leg: &Leg, now: Timestamp) -> Leg {
    if deps.back_ends.has_chat(leg) {
        chat_link::message(&deps.callbacks, interaction, leg.clone(), now)
    } else {
        leg.clone()
    }
}

/// The leg of an attempt of which nothing was sent, and when it is due.
fn planned(interaction: &Interaction, attempt: Nonce) -> Option<(&Leg, Timestamp)> {
    let current = interaction.attempt.as_ref().filter(|current| current.id == attempt)?;
    let Phase::Planned { due_at } = current.phase else {
        return None;
    };
    Some((interaction.leg(current.leg)?, due_at))
}

/// Where the answers to a text message arrive: between one of our senders and the customer.
struct Thread {
    channel: Channel,
    ours: String,
    customer: String,
}

impl Thread {
    /// The thread of a leg; `None` if no answer can arrive: the back end leads the conversation itself, or the sender is a
    /// name.
    fn of(leg: &Leg, recipient: &Address) -> Option<Self> {
        let Address::Phone(phone) = recipient else {
            return None;
        };
        let is_text = matches!(leg.channel, Channel::Sms | Channel::Whatsapp);
        let is_name = !leg.from.starts_with('+') && leg.from.parse::<ServiceId>().is_err();
        if !is_text || leg.is_polled || is_name {
            return None;
        }
        Some(Self {
            channel: leg.channel,
            ours: leg.from.clone(),
            customer: phone.as_str().to_owned(),
        })
    }

    async fn note(&self, deps: &Deps, interaction: &InteractionKey) -> Result<(), Failure> {
        let (store, now) = (&deps.interactions.store, deps.interactions.clock.now());
        let (tenant, ours) = (&interaction.tenant, Some(self.ours.as_str()));
        store
            .put_thread(tenant, self.channel, ours, &self.customer, interaction, now)
            .await?;
        Ok(())
    }
}

/// Whether the customer wrote over `WhatsApp` lately.
async fn whatsapp_window(
    deps: &Deps,
    interaction: &Interaction,
    thread: Option<&Thread>,
) -> Result<WhatsAppWindow, Failure> {
    let Some(thread) = thread.filter(|thread| thread.channel == Channel::Whatsapp) else {
        return Ok(WhatsAppWindow::Closed);
    };
    let (store, tenant) = (&deps.interactions.store, &interaction.key.tenant);
    let ours = Some(thread.ours.as_str());
    let stored = store.thread(tenant, thread.channel, ours, &thread.customer).await?;
    let last = stored.and_then(|stored| stored.last_received_at);
    Ok(WhatsAppWindow::new(last, deps.interactions.clock.now()))
}

/// Sends the attempt. Whatever happens is a result: the caller records it.
async fn send_once(
    deps: &Deps,
    interaction: &Interaction,
    leg: &Leg,
    attempt: Nonce,
    window: WhatsAppWindow,
) -> SendResult {
    let sending = boxed(deps.back_ends.send(deps, interaction, leg, attempt, window));
    let outcome = tokio::time::timeout(SEND_LIMIT, sending).await;
    outcome.unwrap_or_else(|_| SendResult::Unclear {
        detail: "the time limit is exceeded".to_owned(),
    })
}

async fn record(
    deps: &Deps,
    interaction: Interaction,
    attempt: Nonce,
    result: &SendResult,
) -> Result<AppliedChange<Interaction>, LedgerError> {
    let ends = |_: &Interaction| Event::SendEnds {
        attempt,
        result: result.clone(),
    };
    for pause in RECORD_PAUSES {
        match deps.interactions.apply_to(interaction.clone(), ends).await {
            Err(error) => tracing::warn!(%attempt, %error, "cannot record the result of an attempt: trying again"),
            applied => return applied,
        }
        deps.interactions.clock.sleep(pause).await;
    }
    deps.interactions.apply_to(interaction, ends).await
}

/// Logs a result, and counts the failures of providers: a refusal for good is counted when it is committed.
fn log(deps: &Deps, leg: &Leg, attempt: Nonce, result: &SendResult) {
    let (channel, back_end) = (leg.channel.name(), &leg.back_end);
    match result {
        SendResult::Sent { provider_id, .. } => {
            tracing::info!(%attempt, channel, back_end, provider_id, "attempt sent");
        }
        SendResult::Failed { detail, .. } => {
            tracing::warn!(%attempt, channel, back_end, reason = detail, "attempt not sent: it is tried again");
            deps.count("ProviderErrors");
        }
        SendResult::OutOfMoney { detail } => {
            tracing::error!(%attempt, channel, back_end, reason = detail, "the provider's account is empty: it is tried again");
            deps.count("OutOfMoney");
        }
        SendResult::Refused { detail } => {
            tracing::error!(%attempt, channel, back_end, reason = detail, "attempt refused");
        }
        SendResult::OptedOut => tracing::info!(%attempt, channel, back_end, "the customer has opted out"),
        SendResult::Unclear { detail } => {
            tracing::error!(%attempt, channel, back_end, reason = detail, "it is unknown whether an attempt was sent");
            deps.count("ProviderErrors");
        }
    }
}
