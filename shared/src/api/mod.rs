//! Shared code of the functions with an HTTP API: authentication, and the response when DynamoDB or a queue fails.
//!
//! Such a failure is logged once, and the client gets a 503 that invites a retry. The `From` conversions to [`Problem`]
//! do both, so handlers use `?`.

#[cfg(feature = "flow")]
mod condition;
pub mod dispatches;
#[cfg(feature = "flow")]
pub mod documents;
pub mod idempotency;
pub mod paging;
pub mod webhooks;

use http::HeaderMap;
use lambda_http::{Request, RequestExt as _};

use crate::access::Scope;
use crate::clock::Timestamp;
use crate::engine::EngineError;
use crate::ids::Tenant;
use crate::ledger::LedgerError;
use crate::store::{Store, StoreError};
use crate::tokens::Tokens;
use crate::web::auth::{Token, authorize};
use crate::web::problem::Problem;
use crate::webhooks::ResendError;

/// Seconds after which a client may retry, for `Retry-After`.
const RETRY_AFTER_SECONDS: u16 = 1;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, kind = ?error.kind(), "a request to DynamoDB failed");
        Self::unavailable(RETRY_AFTER_SECONDS)
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        tracing::error!(%error, kind = ?error.kind(), "a conversation or interaction could not be changed");
        Self::unavailable(RETRY_AFTER_SECONDS)
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        tracing::error!(%error, kind = ?error.kind(), "a dispatch could not be changed");
        Self::unavailable(RETRY_AFTER_SECONDS)
    }
}

impl From<ResendError> for Problem {
    fn from(error: ResendError) -> Self {
        tracing::error!(%error, "a webhook could not be sent again");
        Self::unavailable(RETRY_AFTER_SECONDS)
    }
}

/// The tenant of a request with these `headers`, if its token has the scope `needed`. One request to DynamoDB.
///
/// # Errors
/// 401 and 403 as [`authorize`]; 503 when DynamoDB is unavailable.
pub async fn tenant(store: &Store, headers: &HeaderMap, needed: Scope, now: Timestamp) -> Result<Tenant, Problem> {
    let token = Token::from_headers(headers)?;
    let record = store.token(&token.hash()).await?;
    authorize(record.as_ref(), needed, now)
}

/// The tenant of an agent's `request`, which may have its token in the query. One request to DynamoDB, or none if the
/// token was looked up within the last minute.
///
/// # Errors
/// As [`tenant`].
pub async fn agent_tenant(tokens: &Tokens, request: &Request, needed: Scope) -> Result<Tenant, Problem> {
    let query = request.query_string_parameters();
    let api_tokens = query.all("api_token").unwrap_or_default();
    let token = Token::from_headers_or_query(request.headers(), &api_tokens)?;
    tokens.tenant(&token, needed).await
}
