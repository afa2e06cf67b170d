//! Routee's SMS API: create and tracking (routee/CONTRACT.md 6).

use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::http::Request;
use patchbay::messaging::Channel;
use patchbay::messaging::segments::{Encoding, segments};
use patchbay::phone::PhoneNumber;
use serde_json::{Map, Value, json};

use super::Messages;
use super::api::Reply;
use super::lifecycle::Callback;
use super::records::{Body, Incoming, Message, Status, Unexpected};
use super::switches::{StatusCase, TrackedParts};
use crate::exchange::Provider;
use crate::script_runner::later_by;

/// The fields of a request that are documented.
const KNOWN: [&str; 10] = [
    "from",
    "to",
    "body",
    "flash",
    "label",
    "ttl",
    "transcode",
    "urlShortener",
    "restrictions",
    "callback",
];
/// Validity of a message without `ttl`.
const USUAL_TTL_MINUTES: u64 = 72 * 60;

/// A valid request.
struct Order {
    from: String,
    to: PhoneNumber,
    text: String,
    label: Option<String>,
    callback: Option<Callback>,
    ttl: Duration,
}

impl Messages {
    /// `POST /sms`: checks the request, and returns what sends the message.
    pub(super) fn create_sms(&self, request: &Request) -> Result<impl FnOnce(Duration) -> Reply, Reply> {
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let order = body.as_object().map(|body| self.read_sms(body));
        let invalid =
            |(field, message): (&str, &str)| -> Reply { self.0.routee.invalid_because(field, message).into() };
        let order = order
            .unwrap_or(Err(("body", "must be a JSON object")))
            .map_err(invalid)?;
        if !self.may_send(&order.from) {
            return Err(self.0.routee.error(400, "005000", "Invalid sender").into());
        }
        Ok(move |starts_after| self.send_sms(order, starts_after))
    }

    fn read_sms(&self, body: &Map<String, Value>) -> Result<Order, (&'static str, &'static str)> {
        for name in body.keys().filter(|name| !KNOWN.contains(&name.as_str())) {
            self.lock().unexpected.push(Unexpected::Field(name.clone()));
        }
        let text = |name: &'static str| {
            let text = body.get(name).and_then(Value::as_str).unwrap_or_default();
            if text.trim().is_empty() {
                Err((name, "may not be empty"))
            } else {
                Ok(text.to_owned())
            }
        };
        let to = text("to")?;
        let ttl = body.get("ttl").map_or(Some(USUAL_TTL_MINUTES), Value::as_u64);
        let ttl = ttl.filter(|minutes| (1..=4_320).contains(minutes));
        let callback = body.get("callback").map(callback).transpose()?;
        Ok(Order {
            from: text("from")?,
            to: PhoneNumber::from_e164(&to).map_err(|_| ("to", "is not valid"))?,
            text: text("body")?,
            label: body.get("label").and_then(Value::as_str).map(str::to_owned),
            callback,
            ttl: Duration::from_secs(60 * ttl.ok_or(("ttl", "must be from 1 to 4320"))?),
        })
    }

    /// Our numbers, without plus, and names of up to 11 letters and digits.
    fn may_send(&self, from: &str) -> bool {
        if from.bytes().all(|byte| byte.is_ascii_digit()) {
            return self
                .lock()
                .senders
                .iter()
                .any(|sender| sender.strip_prefix('+') == Some(from));
        }
        (1..=11).contains(&from.len()) && from.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }

    fn send_sms(&self, order: Order, starts_after: Duration) -> Reply {
        let now = self.now();
        let counted = segments(&order.text);
        let url = order.callback.as_ref().map(|callback| callback.url.clone());
        let is_number = order.from.bytes().all(|byte| byte.is_ascii_digit());
        let mut state = self.lock();
        let message = Message {
            provider: Provider::Routee,
            channel: Channel::Sms,
            id: state.rng.uuid(),
            shown_from: if is_number {
                format!("+{}", order.from)
            } else {
                order.from.clone()
            },
            from: order.from.clone(),
            to: order.to.as_str().to_owned(),
            body: Body::Text(order.text.clone()),
            parts: counted.parts.max(1),
            status_url: url.clone(),
            at: now,
            statuses: vec![(now, Status::Queued)],
            failure: None,
            last_part_lost: false,
        };
        let (id, parts) = (message.id.clone(), message.parts);
        let index = state.add(message, &order.to);
        drop(state);
        let echo = order.callback.as_ref().map(|callback| {
            let strategy = if callback.only_final {
                "OnCompletion"
            } else {
                "OnChange"
            };
            json!({ "url": callback.url, "strategy": strategy })
        });
        self.start(index, order.callback, starts_after, order.ttl);
        let answer = json!({
            "trackingId": id,
            "createdAt": self.0.routee.date(now),
            "from": order.from,
            "to": order.to.as_str(),
            "body": order.text,
            "status": self.routee_word(Status::Queued),
            "label": order.label,
            "flash": false,
            "bodyAnalysis": {
                "characters": order.text.chars().count(),
                "parts": parts,
                "unicode": counted.encoding == Encoding::Ucs2,
                "transcode": null,
                "unsupportedGSMCharacters": [],
            },
            "callback": echo,
        });
        Reply::Json(200, answer)
    }

    /// `GET /sms/tracking/single/{trackingId}`.
    pub(super) fn track_sms(&self, id: &str) -> Reply {
        let appears_after = self.0.switches.appears_after;
        let now = self.now();
        let message = {
            let state = self.lock();
            let mut messages = state.messages.iter();
            messages
                .find(|message| message.id == id && later_by(message.at, appears_after) <= now)
                .cloned()
        };
        let Some(message) = message else {
            return self.not_found(Provider::Routee);
        };
        let (at, status) = message.statuses.last().copied().unwrap_or((message.at, Status::Queued));
        let parts: Vec<Value> = (1..=message.parts)
            .map(|part| self.tracked_part(&message, part, status, at))
            .collect();
        let body = match (self.0.switches.tracked_parts, parts.as_slice()) {
            (_, [only]) => only.clone(),
            (TrackedParts::List, _) => json!(parts),
            (TrackedParts::Page, _) => json!({ "totalElements": parts.len(), "content": parts }),
            (TrackedParts::Last, _) => parts.last().cloned().unwrap_or_default(),
        };
        Reply::Json(200, body)
    }

    fn tracked_part(&self, message: &Message, part: u32, status: Status, at: Timestamp) -> Value {
        let (word, reason) = self.part_status(message, part, status);
        json!({
            "messageId": message.id,
            "smsId": sms_id(message, part),
            "part": part,
            "parts": message.parts,
            "to": message.to,
            "from": message.from,
            "status": { "status": word, "date": self.0.routee.date(at), "reason": reason },
        })
    }

    /// The body of a status callback about one part.
    pub(super) fn part_callback(&self, message: &Message, part: u32, status: Status, at: Timestamp) -> Value {
        let (word, reason) = self.part_status(message, part, status);
        let Body::Text(text) = &message.body else {
            return Value::Null;
        };
        json!({
            "messageId": message.id,
            "smsId": sms_id(message, part),
            "campaignTrackingId": null,
            "part": part,
            "parts": message.parts,
            "label": null,
            "to": message.to,
            "from": message.from,
            "country": "US",
            "operator": "Example",
            "groups": [],
            "campaignName": null,
            "status": { "name": word, "reason": reason, "updatedDate": self.0.routee.date(at) },
            "message": text,
            "applicationName": "example",
            "latency": at.since(message.at).as_secs(),
            "price": 0.05,
            "direction": "Outbound",
            "originatingService": "Sms",
        })
    }

    /// The status of one part, as Routee spells it, and the reason of a failure.
    fn part_status(&self, message: &Message, part: u32, status: Status) -> (String, Value) {
        let arrived = message.last_part_lost && part < message.parts && status == Status::Undelivered;
        let status = if arrived { Status::Delivered } else { status };
        let failure = message
            .failure
            .filter(|_| matches!(status, Status::Undelivered | Status::Failed));
        let reason = failure.filter(|_| self.0.switches.failure_has_reason).map(
            |failure| json!({ "detailedStatus": failure.detailed_status, "description": "The message did not arrive" }),
        );
        (self.routee_word(status), reason.unwrap_or_default())
    }

    pub(super) fn routee_word(&self, status: Status) -> String {
        let word = status.capitalized();
        match self.0.switches.status_case {
            StatusCase::Capitalized => word.to_owned(),
            StatusCase::Upper => word.to_uppercase(),
            StatusCase::Lower => word.to_lowercase(),
        }
    }

    /// The body of a webhook with a message of a customer.
    pub(super) fn incoming_sms(&self, incoming: &Incoming) -> Value {
        json!({
            "messageId": incoming.id,
            "from": incoming.from,
            "to": incoming.to,
            "message": incoming.text,
            "parts": segments(&incoming.text).parts.max(1),
            "originatingService": "Sms",
            "direction": "Inbound",
            "receivedDate": self.0.routee.date(incoming.at),
        })
    }
}

/// Where and when status callbacks are sent.
fn callback(callback: &Value) -> Result<Callback, (&'static str, &'static str)> {
    let url = callback.get("url").and_then(Value::as_str).unwrap_or_default();
    if url::Url::parse(url).is_err() {
        return Err(("callback.url", "must be a URL"));
    }
    let only_final = match callback.get("strategy").and_then(Value::as_str) {
        Some("OnChange") => false,
        Some("OnCompletion") => true,
        _ => return Err(("callback.strategy", "must be one of OnChange, OnCompletion")),
    };
    Ok(Callback {
        url: url.to_owned(),
        only_final,
    })
}

fn sms_id(message: &Message, part: u32) -> String {
    format!("{}-{part}", message.id)
}
