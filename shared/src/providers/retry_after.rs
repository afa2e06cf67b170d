//! The header `Retry-After`.

use crate::http::Response;

/// Longest `Retry-After` that we follow, in seconds.
const MAX_RETRY_AFTER_SECONDS: u32 = 3_600;

/// The seconds of the `Retry-After` header, if present. The date form is not supported: no provider documents it.
pub(in crate::providers) fn retry_after(response: &Response) -> Option<u32> {
    let value = response.headers().get(http::header::RETRY_AFTER)?;
    let seconds: u32 = value.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.min(MAX_RETRY_AFTER_SECONDS))
}
