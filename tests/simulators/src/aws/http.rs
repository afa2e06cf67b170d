//! Crash points and faults for requests over HTTP.

use bytes::Bytes;
use patchbay::http::{HttpClient, Request, Response, ResponseFuture, SendError, SendHttp};

use super::faults::Fault;
use super::gate::{Gate, RequestInfo};
use super::recorder::Service;

/// An HTTP client behind the same gate as the AWS clients: recorded, with the same faults and crash points.
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
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let operation = request.method().to_string();
        // Without the query: it may contain a token, which must not be in the log.
        let url = request.uri().to_string();
        let target = url
            .split_once('?')
            .map_or(url.as_str(), |(before, _)| before)
            .to_owned();
        Box::pin(async move {
            let info = RequestInfo {
                operation,
                target,
                ..RequestInfo::default()
            };
            match self.gate.pass(Service::Http, info, self.inner.send(request)).await {
                Ok(answer) => answer,
                Err(Fault::Throttled) => Ok(empty(http::StatusCode::TOO_MANY_REQUESTS)),
                Err(Fault::InternalError | Fault::Conflict | Fault::InProgress) => {
                    Ok(empty(http::StatusCode::INTERNAL_SERVER_ERROR))
                }
                Err(Fault::Refused) => Err(SendError::NotSent("injected: connection refused".to_owned())),
                Err(Fault::Reset | Fault::LostRequest | Fault::LostAnswer) => {
                    Err(SendError::NoResponse("injected: timed out".to_owned()))
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
