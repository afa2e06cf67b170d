//! Records the exchanges with a link server, with their duration.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use patchbay::http::{HttpClient, Request, Response, ResponseFuture, SendError, SendHttp};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

/// Time limit of an answer: an estimate, because Agent4 documents no time-out.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// We wait longer than the limit, to report how late an answer was.
pub(super) const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// A request and its answer or failure.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// Host and port. The rest of the URL is a secret: anyone with it can call the chain.
    pub(super) server: String,
    pub(super) request: Value,
    pub(super) status: Option<StatusCode>,
    /// None if there was no answer, or it was not JSON.
    pub(super) answer: Option<Value>,
    pub(super) took: Duration,
    /// Why there was no answer.
    pub(super) failure: Option<ExchangeFailure>,
}

/// Why a request was not answered.
#[derive(Clone, Debug)]
pub(super) enum ExchangeFailure {
    /// No connection was made.
    NotConnected(String),
    /// A connection was made, but no complete answer arrived.
    NoAnswer(String),
}

impl Exchange {
    /// Link and action of the request.
    pub(super) fn name(&self) -> String {
        let text = |name: &str| self.request.get(name).and_then(Value::as_str).unwrap_or_default();
        format!("{} {}", text("name"), text("action"))
    }

    /// Deviations of the answer from the contract.
    pub(super) fn deviations(&self) -> Vec<String> {
        let mut deviations = Vec::new();
        if self.took > ANSWER_LIMIT && self.status.is_some() {
            let (took, limit) = (self.took.as_secs_f64(), ANSWER_LIMIT.as_secs());
            deviations.push(format!("answered after {took:.1} s, the limit is {limit} s"));
        }
        match (&self.failure, self.status) {
            (Some(ExchangeFailure::NotConnected(reason)), _) => deviations.push(format!("no connection: {reason}")),
            (Some(ExchangeFailure::NoAnswer(reason)), _) => deviations.push(format!("no answer: {reason}")),
            (None, Some(StatusCode::OK)) if self.answer.is_none() => {
                deviations.push("the answer is not JSON".to_owned());
            }
            (None, Some(StatusCode::OK) | None) => {}
            (None, Some(status)) => deviations.push(format!("answered with {status}, not 200 OK")),
        }
        let name = self.name();
        deviations.into_iter().map(|what| format!("{name}: {what}")).collect()
    }

    /// A short summary of the result.
    pub(super) fn outcome(&self) -> String {
        let status = match (self.status, &self.failure) {
            (Some(status), _) => status.as_u16().to_string(),
            (None, Some(ExchangeFailure::NotConnected(_))) => "no connection".to_owned(),
            (None, _) => "no answer".to_owned(),
        };
        format!("{status} in {} ms", self.took.as_millis())
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "request": self.request,
            "status": self.status.map(|status| status.as_u16()),
            "millis": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "answer": self.answer,
        })
    }
}

/// An HTTP client that records every exchange. Clones share the record.
#[derive(Clone)]
pub(super) struct Recorder {
    http: HttpClient,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Recorder {
    pub(super) fn new(http: HttpClient) -> Self {
        Self {
            http,
            exchanges: Arc::default(),
        }
    }

    /// Everything after the first `count` exchanges.
    pub(super) fn after(&self, count: usize) -> Vec<Exchange> {
        self.lock().get(count..).unwrap_or_default().to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(&self, request: Request) -> Result<Response, SendError> {
        let (host, port) = (request.uri().host().unwrap_or_default(), request.uri().port_u16());
        let server = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let sent = serde_json::from_slice(request.body()).unwrap_or_default();
        let began = Instant::now();
        let answer = match timeout(WAIT_LIMIT, self.http.send(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(SendError::NoResponse(format!("none within {} s", WAIT_LIMIT.as_secs()))),
        };
        let exchange = Exchange {
            server,
            request: sent,
            took: began.elapsed(),
            status: answer.as_ref().ok().map(Response::status),
            answer: answer
                .as_ref()
                .ok()
                .and_then(|response| serde_json::from_slice(response.body()).ok()),
            failure: answer.as_ref().err().map(failure),
        };
        self.lock().push(exchange);
        answer
    }
}

fn failure(error: &SendError) -> ExchangeFailure {
    match error {
        SendError::NotSent(reason) | SendError::Forbidden(reason) => ExchangeFailure::NotConnected(reason.clone()),
        SendError::NoResponse(reason) => ExchangeFailure::NoAnswer(reason.clone()),
    }
}

impl SendHttp for Recorder {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(self.exchange(request))
    }
}
