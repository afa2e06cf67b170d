//! HTTP as a client: one small door through which every request to a provider or a requester leaves.
//!
//! The deployed functions go out through [`crate::web::outbound`]; tests and `patchbay local` put a simulator behind
//! the same door, in process, on virtual time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

/// A request, ready to be sent.
pub type Request = http::Request<Bytes>;

/// A complete response.
pub type Response = http::Response<Bytes>;

/// Why there is no response. What matters to a caller who must not repeat a call that was placed: did the request
/// perhaps arrive?
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The request certainly did not reach the server (name not resolved, connection refused, TLS failed).
    #[error("the connection was never made: {0}")]
    NotSent(String),
    /// The target is not one that we are willing to talk to (not https, or not a public address).
    #[error("the target is not allowed: {0}")]
    Forbidden(String),
    /// The request may have arrived, but no complete response came back (time-out, connection lost).
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// What a response is waited for.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response, SendError>> + Send + 'a>>;

/// Something that sends a request and waits for the response.
pub trait SendHttp: Send + Sync {
    /// Sends `request`; every implementation bounds the time and the size of the response.
    fn send(&self, request: Request) -> Sending<'_>;
}

/// A shared [`SendHttp`].
#[derive(Clone)]
pub struct HttpClient(Arc<dyn SendHttp>);

impl HttpClient {
    /// Wraps a sender.
    pub fn new(sender: impl SendHttp + 'static) -> Self {
        Self(Arc::new(sender))
    }

    /// Sends `request` and waits for the response.
    pub async fn send(&self, request: Request) -> Result<Response, SendError> {
        self.0.send(request).await
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}
