//! The operations: `SendEmail`, the suppression list, and `GetAccount` (ses/CONTRACT.md 1, 2, 4).

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use patchbay::http::{Request, Response, SendError};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::records::{ApiRequest, Email};
use super::request::{self, Order};
use super::signature::{Keys, verify};
use super::switches::{QuotaError, RateError, SendFault};
use super::{ACCESS_KEY, REGION, SECRET_KEY, Ses};
use crate::exchange::Outage;

/// Extra delay of a response that the first events overtake.
const OVERTAKEN: Duration = Duration::from_secs(5);
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// The outcome of a request.
pub(super) enum Answer {
    Success(Value),
    Error(u16, &'static str, String),
    /// 503 without JSON.
    Unavailable,
    /// The body is invalid JSON.
    Garbage,
    /// The response is lost.
    Lost,
    /// No connection is established.
    NotSent,
}

fn error(status: u16, code: &'static str, message: impl Into<String>) -> Answer {
    Answer::Error(status, code, message.into())
}

impl Ses {
    /// Answers a request. Its effects happen immediately, before the response time passes: a client that stops waiting
    /// does not undo them.
    ///
    /// # Errors
    /// If the response is lost, or the connection fails.
    pub async fn respond(&self, request: Request) -> Result<Response, SendError> {
        let at = self.now();
        let (answer, delay) = self.answer(&request);
        let (status, code, body) = match &answer {
            Answer::Success(body) => (Some(200), None, body.to_string()),
            Answer::Error(status, code, message) => {
                (Some(*status), Some(*code), json!({ "message": message }).to_string())
            }
            Answer::Unavailable => (Some(503), None, "<html>".to_owned()),
            Answer::Garbage => (Some(200), None, "<html>".to_owned()),
            Answer::Lost | Answer::NotSent => (None, None, String::new()),
        };
        if !matches!(answer, Answer::NotSent) {
            self.lock().requests.push(ApiRequest {
                at,
                method: request.method().to_string(),
                path: request.uri().path().to_owned(),
                body: String::from_utf8_lossy(request.body()).into_owned(),
                status,
            });
        }
        let switches = &self.0.switches;
        let waits = match answer {
            Answer::Lost => switches.client_timeout,
            _ => switches.response_time + delay,
        };
        self.0.clock.sleep(waits).await;
        let Some(status) = status else {
            return Err(match answer {
                Answer::NotSent => SendError::NotSent("connection refused".to_owned()),
                _ => SendError::NoResponse("timed out".to_owned()),
            });
        };
        let mut response = http::Response::builder()
            .status(status)
            .header("content-type", "application/json");
        if let Some(code) = code {
            response = response.header("x-amzn-errortype", code);
        }
        response
            .body(Bytes::from(body))
            .map_err(|error| SendError::NoResponse(error.to_string()))
    }

    fn answer(&self, request: &Request) -> (Answer, Duration) {
        let outage = self.lock().faults.outage;
        let failure = match outage {
            Some(Outage::Errors) => Some(internal_error()),
            Some(Outage::Hangs) => Some(Answer::Lost),
            None => None,
        };
        if let Some(failure) = failure {
            return (failure, Duration::ZERO);
        }
        let path: Vec<&str> = request.uri().path().split('/').skip(1).collect();
        if let (&Method::POST, ["v2", "email", "outbound-emails"]) = (request.method(), path.as_slice()) {
            return self.send_email(request);
        }
        let answer = self
            .refuse_signature(request)
            .unwrap_or_else(|| self.manage(request, &path));
        (answer, Duration::ZERO)
    }

    fn refuse_signature(&self, request: &Request) -> Option<Answer> {
        let keys = Keys {
            id: ACCESS_KEY,
            secret: SECRET_KEY,
            region: REGION,
        };
        let problem = verify(request, &keys, self.now()).err()?;
        Some(error(403, "InvalidSignatureException", problem))
    }

    fn send_email(&self, request: &Request) -> (Answer, Duration) {
        let fault = self.lock().send_fault();
        if fault == Some(SendFault::NotSent) {
            return (Answer::NotSent, Duration::ZERO);
        }
        if let Some(refusal) = self.refuse_signature(request) {
            return (refusal, Duration::ZERO);
        }
        let sent = if fault.is_none_or(SendFault::sends) {
            let overtaken = fault == Some(SendFault::EventFirst);
            let starts_after = if overtaken {
                Duration::ZERO
            } else {
                self.0.switches.response_time
            };
            match self.accept(request, starts_after) {
                Ok(id) => json!({ "MessageId": id }),
                Err(refusal) => return (refusal, Duration::ZERO),
            }
        } else {
            Value::Null
        };
        let delay = if fault == Some(SendFault::EventFirst) {
            OVERTAKEN
        } else {
            Duration::ZERO
        };
        (
            fault.map_or_else(|| Answer::Success(sent.clone()), |fault| self.faulty(fault, &sent)),
            delay,
        )
    }

    fn faulty(&self, fault: SendFault, sent: &Value) -> Answer {
        match fault {
            SendFault::Throttled => self.rate_error(),
            SendFault::QuotaUsedUp => self.quota_error(),
            SendFault::ContentRejected => error(400, "MessageRejected", "The content was refused."),
            SendFault::Paused => error(400, "SendingPausedException", "Sending is paused."),
            SendFault::Suspended => error(400, "AccountSuspendedException", "The account is suspended."),
            SendFault::MailFromNotVerified => error(400, "MailFromDomainNotVerifiedException", "Not verified."),
            SendFault::InternalError { .. } => internal_error(),
            SendFault::Unavailable { .. } => Answer::Unavailable,
            SendFault::NoAnswer { .. } => Answer::Lost,
            SendFault::NotSent => Answer::NotSent,
            SendFault::Malformed => Answer::Garbage,
            SendFault::EventFirst => Answer::Success(sent.clone()),
        }
    }

    /// Accepts a mail, and returns its id.
    fn accept(&self, request: &Request, starts_after: Duration) -> Result<String, Answer> {
        let order = request::read(request.body()).map_err(|message| error(400, "BadRequestException", message))?;
        self.check(&order)?;
        let now = self.now();
        let mut state = self.lock();
        state.unexpected.extend(order.remarks);
        let id = format!("{}-000000", state.rng.uuid());
        state.emails.push(Email {
            id: id.clone(),
            from: order.from,
            to: order.to,
            reply_to: order.reply_to,
            subject: order.subject,
            text: order.text,
            html: order.html,
            headers: order.headers,
            tags: order.tags,
            configuration_set: order.configuration_set,
            at: now,
            events: Vec::new(),
        });
        let index = state.emails.len() - 1;
        drop(state);
        self.start(index, starts_after);
        Ok(id)
    }

    fn check(&self, order: &Order) -> Result<(), Answer> {
        let now = self.now();
        let switches = &self.0.switches;
        let state = self.lock();
        if let Some(set) = &order.configuration_set
            && !state.configuration_sets.contains(set)
        {
            let message = format!("Configuration set <{set}> does not exist.");
            return Err(error(404, "NotFoundException", message));
        }
        let recipients = order.to.iter().filter(|_| switches.sandbox);
        let sender = bare(&order.from);
        let unverified: Vec<&str> = std::iter::once(sender)
            .chain(recipients.map(String::as_str))
            .filter(|address| !state.is_verified(address))
            .collect();
        if !unverified.is_empty() {
            let region = REGION.to_uppercase();
            let message = format!(
                "Email address is not verified. The following identities failed the check in region {region}: {}",
                unverified.join(", ")
            );
            return Err(error(400, "MessageRejected", message));
        }
        let since = |millis: i64| {
            let sent = state.emails.iter().rev();
            let sent = sent.take_while(|email| email.at > now.plus_millis(-millis));
            sent.map(|email| email.to.len()).sum::<usize>()
        };
        let (in_a_day, in_a_second) = (since(DAY_MILLIS), since(1000));
        drop(state);
        if in_a_day + order.to.len() > switches.per_24_hours {
            return Err(self.quota_error());
        }
        if in_a_second + order.to.len() > switches.per_second {
            return Err(self.rate_error());
        }
        Ok(())
    }

    fn rate_error(&self) -> Answer {
        let message = "Maximum sending rate exceeded.";
        match self.0.switches.rate_error {
            RateError::TooManyRequests => error(429, "TooManyRequestsException", message),
            RateError::Throttling => error(400, "ThrottlingException", message),
        }
    }

    fn quota_error(&self) -> Answer {
        let message = "Daily message quota exceeded.";
        match self.0.switches.quota_error {
            QuotaError::TooManyRequests => error(429, "TooManyRequestsException", message),
            QuotaError::LimitExceeded => error(400, "LimitExceededException", message),
        }
    }

    /// The operations other than `SendEmail`.
    fn manage(&self, request: &Request, path: &[&str]) -> Answer {
        match (request.method(), path) {
            (&Method::GET, ["v2", "email", "account"]) => self.account(),
            (&Method::PUT, ["v2", "email", "suppression", "addresses"]) => self.suppress(request.body()),
            (&Method::GET, ["v2", "email", "suppression", "addresses", address]) => self.suppression(address),
            (&Method::DELETE, ["v2", "email", "suppression", "addresses", address]) => {
                let key = self.suppression_key(&decoded(address));
                match self.lock().suppressed.remove(&key) {
                    Some(_) => Answer::Success(json!({})),
                    None => not_listed(),
                }
            }
            _ => {
                let what = format!("{} {}", request.method(), request.uri().path());
                self.lock().unexpected.push(what);
                error(404, "NotFoundException", "No such operation.")
            }
        }
    }

    fn account(&self) -> Answer {
        let now = self.now();
        let switches = &self.0.switches;
        let state = self.lock();
        let sent = state
            .emails
            .iter()
            .filter(|email| email.at > now.plus_millis(-DAY_MILLIS));
        let sent: usize = sent.map(|email| email.to.len()).sum();
        Answer::Success(json!({
            "EnforcementStatus": "HEALTHY",
            "ProductionAccessEnabled": !switches.sandbox,
            "SendingEnabled": true,
            "SendQuota": {
                "Max24HourSend": switches.per_24_hours,
                "MaxSendRate": switches.per_second,
                "SentLast24Hours": sent,
            },
        }))
    }

    fn suppress(&self, body: &[u8]) -> Answer {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let (Some(address), Some(reason @ ("BOUNCE" | "COMPLAINT"))) = (text("EmailAddress"), text("Reason")) else {
            return error(400, "BadRequestException", "EmailAddress and Reason are required.");
        };
        if self.0.switches.sandbox {
            return error(400, "BadRequestException", "Not possible in the sandbox.");
        }
        let key = self.suppression_key(address);
        self.lock().suppressed.insert(key, reason.to_owned());
        Answer::Success(json!({}))
    }

    fn suppression(&self, address: &str) -> Answer {
        let address = decoded(address);
        let reason = self.lock().suppressed.get(&self.suppression_key(&address)).cloned();
        match reason {
            Some(reason) => Answer::Success(json!({
                "SuppressedDestination": { "EmailAddress": address, "Reason": reason },
            })),
            None => not_listed(),
        }
    }

    pub(super) fn suppression_key(&self, address: &str) -> String {
        if self.0.switches.suppression_folds_case {
            address.to_ascii_lowercase()
        } else {
            address.to_owned()
        }
    }
}

/// The address in `Name <address>`.
pub(super) fn bare(text: &str) -> &str {
    let address = text.rsplit_once('<').and_then(|(_, rest)| rest.strip_suffix('>'));
    address.unwrap_or(text)
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

fn not_listed() -> Answer {
    error(404, "NotFoundException", "The address is not on the suppression list.")
}

fn internal_error() -> Answer {
    error(500, "InternalServiceErrorException", "Internal error.")
}
