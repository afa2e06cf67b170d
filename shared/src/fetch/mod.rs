//! Look-ups of rule documents: requests to back ends, with their limits and secrets, and the documents themselves.
//!
//! What is to be looked up, and when, is [`crate::flow`]'s.

mod cache;
mod limits;
mod secrets;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use tokio::time::Instant;
use url::Url;

use crate::clock::Clock;
use crate::flow::document::{Auth, Method};
use crate::flow::{Found, Lookup, Outcome};
use crate::foreign;
use crate::http::{HttpClient, Response, SendError};
use crate::ids::Tenant;
use crate::parameters::Parameters;
use crate::target::Targets;

pub use cache::{Cache, NoDocument};
pub use limits::Limits;
pub use secrets::Used;

/// What requests to back ends are made with. Clones share it.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// The client.
    pub http: HttpClient,
    /// Which back ends may be called.
    pub targets: Targets,
    /// Secrets of the tenants, `TENANT/HOST/NAME`.
    pub secrets: Parameters,
    /// The time.
    pub clock: Clock,
    /// Back ends that asked not to be called for a while.
    pub limits: Limits,
}

impl Fetcher {
    /// Makes a request. It ends before `deadline`, whatever the back end does. Secrets that went with it are noted in
    /// `used`.
    pub async fn look_up(&self, tenant: &Tenant, lookup: &Lookup, deadline: Instant, used: &mut Used) -> Found {
        let secret = lookup.auth.as_ref().map_or("", Auth::secret);
        let whose = format!("{tenant}/{}/{secret}", lookup.host);
        if let Some(seconds) = self.limits.pause(&whose, self.clock.now()) {
            return Found {
                retry_after: Some(seconds),
                ..Found::without_answer(Outcome::RateLimited)
            };
        }
        let limit = lookup.timeout.min(deadline.saturating_duration_since(Instant::now()));
        let Ok(result) = tokio::time::timeout(limit, self.exchange(tenant, lookup, used)).await else {
            tracing::warn!(lookup = lookup.path, host = lookup.host, "no answer in time");
            return Found::without_answer(Outcome::TimedOut);
        };
        let response = match result {
            Ok(response) => response,
            Err(why) => {
                let (path, host) = (&lookup.path, &lookup.host);
                tracing::warn!(lookup = path, host, why, "a look-up could not be made");
                return Found::without_answer(Outcome::Failed);
            }
        };
        let now = self.clock.now();
        if let Some(pause) = limits::pause_after(&response) {
            let until = now.plus_millis(i64::try_from(pause.as_millis()).unwrap_or(0));
            self.limits.leave_alone(whose, until, now);
        }
        let found = read(&response);
        if !found.ok {
            tracing::warn!(lookup = lookup.path, host = lookup.host, status = found.status, outcome = ?found.outcome, "a look-up did not work");
        }
        found
    }

    async fn exchange(&self, tenant: &Tenant, lookup: &Lookup, used: &mut Used) -> Result<Response, String> {
        let url = Url::parse(&lookup.url).map_err(|error| error.to_string())?;
        // The client checks too, and again when it connects. Checked here, no secret is fetched for a bad URL.
        self.targets.check_url(&url).map_err(|bad| bad.to_string())?;
        if url.host_str() != Some(lookup.host.as_str()) {
            return Err("the URL does not lead where the document says".into());
        }
        let method = match lookup.method {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
            Method::Put => http::Method::PUT,
        };
        let mut request = http::Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(USER_AGENT, concat!("patchbay/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json");
        for (name, value) in &lookup.headers {
            request = request.header(name, value);
        }
        if let Some(auth) = &lookup.auth {
            let name = format!("{tenant}/{}/{}", lookup.host, auth.secret());
            let secret = self.secrets.get(&name).await.map_err(|error| error.to_string())?;
            let secret = secret.ok_or_else(|| format!("there is no secret {name}"))?;
            used.note(&secret);
            let (name, value) = secrets::header(auth, &secret).ok_or("the secret does not fit into a header")?;
            request = request.header(name, value);
        }
        let body = match &lookup.body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(body).map_err(|error| error.to_string())?;
        self.http.send(request).await.map_err(|error| match error {
            // What the client says may quote what was sent.
            SendError::NotSent(_) => "the connection was never made".to_owned(),
            SendError::Forbidden(why) => why,
            SendError::NoAnswer(_) => "no complete answer".to_owned(),
        })
    }
}

fn read(response: &Response) -> Found {
    let status = response.status().as_u16();
    let body = response.body();
    let json = if body.iter().all(u8::is_ascii_whitespace) {
        Some(serde_json::Value::Null)
    } else {
        foreign::read(body).ok()
    };
    Found::answered(status, json, limits::reset(response.headers()))
}
