//! Routes API requests to their handlers, and applies faults and outages.

mod actions;
mod answers;
mod auth;
mod chatwoot;
mod chatwoot_setup;
mod fields;
mod sangoma;

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use patchbay::http::{Request, Response, SendError};
use serde_json::{Value, json};

use super::faults::{ApiFault, Endpoint};
use super::records::{Api, RequestRecord};
use super::{CHATWOOT_HOST, Chat, SANGOMA_AUTH_HOST, SANGOMA_HOST};
use crate::exchange::Outage;
use crate::webhook_faults::take_planned;

/// The outcome of a request.
pub(super) enum Reply {
    Answer {
        status: u16,
        body: String,
        retry_after: Option<u32>,
    },
    /// The response is lost.
    NoAnswer,
    /// No connection is established.
    NotSent,
}

impl Reply {
    fn json(status: u16, body: &Value) -> Self {
        Self::Answer {
            status,
            body: body.to_string(),
            retry_after: None,
        }
    }

    fn empty(status: u16) -> Self {
        Self::Answer {
            status,
            body: String::new(),
            retry_after: None,
        }
    }

    /// A response whose body is not JSON.
    fn garbage(status: u16) -> Self {
        Self::Answer {
            status,
            body: "<html>Please try again".to_owned(),
            retry_after: None,
        }
    }

    fn error(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "error": message }))
    }

    fn not_found() -> Self {
        Self::error(404, "Resource could not be found")
    }

    fn status(&self) -> Option<u16> {
        match self {
            Self::Answer { status, .. } => Some(*status),
            Self::NoAnswer | Self::NotSent => None,
        }
    }
}

/// A request, and its index among the records.
#[derive(Clone, Copy)]
struct Received<'a> {
    request: &'a Request,
    index: usize,
}

impl Received<'_> {
    /// The segments of the path.
    fn segments(&self) -> Vec<&str> {
        self.request.uri().path().split('/').skip(1).collect()
    }

    /// The body as JSON; null if it is not JSON.
    fn json(&self) -> Value {
        serde_json::from_slice(self.request.body()).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }
}

impl Chat {
    /// Handles a request. Its effects happen immediately, before the response time passes: a client that stops waiting
    /// does not undo them.
    pub(super) async fn handle(&self, request: Request) -> Result<Response, SendError> {
        let index = self.begin(&request);
        let received = Received {
            request: &request,
            index,
        };
        let reply = self.answer(received);
        let (switches, clock) = (&self.0.switches, &self.0.clock);
        let half = switches.response_time / 2;
        let rest = |all: Duration| all.saturating_sub(half);
        clock.sleep(half).await;
        self.interject(received);
        match reply {
            Reply::NotSent => {
                clock.sleep(rest(switches.response_time)).await;
                Err(SendError::NotSent("connection refused".to_owned()))
            }
            Reply::NoAnswer => {
                clock.sleep(rest(switches.client_timeout)).await;
                Err(SendError::NoResponse("timed out".to_owned()))
            }
            Reply::Answer {
                status,
                body,
                retry_after,
            } => {
                clock.sleep(rest(switches.response_time)).await;
                let mut response = http::Response::builder()
                    .status(status)
                    .header(CONTENT_TYPE, "application/json");
                if let Some(seconds) = retry_after {
                    response = response.header(RETRY_AFTER, seconds);
                }
                response
                    .body(Bytes::from(body))
                    .map_err(|error| SendError::NoResponse(error.to_string()))
            }
        }
    }

    /// Runs what was planned for the time of this request.
    fn interject(&self, received: Received<'_>) {
        let (_, endpoint) = self.route(received);
        let planned = take_planned(&mut self.lock().interjections, |group| group.includes(endpoint));
        if let Some(action) = planned {
            action(self);
        }
    }

    /// Records a request before it is handled, so that its effects can refer to it.
    fn begin(&self, request: &Request) -> usize {
        let path = request.uri().path_and_query();
        let record = RequestRecord {
            at: self.now(),
            api: Api::None,
            method: request.method().to_string(),
            path: path.map(ToString::to_string).unwrap_or_default(),
            body: serde_json::from_slice(request.body()).unwrap_or_default(),
            status: None,
            answer: String::new(),
            fault: None,
            message: None,
        };
        let mut state = self.lock();
        state.requests.push(record);
        state.requests.len() - 1
    }

    /// Changes the record of a request.
    fn note(&self, index: usize, change: impl FnOnce(&mut RequestRecord)) {
        if let Some(record) = self.lock().requests.get_mut(index) {
            change(record);
        }
    }

    fn answer(&self, received: Received<'_>) -> Reply {
        let (api, endpoint) = self.route(received);
        self.note(received.index, |record| record.api = api);
        let (reply, answer) = match self.outage() {
            Some(reply) => (reply, String::new()),
            None => self.answer_unless_fault(received, api, endpoint),
        };
        let status = reply.status();
        self.note(received.index, |record| {
            record.status = status;
            record.answer = answer;
        });
        reply
    }

    /// The response to every request of now, if the platform is down.
    fn outage(&self) -> Option<Reply> {
        let (now, state) = (self.now(), self.lock());
        if state
            .faults
            .down
            .is_some_and(|(from, until)| from <= now && now < until)
        {
            return Some(Reply::NotSent);
        }
        match state.faults.outage? {
            Outage::Errors => Some(Reply::error(500, "Internal Server Error")),
            Outage::Hangs => Some(Reply::NoAnswer),
        }
    }

    fn answer_unless_fault(&self, received: Received<'_>, api: Api, endpoint: Endpoint) -> (Reply, String) {
        let fault = match api {
            Api::None => None,
            _ => self.lock().api_fault(endpoint),
        };
        self.note(received.index, |record| record.fault = fault);
        self.with_fault(received, api, fault)
    }

    /// Handles a request unless its fault prevents it. The second value is the body that the response has, or would
    /// have without the fault.
    fn with_fault(&self, received: Received<'_>, api: Api, fault: Option<ApiFault>) -> (Reply, String) {
        let run = || match api {
            Api::SangomaAuth => self.token(received),
            Api::Sangoma => self.sangoma(received),
            Api::Chatwoot => self.chatwoot(received),
            Api::None => Reply::not_found(),
        };
        let body_of = |reply: &Reply| match reply {
            Reply::Answer { body, .. } => body.clone(),
            Reply::NoAnswer | Reply::NotSent => String::new(),
        };
        let replaced = |done: bool, reply: Reply| {
            let body = if done { body_of(&run()) } else { body_of(&reply) };
            (reply, body)
        };
        match fault {
            None => {
                let reply = run();
                let body = body_of(&reply);
                (reply, body)
            }
            Some(ApiFault::TooManyRequests { retry_after }) => {
                let body = json!({ "error": "Too many requests" }).to_string();
                let reply = Reply::Answer {
                    status: 429,
                    body,
                    retry_after,
                };
                replaced(false, reply)
            }
            Some(ApiFault::InternalError { done }) => replaced(done, Reply::error(500, "Internal Server Error")),
            Some(ApiFault::Refused(status)) => replaced(false, Reply::error(status, "refused")),
            Some(ApiFault::Unavailable) => replaced(false, Reply::garbage(503)),
            Some(ApiFault::NoAnswer { done }) => replaced(done, Reply::NoAnswer),
            Some(ApiFault::NotSent) => replaced(false, Reply::NotSent),
            Some(ApiFault::Unauthorized) => {
                self.revoke_tokens();
                replaced(false, Reply::error(401, "Unauthorized"))
            }
            Some(ApiFault::Malformed) => {
                let reply = run();
                let body = body_of(&reply);
                match reply {
                    Reply::Answer { status: 200..=299, .. } => (Reply::garbage(200), body),
                    other => (other, body),
                }
            }
        }
    }

    /// The API that a request addresses, and the group of the request.
    fn route(&self, received: Received<'_>) -> (Api, Endpoint) {
        let segments = received.segments();
        let host = received.request.uri().host();
        let serves = |of: &str| host.is_none_or(|host| host == of || !is_own_host(host));
        match segments.as_slice() {
            ["oauth", "token"] if serves(SANGOMA_AUTH_HOST) => (Api::SangomaAuth, Endpoint::Token),
            ["cx", "api", "v1", ..] if serves(SANGOMA_HOST) => match self.sangoma_call(received) {
                Some(call) => (Api::Sangoma, call.endpoint()),
                None => (Api::None, Endpoint::Any),
            },
            ["api", "v1", rest @ ..] if serves(CHATWOOT_HOST) => match chatwoot::endpoint(rest, &received.json()) {
                Some(endpoint) => (Api::Chatwoot, endpoint),
                None => (Api::None, Endpoint::Any),
            },
            _ => (Api::None, Endpoint::Any),
        }
    }
}

fn is_own_host(host: &str) -> bool {
    [SANGOMA_AUTH_HOST, SANGOMA_HOST, CHATWOOT_HOST].contains(&host)
}
