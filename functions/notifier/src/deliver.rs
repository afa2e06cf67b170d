//! One try at a delivery.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{Request, StatusCode};
use patchbay::clock::Timestamp;
use patchbay::http::{Response, SendError};
use url::Url;

use crate::{Deps, POST_TIMEOUT, schedule};

/// Most characters of an answer's body that are kept.
const MAX_SAID: usize = 200;
/// A client that does not keep [`POST_TIMEOUT`] itself is given up a moment later: the opening of a body is waited for.
const GUARD: Duration = Duration::from_secs(1);

/// What became of a try.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) came_to: CameTo,
    pub(crate) reached: Reached,
    /// The status, or why there is none. For logs too: it has nothing of the receiver's own words, which may repeat
    /// whatever was sent there.
    pub(crate) why: String,
    /// The opening of what the receiver said beside its status, in one line; for its owner only.
    pub(crate) said: String,
}

/// What a try came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CameTo {
    /// The receiver has it.
    Delivered,
    /// It may work later.
    Failed {
        /// How long the receiver asks us to wait.
        retry_after: Option<Duration>,
    },
    /// It will never work.
    Refused,
}

/// Whom a try reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The receiver, and it answered.
    Answered,
    /// Nobody who answered.
    NoAnswer,
    /// Nobody: nothing was posted.
    Nobody,
}

impl Tried {
    const fn without_answer(why: String) -> Self {
        Self {
            came_to: CameTo::Failed { retry_after: None },
            reached: Reached::NoAnswer,
            why,
            said: String::new(),
        }
    }

    const fn not_posted(why: String) -> Self {
        Self {
            came_to: CameTo::Refused,
            reached: Reached::Nobody,
            why,
            said: String::new(),
        }
    }
}

/// Posts `body`, signed, under the name `id`.
pub(crate) async fn deliver<S, Q>(deps: &Deps<S, Q>, url: &Url, id: &str, body: String) -> Tried {
    // The client checks too, and again when it connects. Checked here, a bad URL never even reaches it.
    if let Err(bad) = deps.targets.check_url(url) {
        return Tried::not_posted(bad.to_string());
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
        Err(error) => return Tried::not_posted(error.to_string()),
    };
    match tokio::time::timeout(POST_TIMEOUT + GUARD, deps.http.send(request)).await {
        Ok(Ok(response)) => by_status(&response, now),
        Ok(Err(error @ SendError::Forbidden(_))) => Tried::not_posted(error.to_string()),
        Ok(Err(error)) => Tried::without_answer(error.to_string()),
        Err(_) => Tried::without_answer(format!("no answer within {} s", POST_TIMEOUT.as_secs())),
    }
}

/// The status decides, whatever comes after it.
fn by_status(response: &Response, now: Timestamp) -> Tried {
    let status = response.status();
    let asked = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let came_to = match status {
        status if status.is_success() => CameTo::Delivered,
        StatusCode::GONE => CameTo::Refused,
        _ => CameTo::Failed {
            retry_after: asked.and_then(|value| schedule::retry_after(value, now)),
        },
    };
    let mut why = status.to_string();
    if status.is_redirection() {
        why.push_str(", and redirects are not followed");
    }
    Tried {
        came_to,
        reached: Reached::Answered,
        why,
        said: if came_to == CameTo::Delivered {
            String::new()
        } else {
            said(response.body())
        },
    }
}

/// The opening of an answer's body as a text in one line.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(MAX_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_receiver_says_is_told_in_one_line() {
        assert_eq!(said(b"no such\n\thook\x1b[31m!"), "no such hook [31m!");
        assert_eq!(said(b" \n"), "");
        assert_eq!(said("é".repeat(1_000).as_bytes()).chars().count(), MAX_SAID);
        assert_eq!(said(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }
}
