//! Receives the events of a chat platform, and serves the API for bots and conversations.
//!
//! - `events`: webhooks of the platform. Each is put on the `conversations` queue; the responder does the rest.
//! - `bots`: `/v1/bots`, the API for bot documents.
//! - `conversations`: `/v1/conversations`: what was said, who answers, and how to change that. [`view`]: its JSON.
//! - `widget`: `/chat/{ref}`: a chat page of our own, in place of the platform's widget.
//! - `calls`: `/v1/chat/queue-calls` and `/v1/chat/agent-calls`: lets the platform phone somebody.

mod bots;
mod calls;
mod conversations;
mod events;
mod load;
pub mod view;
mod widget;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use patchbay::access::Scope;
use patchbay::api;
use patchbay::bot_source::BotSource;
use patchbay::chat::signature::SignatureVerifier;
use patchbay::chat::{ChatClient, Platform};
use patchbay::ids::Tenant;
use patchbay::ledger::{Conversations, Interactions};
use patchbay::phone::CallingCode;
use patchbay::web::body;
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::problem::Problem;

use crate::events::Source;

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Changes conversations, and sends to the `conversations` queue.
    pub conversations: Conversations,
    /// Learns what customers write who come by the link of an agent; none in a stack that contacts no customers.
    pub interactions: Option<Interactions>,
    /// Finds the bots of conversations.
    pub bots: BotSource,
    /// Verifies the references in the URLs of webhooks.
    pub callbacks: CallbackUrls,
    /// Verifies the signatures of webhooks, if the platform signs them.
    pub signatures: SignatureVerifier,
    /// The chat platform.
    pub client: ChatClient,
    /// The country of phone numbers without `+`.
    pub home: Option<CallingCode>,
}

type Answer = Result<Response<Body>, Problem>;

/// Handles every request under `/sangoma`, `/chatwoot`, `/chat`, `/v1/bots`, `/v1/conversations` and `/v1/chat`.
pub async fn handle(deps: &Deps, request: Request) -> Response<Body> {
    let deps = &Deps {
        callbacks: deps
            .callbacks
            .with_fallback_base(&request, &["sangoma", "chatwoot", "chat", "v1"]),
        ..deps.clone()
    };
    route(deps, &request).await.unwrap_or_else(Problem::into_response)
}

async fn route(deps: &Deps, request: &Request) -> Answer {
    let path = body::path_segments(request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let is_post = request.method() == Method::POST;
    match path.as_slice() {
        [.., "v1", "bots"] => bots::collection(deps, request).await,
        [.., "v1", "bots", bot] => bots::one(deps, request, bot).await,
        [.., "v1", "bots", bot, "test"] if is_post => bots::test(deps, request, bot).await,
        [.., "v1", "conversations"] if request.method() == Method::GET => conversations::list(deps, request).await,
        [.., "v1", "conversations", id] if request.method() == Method::GET => {
            conversations::show(deps, request, id).await
        }
        [.., "v1", "conversations", id, "hand-over"] if is_post => conversations::hand_over(deps, request, id).await,
        [.., "v1", "conversations", id, "give-back"] if is_post => conversations::give_back(deps, request, id).await,
        [.., "v1", "chat", "queue-calls"] if is_post => calls::to_queue(deps, request).await,
        [.., "v1", "chat", "agent-calls"] if is_post => calls::for_agent(deps, request).await,
        [.., "v1", "conversations"] | [.., "v1", "conversations", _] => Err(Problem::method_not_allowed("GET")),
        [.., "v1", "bots", _, "test"]
        | [.., "v1", "conversations", _, "hand-over" | "give-back"]
        | [.., "v1", "chat", "queue-calls" | "agent-calls"] => Err(Problem::method_not_allowed("POST")),
        [.., "chat", reference] => widget::handle(deps, request, reference, None).await,
        [.., "chat", reference, part] => widget::handle(deps, request, reference, Some(part)).await,
        [.., platform, source, reference] => match (Platform::named(platform), Source::named(source)) {
            (Some(_), Some(_)) if !is_post => Err(Problem::method_not_allowed("POST")),
            (Some(platform), Some(source)) => events::receive(deps, request, platform, source, reference).await,
            _ => Err(Problem::not_found()),
        },
        _ => Err(Problem::not_found()),
    }
}

impl Deps {
    /// Authenticates the request: the tenant of its token, if the token has the scope `needed`.
    async fn tenant(&self, request: &Request, needed: Scope) -> Result<Tenant, Problem> {
        let Conversations { store, clock, .. } = &self.conversations;
        api::tenant(store, request.headers(), needed, clock.now()).await
    }
}
