//! Routes API requests to their handlers, and formats responses and errors (twilio/CONTRACT.md 1.1, 1.3, 1.5).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use http::header::AUTHORIZATION;
use patchbay::clock::Timestamp;
use patchbay::http::{Request, Response, SendError};
use serde_json::{Value, json};

use super::super::{ACCOUNT, Twilio};
use super::faults::{ApiFault, Endpoint};
use super::order::Refusal;
use super::records::{ApiRequest, OutboundCall, Status, Unexpected};
use super::switches::AnsweredByForm;
use crate::exchange::Outage;
use crate::script_runner::later_by;

/// The outcome of a request.
pub(super) enum Reply {
    Json(u16, Value),
    /// A response whose body is invalid JSON.
    Garbage(u16),
    /// The response is lost.
    NoAnswer,
    /// The connection is reset immediately.
    Reset,
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

impl Twilio {
    /// Handles a request. Its effects happen immediately, before the response time passes: a client that stops waiting
    /// does not undo them.
    pub(super) async fn handle(&self, request: Request) -> Result<Response, SendError> {
        let at = self.now();
        let DelayedReply { reply, delay } = self.answer(&request);
        let switches = self.switches().calls;
        let (status, body) = match &reply {
            Reply::Json(status, body) => (Some(*status), body.to_string()),
            Reply::Garbage(status) => (Some(*status), "<html>Please try again".to_owned()),
            Reply::NoAnswer | Reply::Reset | Reply::NotSent => (None, String::new()),
        };
        if !matches!(reply, Reply::NotSent) {
            self.outbound().requests.push(ApiRequest {
                at,
                method: request.method().to_string(),
                path: path_and_query(&request),
                body: String::from_utf8_lossy(request.body()).into_owned(),
                status,
            });
        }
        let waits = match reply {
            Reply::NoAnswer => switches.client_timeout,
            _ => switches.response_time + delay,
        };
        self.0.clock.sleep(waits).await;
        let Some(status) = status else {
            return Err(match reply {
                Reply::NotSent => SendError::NotSent("connection refused".to_owned()),
                Reply::Reset => SendError::NoResponse("connection reset".to_owned()),
                _ => SendError::NoResponse("timed out".to_owned()),
            });
        };
        let request_id = format!("RQ{}", self.new_id());
        let response = http::Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .header("twilio-concurrent-requests", "1")
            .header("twilio-request-id", request_id);
        response
            .body(Bytes::from(body))
            .map_err(|error| SendError::NoResponse(error.to_string()))
    }

    fn answer(&self, request: &Request) -> DelayedReply {
        let outage = self.outbound().faults.outage;
        match outage {
            Some(Outage::Errors) => return internal_error().into(),
            Some(Outage::Hangs) => return Reply::NoAnswer.into(),
            None => {}
        }
        let path: Vec<&str> = request.uri().path().split('/').skip(1).collect();
        let ["2010-04-01", "Accounts", account, rest @ ..] = path.as_slice() else {
            return self.no_such_endpoint(request).into();
        };
        match (request.method(), rest) {
            (&Method::POST, ["Calls.json"]) => self.create(request, account),
            (&Method::GET, ["Calls.json"]) => self
                .guarded(Endpoint::Read, request, account, || self.list(request))
                .into(),
            (&Method::GET, ["Balance.json"]) => {
                self.guarded(Endpoint::Read, request, account, || self.balance()).into()
            }
            (method, ["Calls", file]) => match file.strip_suffix(".json") {
                Some(sid) if method == Method::GET => self
                    .guarded(Endpoint::Read, request, account, || self.fetch(sid))
                    .into(),
                Some(sid) if method == Method::POST => self
                    .guarded(Endpoint::Update, request, account, || self.update(sid, request))
                    .into(),
                _ => self.no_such_endpoint(request).into(),
            },
            _ => self.no_such_endpoint(request).into(),
        }
    }

    /// Runs the handler if the request has no fault that prevents it, and is authenticated.
    fn guarded(&self, endpoint: Endpoint, request: &Request, account: &str, handler: impl FnOnce() -> Reply) -> Reply {
        let fault = self.outbound().api_fault(endpoint);
        match fault {
            Some(ApiFault::NotSent) => return Reply::NotSent,
            Some(ApiFault::NoAnswer) => return Reply::NoAnswer,
            Some(ApiFault::InternalError) => return internal_error(),
            Some(ApiFault::Unavailable) => return Reply::Garbage(503),
            Some(ApiFault::NotFound) => return not_found(),
            Some(ApiFault::Unauthorized) => return unauthorized(),
            Some(ApiFault::TooManyRequests) => return too_many_requests(),
            Some(ApiFault::Malformed | ApiFault::AnswerLost) | None => {}
        }
        if !self.is_authenticated(request, account) {
            return unauthorized();
        }
        let reply = handler();
        match fault {
            Some(ApiFault::Malformed) => Reply::Garbage(200),
            Some(ApiFault::AnswerLost) => Reply::NoAnswer,
            _ => reply,
        }
    }

    /// Whether a request has valid credentials: the account's SID and auth token, or the API key.
    pub(crate) fn is_authenticated(&self, request: &Request, account: &str) -> bool {
        let given = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Basic "));
        let given = given.and_then(|encoded| STANDARD.decode(encoded).ok());
        let token = self.lock().token.expose().to_owned();
        let (key, secret) = self.outbound().api_key.clone();
        let valid = [format!("{ACCOUNT}:{token}"), format!("{key}:{secret}")];
        account == ACCOUNT && given.is_some_and(|given| valid.iter().any(|valid| valid.as_bytes() == given))
    }

    fn no_such_endpoint(&self, request: &Request) -> Reply {
        let (at, method) = (self.now(), request.method().to_string());
        self.outbound().unexpected.push(Unexpected::Request {
            at,
            method,
            path: path_and_query(request),
        });
        not_found()
    }

    fn balance(&self) -> Reply {
        let balance = self.outbound().balance.clone();
        Reply::Json(
            200,
            json!({ "account_sid": ACCOUNT, "balance": balance, "currency": "USD" }),
        )
    }

    fn fetch(&self, sid: &str) -> Reply {
        let record = self.outbound().leg_by_sid(sid).map(|leg| leg.record.clone());
        match record.filter(|record| self.is_visible(record)) {
            Some(record) => Reply::Json(200, self.call_json(&record, None)),
            None => not_found(),
        }
    }

    pub(super) fn is_visible(&self, record: &OutboundCall) -> bool {
        self.now() >= later_by(record.created_at, self.switches().calls.appears_after)
    }

    /// The status that the API currently shows.
    pub(super) fn shown_status(&self, record: &OutboundCall) -> Status {
        let switches = self.switches().calls;
        let lags = |ended: Timestamp| self.now() < later_by(ended, switches.status_lag);
        let mut statuses = record.statuses.iter().rev().map(|(_, status)| *status);
        let last = statuses.next().unwrap_or(Status::Queued);
        let status = if record.ended_at.is_some_and(lags) {
            statuses.next().unwrap_or(last)
        } else {
            last
        };
        if status == Status::Initiated {
            switches.initiated_shows_as
        } else {
            status
        }
    }

    /// A call as the API shows it, optionally with a status that it is about to get.
    pub(super) fn call_json(&self, record: &OutboundCall, status: Option<Status>) -> Value {
        let status = status.unwrap_or_else(|| self.shown_status(record));
        let date = |at: Option<Timestamp>| at.map(rfc_2822);
        let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Calls/{}", record.sid);
        let over = status.is_final();
        let updated = record.statuses.last().map_or(record.created_at, |(at, _)| *at);
        let spoke = over && record.answered_at.is_some();
        json!({
            "sid": record.sid,
            "account_sid": ACCOUNT,
            "api_version": "2010-04-01",
            "status": status.as_str(),
            "direction": "outbound-api",
            "to": record.to,
            "to_formatted": formatted(&record.to),
            "from": record.from,
            "from_formatted": formatted(&record.from),
            "date_created": rfc_2822(record.created_at),
            "date_updated": rfc_2822(updated),
            "start_time": date(record.dialed_at),
            "end_time": date(record.ended_at.filter(|_| over)),
            "duration": spoke.then(|| record.seconds(self.now()).to_string()),
            "price": null,
            "price_unit": "USD",
            "answered_by": record.answered_by.as_deref().map(|who| self.answered_by(who)),
            "parent_call_sid": null,
            "phone_number_sid": "PN00000000000000000000000000000c01",
            "group_sid": null,
            "trunk_sid": null,
            "forwarded_from": null,
            "caller_name": null,
            "queue_time": "0",
            "uri": format!("{path}.json"),
            "subresource_uris": { "events": format!("{path}/Events.json") },
        })
    }

    fn answered_by<'a>(&self, who: &'a str) -> &'a str {
        match self.switches().calls.answered_by_form {
            AnsweredByForm::Plain if who.starts_with("machine") => "machine",
            _ => who,
        }
    }

    /// The 32 hexadecimal digits of a new id.
    pub(super) fn new_id(&self) -> String {
        self.outbound().rng.uuid().replace('-', "")
    }
}

/// An error response in the API's format.
pub(super) fn error(status: u16, code: u32, message: &str) -> Reply {
    let more_info = format!("https://www.twilio.com/docs/errors/{code}");
    Reply::Json(
        status,
        json!({ "code": code, "message": message, "more_info": more_info, "status": status }),
    )
}

pub(super) fn refused((code, message): Refusal) -> Reply {
    error(400, code, &message)
}

pub(super) fn unauthorized() -> Reply {
    error(401, 20_003, "Authenticate")
}

pub(super) fn not_found() -> Reply {
    error(404, 20_404, "The requested resource was not found")
}

pub(super) fn too_many_requests() -> Reply {
    error(429, 20_429, "Too Many Requests")
}

pub(super) fn internal_error() -> Reply {
    error(500, 20_500, "Internal Server Error")
}

/// A time in the format of the API and of callbacks: `Tue, 04 Mar 2025 15:02:09 +0000`.
pub(crate) fn rfc_2822(at: Timestamp) -> String {
    let utc = at.utc();
    let (day, month) = (utc.weekday().to_string(), utc.month().to_string());
    format!(
        "{:.3}, {:02} {:.3} {:04} {} +0000",
        day,
        utc.day(),
        month,
        utc.year(),
        at.time_of_day()
    )
}

/// A US number as `(202) 555-0123`. Others are returned unchanged.
fn formatted(number: &str) -> String {
    let digits = number.strip_prefix("+1").filter(|digits| digits.len() == 10);
    let parts = digits.and_then(|digits| Some((digits.get(..3)?, digits.get(3..6)?, digits.get(6..)?)));
    parts.map_or_else(
        || number.to_owned(),
        |(area, exchange, line)| format!("({area}) {exchange}-{line}"),
    )
}

pub(super) fn path_and_query(request: &Request) -> String {
    let path = request.uri().path_and_query();
    path.map(ToString::to_string).unwrap_or_default()
}
