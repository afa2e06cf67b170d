//! `/chat/{ref}/messages`: sends a message, and reads what was said.

use std::time::Duration;

use lambda_http::http::StatusCode;
use lambda_http::http::header::{ETAG, HeaderValue, RETRY_AFTER};
use lambda_http::{Body, Request, RequestExt as _, Response};
use patchbay::chat::ChatError;
use patchbay::conversation::{
    Author, Contact, Conversation, Direction, EventKind, Message, PlatformEvent, PlatformId, PlatformMessage, Work,
};
use patchbay::field::FieldError;
use patchbay::ids::Tenant;
use patchbay::message::QueueMessage as _;
use patchbay::secret::sha256_hex;
use patchbay::store::{VisitorRequestKey, VisitorRequestState};
use patchbay::web::body::{self, json_response};
use patchbay::web::problem::Problem;
use patchbay::web::widget::{VISITOR_SECONDS, Visitor};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::form::{id_error, text_error};
use super::link::Guest;
use super::once::{self, Begin};
use super::texts::{text, texts};
use super::view::{Cursor, MAX_ENTRIES, View};
use super::{has_etag, settings, try_again, visitor};
use crate::{Answer, Deps};

/// Messages that one visitor may send in a minute.
const MESSAGES_PER_MINUTE: u32 = 20;
/// How long the platform may take to accept a message.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Seconds after which a message is handled although the platform has reported nothing.
const EVENT_SECONDS: u32 = 5;

/// A message as the page sends it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NewMessage {
    id: String,
    language: String,
    text: String,
}

/// `POST /chat/{ref}/messages`.
pub(super) async fn send(deps: &Deps, request: &Request, tenant: &Tenant) -> Answer {
    let guest = Guest::of(deps, request, tenant).await?;
    let known = match guest {
        None => Some(visitor(deps, request, tenant)?),
        Some(_) => None,
    };
    let new: NewMessage = body::json(request)?;
    let mut errors = Vec::from_iter(id_error(&new.id));
    if let Some(error) = text_error(&new.text) {
        let language = settings(deps, tenant).await?.language([new.language.as_str()]);
        errors.push(FieldError::new("text", text(texts(language), error)));
    }
    if !errors.is_empty() {
        return Err(Problem::invalid_fields(errors));
    }
    let text = new.text.trim();
    let visitor = match (known, &guest) {
        (Some(visitor), _) => visitor,
        (None, Some(guest)) => match guest.take(&new.id, text).await? {
            Some(visitor) => visitor,
            None => return Ok(json_response(StatusCode::OK, &json!({ "id": null }))),
        },
        (None, None) => return Err(Problem::not_found()),
    };
    let id = send_once(deps, &visitor, &new.id, text, Contact::default()).await?;
    Ok(json_response(StatusCode::OK, &json!({ "id": id })))
}

/// Posts a message of the visitor, unless it was posted before. Returns the platform's id of it, if the platform told
/// one.
///
/// # Errors
/// The message was not posted, or it is unknown whether it was ([`patchbay::web::problem::Kind::Unclear`]).
pub(super) async fn send_once(
    deps: &Deps,
    visitor: &Visitor,
    id: &str,
    text: &str,
    contact: Contact,
) -> Result<Option<PlatformId>, Problem> {
    let Visitor {
        tenant, conversation, ..
    } = visitor;
    let of = VisitorRequestKey {
        tenant,
        conversation: Some(conversation),
        id,
    };
    let fingerprint = sha256_hex(text.as_bytes());
    let mut request = match once::begin(deps, &of, fingerprint, MESSAGES_PER_MINUTE).await? {
        Begin::Done(id, _) => return Ok(id),
        Begin::Now(request) => request,
    };
    let posting = timeout(TIME_LIMIT, deps.client.post_incoming(conversation, text));
    let result = posting.await.unwrap_or_else(|_| {
        let detail = "the platform did not answer in time".to_owned();
        Err(ChatError::Unclear { detail })
    });
    if let Ok(Some(message)) = &result {
        expect_event(deps, visitor, message, text, contact).await;
    }
    request.state = match &result {
        Ok(id) => VisitorRequestState::Done { id: id.clone() },
        Err(ChatError::Unclear { .. }) => VisitorRequestState::Unclear,
        Err(_) => VisitorRequestState::Failed,
    };
    once::end(deps, &of, &request).await;
    result.map_err(|error| {
        tracing::error!(%tenant, %conversation, %error, "a visitor's message could not be posted");
        match error {
            ChatError::Failed { .. } => try_again(&error),
            ChatError::Refused { .. } => Problem::refused("the platform refused the message"),
            ChatError::Unclear { .. } => Problem::unclear("it may have received the message"),
        }
    })
}

/// Handles the message a little later, as if the platform had reported it. If the platform does, which is the rule, this
/// report has the same id and changes nothing.
async fn expect_event(deps: &Deps, visitor: &Visitor, message: &PlatformId, text: &str, contact: Contact) {
    let event = PlatformEvent {
        kind: EventKind::Message,
        inbox: Some(visitor.inbox.clone()),
        message: Some(PlatformMessage {
            id: message.clone(),
            direction: Direction::Incoming,
            private: false,
            text: text.to_owned(),
            attachments: 0,
            author: Author::Customer,
        }),
        contact,
        status: None,
        is_human_assigned: false,
        initial_message: None,
    };
    let now = deps.conversations.clock.now();
    let work = Work::Receive { event: Box::new(event) };
    let later = [Message::at_once(visitor.key(), work, now).with_due_at(now.plus_seconds(EVENT_SECONDS))];
    let sending = Box::pin(deps.conversations.queue.send(&later, now));
    if let Err(error) = sending.await {
        let Visitor {
            tenant, conversation, ..
        } = visitor;
        tracing::error!(%tenant, %conversation, %error, "a visitor's message is handled only if the platform reports it");
    }
}

/// `GET /chat/{ref}/messages?after=`: what was said after the cursor; 304 while it is nothing.
pub(super) async fn read(deps: &Deps, request: &Request, tenant: &Tenant) -> Answer {
    let guest = Guest::of(deps, request, tenant).await?;
    let visitor = match &guest {
        None => visitor(deps, request, tenant)?,
        Some(guest) => match guest.visitor().await? {
            Some(visitor) => visitor,
            None => return Ok(guest.view()),
        },
    };
    let query = request.query_string_parameters();
    let cursor = Cursor::parse(query.first("after").unwrap_or_default());
    let cursor = cursor.ok_or_else(|| Problem::invalid_field("after", "must be a cursor from a previous response"))?;
    let store = &deps.conversations.store;
    let page = store
        .timeline_of::<Conversation>(&visitor.key(), cursor.read_after(), MAX_ENTRIES)
        .await?;
    let now = deps.conversations.clock.now();
    let started_seconds_ago = i64::from(VISITOR_SECONDS) - (visitor.expires_at.seconds() - now.seconds());
    let initial_message = guest.as_ref().map(Guest::initial_message);
    let view = View::new(&page, &cursor, now, started_seconds_ago).with_initial_message(initial_message);
    let etag = format!("\"{}\"", view.cursor());
    let mut response = if view.is_empty() && has_etag(request.headers(), &etag) {
        unchanged(view.poll_after())
    } else {
        json_response(StatusCode::OK, &view)
    };
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    Ok(response)
}

fn unchanged(poll_after: u16) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(poll_after));
    response
}
