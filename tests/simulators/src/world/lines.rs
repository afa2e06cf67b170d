//! What leaves the simulated providers and functions, and where it arrives.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::StatusCode;
use patchbay::clock::Clock;
use patchbay::http::{HttpClient, Request, Response, SendHttp, Sending};

use super::Notification;
use crate::journal::{Journal, JournalError};

/// What leaves the simulated providers: to this world's API, or to somewhere else.
#[derive(Clone)]
pub(super) struct Lines {
    /// Scheme and authority of the API.
    pub(super) origin: String,
    /// Those that it had in earlier processes: calls that were placed then come back to them.
    pub(super) earlier: Vec<String>,
    pub(super) api: HttpClient,
    pub(super) elsewhere: HttpClient,
}

impl Lines {
    pub(super) fn from_providers(
        public_url: &str,
        api: &HttpClient,
        elsewhere: Option<HttpClient>,
        journal: &Journal,
    ) -> Result<HttpClient, JournalError> {
        let Some(elsewhere) = elsewhere else {
            return Ok(api.clone());
        };
        let origin = public_url.trim_end_matches('/').to_owned();
        Ok(HttpClient::new(Self {
            earlier: journal.origins(&origin)?,
            origin,
            api: api.clone(),
            elsewhere,
        }))
    }

    pub(super) fn is_ours(&self, uri: &http::Uri) -> bool {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let origin = format!("{}://{authority}", uri.scheme_str().unwrap_or_default());
        let is_callback = ["/routee/", "/twilio/"]
            .iter()
            .any(|prefix| uri.path().starts_with(prefix));
        origin == self.origin || (is_callback && self.earlier.contains(&origin))
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

impl SendHttp for Lines {
    fn send(&self, request: Request) -> Sending<'_> {
        let client = if self.is_ours(request.uri()) {
            &self.api
        } else {
            &self.elsewhere
        };
        Box::pin(client.send(request))
    }
}

pub(super) fn plain(status: StatusCode, body: &'static str) -> Response {
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    response
}

/// A requester that takes every webhook.
#[derive(Clone, Debug)]
pub(super) struct Requester {
    pub(super) clock: Clock,
    pub(super) got: Arc<Mutex<Vec<Notification>>>,
}

impl SendHttp for Requester {
    fn send(&self, request: Request) -> Sending<'_> {
        let notification = Notification {
            at: self.clock.now(),
            request,
        };
        self.got
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(notification);
        Box::pin(async { Ok(plain(StatusCode::NO_CONTENT, "")) })
    }
}
