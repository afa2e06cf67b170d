//! `GET /v1/interactions/{id}`: everything that is known about an interaction.

use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt as _};
use patchbay::access::Scope;
use patchbay::interaction::Interaction;
use patchbay::web::body::json_response;
use patchbay::web::problem::Problem;

use crate::view::{InteractionView, TIMELINE_LIMIT};
use crate::{Answer, Deps};

pub(crate) async fn show(deps: &Deps, request: &Request, id: &str) -> Answer {
    let tenant = deps.tenant(request, Scope::CallsRead).await?;
    let query = request.query_string_parameters();
    let after = query.first("timeline_cursor").map(cursor).transpose()?;
    let interaction = deps.interaction(tenant, id).await?;
    let store = &deps.interactions.store;
    let timeline = store
        .timeline_of::<Interaction>(&interaction.key, after, TIMELINE_LIMIT)
        .await?;
    let body = InteractionView::new(&interaction).with_timeline(&timeline);
    Ok(json_response(StatusCode::OK, &body))
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
