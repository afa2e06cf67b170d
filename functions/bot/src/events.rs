//! `POST /{platform}/bot/{ref}` and `POST /{platform}/events/{ref}`: events of a chat platform.
//!
//! The platform waits five seconds for the response, repeats an event after 500 or 429 only, and takes any other error
//! for a bot that is broken: it then hands the conversation to people. So whatever can be read is answered with 200, and
//! an event that could not be saved with 500. Nothing is decided here: an event costs one request to SQS.

use lambda_http::Request;
use lambda_http::http::StatusCode;
use patchbay::chat::{Platform, ReceivedEvent, read_event};
use patchbay::conversation::{ConversationKey, Work};
use patchbay::web::body::{MAX_ENVELOPE, bytes_up_to, json_response};
use patchbay::web::problem::Problem;
use serde_json::json;

use crate::{Answer, Deps};

/// What an event was posted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The bot of an inbox.
    Bot,
    /// A webhook of the account.
    Account,
}

impl Source {
    /// The source with this name in URLs.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "bot" => Some(Self::Bot),
            "events" => Some(Self::Account),
            _ => None,
        }
    }
}

pub(crate) async fn receive(
    deps: &Deps,
    request: &Request,
    platform: Platform,
    source: Source,
    reference: &str,
) -> Answer {
    let tenant = match source {
        Source::Bot => deps.callbacks.check_bot(platform, reference),
        Source::Account => deps.callbacks.check_events(platform, reference),
    };
    let tenant = tenant.map_err(|_| Problem::bad_reference())?;
    let Ok(body) = bytes_up_to(request, MAX_ENVELOPE) else {
        tracing::error!(%tenant, %platform, limit_bytes = MAX_ENVELOPE, "an event is too long to be read: ignored");
        return Ok(acknowledgment());
    };
    let now = deps.conversations.clock.now();
    if let Err(error) = deps.signatures.verify(request.headers(), body, now) {
        tracing::warn!(%tenant, %platform, %error, "an event is not signed by the platform: refused");
        return Err(Problem::bad_signature());
    }
    if platform != deps.client.platform() {
        tracing::warn!(%tenant, %platform, "an event of a platform that this stack no longer uses: ignored");
        return Ok(acknowledgment());
    }
    let received = match read_event(body) {
        Ok(received) => received,
        Err(error) => {
            tracing::warn!(%tenant, %platform, %error, "an event cannot be read: ignored");
            return Ok(acknowledgment());
        }
    };
    match received {
        ReceivedEvent::Irrelevant { name } => {
            tracing::debug!(%tenant, event = name, "an event needs no reaction");
            Ok(acknowledgment())
        }
        ReceivedEvent::Conversation { conversation, event } => {
            let kind = event.kind.name();
            let key = ConversationKey {
                tenant,
                id: conversation,
            };
            save(deps, key, kind, Work::Receive { event }).await
        }
    }
}

/// Puts an event on the queue.
async fn save(deps: &Deps, key: ConversationKey, kind: &'static str, work: Work) -> Answer {
    let ConversationKey { tenant, id } = key.clone();
    match deps.conversations.enqueue(key, work).await {
        Ok(()) => {
            tracing::info!(%tenant, conversation = %id, event = kind, "event received");
            Ok(acknowledgment())
        }
        Err(error) => {
            tracing::error!(%tenant, conversation = %id, event = kind, %error, "an event cannot be saved: the platform is asked to repeat it");
            Ok(json_response(StatusCode::INTERNAL_SERVER_ERROR, &json!({})))
        }
    }
}

fn acknowledgment() -> lambda_http::Response<lambda_http::Body> {
    json_response(StatusCode::OK, &json!({}))
}
