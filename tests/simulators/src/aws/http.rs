//! Crash points and faults for requests over HTTP.

use bytes::Bytes;
use patchbay::http::{HttpClient, Request, Response, SendError, SendHttp, Sending};

use super::faults::Fault;
use super::gate::{Asked, Gate};
use super::recorder::Service;

/// An HTTP client behind the same gate as the AWS clients: its requests are logged, fail and kill like theirs.
#[derive(Clone, Debug)]
pub struct CrashableHttp {
    gate: Gate,
    inner: HttpClient,
}

impl CrashableHttp {
    pub(super) const fn new(gate: Gate, inner: HttpClient) -> Self {
        Self { gate, inner }
    }
}

impl SendHttp for CrashableHttp {
    fn send(&self, request: Request) -> Sending<'_> {
        let operation = request.method().to_string();
        // Without the query: it may carry a token, and a log shows what it holds.
        let url = request.uri().to_string();
        let target = url
            .split_once('?')
            .map_or(url.as_str(), |(before, _)| before)
            .to_owned();
        Box::pin(async move {
            let asked = Asked {
                operation,
                target,
                ..Asked::default()
            };
            match self.gate.pass(Service::Http, asked, self.inner.send(request)).await {
                Ok(answer) => answer,
                Err(Fault::Throttled) => Ok(empty(http::StatusCode::TOO_MANY_REQUESTS)),
                Err(Fault::InternalError | Fault::Conflict | Fault::InProgress) => {
                    Ok(empty(http::StatusCode::INTERNAL_SERVER_ERROR))
                }
                Err(Fault::Refused) => Err(SendError::NotSent("injected: connection refused".to_owned())),
                Err(Fault::Reset | Fault::LostRequest | Fault::LostAnswer) => {
                    Err(SendError::NoAnswer("injected: timed out".to_owned()))
                }
            }
        })
    }
}

fn empty(status: http::StatusCode) -> Response {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
