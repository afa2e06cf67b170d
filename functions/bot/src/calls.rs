//! `POST /v1/chat/queue-calls` and `POST /v1/chat/agent-calls`: lets the chat platform phone somebody.
//!
//! The platform has no idempotency key for calls. So a request is sent once, and never again after an unclear answer:
//! the phone might ring twice.

use lambda_http::Request;
use lambda_http::http::StatusCode;
use patchbay::access::Scope;
use patchbay::chat::{ChatError, Destination};
use patchbay::field::FieldError;
use patchbay::ids::Tenant;
use patchbay::phone::CallingCode;
use patchbay::web::body::{self, json_response};
use patchbay::web::problem::Problem;
use serde_json::{Map, Value, json};

use crate::{Answer, Deps};

/// Longest name of a queue or an agent, in characters.
const MAX_NAME_CHARS: usize = 100;
/// The field with whom to phone.
const DESTINATION: &str = "destination";
/// Most unknown fields that one problem names.
const MAX_UNKNOWN_FIELDS: usize = 20;
/// Longest time after which a requester may be asked to try again, in seconds.
const MAX_RETRY_AFTER: u16 = 3_600;

/// A valid request.
struct Call {
    /// Name of the queue or the agent.
    name: String,
    destination: Destination,
}

/// `POST /v1/chat/queue-calls`: phones the destination, then queues the call for the agents of a queue.
pub(crate) async fn to_queue(deps: &Deps, request: &Request) -> Answer {
    let tenant = deps.tenant(request, Scope::CallsWrite).await?;
    let call = Call::check("queue", &body::json(request)?, deps.home.as_ref()).map_err(Problem::invalid_fields)?;
    refuse_opted_out(deps, &tenant, &call.destination).await?;
    let result = deps.client.queue_call(&call.name, call.destination.as_str()).await;
    answer(&tenant, "queue", &call, result)
}

/// `POST /v1/chat/agent-calls`: phones the destination for an agent who is logged in.
pub(crate) async fn for_agent(deps: &Deps, request: &Request) -> Answer {
    let tenant = deps.tenant(request, Scope::CallsWrite).await?;
    let call = Call::check("agent", &body::json(request)?, deps.home.as_ref()).map_err(Problem::invalid_fields)?;
    refuse_opted_out(deps, &tenant, &call.destination).await?;
    let result = deps.client.agent_call(&call.name, call.destination.as_str()).await;
    answer(&tenant, "agent", &call, result)
}

impl Call {
    /// Validates the body of a request whose field `kind` has the name of the queue or the agent.
    ///
    /// # Errors
    /// All invalid fields, each with what is expected.
    fn check(kind: &str, fields: &Map<String, Value>, home: Option<&CallingCode>) -> Result<Self, Vec<FieldError>> {
        let name = text(fields, kind).and_then(|name| {
            let is_valid =
                !name.is_empty() && name.chars().count() <= MAX_NAME_CHARS && !name.contains(char::is_control);
            let expected =
                || format!("must have from 1 to {MAX_NAME_CHARS} characters, none of them a control character");
            is_valid
                .then(|| name.to_owned())
                .ok_or_else(|| FieldError::new(kind, expected()))
        });
        let destination = text(fields, DESTINATION).and_then(|text| {
            Destination::parse(text, home).map_err(|error| FieldError::new(DESTINATION, error.to_string()))
        });
        let unknown = fields.keys().filter(|name| *name != kind && *name != DESTINATION);
        let unknown = unknown.take(MAX_UNKNOWN_FIELDS).map(|name| {
            let name: String = name.chars().take(MAX_NAME_CHARS).collect();
            FieldError::new(name, "is not known")
        });
        let unknown: Vec<FieldError> = unknown.collect();
        match (name, destination) {
            (Ok(name), Ok(destination)) if unknown.is_empty() => Ok(Self { name, destination }),
            (name, destination) => Err(name.err().into_iter().chain(destination.err()).chain(unknown).collect()),
        }
    }
}

/// The text in a field, without white space around it.
fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, FieldError> {
    match fields.get(name) {
        Some(Value::String(text)) => Ok(text.trim()),
        Some(_) => Err(FieldError::new(name, "expected a string")),
        None => Err(FieldError::new(name, "is missing")),
    }
}

async fn refuse_opted_out(deps: &Deps, tenant: &Tenant, destination: &Destination) -> Result<(), Problem> {
    let Some(phone) = destination.phone() else {
        return Ok(());
    };
    if deps.conversations.store.is_opted_out(tenant, phone).await? {
        tracing::info!(%tenant, "a call was not requested: the owner of the number has opted out");
        return Err(Problem::opted_out());
    }
    Ok(())
}

fn answer(tenant: &Tenant, kind: &'static str, call: &Call, result: Result<(), ChatError>) -> Answer {
    match result {
        Ok(()) => {
            tracing::info!(%tenant, kind, "the platform has accepted a call");
            let body = json!({ kind: call.name, "destination": call.destination.as_str() });
            Ok(json_response(StatusCode::ACCEPTED, &body))
        }
        Err(ChatError::Failed { retry_after, detail }) => {
            tracing::error!(%tenant, kind, reason = detail, "a call could not be requested");
            let seconds = retry_after.and_then(|seconds| u16::try_from(seconds).ok());
            Err(Problem::unavailable(seconds.unwrap_or(1).clamp(1, MAX_RETRY_AFTER)))
        }
        Err(ChatError::Refused { status: 409, detail }) => Err(Problem::conflict(detail)),
        Err(ChatError::Refused { status, detail }) => {
            tracing::warn!(%tenant, kind, status, reason = detail, "the platform refused a call");
            Err(Problem::refused(detail))
        }
        Err(ChatError::Unclear { detail }) => {
            tracing::error!(%tenant, kind, reason = detail, "it is unknown whether the platform places a call");
            Err(Problem::unclear(detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(fields: &Value) -> Vec<String> {
        let Value::Object(fields) = fields else {
            unreachable!("an object")
        };
        let errors = Call::check("queue", fields, None).err().unwrap_or_default();
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn all_invalid_fields_are_named_at_once() {
        for (fields, expected) in [
            (json!({}), &["queue", "destination"][..]),
            (json!({ "queue": 7, "destination": null }), &["queue", "destination"]),
            (
                json!({ "queue": " ", "destination": "no number" }),
                &["queue", "destination"],
            ),
            (json!({ "queue": "a\u{7}", "destination": "4711" }), &["queue"]),
            (json!({ "queue": "x".repeat(101), "destination": "4711" }), &["queue"]),
            (
                json!({ "queue": "support", "destination": "4711", "agent": "jane" }),
                &["agent"],
            ),
            (
                json!({ "destination": "2025550143", "more": 1 }),
                &["queue", "destination", "more"],
            ),
            (json!({ "queue": "support", "destination": " 4711 " }), &[]),
        ] {
            assert_eq!(refused(&fields), expected, "{fields}");
        }
    }
}
