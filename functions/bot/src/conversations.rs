//! `/v1/conversations`: what was said, who answers the customer, and how to change that.

use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt as _};
use patchbay::access::Scope;
use patchbay::api::paging;
use patchbay::bot::{TurnContext, hand_over_plan};
use patchbay::conversation::{self, Conversation, ConversationKey, Event, EventOutcome};
use patchbay::ids::Tenant;
use patchbay::ledger::Conversations;
use patchbay::store::ConversationSummary;
use patchbay::web::body::json_response;
use patchbay::web::problem::Problem;
use serde_json::json;

use crate::view::{ConversationView, TIMELINE_LIMIT};
use crate::{Answer, Deps};

/// `GET /v1/conversations`.
pub(crate) async fn list(deps: &Deps, request: &Request) -> Answer {
    let tenant = deps.tenant(request, Scope::BotsRead).await?;
    let Conversations { store, clock, .. } = &deps.conversations;
    let (conversations, next_cursor): (Vec<ConversationSummary>, _) =
        paging::newest_first(store, request, &tenant, clock.now()).await?;
    let body = json!({ "conversations": conversations, "next_cursor": next_cursor });
    Ok(json_response(StatusCode::OK, &body))
}

/// `GET /v1/conversations/{id}`.
pub(crate) async fn show(deps: &Deps, request: &Request, id: &str) -> Answer {
    let tenant = deps.tenant(request, Scope::BotsRead).await?;
    let query = request.query_string_parameters();
    let after = query.first("timeline_cursor").map(cursor).transpose()?;
    let conversation = load(deps, tenant, id).await?;
    let store = &deps.conversations.store;
    let timeline = store
        .timeline_of::<Conversation>(&conversation.key, after, TIMELINE_LIMIT)
        .await?;
    let body = ConversationView::new(&conversation).with_timeline(&timeline);
    Ok(json_response(StatusCode::OK, &body))
}

/// `POST /v1/conversations/{id}/hand-over`: hands the conversation to people, as the bot's document plans it.
pub(crate) async fn hand_over(deps: &Deps, request: &Request, id: &str) -> Answer {
    change(deps, request, id, Change::HandOver).await
}

/// `POST /v1/conversations/{id}/give-back`: returns the conversation to the bot.
pub(crate) async fn give_back(deps: &Deps, request: &Request, id: &str) -> Answer {
    change(deps, request, id, Change::GiveBack).await
}

/// A change of who answers the customer.
#[derive(Clone, Copy, Debug)]
enum Change {
    HandOver,
    GiveBack,
}

async fn change(deps: &Deps, request: &Request, id: &str, change: Change) -> Answer {
    let tenant = deps.tenant(request, Scope::BotsWrite).await?;
    let conversation = load(deps, tenant, id).await?;
    let key = conversation.key.clone();
    let bot = deps.bots.assigned(&key.tenant, conversation.inbox.as_ref()).await?;
    let event = |conversation: &Conversation| Event::Requested {
        request: match change {
            Change::HandOver => {
                let now = deps.conversations.clock.now();
                let plan = hand_over_plan(bot.document(), &TurnContext { conversation, now });
                conversation::Request::HandOver(Box::new(plan))
            }
            Change::GiveBack => conversation::Request::GiveBack,
        },
        settings: bot.settings(&conversation.contact),
    };
    let applied = deps.conversations.apply_to(conversation, event).await?;
    let holder = applied.subject.holder.name();
    if applied.outcome != EventOutcome::Applied {
        return Err(Problem::conflict(format!(
            "this change is not possible: the holder of the conversation is `{holder}`"
        )));
    }
    let ConversationKey { tenant, id } = &key;
    tracing::info!(%tenant, conversation = %id, ?change, holder, "conversation changed by the requester");
    Ok(json_response(StatusCode::OK, &ConversationView::new(&applied.subject)))
}

async fn load(deps: &Deps, tenant: Tenant, id: &str) -> Result<Conversation, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    let conversation = deps.conversations.load(&ConversationKey { tenant, id }).await?;
    conversation.ok_or_else(Problem::not_found)
}

/// Checks the form of a cursor: the id of a timeline entry, 1 to 100 letters, digits and hyphens.
fn cursor(text: &str) -> Result<&str, Problem> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if text.is_empty() || text.len() > 100 || !text.bytes().all(allowed) {
        return Err(Problem::invalid_field(
            "timeline_cursor",
            "must be a cursor from a previous response",
        ));
    }
    Ok(text)
}
