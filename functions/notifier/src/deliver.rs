//! One delivery.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{Request, StatusCode};
use patchbay::http::SendError;
use url::Url;

use crate::{Deps, POST_TIMEOUT, schedule};

/// What became of a delivery.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The receiver has it.
    Delivered,
    /// It may work later.
    Failed {
        /// Why it did not now.
        why: String,
        /// How long the receiver asks us to wait.
        retry_after: Option<Duration>,
    },
    /// It will never work.
    Refused {
        /// Why.
        why: String,
    },
}

/// Posts `body`, signed, under the name `id`.
pub(crate) async fn deliver<S, Q>(deps: &Deps<S, Q>, url: &str, id: &str, body: String) -> Outcome {
    let failed = |why: String| Outcome::Failed { why, retry_after: None };
    let refused = |why: String| Outcome::Refused { why };
    let url = match Url::parse(url) {
        Ok(url) => url,
        Err(error) => return refused(error.to_string()),
    };
    // The client checks too, and again when it connects. Checked here, a bad URL never even reaches it.
    if let Err(bad) = deps.targets.check_url(&url) {
        return refused(bad.to_string());
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
        Err(error) => return refused(error.to_string()),
    };
    match tokio::time::timeout(POST_TIMEOUT, deps.http.send(request)).await {
        Ok(Ok(response)) if response.status().is_success() => Outcome::Delivered,
        Ok(Ok(response)) if response.status() == StatusCode::GONE => refused("410 Gone".to_owned()),
        Ok(Ok(response)) => {
            let asked = response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok());
            Outcome::Failed {
                why: response.status().to_string(),
                retry_after: asked.and_then(|value| schedule::retry_after(value, now)),
            }
        }
        Ok(Err(error @ SendError::Forbidden(_))) => refused(error.to_string()),
        Ok(Err(error)) => failed(error.to_string()),
        Err(_) => failed(format!("no answer within {} s", POST_TIMEOUT.as_secs())),
    }
}
