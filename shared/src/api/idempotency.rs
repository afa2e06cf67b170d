//! Requests that may be repeated: the `Idempotency-Key`, and what tells a repeated request from another one under the same
//! key. The key names the thing that is made ([`DispatchId::for_idempotency_key`]), so it needs no record of its own.
//!
//! [`DispatchId::for_idempotency_key`]: crate::ids::DispatchId::for_idempotency_key

use http::HeaderValue;
use lambda_http::{Body, Request, Response};
use serde_json::Value;

use crate::secret::sha256_hex;
use crate::web::body;
use crate::web::problem::Problem;

const HEADER: &str = "idempotency-key";
const MAX_KEY_CHARS: usize = 255;
/// Says of an answer that an earlier request made what it shows.
const REPLAYED: &str = "idempotent-replayed";

/// The key of a request, if it has one.
///
/// # Errors
/// 422 when it is empty, too long, or does not print.
pub fn key(request: &Request) -> Result<Option<&str>, Problem> {
    let Some(value) = request.headers().get(HEADER) else {
        return Ok(None);
    };
    let wrong = || {
        Problem::invalid_field(
            "Idempotency-Key",
            format!("must have from 1 to {MAX_KEY_CHARS} printable ASCII characters"),
        )
    };
    let key = value.to_str().map_err(|_| wrong())?;
    // A tab is text to the header, but it does not print.
    let prints = key.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if key.is_empty() || key.len() > MAX_KEY_CHARS || !prints {
        Err(wrong())
    } else {
        Ok(Some(key))
    }
}

/// The fingerprint of what a request says, not of how it is spaced.
///
/// # Errors
/// When the body is not JSON.
pub fn fingerprint(request: &Request) -> Result<String, Problem> {
    let plain: Value = body::json(request)?;
    Ok(sha256_hex(plain.to_string().as_bytes()))
}

/// The answer to a request whose key has been used, by a request with the fingerprint `first`: what that one made, as it
/// is now.
///
/// # Errors
/// 422 when this request says something else.
pub fn replayed(first: &str, this: &str, shown: Response<Body>) -> Result<Response<Body>, Problem> {
    if first != this {
        return Err(Problem::idempotency_key_reused());
    }
    let mut response = shown;
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
