//! `GET /v1/interactions/{id}`: everything that is known about an interaction; and its webhooks.

use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt as _};
use patchbay::access::Scope;
use patchbay::api::paging::timeline_cursor;
use patchbay::api::webhooks;
use patchbay::interaction::{Entry, Fact, Interaction};
use patchbay::ledger::Interactions;
use patchbay::web::body::json_response;
use patchbay::web::problem::Problem;

use crate::view::{InteractionView, TIMELINE_LIMIT};
use crate::{Answer, Deps};

pub(crate) async fn show(deps: &Deps, request: &Request, id: &str) -> Answer {
    let tenant = deps.tenant(request, Scope::CallsRead).await?;
    let query = request.query_string_parameters();
    let name = "timeline_cursor";
    let after = query.first(name).map(|text| timeline_cursor(name, text)).transpose()?;
    let interaction = deps.interaction(tenant, id).await?;
    let store = &deps.interactions.store;
    let mut timeline = store
        .timeline_of::<Interaction>(&interaction.key, after, TIMELINE_LIMIT)
        .await?;
    timeline.entries.iter_mut().for_each(hide_recording);
    let deliveries = match interaction.webhook {
        Some(_) => store.first_deliveries(&interaction.key.clone().into()).await?,
        None => (Vec::new(), false),
    };
    let body = InteractionView::new(&interaction)
        .with_webhook(&interaction, &deliveries)
        .with_recording(deps.recordings().url(&interaction))
        .with_timeline(&timeline);
    Ok(json_response(StatusCode::OK, &body))
}

/// Removes the back end's URL of a recording: ours is in the field `recording`.
fn hide_recording(entry: &mut Entry) {
    if let Fact::Recorded { recording, .. } = &mut entry.fact {
        recording.clear();
    }
}

/// `GET /v1/interactions/{id}/webhooks`.
pub(crate) async fn list_webhooks(deps: &Deps, request: &Request, id: &str) -> Answer {
    let tenant = deps.tenant(request, Scope::CallsRead).await?;
    let interaction = deps.interaction(tenant, id).await?;
    webhooks::list(&deps.interactions.store, &interaction, request).await
}

/// `POST /v1/interactions/{id}/webhooks/{webhook}/resend`.
pub(crate) async fn resend_webhook(deps: &Deps, request: &Request, id: &str, webhook: &str) -> Answer {
    let tenant = deps.tenant(request, Scope::CallsWrite).await?;
    let interaction = deps.interaction(tenant, id).await?;
    let Interactions {
        store,
        notifications,
        clock,
        ..
    } = &deps.interactions;
    let notifications = notifications.as_ref().ok_or_else(Problem::not_found)?;
    webhooks::resend((store, notifications), &interaction, webhook, clock.now()).await
}
