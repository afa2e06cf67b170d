//! The HTTP client interface through which every request to a provider or a requester is sent.
//!
//! Deployed functions send through [`crate::web::outbound`]. Tests and `patchbay local` implement the same trait with a
//! simulator, in process and on virtual time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

/// A request that is ready to send.
pub type Request = http::Request<Bytes>;

/// A complete response.
pub type Response = http::Response<Bytes>;

/// Why there is no response. The variants tell a caller that must not place the same call twice whether the request may
/// have arrived.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The request certainly did not reach the server (name not resolved, connection refused, TLS failed).
    #[error("could not connect: {0}")]
    NotSent(String),
    /// We do not send requests to this target: it is not https, or not a public address.
    #[error("the target is not allowed: {0}")]
    Forbidden(String),
    /// The request may have arrived, but no complete response came back (time-out, connection lost).
    #[error("no response: {0}")]
    NoResponse(String),
}

/// The pending response of [`SendHttp::send`].
pub type ResponseFuture<'a> = Pin<Box<dyn Future<Output = Result<Response, SendError>> + Send + 'a>>;

/// Sends a request and waits for the response.
pub trait SendHttp: Send + Sync {
    /// Sends `request`. Every implementation limits the response in time and size.
    fn send(&self, request: Request) -> ResponseFuture<'_>;
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
