//! Heartbeat to an outside monitor, which raises an alarm when it stops.

use std::fmt;

use bytes::Bytes;
use http::Uri;
use patchbay::http::HttpClient;

/// A URL of a monitor such as Healthchecks.io, called while all is well.
#[derive(Clone)]
pub struct Heartbeat {
    http: HttpClient,
    /// Never logged: anyone with the URL can report in our name that all is well.
    url: Uri,
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Heartbeat")
    }
}

impl Heartbeat {
    /// A heartbeat that calls `url` with `http`, which bounds the time it takes.
    ///
    /// # Errors
    /// When `url` is not a URL.
    pub fn new(http: HttpClient, url: &str) -> Result<Self, http::uri::InvalidUri> {
        Ok(Self {
            http,
            url: url.parse()?,
        })
    }

    /// Reports that all is well. A failure is only logged: the monitor notices the missing heartbeat.
    pub(crate) async fn beat(&self) {
        let mut request = http::Request::new(Bytes::new());
        *request.uri_mut() = self.url.clone();
        match self.http.send(request).await {
            Ok(response) if response.status().is_success() => {}
            // Including a redirect: it is not followed, so the monitor has not received the heartbeat.
            Ok(response) => tracing::warn!(
                status = response.status().as_u16(),
                "the monitor did not accept the heartbeat"
            ),
            Err(error) => tracing::warn!(%error, "cannot send the heartbeat"),
        }
    }
}
