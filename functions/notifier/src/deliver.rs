//! One attempt to deliver a webhook.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{Request, StatusCode};
use patchbay::clock::Timestamp;
use patchbay::http::{Response, SendError};
use url::Url;

use crate::{Deps, POST_TIMEOUT, schedule};

/// Most characters kept of a response body.
const MAX_EXCERPT: usize = 200;
/// Added to [`POST_TIMEOUT`], which the client enforces itself: it also waits for the beginning of the body.
const GUARD: Duration = Duration::from_secs(1);

/// Result of one delivery attempt.
#[derive(Debug)]
pub(crate) struct DeliveryAttempt {
    pub(crate) result: AttemptResult,
    pub(crate) contact: Contact,
    /// The HTTP status, or why there is none. Safe to log: it contains nothing of the response body, which may repeat
    /// content of the webhook.
    pub(crate) reason: String,
    /// Beginning of the response body, in one line. Shown to the tenant only, never logged.
    pub(crate) excerpt: String,
}

/// What the result means for further attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptResult {
    /// The receiver has accepted the webhook.
    Delivered,
    /// A later attempt may succeed.
    Retryable {
        /// The pause that the receiver asks for.
        retry_after: Option<Duration>,
    },
    /// No attempt will ever succeed.
    Permanent,
}

/// How far an attempt got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    /// The receiver answered.
    Answered,
    /// No answer arrived.
    NoAnswer,
    /// Nothing was posted.
    NotPosted,
}

impl DeliveryAttempt {
    const fn without_answer(reason: String) -> Self {
        Self {
            result: AttemptResult::Retryable { retry_after: None },
            contact: Contact::NoAnswer,
            reason,
            excerpt: String::new(),
        }
    }

    const fn not_posted(reason: String) -> Self {
        Self {
            result: AttemptResult::Permanent,
            contact: Contact::NotPosted,
            reason,
            excerpt: String::new(),
        }
    }
}

/// Posts `body`, signed, with the `webhook-id` `id`.
pub(crate) async fn deliver<S, Q>(deps: &Deps<S, Q>, url: &Url, id: &str, body: String) -> DeliveryAttempt {
    // The client checks the target too, and again when it connects. With this check a forbidden URL never reaches it.
    if let Err(error) = deps.targets.check_url(url) {
        return DeliveryAttempt::not_posted(error.to_string());
    }
    let now = deps.signing_clock.now();
    let mut request = Request::post(url.as_str())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("patchbay/", env!("CARGO_PKG_VERSION")));
    for (name, value) in deps.signer.headers(id, now, body.as_bytes()) {
        request = request.header(name, value);
    }
    let request = match request.body(Bytes::from(body)) {
        Ok(request) => request,
        Err(error) => return DeliveryAttempt::not_posted(error.to_string()),
    };
    match tokio::time::timeout(POST_TIMEOUT + GUARD, deps.http.send(request)).await {
        Ok(Ok(response)) => classify(&response, now),
        Ok(Err(error @ SendError::Forbidden(_))) => DeliveryAttempt::not_posted(error.to_string()),
        Ok(Err(error)) => DeliveryAttempt::without_answer(error.to_string()),
        Err(_) => DeliveryAttempt::without_answer(format!("no answer within {} s", POST_TIMEOUT.as_secs())),
    }
}

/// Classifies a response by its status alone; a body that is broken or never ends does not matter.
fn classify(response: &Response, now: Timestamp) -> DeliveryAttempt {
    let status = response.status();
    let header = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let result = match status {
        status if status.is_success() => AttemptResult::Delivered,
        StatusCode::GONE => AttemptResult::Permanent,
        _ => AttemptResult::Retryable {
            retry_after: header.and_then(|value| schedule::retry_after(value, now)),
        },
    };
    let mut reason = status.to_string();
    if status.is_redirection() {
        reason.push_str(": redirects are not followed");
    }
    DeliveryAttempt {
        result,
        contact: Contact::Answered,
        reason,
        excerpt: if result == AttemptResult::Delivered {
            String::new()
        } else {
            excerpt(response.body())
        },
    }
}

/// Beginning of a response body, as one line of text without control characters.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(MAX_EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_of_a_response_is_one_line_of_limited_length() {
        assert_eq!(excerpt(b"no such\n\thook\x1b[31m!"), "no such hook [31m!");
        assert_eq!(excerpt(b" \n"), "");
        assert_eq!(excerpt("é".repeat(1_000).as_bytes()).chars().count(), MAX_EXCERPT);
        assert_eq!(excerpt(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }
}
