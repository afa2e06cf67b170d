//! What goes over the wire, with the time that it takes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use patchbay::http::{HttpClient, Request, Response, SendError, SendHttp, Sending};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

/// Agent4 waits so long for an answer, as far as is known.
const IN_TIME: Duration = Duration::from_secs(5);
/// We wait longer, so that we can say how late an answer was.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A request, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// Host and port: the rest of the URL is as good as a password.
    pub(super) server: String,
    pub(super) request: Value,
    pub(super) status: Option<StatusCode>,
    /// None when it is not JSON, or when there was none.
    pub(super) answer: Option<Value>,
    pub(super) took: Duration,
    /// Why there was no answer.
    pub(super) failure: Option<Failure>,
}

/// Why a request was not answered.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// There was no connection.
    NotConnected(String),
    /// There was, but no answer.
    NoAnswer(String),
}

impl Exchange {
    /// Link and action.
    pub(super) fn name(&self) -> String {
        let text = |name: &str| self.request.get(name).and_then(Value::as_str).unwrap_or_default();
        format!("{} {}", text("name"), text("action"))
    }

    /// What the contract does not allow.
    pub(super) fn deviations(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.took > IN_TIME && self.status.is_some() {
            let (took, in_time) = (self.took.as_secs_f64(), IN_TIME.as_secs());
            found.push(format!("answered after {took:.1} s, later than {in_time} s"));
        }
        match (&self.failure, self.status) {
            (Some(Failure::NotConnected(why)), _) => found.push(format!("no connection: {why}")),
            (Some(Failure::NoAnswer(why)), _) => found.push(format!("no answer: {why}")),
            (None, Some(StatusCode::OK)) if self.answer.is_none() => found.push("the answer is not JSON".to_owned()),
            (None, Some(StatusCode::OK) | None) => {}
            (None, Some(status)) => found.push(format!("answered with {status}, not 200 OK")),
        }
        let name = self.name();
        found.into_iter().map(|what| format!("{name}: {what}")).collect()
    }

    /// How it went, in a few words.
    pub(super) fn outcome(&self) -> String {
        let status = match (self.status, &self.failure) {
            (Some(status), _) => status.as_u16().to_string(),
            (None, Some(Failure::NotConnected(_))) => "no connection".to_owned(),
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

/// Remembers every exchange on its way. Clones share what they remember.
#[derive(Clone)]
pub(super) struct Wire {
    http: HttpClient,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Wire {
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
        let answer = match timeout(PATIENCE, self.http.send(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(SendError::NoAnswer(format!("none within {} s", PATIENCE.as_secs()))),
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

fn failure(error: &SendError) -> Failure {
    match error {
        SendError::NotSent(why) | SendError::Forbidden(why) => Failure::NotConnected(why.clone()),
        SendError::NoAnswer(why) => Failure::NoAnswer(why.clone()),
    }
}

impl SendHttp for Wire {
    fn send(&self, request: Request) -> Sending<'_> {
        Box::pin(self.exchange(request))
    }
}
