//! Routes requests to the two APIs, with the faults that both have in common.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use patchbay::http::{Request, Response, SendError};
use serde_json::{Value, json};

use super::Messages;
use super::faults::{CreateFault, ReadFault};
use super::records::{ApiRequest, Unexpected};
use crate::exchange::{Outage, Provider};
use crate::routee;

/// Begins the paths of Twilio's API.
pub(super) const TWILIO_PREFIX: &str = "/2010-04-01/";
/// Extra delay of a response that the first callbacks overtake.
const OVERTAKEN: Duration = Duration::from_secs(3);

/// An endpoint of one of the APIs.
#[derive(Clone, Copy)]
pub(super) enum Route<'a> {
    /// Twilio's messages of this account.
    Twilio { account: &'a str },
    /// One of them.
    TwilioMessage { account: &'a str, sid: &'a str },
    /// Routee's messages.
    Routee,
    /// The tracking of one of them.
    RouteeTracking { id: &'a str },
}

impl<'a> Route<'a> {
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        Some(match segments.as_slice() {
            ["2010-04-01", "Accounts", account, "Messages.json"] => Self::Twilio { account },
            ["2010-04-01", "Accounts", account, "Messages", file] => Self::TwilioMessage {
                account,
                sid: file.strip_suffix(".json")?,
            },
            ["sms"] => Self::Routee,
            ["sms", "tracking", "single", id] => Self::RouteeTracking { id },
            _ => return None,
        })
    }

    const fn provider(self) -> Provider {
        match self {
            Self::Twilio { .. } | Self::TwilioMessage { .. } => Provider::Twilio,
            Self::Routee | Self::RouteeTracking { .. } => Provider::Routee,
        }
    }
}

/// The outcome of a request.
pub(super) enum Reply {
    Json(u16, Value),
    /// 429, with `Retry-After` if the switch says so.
    Throttled(Value),
    /// A response whose body is invalid JSON.
    Garbage(u16),
    /// The response is lost.
    NoAnswer,
    /// No connection is established.
    NotSent,
}

impl From<routee::Reply> for Reply {
    fn from(reply: routee::Reply) -> Self {
        match reply {
            routee::Reply::Json(status, body) => Self::Json(status, body),
            routee::Reply::Garbage(status) => Self::Garbage(status),
            routee::Reply::NoAnswer => Self::NoAnswer,
            routee::Reply::NotSent => Self::NotSent,
        }
    }
}

/// An error of Twilio's API.
pub(super) fn twilio_error(status: u16, code: u32, message: &str) -> Reply {
    let more_info = format!("https://www.twilio.com/docs/errors/{code}");
    Reply::Json(
        status,
        json!({ "code": code, "message": message, "more_info": more_info, "status": status }),
    )
}

impl Messages {
    /// Handles a request for messages. Its effects happen immediately, before the response time passes: a client that
    /// stops waiting does not undo them.
    pub(super) async fn handle(&self, request: Request) -> Result<Response, SendError> {
        let at = self.now();
        let (reply, delay) = self.answer(&request);
        let (status, body) = match &reply {
            Reply::Json(status, body) => (Some(*status), body.to_string()),
            Reply::Throttled(body) => (Some(429), body.to_string()),
            Reply::Garbage(status) => (Some(*status), "<html>Please try again".to_owned()),
            Reply::NoAnswer | Reply::NotSent => (None, String::new()),
        };
        if !matches!(reply, Reply::NotSent) {
            let path = request.uri().path_and_query();
            let record = ApiRequest {
                at,
                method: request.method().to_string(),
                path: path.map(ToString::to_string).unwrap_or_default(),
                body: String::from_utf8_lossy(request.body()).into_owned(),
                status,
            };
            self.lock().requests.push(record);
        }
        let switches = &self.0.switches;
        let waits = match reply {
            Reply::NoAnswer => switches.client_timeout,
            _ => switches.response_time + delay,
        };
        self.0.clock.sleep(waits).await;
        let Some(status) = status else {
            return Err(match reply {
                Reply::NotSent => SendError::NotSent("connection refused".to_owned()),
                _ => SendError::NoResponse("timed out".to_owned()),
            });
        };
        let mut response = http::Response::builder()
            .status(status)
            .header("content-type", "application/json");
        if let (Reply::Throttled(_), Some(seconds)) = (&reply, switches.retry_after) {
            response = response.header("retry-after", seconds);
        }
        response
            .body(Bytes::from(body))
            .map_err(|error| SendError::NoResponse(error.to_string()))
    }

    /// The reply, and its extra delay.
    fn answer(&self, request: &Request) -> (Reply, Duration) {
        let Some(route) = Route::of(request.uri().path()) else {
            return (twilio_error(404, 20_404, "Not found"), Duration::ZERO);
        };
        let provider = route.provider();
        let outage = self.lock().faults.outage;
        let reply = match outage {
            Some(Outage::Errors) => self.internal_error(provider),
            Some(Outage::Hangs) => Reply::NoAnswer,
            None => return self.route(route, request),
        };
        (reply, Duration::ZERO)
    }

    fn route(&self, route: Route<'_>, request: &Request) -> (Reply, Duration) {
        let reply = match (route, request.method()) {
            (Route::Twilio { account }, &Method::POST) => {
                return self.sending(Provider::Twilio, || {
                    self.authenticate(request, account)
                        .map_or_else(|| self.create_message(request), Err)
                });
            }
            (Route::Routee, &Method::POST) => {
                return self.sending(Provider::Routee, || {
                    let refusal = self.0.routee.bearer_problem(request);
                    refusal.map_or_else(|| self.create_sms(request), |refusal| Err(refusal.into()))
                });
            }
            (Route::Twilio { account }, &Method::GET) => self.reading(Provider::Twilio, || {
                self.authenticate(request, account)
                    .unwrap_or_else(|| self.list_messages(request))
            }),
            (Route::TwilioMessage { account, sid }, &Method::GET) => self.reading(Provider::Twilio, || {
                self.authenticate(request, account)
                    .unwrap_or_else(|| self.fetch_message(sid))
            }),
            (Route::RouteeTracking { id }, &Method::GET) => self.reading(Provider::Routee, || {
                let refusal = self.0.routee.bearer_problem(request);
                refusal.map_or_else(|| self.track_sms(id), Reply::from)
            }),
            _ => {
                let what = format!("{} {}", request.method(), request.uri().path());
                self.lock().unexpected.push(Unexpected::Field(what));
                self.not_found(route.provider())
            }
        };
        (reply, Duration::ZERO)
    }

    /// Twilio's refusal of wrong credentials.
    fn authenticate(&self, request: &Request, account: &str) -> Option<Reply> {
        let is_known = self.0.twilio.is_authenticated(request, account);
        (!is_known).then(|| twilio_error(401, 20_003, "Authenticate"))
    }

    /// A request that sends a message, with its faults. `create` checks it, and returns how it is sent.
    fn sending<F>(&self, provider: Provider, create: impl FnOnce() -> Result<F, Reply>) -> (Reply, Duration)
    where
        F: FnOnce(Duration) -> Reply,
    {
        let fault = self.lock().create_fault();
        if fault == Some(CreateFault::Unauthorized) && provider == Provider::Routee {
            self.0.routee.revoke_tokens();
        }
        // A request that would be refused anyway has no other outcome because of a fault.
        let may_send = fault.is_none_or(CreateFault::sends);
        let sent = if may_send {
            let overtaken = fault == Some(CreateFault::WebhookFirst);
            let starts_after = if overtaken {
                Duration::ZERO
            } else {
                self.0.switches.response_time
            };
            match create() {
                Ok(send) => Some(send(starts_after)),
                Err(refusal) => return (refusal, Duration::ZERO),
            }
        } else {
            None
        };
        let reply = match (fault, sent) {
            (None, Some(reply)) => reply,
            (Some(CreateFault::WebhookFirst), Some(reply)) => return (reply, OVERTAKEN),
            (Some(fault), _) => self.faulty(provider, fault),
            (None, None) => Reply::NoAnswer,
        };
        (reply, Duration::ZERO)
    }

    fn faulty(&self, provider: Provider, fault: CreateFault) -> Reply {
        let routee = &self.0.routee;
        match (fault, provider) {
            (CreateFault::TooManyRequests | CreateFault::ThrottledAndSent, _) => self.too_many_requests(provider),
            (CreateFault::Refused(code), Provider::Twilio) => twilio_error(400, code, "Refused"),
            (CreateFault::Refused(_), Provider::Routee) => routee.invalid_because("to", "is not valid").into(),
            (CreateFault::NoMoney, Provider::Twilio) => twilio_error(400, 20_005, "Account not active"),
            (CreateFault::NoMoney, Provider::Routee) => routee.error(400, "001009", "Insufficient Balance").into(),
            (CreateFault::InternalError { .. }, _) => self.internal_error(provider),
            (CreateFault::Unavailable { .. }, _) => Reply::Garbage(503),
            (CreateFault::NotSent, _) => Reply::NotSent,
            (CreateFault::Malformed, Provider::Twilio) => Reply::Garbage(201),
            (CreateFault::Malformed, Provider::Routee) => Reply::Garbage(200),
            (CreateFault::Unauthorized, Provider::Twilio) => twilio_error(401, 20_003, "Authenticate"),
            (CreateFault::Unauthorized, Provider::Routee) => Reply::Json(
                401,
                json!({ "error": "invalid_token", "error_description": "Invalid access token" }),
            ),
            (CreateFault::NoAnswer { .. } | CreateFault::WebhookFirst, _) => Reply::NoAnswer,
        }
    }

    /// A lookup or a list, with its faults.
    fn reading(&self, provider: Provider, read: impl FnOnce() -> Reply) -> Reply {
        let fault = self.lock().read_fault();
        match fault {
            None => read(),
            Some(ReadFault::InternalError) => self.internal_error(provider),
            Some(ReadFault::NotFound) => self.not_found(provider),
            Some(ReadFault::TooManyRequests) => self.too_many_requests(provider),
            Some(ReadFault::Malformed) => Reply::Garbage(200),
            Some(ReadFault::NoAnswer) => Reply::NoAnswer,
            Some(ReadFault::NotSent) => Reply::NotSent,
        }
    }

    fn internal_error(&self, provider: Provider) -> Reply {
        match provider {
            Provider::Twilio => twilio_error(500, 20_500, "Internal Server Error"),
            Provider::Routee => self.0.routee.internal_error().into(),
        }
    }

    pub(super) fn not_found(&self, provider: Provider) -> Reply {
        match provider {
            Provider::Twilio => twilio_error(404, 20_404, "The requested resource was not found"),
            Provider::Routee => self.0.routee.error(404, "005000", "SMS tracking not found").into(),
        }
    }

    fn too_many_requests(&self, provider: Provider) -> Reply {
        let reply = match provider {
            Provider::Twilio => twilio_error(429, 20_429, "Too Many Requests"),
            Provider::Routee => self.0.routee.error(429, "000000", "Too many requests").into(),
        };
        match reply {
            Reply::Json(_, body) => Reply::Throttled(body),
            other => other,
        }
    }
}
