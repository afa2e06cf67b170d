//! Routes the webhooks of the simulated providers, and receives the webhooks to requesters.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::StatusCode;
use patchbay::clock::Clock;
use patchbay::http::{HttpClient, Request, Response, ResponseFuture, SendHttp};

use super::Notification;
use crate::journal::{Journal, JournalError};

/// Sends the webhooks of the simulated providers to this world's API, or to other hosts.
#[derive(Clone)]
pub(super) struct ProviderRouter {
    /// Scheme and authority of the API.
    pub(super) origin: String,
    /// The origins of the API in earlier processes: calls that were placed then have their callback URLs there.
    pub(super) earlier_origins: Vec<String>,
    pub(super) api: HttpClient,
    pub(super) other_hosts: HttpClient,
}

impl ProviderRouter {
    /// A client for the webhooks of the providers. Without `other_hosts` it is `api` itself.
    pub(super) fn from_providers(
        public_url: &str,
        api: &HttpClient,
        other_hosts: Option<HttpClient>,
        journal: &Journal,
    ) -> Result<HttpClient, JournalError> {
        let Some(other_hosts) = other_hosts else {
            return Ok(api.clone());
        };
        let origin = public_url.trim_end_matches('/').to_owned();
        Ok(HttpClient::new(Self {
            earlier_origins: journal.origins(&origin)?,
            origin,
            api: api.clone(),
            other_hosts,
        }))
    }

    pub(super) fn is_for_api(&self, uri: &http::Uri) -> bool {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let origin = format!("{}://{authority}", uri.scheme_str().unwrap_or_default());
        let is_callback = ["/routee/", "/twilio/", "/sangoma/", "/chatwoot/", "/ses/"]
            .iter()
            .any(|prefix| uri.path().starts_with(prefix));
        origin == self.origin || (is_callback && self.earlier_origins.contains(&origin))
    }
}

impl fmt::Debug for ProviderRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProviderRouter")
    }
}

impl SendHttp for ProviderRouter {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let client = if self.is_for_api(request.uri()) {
            &self.api
        } else {
            &self.other_hosts
        };
        Box::pin(client.send(request))
    }
}

pub(super) fn response_with(status: StatusCode, body: &'static str) -> Response {
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    response
}

/// A requester that accepts and records every webhook.
#[derive(Clone, Debug)]
pub(super) struct Requester {
    pub(super) clock: Clock,
    pub(super) received: Arc<Mutex<Vec<Notification>>>,
}

impl Requester {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            received: Arc::default(),
        }
    }
}

impl SendHttp for Requester {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let notification = Notification {
            at: self.clock.now(),
            request,
        };
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(notification);
        Box::pin(async { Ok(response_with(StatusCode::NO_CONTENT, "")) })
    }
}
