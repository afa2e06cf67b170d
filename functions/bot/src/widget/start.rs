//! `POST /chat/{ref}/conversations`: starts a conversation.

use std::time::Duration;

use lambda_http::Request;
use lambda_http::http::StatusCode;
use patchbay::chat::{ChatError, NewConversation};
use patchbay::conversation::{ConversationKey, EventKind, PlatformEvent, PlatformId, Work};
use patchbay::field::FieldError;
use patchbay::ids::Tenant;
use patchbay::secret::sha256_hex;
use patchbay::store::{VisitorRequest, VisitorRequestKey, VisitorRequestState};
use patchbay::web::body::{self, json_response};
use patchbay::web::problem::{Kind, Problem};
use patchbay::web::widget::{VISITOR_SECONDS, Visitor};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::form::{CheckedForm, Form};
use super::once::{self, Begin};
use super::texts::{text, texts};
use super::{contact, messages, settings, try_again};
use crate::{Answer, Deps};

/// How long the platform may take to create customer and conversation. API Gateway gives up after 30 s.
const TIME_LIMIT: Duration = Duration::from_secs(16);

/// Why a conversation was not created.
pub(super) enum NotCreated {
    /// The platform refused the visitor's details.
    Details(ChatError),
    /// Anything else.
    Platform(ChatError),
}

pub(super) async fn start(deps: &Deps, request: &Request, tenant: &Tenant) -> Answer {
    let form: Form = body::json(request)?;
    let widget = settings(deps, tenant).await?;
    let checked = form.check(&widget, deps.home.as_ref());
    let checked = checked.map_err(Problem::invalid_fields)?;
    let of = VisitorRequestKey {
        tenant,
        conversation: None,
        id: &form.id,
    };
    // Serialization cannot fail: the form consists of texts.
    let fingerprint = sha256_hex(&serde_json::to_vec(&form).unwrap_or_default());
    let begin = once::begin(deps, &of, fingerprint, widget.starts_per_minute).await?;
    let (status, conversation, at) = match begin {
        Begin::Done(id, at) => (StatusCode::OK, id.ok_or_else(Problem::not_found)?, at),
        Begin::Now(mut request) => {
            let created = create(deps, &of, &checked, &mut request).await?;
            tracing::info!(%tenant, conversation = %created, topic = %checked.topic.name, "a visitor started a conversation");
            (StatusCode::CREATED, created, request.at)
        }
    };
    let visitor = Visitor {
        tenant: tenant.clone(),
        conversation,
        inbox: checked.topic.inbox.clone(),
        expires_at: at.plus_seconds(VISITOR_SECONDS),
    };
    let message = first_message(deps, &visitor, &form.id, &checked).await;
    let body = json!({
        "token": deps.callbacks.visitor_token(&visitor),
        "conversation": visitor.conversation,
        "initial_message": checked.topic.initial_message(checked.language),
        "message": message,
    });
    Ok(json_response(status, &body))
}

/// Creates the conversation, and records the result.
pub(super) async fn create(
    deps: &Deps,
    of: &VisitorRequestKey<'_>,
    form: &CheckedForm<'_>,
    request: &mut VisitorRequest,
) -> Result<PlatformId, Problem> {
    let creating = create_on_platform(deps, of.tenant, form);
    let result = timeout(TIME_LIMIT, creating).await.unwrap_or_else(|_| {
        let detail = "the platform did not answer in time".to_owned();
        Err(NotCreated::Platform(ChatError::Unclear { detail }))
    });
    request.state = match &result {
        Ok(id) => VisitorRequestState::Done { id: Some(id.clone()) },
        Err(NotCreated::Platform(ChatError::Unclear { .. })) => VisitorRequestState::Unclear,
        Err(_) => VisitorRequestState::Failed,
    };
    once::end(deps, of, request).await;
    match result {
        Ok(id) => {
            introduce(deps, of.tenant, &id, form).await;
            Ok(id)
        }
        Err(reason) => Err(not_created(of.tenant, form, reason)),
    }
}

async fn create_on_platform(deps: &Deps, tenant: &Tenant, form: &CheckedForm<'_>) -> Result<PlatformId, NotCreated> {
    let customer = contact::find_or_create(deps, tenant, form).await?;
    let new = NewConversation {
        inbox: &form.topic.inbox,
        contact: &customer.id,
        source: customer.source.as_deref(),
        priority: form.topic.priority,
        initial_message: form.topic.initial_message(form.language),
    };
    match deps.client.create_conversation(new).await {
        Ok(id) => Ok(id),
        Err(ChatError::Refused { detail, .. }) if customer.is_remembered => {
            // Perhaps the platform has no such customer any more: the next try creates one.
            contact::forget(deps, tenant, form).await;
            let retry_after = None;
            Err(NotCreated::Platform(ChatError::Failed { retry_after, detail }))
        }
        Err(error) => Err(NotCreated::Platform(error)),
    }
}

fn not_created(tenant: &Tenant, form: &CheckedForm<'_>, reason: NotCreated) -> Problem {
    match reason {
        NotCreated::Details(error) => {
            tracing::warn!(%tenant, %error, "the platform refused the details of a visitor");
            let detail = text(texts(form.language), "error_details");
            Problem::invalid_fields(vec![FieldError::new("(details)", detail)])
        }
        NotCreated::Platform(error) => {
            let topic = &form.topic.name;
            tracing::error!(%tenant, %topic, %error, "a visitor's conversation could not be created");
            match error {
                ChatError::Failed { .. } => try_again(&error),
                ChatError::Refused { .. } => Problem::refused("the platform refused the conversation"),
                ChatError::Unclear { .. } => Problem::unclear("it may have created the conversation"),
            }
        }
    }
}

/// Tells the bot who the visitor is, in which language they read, and which message is not theirs. The events of a
/// platform may not.
async fn introduce(deps: &Deps, tenant: &Tenant, conversation: &PlatformId, form: &CheckedForm<'_>) {
    let initial_message = form.topic.initial_message(form.language);
    let event = PlatformEvent {
        kind: EventKind::Created,
        inbox: Some(form.topic.inbox.clone()),
        message: None,
        contact: form.contact(),
        status: None,
        is_human_assigned: false,
        // A visitor who writes the same wants an answer.
        initial_message: (initial_message != form.text).then(|| initial_message.to_owned()),
    };
    let key = ConversationKey {
        tenant: tenant.clone(),
        id: conversation.clone(),
    };
    let work = Work::Receive { event: Box::new(event) };
    if let Err(error) = deps.conversations.enqueue(key, work).await {
        tracing::error!(%tenant, %conversation, %error, "the bot does not learn the details of a visitor");
    }
}

/// Sends what the visitor wrote into the form. The conversation exists whatever the result is: the page sends the
/// message again if it certainly was not sent.
async fn first_message(deps: &Deps, visitor: &Visitor, id: &str, form: &CheckedForm<'_>) -> Value {
    match messages::send_once(deps, visitor, id, form.text, form.contact()).await {
        Ok(id) => json!({ "status": "sent", "id": id }),
        Err(problem) if problem.kind == Kind::Unclear => json!({ "status": "unclear" }),
        Err(_) => json!({ "status": "not_sent" }),
    }
}
