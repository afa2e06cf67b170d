//! The API's front door: which request goes where, and how answers look.

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

/// What becomes of a request.
pub(super) enum Verdict {
    Json(u16, Value),
    /// A body that is not JSON, though it should be.
    Garbage(u16),
    /// No response ever arrives.
    NoAnswer,
    /// The connection was never made.
    NotSent,
}

/// A verdict, and how much later than usual it arrives.
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    pub(super) later: Duration,
}

impl From<Verdict> for Answer {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            later: Duration::ZERO,
        }
    }
}

impl Routee {
    /// Answers a request. All that it does is done at once, and the answer then takes its time: a client that stops
    /// waiting for it has not undone anything.
    pub(super) async fn handle(&self, request: Request) -> Result<Response, SendError> {
        let at = self.now();
        let Answer { verdict, later } = self.answer(&request);
        let (status, body) = match verdict {
            Verdict::Json(status, body) => (Some(status), body.to_string()),
            Verdict::Garbage(status) => (Some(status), "<html>Please try again".to_owned()),
            Verdict::NoAnswer => (None, String::new()),
            Verdict::NotSent => {
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
            return Err(SendError::NoAnswer("timed out".to_owned()));
        };
        self.0.clock.sleep(self.0.switches.response_time + later).await;
        let response = http::Response::builder()
            .status(status)
            .header("content-type", "application/json");
        response
            .body(Bytes::from(body))
            .map_err(|error| SendError::NoAnswer(error.to_string()))
    }

    fn answer(&self, request: &Request) -> Answer {
        let outage = self.lock().faults.outage;
        match outage {
            Some(Outage::Errors) => return self.internal_error().into(),
            Some(Outage::Hangs) => return Verdict::NoAnswer.into(),
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
                self.guarded(Endpoint::Tracking, request, || self.legs_of(tracking_id))
            }
            (&Method::GET, ["voice", "tracking", message_id]) if connect => {
                self.guarded(Endpoint::Tracking, request, || self.leg_called(message_id))
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

    /// Lets a request pass if no fault strikes it and its token is good.
    fn guarded(&self, endpoint: Endpoint, request: &Request, handler: impl FnOnce() -> Verdict) -> Answer {
        let fault = self.lock().api_fault(endpoint);
        if let Some(fault) = fault {
            return self.failure(fault).into();
        }
        self.bearer_problem(request).unwrap_or_else(handler).into()
    }

    pub(super) fn failure(&self, fault: ApiFault) -> Verdict {
        match fault {
            ApiFault::InternalError => self.internal_error(),
            ApiFault::Unavailable => Verdict::Garbage(503),
            ApiFault::Forbidden => self.error(403, "000000", "Access denied"),
            ApiFault::NotFound => self.not_found(),
            ApiFault::Unauthorized => {
                self.revoke_tokens();
                Self::invalid_token()
            }
            ApiFault::Malformed => Verdict::Garbage(200),
            ApiFault::NoAnswer => Verdict::NoAnswer,
            ApiFault::NotSent => Verdict::NotSent,
        }
    }

    fn no_such_endpoint(&self, request: &Request) -> Verdict {
        let (at, method) = (self.now(), request.method().to_string());
        self.lock().unexpected.push(Unexpected::Request {
            at,
            method,
            path: path_and_query(request),
        });
        self.error(404, "000000", "Not found")
    }

    /// An error in the provider's envelope: its code is the HTTP status and `module_and_serial` (2.3).
    pub(super) fn error(&self, status: u16, module_and_serial: &str, message: &str) -> Verdict {
        let code = self.code(&format!("{status}{module_and_serial}"));
        Verdict::Json(status, json!({ "code": code, "developerMessage": message }))
    }

    /// The error of an unforeseen failure, whose code has ten digits in the provider's own pages.
    pub(super) fn internal_error(&self) -> Verdict {
        Verdict::Json(
            500,
            json!({ "code": self.code("5000000000"), "developerMessage": "Unexpected error" }),
        )
    }

    /// The error of a request with these problems.
    pub(super) fn invalid(&self, problems: Problems) -> Verdict {
        let body = json!({
            "code": self.code("400000000"),
            "developerMessage": "Validation Error!",
            "properties": problems.into_json(),
        });
        Verdict::Json(400, body)
    }

    /// The error of a request with one problem.
    pub(super) fn invalid_because(&self, field: &str, message: &str) -> Verdict {
        let mut problems = Problems::default();
        problems.add(field, message);
        self.invalid(problems)
    }

    /// The error of an id that names nothing.
    pub(super) fn not_found(&self) -> Verdict {
        self.error(404, "013000", "Not found")
    }

    fn code(&self, digits: &str) -> Value {
        match self.0.switches.code_form {
            CodeForm::Text => digits.into(),
            CodeForm::Number => digits.parse::<u64>().map_or(Value::Null, Value::from),
        }
    }

    /// A moment as the provider writes it.
    pub(super) fn date(&self, at: Timestamp) -> String {
        // `Display` always writes three digits and `Z`.
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

    /// JSON as this provider writes it: booleans perhaps as strings.
    pub(super) fn written(&self, value: Value) -> Value {
        if !self.0.switches.booleans_as_text {
            return value;
        }
        match value {
            Value::Bool(value) => value.to_string().into(),
            Value::Array(values) => values.into_iter().map(|value| self.written(value)).collect(),
            Value::Object(map) => map.into_iter().map(|(key, value)| (key, self.written(value))).collect(),
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
