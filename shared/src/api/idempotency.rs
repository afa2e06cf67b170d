//! Idempotent requests: the `Idempotency-Key` header, and the fingerprint that distinguishes a repeated request from a
//! different one with the same key. The id of the created resource is derived from the key
//! ([`DispatchId::for_idempotency_key`]), so keys need no records of their own.
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
/// Header of a response that shows the result of an earlier request.
const REPLAYED: &str = "idempotent-replayed";

/// The idempotency key of a request, if it has one.
///
/// # Errors
/// 422 when the key is empty, too long or not printable.
pub fn key(request: &Request) -> Result<Option<&str>, Problem> {
    let Some(value) = request.headers().get(HEADER) else {
        return Ok(None);
    };
    let invalid = || {
        Problem::invalid_field(
            "Idempotency-Key",
            format!("must have from 1 to {MAX_KEY_CHARS} printable ASCII characters"),
        )
    };
    let key = value.to_str().map_err(|_| invalid())?;
    // A header may contain a tab, which is not printable.
    let is_printable = key.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if key.is_empty() || key.len() > MAX_KEY_CHARS || !is_printable {
        Err(invalid())
    } else {
        Ok(Some(key))
    }
}

/// The fingerprint of a request's JSON body, independent of its whitespace.
///
/// # Errors
/// When the body is not JSON.
pub fn fingerprint(request: &Request) -> Result<String, Problem> {
    let plain: Value = body::json(request)?;
    Ok(sha256_hex(plain.to_string().as_bytes()))
}

/// The response to a request whose key was used before, by a request with the fingerprint `first`: the resource that
/// the first request created, in its current state.
///
/// # Errors
/// 422 when this request has another fingerprint.
pub fn replayed(first: &str, this: &str, current: Response<Body>) -> Result<Response<Body>, Problem> {
    if first != this {
        return Err(Problem::idempotency_key_reused());
    }
    Ok(marked_as_replayed(current))
}

/// Marks a response as the result of an earlier request.
#[must_use]
pub fn marked_as_replayed(mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
