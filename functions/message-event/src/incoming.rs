//! `POST /{provider}/messages/{ref}`: what customers write by SMS and `WhatsApp`.
//!
//! A message names no interaction, and to find it takes the table. So while that is unavailable, the whole message is
//! saved on the queue, with the time at which it came.

use lambda_http::Request;
use patchbay::ids::{InteractionId, InteractionKey, Tenant};
use patchbay::interaction::{Channel, Incoming, Reply, Work};
use patchbay::messaging::{self, IncomingMessage};
use patchbay::opt_out::OptOutWord;
use patchbay::outreach::callbacks::MessageCallback;
use patchbay::outreach::inbound;
use patchbay::web::problem::Problem;

use crate::{Answer, Deps, deadline};

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
    let word = message.opt_out_word();
    let incoming = Incoming {
        reply: Reply {
            id: message.id.clone(),
            channel: channel_of(message),
            attempt: None,
            text: text_of(message),
            at: deps.interactions.clock.now(),
            is_opt_out: word == Some(OptOutWord::Stop),
        },
        from: message.from.clone(),
        to: message.to.clone(),
        replied_to: message.replied_to.clone(),
        is_opt_in: word == Some(OptOutWord::Start),
    };
    let key = InteractionKey {
        tenant: tenant.clone(),
        // Nobody knows it yet.
        id: InteractionId::new(0),
    };
    let saved = Work::Incoming {
        message: Box::new(incoming.clone()),
    };
    let taking = inbound::take_incoming(&deps.interactions, tenant, &incoming);
    let Some(taken) = deps.apply_or_queue(&key, saved, deadline(), taking).await? else {
        return Ok(());
    };
    let provider_id = &message.id;
    let Some(taken) = taken else {
        tracing::info!(%tenant, provider_id, ?word, "an incoming message belongs to no interaction");
        return Ok(());
    };
    let (interaction, outcome) = (taken.interaction, taken.outcome);
    tracing::info!(%tenant, %interaction, provider_id, ?word, ?outcome, "message of the customer applied");
    Ok(())
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
