//! `POST /{provider}/messages/{ref}`: what customers write by SMS and `WhatsApp`.
//!
//! A message names no interaction. It belongs to the newest one that wrote to this customer from the number that they
//! answer; without one, only its words about opt-outs count.

use lambda_http::Request;
use patchbay::clock::Timestamp;
use patchbay::ids::{InteractionKey, Tenant};
use patchbay::interaction::{Channel, Reply, Work};
use patchbay::messaging::{self, IncomingMessage};
use patchbay::opt_out::OptOutWord;
use patchbay::outreach::callbacks::MessageCallback;
use patchbay::outreach::inbound;
use patchbay::phone::PhoneNumber;
use patchbay::store::StoreError;
use patchbay::web::problem::Problem;
use tokio::time::{Instant, timeout_at};

use crate::{Answer, Boxed, Deps, TIME_LIMIT, unavailable};

pub(crate) async fn receive(deps: &Deps, request: &Request) -> Answer {
    let MessageCallback {
        provider,
        about: tenant,
        body,
    } = deps.callbacks.verify_incoming_message(request, &deps.signatures)?;
    match messaging::incoming_message(provider, body) {
        Ok(message) => take(deps, &tenant, &message).await?,
        // A retry would send the same body. A sender that is no phone number is no customer.
        Err(error) => {
            tracing::warn!(%tenant, provider = provider.as_str(), %error, "cannot read an incoming message: ignored");
        }
    }
    Ok(provider.acknowledge().into_response())
}

/// Records a message: on the list of opt-outs, in its thread, and in its interaction.
async fn take(deps: &Deps, tenant: &Tenant, message: &IncomingMessage) -> Result<(), Problem> {
    let deadline = Instant::now() + TIME_LIMIT;
    let now = deps.interactions.clock.now();
    let word = message.opt_out_word();
    let noting: Boxed<'_, _> = Box::pin(note(deps, tenant, message, word, now));
    let noted = match timeout_at(deadline, noting).await {
        Ok(noted) => noted.map_err(|error| error.to_string()),
        Err(_) => Err("DynamoDB did not answer in time".to_owned()),
    };
    let interaction = noted.map_err(|error| {
        tracing::error!(%tenant, error, "cannot store an incoming message: asking the provider to retry");
        unavailable()
    })?;
    let Some(key) = interaction else {
        tracing::info!(%tenant, ?word, "an incoming message belongs to no interaction");
        return Ok(());
    };
    let reply = Reply {
        id: message.id.clone(),
        channel: channel_of(message),
        attempt: None,
        text: text_of(message),
        at: now,
        is_opt_out: word == Some(OptOutWord::Stop),
    };
    answer(deps, &key, reply, message.replied_to.as_deref(), deadline).await
}

/// Records what a message means without its interaction, and finds that.
async fn note(
    deps: &Deps,
    tenant: &Tenant,
    message: &IncomingMessage,
    word: Option<OptOutWord>,
    now: Timestamp,
) -> Result<Option<InteractionKey>, StoreError> {
    let store = &deps.interactions.store;
    let (ours, channel) = (message.to.as_ref().map(PhoneNumber::as_str), channel_of(message));
    let customer = message.from.as_str();
    let thread = store.thread(tenant, channel, ours, customer).await?;
    let last_start = thread.as_ref().and_then(|thread| thread.last_start.as_deref());
    // A repeated START must not end an opt-out that came after it.
    let is_start = word == Some(OptOutWord::Start) && last_start != Some(message.id.as_str());
    if word == Some(OptOutWord::Stop) {
        store.put_opt_out(tenant, &message.from, now).await?;
    }
    let start = is_start.then_some(message.id.as_str());
    store.put_received(tenant, channel, ours, customer, start, now).await?;
    if is_start {
        // After it is known as handled: a retry must not undo a STOP that came in between.
        store.remove_opt_out(tenant, &message.from).await?;
    }
    Ok(thread.and_then(|thread| thread.interaction))
}

async fn answer(
    deps: &Deps,
    key: &InteractionKey,
    reply: Reply,
    replied_to: Option<&str>,
    deadline: Instant,
) -> Result<(), Problem> {
    let applying: Boxed<'_, _> = Box::pin(inbound::apply_reply(&deps.interactions, key, &reply, replied_to));
    let error = match timeout_at(deadline, applying).await {
        Ok(Ok(outcome)) => {
            tracing::info!(interaction = %key.id, ?outcome, "message of the customer applied");
            return Ok(());
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "DynamoDB or SQS did not answer in time".to_owned(),
    };
    let work = Work::Receive { reply: Box::new(reply) };
    deps.queue(key, work, &error).await
}

const fn channel_of(message: &IncomingMessage) -> Channel {
    match message.channel {
        messaging::Channel::Sms => Channel::Sms,
        messaging::Channel::WhatsApp => Channel::Whatsapp,
    }
}

/// The text. We keep no pictures, but readers of the thread must know that there were some.
fn text_of(message: &IncomingMessage) -> String {
    let text = &message.text;
    match message.media_count {
        0 => text.clone(),
        count if text.is_empty() => format!("[{count} attached]"),
        count => format!("{text}\n[{count} attached]"),
    }
}
