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

/// What became of a try. The texts are for people.
#[derive(Debug)]
pub(crate) enum Tried {
    /// The receiver has it.
    Delivered {
        /// What it answered.
        answer: String,
    },
    /// It may work later.
    Failed {
        /// Why it did not now.
        why: String,
        /// How long the receiver asks us to wait.
        retry_after: Option<Duration>,
        /// Whether it answered at all.
        answered: bool,
    },
    /// It will never work.
    Refused {
        /// Why.
        why: String,
    },
}

impl Tried {
    const fn no_answer(why: String) -> Self {
        Self::Failed {
            why,
            retry_after: None,
            answered: false,
        }
    }

    const fn refused(why: String) -> Self {
        Self::Refused { why }
    }
}

/// Posts `body`, signed, under the name `id`. An answer that repeats any of `private` is not told on.
pub(crate) async fn deliver<S, Q>(deps: &Deps<S, Q>, url: &Url, id: &str, body: String, private: &[&str]) -> Tried {
    // The client checks too, and again when it connects. Checked here, a bad URL never even reaches it.
    if let Err(bad) = deps.targets.check_url(url) {
        return Tried::refused(bad.to_string());
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
        Err(error) => return Tried::refused(error.to_string()),
    };
    match tokio::time::timeout(POST_TIMEOUT + GUARD, deps.http.send(request)).await {
        Ok(Ok(response)) => by_status(&response, now, private),
        Ok(Err(error @ SendError::Forbidden(_))) => Tried::refused(error.to_string()),
        Ok(Err(error)) => Tried::no_answer(error.to_string()),
        Err(_) => Tried::no_answer(format!("no answer within {} s", POST_TIMEOUT.as_secs())),
    }
}

/// The status decides, whatever comes after it.
fn by_status(response: &Response, now: Timestamp, private: &[&str]) -> Tried {
    let status = response.status();
    if status.is_success() {
        return Tried::Delivered {
            answer: status.to_string(),
        };
    }
    let said = said(response.body(), private);
    let why = if status.is_redirection() {
        format!("{status}: redirects are not followed")
    } else {
        format!("{status}{said}")
    };
    if status == StatusCode::GONE {
        return Tried::refused(why);
    }
    let asked = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    Tried::Failed {
        why,
        retry_after: asked.and_then(|value| schedule::retry_after(value, now)),
        answered: true,
    }
}

/// The opening of an answer's body as a text in one line, after a colon; nothing when it repeats what is private.
fn said(body: &[u8], private: &[&str]) -> String {
    let text = String::from_utf8_lossy(body);
    if private.iter().any(|word| !word.is_empty() && text.contains(word)) {
        return String::new();
    }
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(MAX_SAID).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_receiver_says_is_told_in_one_line_and_never_what_is_private() {
        let told = |body: &str| said(body.as_bytes(), &["Anna", ""]);
        assert_eq!(told("no such\n\thook\u{1b}[31m!"), ": no such hook [31m!");
        assert_eq!(told(" \n"), "");
        assert_eq!(told("I got {\"name\":\"Anna\"}"), "");
        assert_eq!(told(&"é".repeat(1_000)).chars().count(), MAX_SAID + 2);
        assert_eq!(said(b"\xff\xfe", &[]), ": \u{fffd}\u{fffd}");
    }
}
