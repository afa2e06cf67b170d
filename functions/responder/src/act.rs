//! Does what a step says.

use std::time::Duration;

use patchbay::caller_note::{CallerNote, NoteError};
use patchbay::chat::{ChatClient, ChatError, Destination};
use patchbay::conversation::{ConversationKey, PlatformId, Step, StepAction, StepResult};
use patchbay::dispatch::{DispatchRequest, Event};
use patchbay::engine::EngineError;
use patchbay::ids::{DispatchId, DispatchKey, Nonce, Tenant};
use patchbay::phone::PhoneNumber;
use patchbay::secret::sha256_hex;
use patchbay::store::StoreError;
use patchbay::web::body;
use serde_json::Value;

use crate::{Deps, boxed};

/// Time limit of a step.
const STEP_LIMIT: Duration = Duration::from_secs(15);

/// Takes a step. Whatever happens is a result: the caller records it.
pub(crate) async fn act(deps: &Deps, conversation: &ConversationKey, step: &Step) -> StepResult {
    let acting = boxed(act_without_limit(deps, conversation, step));
    let outcome = tokio::time::timeout(STEP_LIMIT, acting).await;
    outcome.unwrap_or_else(|_| StepResult::Unclear {
        detail: "the time limit is exceeded".to_owned(),
    })
}

async fn act_without_limit(deps: &Deps, conversation: &ConversationKey, step: &Step) -> StepResult {
    let ConversationKey { tenant, id } = conversation;
    match &step.action {
        StepAction::Post { text, .. } => match deps.client_of(tenant).await {
            Ok(client) => of_post(client.post(id, text).await),
            Err(error) => of_store(&error),
        },
        StepAction::Deliver => of_platform(deps.client.deliver(id).await),
        StepAction::Finish => of_platform(deps.client.finish(id).await),
        StepAction::QueueCall { queue, destination } => queue_call(deps, tenant, queue, destination).await,
        StepAction::Remember {
            phone,
            description,
            memory,
        } => {
            let note = CallerNote { description, memory };
            remember(deps, tenant, phone, note, step.id).await
        }
        StepAction::Dispatch { request, .. } => dispatch(deps, conversation, step.id, request).await,
        StepAction::Resolve { dispatch } => resolve(deps, tenant, dispatch).await,
    }
}

impl Deps {
    /// The client that posts in the name of the tenant's bot.
    async fn client_of(&self, tenant: &Tenant) -> Result<ChatClient, StoreError> {
        let connection = self.bots.connection(tenant).await?;
        let bot = connection.map(|connection| connection.bot_id.clone());
        Ok(self.client.clone().with_bot(bot))
    }
}

const DONE: StepResult = StepResult::Done { id: None };

fn of_post(result: Result<Option<PlatformId>, ChatError>) -> StepResult {
    match result {
        Ok(id) => StepResult::Done { id },
        Err(error) => of_error(error),
    }
}

fn of_platform(result: Result<(), ChatError>) -> StepResult {
    result.map_or_else(of_error, |()| DONE)
}

fn of_error(error: ChatError) -> StepResult {
    match error {
        ChatError::Failed { retry_after, detail } => StepResult::Failed { retry_after, detail },
        ChatError::Refused { status, detail } => StepResult::Refused {
            detail: format!("{status}: {detail}"),
        },
        ChatError::Unclear { detail } => StepResult::Unclear { detail },
    }
}

fn of_store(error: &StoreError) -> StepResult {
    let detail = error.to_string();
    if error.is_transient() {
        failed(detail)
    } else {
        StepResult::Refused { detail }
    }
}

const fn failed(detail: String) -> StepResult {
    StepResult::Failed {
        retry_after: None,
        detail,
    }
}

fn refused(detail: impl Into<String>) -> StepResult {
    StepResult::Refused { detail: detail.into() }
}

async fn queue_call(deps: &Deps, tenant: &Tenant, queue: &str, destination: &str) -> StepResult {
    let destination = match Destination::parse(destination, deps.home.as_ref()) {
        Ok(destination) => destination,
        Err(error) => return refused(format!("the destination of the call {error}")),
    };
    if let Some(phone) = destination.phone() {
        match deps.conversations.store.is_opted_out(tenant, phone).await {
            Ok(false) => {}
            Ok(true) => return refused("the owner of the number has asked not to be called"),
            Err(error) => return of_store(&error),
        }
    }
    of_platform(deps.client.queue_call(queue, destination.as_str()).await)
}

/// Writes a note to the context of the caller. The same step writes the same note.
async fn remember(deps: &Deps, tenant: &Tenant, phone: &str, note: CallerNote<'_>, step: Nonce) -> StepResult {
    let phone = match &deps.home {
        Some(code) => PhoneNumber::parse_at_home(phone, code),
        None => PhoneNumber::parse(phone),
    };
    let phone = match phone {
        Ok(phone) => phone,
        Err(error) => return refused(format!("the customer's phone number is invalid: {error}")),
    };
    let (store, now) = (&deps.conversations.store, deps.conversations.clock.now());
    match note.write(store, tenant, &phone, step, now).await {
        Ok(()) => DONE,
        Err(NoteError::Store(error)) => of_store(&error),
        Err(error @ NoteError::Invalid(_)) => refused(error.to_string()),
    }
}

/// Creates a dispatch. Its id is derived from the step: the same step creates no second one.
async fn dispatch(deps: &Deps, conversation: &ConversationKey, step: Nonce, request: &Value) -> StepResult {
    let text = request.to_string();
    let parsed = body::parse::<DispatchRequest>(text.as_bytes()).map_err(|problem| problem.errors);
    let spec = match parsed.and_then(|request| deps.abilities.check(request)) {
        Ok(spec) => spec,
        Err(errors) => {
            let errors = errors.iter().map(|error| format!("{} {}", error.field, error.detail));
            let errors: Vec<String> = errors.collect();
            return refused(format!("the dispatch is invalid: {}", errors.join("; ")));
        }
    };
    let ConversationKey { tenant, id } = conversation;
    let key = DispatchKey {
        tenant: tenant.clone(),
        id: DispatchId::for_idempotency_key(tenant, &format!("conversation {id} step {step}")),
    };
    // Looked up before anything is sent: a repeated step must not enqueue messages.
    match deps.engine.store.load(&key).await {
        Ok(Some(_)) => return done_as(&key),
        Ok(None) => {}
        Err(error) => return of_store(&error),
    }
    match boxed(deps.engine.create(key.clone(), spec, sha256_hex(text.as_bytes()))).await {
        Ok(_) => {
            tracing::info!(dispatch = %key.id, "dispatch created for a conversation");
            done_as(&key)
        }
        Err(EngineError::Store(error)) => of_store(&error),
        Err(error) => failed(error.to_string()),
    }
}

/// Resolves a dispatch: nobody is phoned any more.
async fn resolve(deps: &Deps, tenant: &Tenant, dispatch: &PlatformId) -> StepResult {
    let Ok(id) = dispatch.as_str().parse() else {
        return refused("not the id of a dispatch");
    };
    let key = DispatchKey {
        tenant: tenant.clone(),
        id,
    };
    match boxed(deps.engine.apply(&key, &Event::Resolve, None)).await {
        Ok(Some(_)) => DONE,
        Ok(None) => refused("the dispatch no longer exists"),
        Err(EngineError::Store(error)) => of_store(&error),
        Err(error) => failed(error.to_string()),
    }
}

/// The result of a step that created this dispatch.
fn done_as(key: &DispatchKey) -> StepResult {
    StepResult::Done {
        id: key.id.to_string().parse().ok(),
    }
}
