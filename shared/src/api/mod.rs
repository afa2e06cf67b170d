//! What the functions with an API have in common: whose a request is, and what its sender hears when we fail.
//!
//! The table or a queue that fails is said once, in the log; the sender hears only that it may come again. So `?` does both.

pub mod idempotency;
pub mod paging;

use http::HeaderMap;
use lambda_http::{Request, RequestExt as _};

use crate::access::Scope;
use crate::clock::Timestamp;
use crate::engine::EngineError;
use crate::ids::Tenant;
use crate::store::{Store, StoreError};
use crate::tokens::Tokens;
use crate::web::auth::{Token, authorise};
use crate::web::problem::Problem;

/// Seconds after which the sender may come again.
const AGAIN_SECONDS: u16 = 1;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, kind = ?error.kind(), "a request to DynamoDB failed");
        Self::unavailable(AGAIN_SECONDS)
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        tracing::error!(%error, kind = ?error.kind(), "a dispatch could not be changed");
        Self::unavailable(AGAIN_SECONDS)
    }
}

/// Whose request has these `headers`, if its token allows what is `needed`. One request to the table.
///
/// # Errors
/// 401 and 403 as [`authorise`]; 503 when the table does not answer.
pub async fn tenant(store: &Store, headers: &HeaderMap, needed: Scope, now: Timestamp) -> Result<Tenant, Problem> {
    let token = Token::from_headers(headers)?;
    let record = store.token(&token.hash()).await?;
    authorise(record.as_ref(), needed, now)
}

/// Whose agent sent `request`, which may have its token in the query. No request to the table when the token was seen
/// within the last minute.
///
/// # Errors
/// As [`tenant`].
pub async fn tenant_of_agent(tokens: &Tokens, request: &Request, needed: Scope) -> Result<Tenant, Problem> {
    let query = request.query_string_parameters();
    let api_tokens = query.all("api_token").unwrap_or_default();
    let token = Token::from_headers_or_query(request.headers(), &api_tokens)?;
    tokens.tenant(&token, needed).await
}
