//! Requests to back ends.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, USER_AGENT};
use http::{Method, Request};
use patchbay::chain::document;
use patchbay::chain::run::{Found, Lookup, Outcome};
use patchbay::clock::Timestamp;
use patchbay::foreign;
use patchbay::http::{Response, SendError};
use patchbay::ids::Tenant;
use tokio::time::Instant;
use url::Url;

use crate::Deps;
use crate::secrets::{self, Used};

/// Seconds for which a back end that said 429, and not for how long, is left alone.
const DEFAULT_PAUSE: u32 = 1;
/// Longest time for which a back end is left alone because it said so.
const LONGEST_PAUSE: u32 = 3_600;
/// Most back ends that are kept in mind.
const MOST: usize = 256;

/// Back ends that asked not to be called for a while, as far as this sandbox knows. Clones share it.
#[derive(Clone, Default)]
pub struct Limits(Arc<Mutex<HashMap<String, Timestamp>>>);

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limits")
    }
}

impl Limits {
    /// Seconds for which a back end must still be left alone.
    fn pause(&self, whose: &str, now: Timestamp) -> Option<u32> {
        let until = *self.lock().get(whose)?;
        let left = until.since(now);
        if left.is_zero() {
            return None;
        }
        u32::try_from(left.as_millis().div_ceil(1_000)).ok()
    }

    fn leave_alone(&self, whose: String, until: Timestamp, now: Timestamp) {
        let mut limits = self.lock();
        if limits.len() >= MOST {
            limits.retain(|_, until| *until > now);
        }
        limits.insert(whose, until);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a request. It ends before `deadline`, whatever the back end does.
pub(crate) async fn look_up(
    deps: &Deps,
    tenant: &Tenant,
    lookup: &Lookup,
    deadline: Instant,
    used: &mut Used,
) -> Found {
    let secret = lookup.auth.as_ref().map_or("", document::Auth::secret);
    let whose = format!("{tenant}/{}/{secret}", lookup.host);
    if let Some(seconds) = deps.limits.pause(&whose, deps.clock.now()) {
        return Found {
            retry_after: Some(seconds),
            ..Found::without_answer(Outcome::RateLimited)
        };
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let Ok(result) = tokio::time::timeout(lookup.timeout.min(left), exchange(deps, tenant, lookup, used)).await else {
        tracing::warn!(lookup = lookup.path, host = lookup.host, "no answer in time");
        return Found::without_answer(Outcome::TimedOut);
    };
    match result {
        Ok(response) => {
            let now = deps.clock.now();
            if let Some(pause) = pause_after(&response) {
                deps.limits.leave_alone(
                    whose,
                    now.plus_millis(i64::try_from(pause.as_millis()).unwrap_or(0)),
                    now,
                );
            }
            let found = read(&response);
            if !found.ok {
                tracing::warn!(lookup = lookup.path, host = lookup.host, status = found.status, outcome = ?found.outcome, "a look-up did not work");
            }
            found
        }
        Err(why) => {
            tracing::warn!(
                lookup = lookup.path,
                host = lookup.host,
                why,
                "a look-up could not be made"
            );
            Found::without_answer(Outcome::Failed)
        }
    }
}

async fn exchange(deps: &Deps, tenant: &Tenant, lookup: &Lookup, used: &mut Used) -> Result<Response, String> {
    let url = Url::parse(&lookup.url).map_err(|error| error.to_string())?;
    // The client checks too, and again when it connects. Checked here, no secret is fetched for a bad URL.
    deps.targets.check_url(&url).map_err(|bad| bad.to_string())?;
    if url.host_str() != Some(lookup.host.as_str()) {
        return Err("the URL does not lead where the document says".into());
    }
    let method = match lookup.method {
        document::Method::Get => Method::GET,
        document::Method::Post => Method::POST,
        document::Method::Put => Method::PUT,
    };
    let mut request = Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(USER_AGENT, concat!("patchbay/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "application/json");
    for (name, value) in &lookup.headers {
        request = request.header(name, value);
    }
    if let Some(auth) = &lookup.auth {
        let name = format!("{tenant}/{}/{}", lookup.host, auth.secret());
        let secret = deps.secrets.get(&name).await.map_err(|error| error.to_string())?;
        let secret = secret.ok_or_else(|| format!("there is no secret {name}"))?;
        used.note(&secret);
        let (name, value) = secrets::header(auth, &secret).ok_or("the secret does not fit into a header")?;
        request = request.header(name, value);
    }
    let body = match &lookup.body {
        Some(body) => {
            request = request.header(CONTENT_TYPE, "application/json");
            Bytes::from(body.clone())
        }
        None => Bytes::new(),
    };
    let request = request.body(body).map_err(|error| error.to_string())?;
    deps.http.send(request).await.map_err(|error| match error {
        // What the client says may quote what was sent.
        SendError::NotSent(_) => "the connection was never made".to_owned(),
        SendError::Forbidden(why) => why,
        SendError::NoAnswer(_) => "no complete answer".to_owned(),
    })
}

fn read(response: &Response) -> Found {
    let status = response.status().as_u16();
    let body = response.body();
    let json = if body.iter().all(u8::is_ascii_whitespace) {
        Some(serde_json::Value::Null)
    } else {
        foreign::read(body).ok()
    };
    Found::answered(status, json, reset(response.headers()))
}

/// Headers that say in how many seconds a limit is gone, the standard one first.
const RESETS: [&str; 2] = ["retry-after", "x-rate-limit-reset"];

/// For how long the back end wants to be left alone: it says 429, or that this was the last request of its window.
fn pause_after(response: &Response) -> Option<Duration> {
    let headers = response.headers();
    let is_last = seconds(headers, &["x-rate-limit-remaining"]) == Some(0);
    let is_limited = response.status() == http::StatusCode::TOO_MANY_REQUESTS;
    let pause = match (is_limited, is_last) {
        (true, _) => reset(headers).unwrap_or(DEFAULT_PAUSE),
        (false, true) => reset(headers)?,
        (false, false) => return None,
    };
    Some(Duration::from_secs(pause.min(LONGEST_PAUSE).into()))
}

/// In how many seconds a limit is gone. More than a day is none: some back ends say when, in seconds since 1970.
fn reset(headers: &HeaderMap) -> Option<u32> {
    seconds(headers, &RESETS).filter(|seconds| *seconds <= 86_400)
}

fn seconds(headers: &HeaderMap, names: &[&str]) -> Option<u32> {
    let value = |name: &&str| headers.get(*name)?.to_str().ok()?.trim().parse().ok();
    names.iter().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_a_number_of_seconds_and_a_moment_is_none() {
        let told = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a value"));
            reset(&headers)
        };
        assert_eq!(told("retry-after", "30"), Some(30));
        assert_eq!(told("x-rate-limit-reset", "86400"), Some(86_400));
        for moment in ["1763712000", "86401", "Wed, 21 Oct 2015 07:28:00 GMT", "-1"] {
            assert_eq!(told("x-rate-limit-reset", moment), None, "{moment}");
        }
    }
}
