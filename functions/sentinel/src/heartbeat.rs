//! The sign of life, for somebody outside who notices when it stays away.

use std::fmt;

use bytes::Bytes;
use http::Uri;
use patchbay::http::HttpClient;

/// A URL that is called while all is well, as Healthchecks.io and its like offer it.
#[derive(Clone)]
pub struct Heartbeat {
    http: HttpClient,
    /// Whoever knows it can say in our name that all is well: it is never logged.
    url: Uri,
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Heartbeat")
    }
}

impl Heartbeat {
    /// Calls `url` by `http`, which bounds the time that it takes.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn new(http: HttpClient, url: &str) -> Result<Self, http::uri::InvalidUri> {
        Ok(Self {
            http,
            url: url.parse()?,
        })
    }

    /// Says that all is well. What comes of it changes nothing here: whoever waits for it notices if it did not arrive.
    pub(crate) async fn beat(&self) {
        let mut request = http::Request::new(Bytes::new());
        *request.uri_mut() = self.url.clone();
        match self.http.send(request).await {
            Ok(answer) if answer.status().is_success() => {}
            // A redirect too: it is not followed, so nobody has heard us.
            Ok(answer) => tracing::warn!(status = answer.status().as_u16(), "the heartbeat was not taken"),
            Err(error) => tracing::warn!(%error, "the heartbeat did not arrive"),
        }
    }
}
