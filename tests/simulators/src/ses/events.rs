//! The events about a mail, and how they are published (ses/CONTRACT.md 3).

use std::time::Duration;

use bytes::Bytes;
use patchbay::clock::Timestamp;
use patchbay::http::Request;
use serde_json::{Map, Value, json};

use super::api::bare;
use super::records::{Email, Publication};
use super::state::Destination;
use super::switches::EventShape;
use super::{REGION, Ses};
use crate::webhook_faults::AttemptFaults;

/// The account in events.
const ACCOUNT: &str = "123456789012";
/// How long after its successor a reordered event is published.
const OVERTAKEN_BY: Duration = Duration::from_secs(30);
/// An asynchronous invocation that failed is repeated twice. The times are not in the contract.
const RETRIES: [u64; 2] = [60, 120];

/// An event that happened.
#[derive(Clone)]
pub(super) struct Event {
    /// Its `eventType`.
    pub(super) kind: &'static str,
    /// The field with its details.
    pub(super) object: &'static str,
    pub(super) details: Value,
    /// The opt-out that it reports.
    pub(super) opt_out: Option<usize>,
}

impl Ses {
    /// Publishes an event, if the mail's configuration set does.
    pub(super) fn publish(&self, index: usize, event: Event) {
        let now = self.now();
        let (body, drawn, jitter) = {
            let mut state = self.lock();
            let Some(email) = state.emails.get_mut(index) else {
                return;
            };
            email.events.push((now, event.kind));
            if email.configuration_set.is_none() {
                return;
            }
            let body = body(email, &event);
            let drawn = state.event_faults(event.kind);
            let jitter = state.rng.between(Duration::ZERO, self.0.switches.event_jitter);
            (body, drawn, jitter)
        };
        if drawn.lost_for_good {
            return;
        }
        let overtaken = if drawn.reordered { OVERTAKEN_BY } else { Duration::ZERO };
        let delay = drawn.delay + jitter + overtaken;
        if let Some(after) = drawn.duplicate {
            self.deliver(
                (index, event.clone(), body.clone()),
                delay + after,
                AttemptFaults::default(),
            );
        }
        self.deliver((index, event, body), delay, drawn.first);
    }

    fn deliver(&self, (index, event, body): (usize, Event, Value), delay: Duration, first: AttemptFaults) {
        let this = self.clone();
        tokio::spawn(async move {
            this.0.clock.sleep(delay).await;
            let mut drawn = first;
            for wait in RETRIES.iter().map(Some).chain(std::iter::once(None)) {
                if this.attempt(index, &event, &body, drawn).await {
                    return;
                }
                let Some(seconds) = wait else { return };
                this.0.clock.sleep(Duration::from_secs(*seconds)).await;
                drawn = {
                    let mut guard = this.lock();
                    let state = &mut *guard;
                    state.faults.events.draw_attempt(&mut state.rng)
                };
            }
        });
    }

    /// Whether the event was accepted, as far as SES can tell.
    async fn attempt(&self, index: usize, event: &Event, body: &Value, drawn: AttemptFaults) -> bool {
        if drawn.lost {
            return false;
        }
        let (at, destination) = (self.now(), self.lock().destination.clone());
        let (wrapped, is_accepted) = match destination {
            None => return true,
            Some(Destination::Url(url, shape)) => {
                let wrapped = self.wrap(body, shape);
                let is_accepted = self.post(&url, shape, &wrapped).await;
                (wrapped, is_accepted)
            }
            Some(Destination::Function(invoke, shape)) => {
                let wrapped = self.wrap(body, shape);
                let is_accepted = invoke(wrapped.clone()).await;
                (wrapped, is_accepted)
            }
        };
        let now = self.now();
        let mut state = self.lock();
        if let (true, Some(opt_out)) = (is_accepted, event.opt_out) {
            state.opt_out_is_known(opt_out, now);
        }
        let email = state.emails.get(index).map(|email| email.id.clone());
        state.publications.push(Publication {
            at,
            kind: event.kind,
            email: email.unwrap_or_default(),
            body: wrapped,
            is_accepted,
        });
        is_accepted && !drawn.answer_lost
    }

    async fn post(&self, url: &str, shape: EventShape, body: &Value) -> bool {
        let Some(client) = self.lock().client.clone() else {
            return false;
        };
        let content_type = match shape {
            EventShape::EventBridge => "application/json; charset=utf-8",
            EventShape::SnsMessage | EventShape::SnsInvocation => "text/plain; charset=UTF-8",
        };
        let request = http::Request::post(url).header("content-type", content_type);
        let Ok(request) = request.body(Bytes::from(body.to_string())) else {
            return false;
        };
        let request: Request = request;
        client
            .send(request)
            .await
            .is_ok_and(|response| response.status().is_success())
    }

    fn wrap(&self, body: &Value, shape: EventShape) -> Value {
        let (now, id) = (self.now(), self.lock().rng.uuid());
        let topic = format!("arn:aws:sns:{REGION}:{ACCOUNT}:ses");
        let message = json!({
            "Type": "Notification",
            "MessageId": id,
            "TopicArn": topic,
            "Subject": "Amazon SES Email Event Notification",
            "Message": body.to_string(),
            "Timestamp": now.to_string(),
            "SignatureVersion": "1",
            "Signature": "made-up",
        });
        match shape {
            EventShape::SnsMessage => message,
            EventShape::SnsInvocation => json!({ "Records": [{
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": format!("{topic}:0001"),
                "Sns": message,
            }] }),
            EventShape::EventBridge => json!({
                "version": "0",
                "id": id,
                "detail-type": title(body),
                "source": "aws.ses",
                "account": ACCOUNT,
                "time": now.to_string(),
                "region": REGION,
                "resources": [],
                "detail": body,
            }),
        }
    }
}

/// The `detail-type` of `EventBridge`.
fn title(body: &Value) -> &'static str {
    match body.get("eventType").and_then(Value::as_str).unwrap_or_default() {
        "Send" => "Email Sent",
        "Delivery" => "Email Delivered",
        "Bounce" => "Email Bounced",
        "Complaint" => "Email Complaint Received",
        "Reject" => "Email Rejected",
        _ => "Email Delivery Delayed",
    }
}

fn body(email: &Email, event: &Event) -> Value {
    let mut body = Map::new();
    body.insert("eventType".to_owned(), json!(event.kind));
    body.insert("mail".to_owned(), mail(email));
    body.insert(event.object.to_owned(), event.details.clone());
    Value::Object(body)
}

/// The object `mail` of every event.
fn mail(email: &Email) -> Value {
    let domain = bare(&email.from).rsplit_once('@').map_or("", |(_, domain)| domain);
    let header = |(name, value): (&str, &str)| json!({ "name": name, "value": value });
    let to = email.to.join(", ");
    let own = [("From", email.from.as_str()), ("To", &to), ("Subject", &email.subject)];
    let added = email
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let headers: Vec<Value> = own.into_iter().chain(added).map(header).collect();
    let mut tags = Map::new();
    let set = email.configuration_set.as_deref().unwrap_or_default();
    for (name, value) in [
        ("ses:operation", "SendEmail"),
        ("ses:configuration-set", set),
        ("ses:from-domain", domain),
    ] {
        tags.insert(name.to_owned(), json!([value]));
    }
    tags.extend(email.tags.iter().map(|(name, value)| (name.clone(), json!([value]))));
    json!({
        "timestamp": email.at.to_string(),
        "source": email.from,
        "sourceArn": format!("arn:aws:ses:{REGION}:{ACCOUNT}:identity/{domain}"),
        "sendingAccountId": ACCOUNT,
        "messageId": email.id,
        "destination": email.to,
        "headersTruncated": false,
        "headers": headers,
        "commonHeaders": {
            "from": [email.from],
            "to": email.to,
            "messageId": email.id,
            "subject": email.subject,
        },
        "tags": tags,
    })
}

/// The details of the events (ses/CONTRACT.md 3).
pub(super) fn delivery(to: &str, at: Timestamp, since: Timestamp) -> Value {
    json!({
        "timestamp": at.to_string(),
        "processingTimeMillis": at.since(since).as_millis(),
        "recipients": [to],
        "smtpResponse": "250 2.0.0 OK",
        "reportingMTA": format!("b224-11.smtp-out.{REGION}.amazonses.com"),
    })
}

pub(super) fn delay(to: &str, at: Timestamp) -> Value {
    json!({
        "timestamp": at.to_string(),
        "delayType": "TransientCommunicationFailure",
        "expirationTime": at.plus_seconds(12 * 60 * 60).to_string(),
        "delayedRecipients": [{
            "emailAddress": to,
            "status": "4.4.1",
            "diagnosticCode": "smtp; 421 4.4.1 unable to connect",
        }],
    })
}

pub(super) fn bounce(to: &str, at: Timestamp, (kind, sub_type): (&str, &str), feedback: &str) -> Value {
    let status = if kind == "Permanent" { "5.1.1" } else { "4.2.2" };
    json!({
        "feedbackId": feedback,
        "bounceType": kind,
        "bounceSubType": sub_type,
        "bouncedRecipients": [{ "emailAddress": to, "action": "failed", "status": status }],
        "timestamp": at.to_string(),
        "reportingMTA": "dsn; mx.example.net",
    })
}

pub(super) fn complaint(to: &str, at: Timestamp, feedback_type: &str, feedback: &str) -> Value {
    json!({
        "feedbackId": feedback,
        "complaintSubType": null,
        "complainedRecipients": [{ "emailAddress": to }],
        "timestamp": at.to_string(),
        "userAgent": "ExampleFeedback/1.0",
        "complaintFeedbackType": feedback_type,
        "arrivalDate": at.to_string(),
    })
}
