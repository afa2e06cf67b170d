//! Listing dispatches: `GET /v1/dispatches`.

use lambda_http::Request;
use lambda_http::http::StatusCode;
use patchbay::api::paging;
use patchbay::ids::Tenant;
use patchbay::store::DispatchSummary;
use patchbay::web::body::json_response;
use serde::Serialize;

use crate::{ApiResult, Deps};

#[derive(Debug, Serialize)]
struct List {
    dispatches: Vec<DispatchSummary>,
    /// Pass it as `cursor` to read the next page; none on the last page.
    next_cursor: Option<String>,
}

pub(crate) async fn list(deps: &Deps, request: &Request, tenant: &Tenant) -> ApiResult {
    let (store, now) = (&deps.engine.store, deps.engine.clock.now());
    let (dispatches, next_cursor) = paging::newest_first(store, request, tenant, now).await?;
    let body = List {
        dispatches,
        next_cursor,
    };
    Ok(json_response(StatusCode::OK, &body))
}
