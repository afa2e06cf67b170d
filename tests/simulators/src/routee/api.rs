//! Routes API requests to their handlers, and formats responses and errors.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use patchbay::clock::Timestamp;
use patchbay::http::{Request, Response, SendError};
use serde_json::{Value, json};

use super::Routee;
use super::faults::{ApiFault, Endpoint};
use super::fields::Problems;
use super::records::{RequestRecord, Unexpected};
use super::switches::{CodeForm, DateFraction};
use crate::exchange::Outage;

/// The outcome of a request.
pub(crate) enum Reply {
    Json(u16, Value),
    /// A response whose body is invalid JSON.
    Garbage(u16),
    /// The response is lost.
    NoAnswer,
    /// No connection is established.
    NotSent,
}

/// A reply and its extra delay.
pub(super) struct DelayedReply {
    pub(super) reply: Reply,
    pub(super) delay: Duration,
}

impl From<Reply> for DelayedReply {
    fn from(reply: Reply) -> Self {
        Self {
            reply,
            delay: Duration::ZERO,
        }
    }
}

impl Routee {
    /// Handles a request. Its effects happen immediately, before the response time passes: a client that stops waiting
    /// does not undo them.
    pub(super) async fn handle(&self, request: Request) -> Result<Response, SendError> {
        let at = self.now();
        let DelayedReply { reply, delay } = self.answer(&request);
        let (status, body) = match reply {
            Reply::Json(status, body) => (Some(status), body.to_string()),
            Reply::Garbage(status) => (Some(status), "<html>Please try again".to_owned()),
            Reply::NoAnswer => (None, String::new()),
            Reply::NotSent => {
                self.0.clock.sleep(self.0.switches.response_time).await;
                return Err(SendError::NotSent("connection refused".to_owned()));
            }
        };
        self.lock().requests.push(RequestRecord {
            at,
            method: request.method().to_string(),
            path: path_and_query(&request),
            body: String::from_utf8_lossy(request.body()).into_owned(),
            status,
        });
        let Some(status) = status else {
            self.0.clock.sleep(self.0.switches.client_timeout).await;
            return Err(SendError::NoResponse("timed out".to_owned()));
        };
        self.0.clock.sleep(self.0.switches.response_time + delay).await;
        let response = http::Response::builder()
            .status(status)
            .header("content-type", "application/json");
        response
            .body(Bytes::from(body))
            .map_err(|error| SendError::NoResponse(error.to_string()))
    }

    fn answer(&self, request: &Request) -> DelayedReply {
        let outage = self.lock().faults.outage;
        match outage {
            Some(Outage::Errors) => return self.internal_error().into(),
            Some(Outage::Hangs) => return Reply::NoAnswer.into(),
            None => {}
        }
        let path: Vec<&str> = request.uri().path().split('/').skip(1).collect();
        let host = request.uri().host();
        let (auth, connect) = match host {
            Some("auth.routee.net") => (true, false),
            Some("connect.routee.net") => (false, true),
            _ => (true, true),
        };
        match (request.method(), path.as_slice()) {
            (&Method::POST, ["oauth", "token"]) if auth => self.token(request).into(),
            (&Method::POST, ["voice", "conversation"]) if connect => self.create(request),
            (&Method::PUT, ["voice", "conversation", message_id]) if connect => {
                self.guarded(Endpoint::Control, request, || self.control(message_id, request.body()))
            }
            (&Method::GET, ["voice", "conversation", tracking_id]) if connect => {
                self.guarded(Endpoint::Tracking, request, || self.conversation(tracking_id))
            }
            (&Method::GET, ["voice", "tracking", "conversation", tracking_id]) if connect => {
                self.guarded(Endpoint::Tracking, request, || self.conversation_legs(tracking_id))
            }
            (&Method::GET, ["voice", "tracking", message_id]) if connect => {
                self.guarded(Endpoint::Tracking, request, || self.tracked_leg(message_id))
            }
            (&Method::POST, ["voice", "tracking"]) if connect => {
                self.guarded(Endpoint::Tracking, request, || self.search(request))
            }
            (&Method::GET, ["accounts", "me", "balance"]) if connect => {
                self.guarded(Endpoint::Tracking, request, || self.balance())
            }
            _ => self.no_such_endpoint(request).into(),
        }
    }

    /// Runs the handler if the request has no fault and a valid token.
    fn guarded(&self, endpoint: Endpoint, request: &Request, handler: impl FnOnce() -> Reply) -> DelayedReply {
        let fault = self.lock().api_fault(endpoint);
        if let Some(fault) = fault {
            return self.failure(fault).into();
        }
        self.bearer_problem(request).unwrap_or_else(handler).into()
    }

    pub(super) fn failure(&self, fault: ApiFault) -> Reply {
        match fault {
            ApiFault::InternalError => self.internal_error(),
            ApiFault::Unavailable => Reply::Garbage(503),
            ApiFault::Forbidden => self.error(403, "000000", "Access denied"),
            ApiFault::NotFound => self.not_found(),
            ApiFault::Unauthorized => {
                self.revoke_tokens();
                Self::invalid_token()
            }
            ApiFault::Malformed => Reply::Garbage(200),
            ApiFault::NoAnswer => Reply::NoAnswer,
            ApiFault::NotSent => Reply::NotSent,
        }
    }

    fn no_such_endpoint(&self, request: &Request) -> Reply {
        let (at, method) = (self.now(), request.method().to_string());
        self.lock().unexpected.push(Unexpected::Request {
            at,
            method,
            path: path_and_query(request),
        });
        self.error(404, "000000", "Not found")
    }

    /// An error response whose code is the HTTP status followed by `module_and_serial` (2.3).
    pub(crate) fn error(&self, status: u16, module_and_serial: &str, message: &str) -> Reply {
        let code = self.code(&format!("{status}{module_and_serial}"));
        Reply::Json(status, json!({ "code": code, "developerMessage": message }))
    }

    /// The response to an internal error. In the provider's documentation its code has ten digits.
    pub(crate) fn internal_error(&self) -> Reply {
        Reply::Json(
            500,
            json!({ "code": self.code("5000000000"), "developerMessage": "Unexpected error" }),
        )
    }

    /// The response to a request with these validation problems.
    pub(super) fn invalid(&self, problems: Problems) -> Reply {
        let body = json!({
            "code": self.code("400000000"),
            "developerMessage": "Validation Error!",
            "properties": problems.into_json(),
        });
        Reply::Json(400, body)
    }

    /// The response to a request with one validation problem.
    pub(crate) fn invalid_because(&self, field: &str, message: &str) -> Reply {
        let mut problems = Problems::default();
        problems.add(field, message);
        self.invalid(problems)
    }

    /// The response to an unknown id.
    pub(super) fn not_found(&self) -> Reply {
        self.error(404, "013000", "Not found")
    }

    fn code(&self, digits: &str) -> Value {
        match self.0.switches.code_form {
            CodeForm::Text => digits.into(),
            CodeForm::Number => digits.parse::<u64>().map_or(Value::Null, Value::from),
        }
    }

    /// A date in the provider's format.
    pub(crate) fn date(&self, at: Timestamp) -> String {
        // `Display` always writes three fractional digits and `Z`.
        let full = at.to_string();
        let millis = full.trim_end_matches('Z');
        let keep = |digits: usize| millis.get(..millis.len() - 3 + digits).unwrap_or(millis);
        let kept = match self.0.switches.date_fraction {
            DateFraction::Trimmed => millis.trim_end_matches('0').trim_end_matches('.'),
            DateFraction::None => keep(0).trim_end_matches('.'),
            DateFraction::One => keep(1),
            DateFraction::Two => keep(2),
            DateFraction::Three => millis,
        };
        format!("{kept}Z")
    }

    /// JSON in this provider's format: booleans as strings if the switch says so.
    pub(super) fn to_wire(&self, value: Value) -> Value {
        if !self.0.switches.booleans_as_text {
            return value;
        }
        match value {
            Value::Bool(value) => value.to_string().into(),
            Value::Array(values) => values.into_iter().map(|value| self.to_wire(value)).collect(),
            Value::Object(map) => map.into_iter().map(|(key, value)| (key, self.to_wire(value))).collect(),
            other => other,
        }
    }
}

fn path_and_query(request: &Request) -> String {
    request
        .uri()
        .path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default()
}
