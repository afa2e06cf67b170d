//! Sends the requests of rule documents to back ends, with their rate limits and secrets, and caches the documents.
//!
//! The rule engine ([`crate::flow`]) decides which requests are sent, and when.

mod cache;
mod limits;
mod secrets;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use tokio::time::Instant;
use url::Url;

use crate::clock::Clock;
use crate::flow::document::{Auth, Method};
use crate::flow::{FetchOutcome, FetchRequest, FetchResult};
use crate::http::{HttpClient, Response, SendError};
use crate::ids::Tenant;
use crate::lenient_json;
use crate::parameters::Parameters;
use crate::target::Targets;

pub use cache::{DocumentCache, LoadError};
pub use limits::RateLimits;
pub use secrets::UsedSecrets;

/// Sends requests to back ends. Clones share its state.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// The HTTP client.
    pub http: HttpClient,
    /// The back ends that may be called.
    pub targets: Targets,
    /// Secrets of the tenants, named `TENANT/HOST/NAME`.
    pub secrets: Parameters,
    /// The clock.
    pub clock: Clock,
    /// Pauses that back ends asked for.
    pub limits: RateLimits,
}

impl Fetcher {
    /// Sends a request and returns the result before `deadline`. Adds the secrets that were sent to `used`.
    pub async fn fetch(
        &self,
        tenant: &Tenant,
        fetch: &FetchRequest,
        deadline: Instant,
        used: &mut UsedSecrets,
    ) -> FetchResult {
        let secret = fetch.auth.as_ref().map_or("", Auth::secret);
        let key = format!("{tenant}/{}/{secret}", fetch.host);
        if let Some(seconds) = self.limits.remaining_pause(&key, self.clock.now()) {
            return FetchResult {
                retry_after: Some(seconds),
                ..FetchResult::no_response(FetchOutcome::RateLimited)
            };
        }
        let limit = fetch.timeout.min(deadline.saturating_duration_since(Instant::now()));
        let Ok(result) = tokio::time::timeout(limit, self.exchange(tenant, fetch, used)).await else {
            tracing::warn!(fetch = fetch.path, host = fetch.host, "back end timed out");
            return FetchResult::no_response(FetchOutcome::TimedOut);
        };
        let response = match result {
            Ok(response) => response,
            Err(reason) => {
                let (path, host) = (&fetch.path, &fetch.host);
                tracing::warn!(fetch = path, host, reason, "request to back end failed");
                return FetchResult::no_response(FetchOutcome::Failed);
            }
        };
        let now = self.clock.now();
        if let Some(pause) = limits::pause_after(&response) {
            let until = now.plus_millis(i64::try_from(pause.as_millis()).unwrap_or(0));
            self.limits.pause_until(key, until, now);
        }
        let result = parse(&response);
        if !result.ok {
            let (path, host, status) = (&fetch.path, &fetch.host, result.status);
            tracing::warn!(fetch = path, host, status, outcome = ?result.outcome, "back end returned no usable response");
        }
        result
    }

    async fn exchange(
        &self,
        tenant: &Tenant,
        fetch: &FetchRequest,
        used: &mut UsedSecrets,
    ) -> Result<Response, String> {
        let url = Url::parse(&fetch.url).map_err(|error| error.to_string())?;
        // The client also checks the URL, and again when it connects. This check comes first, so that no secret is
        // loaded for a bad URL.
        self.targets.check_url(&url).map_err(|bad| bad.to_string())?;
        if url.host_str() != Some(fetch.host.as_str()) {
            return Err("the URL leads to another host than the document states".into());
        }
        let method = match fetch.method {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
            Method::Put => http::Method::PUT,
        };
        let mut request = http::Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(USER_AGENT, concat!("patchbay/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json");
        for (name, value) in &fetch.headers {
            request = request.header(name, value);
        }
        if let Some(auth) = &fetch.auth {
            let name = format!("{tenant}/{}/{}", fetch.host, auth.secret());
            let secret = self.secrets.get(&name).await.map_err(|error| error.to_string())?;
            let secret = secret.ok_or_else(|| format!("the secret {name} does not exist"))?;
            used.add(&secret);
            let (name, value) = secrets::header(auth, &secret).ok_or("the secret is not a valid header value")?;
            request = request.header(name, value);
        }
        let body = match &fetch.body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(body).map_err(|error| error.to_string())?;
        self.http.send(request).await.map_err(|error| match error {
            // The message of the client may quote what was sent.
            SendError::NotSent(_) => "cannot connect".to_owned(),
            SendError::Forbidden(reason) => reason,
            SendError::NoResponse(_) => "no complete response".to_owned(),
        })
    }
}

fn parse(response: &Response) -> FetchResult {
    let status = response.status().as_u16();
    let body = response.body();
    let json = if body.iter().all(u8::is_ascii_whitespace) {
        Some(serde_json::Value::Null)
    } else {
        lenient_json::parse(body).ok()
    };
    FetchResult::from_response(status, json, limits::reset(response.headers()))
}
