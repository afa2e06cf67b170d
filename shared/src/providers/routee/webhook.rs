//! Parses the webhooks that Routee posts (CONTRACT.md 5).
//!
//! Routee signs nothing: the signed reference in our URL proves that a webhook belongs to a call of ours.

use serde_json::Value;

use super::status::CallStatus;
use crate::clock::Timestamp;
use crate::phone::PhoneNumber;
use crate::providers::lenient::{Fields, as_text};

/// Most keys that we keep of one event. Routee collects 30 by default; the last keys are the ones that count.
const MAX_KEYS: usize = 64;

/// The body is not a webhook of Routee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhook {
    /// Neither a JSON object nor, where a form is accepted, a form.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// The status is missing.
    #[error("the body has no status.name")]
    NoStatus,
}

/// Direction of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Routee's two values")]
pub enum Direction {
    Inbound,
    Outbound,
}

impl Direction {
    /// The case is ignored: one page of the documentation writes the values in lower case.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [(Self::Inbound, "inbound"), (Self::Outbound, "outbound")]
            .into_iter()
            .find_map(|(direction, known)| known.eq_ignore_ascii_case(name.trim()).then_some(direction))
    }
}

/// A status callback: the status of a call changed (CONTRACT.md 5.1).
#[derive(Clone, Debug, PartialEq)]
pub struct StatusCallback {
    /// Id of the call leg, which hanging up needs; empty if missing.
    pub message_id: String,
    /// Id of the conversation, the `trackingId` of the create response; empty if missing.
    pub tracking_id: String,
    /// The new status.
    pub status: CallStatus,
    /// Time of the change. Together with leg and status it identifies a duplicate callback.
    pub updated_at: Option<Timestamp>,
    /// Inbound or outbound.
    pub direction: Option<Direction>,
    /// The called number.
    pub to: Option<PhoneNumber>,
    /// Our sender id, if it is a phone number.
    pub from: Option<PhoneNumber>,
    /// Routee's service that placed the call.
    pub originating_service: Option<String>,
    /// Whether quiet hours were respected.
    pub respect_quiet_hours: Option<bool>,
    /// Duration of the call in seconds, once known.
    pub duration: Option<f64>,
    /// Price in the account's currency, once known.
    pub price: Option<f64>,
}

impl StatusCallback {
    /// Parses the body of a status callback. Every field but the status may be missing.
    ///
    /// # Errors
    /// The body is not a JSON object, or has no status.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidWebhook> {
        let fields = Fields::from_json(body).ok_or(InvalidWebhook::NotAnObject)?;
        let (status, updated_at) = parse_status(&fields);
        Ok(Self {
            message_id: fields.id("messageId").unwrap_or_default(),
            tracking_id: fields.id("conversationTrackingId").unwrap_or_default(),
            status: status.ok_or(InvalidWebhook::NoStatus)?,
            updated_at,
            direction: fields.text("direction").and_then(|name| Direction::from_name(&name)),
            to: fields.phone("to"),
            from: fields.phone("from"),
            originating_service: fields.text("originatingService"),
            respect_quiet_hours: fields.flag("respectQuietHours"),
            duration: fields.number("duration"),
            price: fields.number("price"),
        })
    }
}

/// The status and its time. Callbacks use `status.name` and `status.updatedDate`, tracking uses `status.status` and
/// `status.date` (CONTRACT.md 3.2); this accepts either in both places.
pub(super) fn parse_status(fields: &Fields) -> (Option<CallStatus>, Option<Timestamp>) {
    match fields.value("status") {
        Some(Value::String(name)) if !name.trim().is_empty() => (Some(CallStatus::from_name(name)), None),
        Some(Value::Object(object)) => {
            let Some(inner) = Fields::from_value(Value::Object(object.clone())) else {
                return (None, None);
            };
            let name = ["name", "status"]
                .iter()
                .find_map(|field| inner.text(field).filter(|name| !name.trim().is_empty()));
            let date = ["updatedDate", "date"].iter().find_map(|field| inner.time(field));
            (name.map(|name| CallStatus::from_name(&name)), date)
        }
        _ => (None, None),
    }
}

/// A COLLECT event: keys were pressed, or the call ended without one (CONTRACT.md 5.3 and 5.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectEvent {
    /// Id of the call leg; empty if missing.
    pub message_id: String,
    /// Id of the conversation; empty if missing.
    pub tracking_id: String,
    /// A number of the call. For outbound calls it is unknown whether `from` or `to` is the employee.
    pub from: Option<PhoneNumber>,
    /// See `from`.
    pub to: Option<PhoneNumber>,
    /// The keys exactly as Routee reports them. They may repeat keys of earlier events.
    pub collected_tones: String,
}

impl CollectEvent {
    /// Parses the body of a COLLECT event: JSON, or a form. Reports from the field show JSON but do not rule out a
    /// form.
    ///
    /// # Errors
    /// The body is neither.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidWebhook> {
        let fields = match Fields::from_json(body) {
            Some(fields) => fields,
            None if is_form(body) => Fields::from_form(body),
            None => return Err(InvalidWebhook::NotAnObject),
        };
        Ok(Self {
            message_id: fields.id("messageId").unwrap_or_default(),
            tracking_id: fields.id("conversationTrackingId").unwrap_or_default(),
            from: fields.phone("from"),
            to: fields.phone("to"),
            collected_tones: fields.value("collectedTones").and_then(as_text).unwrap_or_default(),
        })
    }

    /// The keys without separators (commas, spaces, `#`).
    pub fn keys(&self) -> String {
        keys(&self.collected_tones)
    }
}

/// Whether the body may be a form: it contains `=` and begins with a letter, unlike JSON.
fn is_form(body: &[u8]) -> bool {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_some_and(u8::is_ascii_alphabetic) && body.contains(&b'=') && std::str::from_utf8(body).is_ok()
}

/// The last [`MAX_KEYS`] phone keys in `tones`, without separators (commas, spaces, `#`).
pub(super) fn keys(tones: &str) -> String {
    let is_key = |c: &char| c.is_ascii_digit() || *c == '*' || ('A'..='D').contains(&c.to_ascii_uppercase());
    let keys: Vec<char> = tones.chars().filter(is_key).collect();
    keys.iter().skip(keys.len().saturating_sub(MAX_KEYS)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const STATUS: &[u8] = include_bytes!("fixtures/status-callback.json");
    const COLLECT: &[u8] = include_bytes!("fixtures/collect-event.json");

    fn collected(body: &str) -> String {
        CollectEvent::parse(body.as_bytes()).expect(body).keys()
    }

    #[test]
    fn status_callback_of_the_contract_is_parsed() {
        assert_eq!(
            StatusCallback::parse(STATUS),
            Ok(StatusCallback {
                message_id: "a1b2c3d4-0000-4000-8000-00000000c0de".to_owned(),
                tracking_id: "5b0c2f5e-7a31-4f0f-9d58-0c1d2e3f4a5b".to_owned(),
                status: CallStatus::NoAnswer,
                updated_at: Timestamp::parse("2026-01-05T09:00:31.440Z"),
                direction: Some(Direction::Outbound),
                to: PhoneNumber::parse("+306900000001").ok(),
                from: PhoneNumber::parse("+302100000000").ok(),
                originating_service: Some("Voice".to_owned()),
                respect_quiet_hours: Some(false),
                duration: Some(0.0),
                price: Some(0.0),
            })
        );
    }

    #[test]
    fn status_callback_needs_only_its_status() {
        for body in [
            json!({ "status": { "name": "Completed" } }),
            json!({ "status": { "status": "Completed", "date": 5 }, "direction": 7, "price": "free", "new": [] }),
            json!({ "status": { "name": null, "status": "completed" }, "messageId": null }),
            json!({ "status": "Completed" }),
        ] {
            let callback = StatusCallback::parse(body.to_string().as_bytes()).expect("a callback");
            assert_eq!(
                (callback.status, callback.message_id.as_str()),
                (CallStatus::Completed, "")
            );
        }
        for body in [
            "{}",
            r#"{"status":{}}"#,
            r#"{"status":""}"#,
            r#"{"status":{"name":""}}"#,
            r#"{"status":[]}"#,
        ] {
            assert_eq!(
                StatusCallback::parse(body.as_bytes()),
                Err(InvalidWebhook::NoStatus),
                "{body}"
            );
        }
        for body in ["", "[]", "{", "status=Completed"] {
            assert_eq!(
                StatusCallback::parse(body.as_bytes()),
                Err(InvalidWebhook::NotAnObject),
                "{body}"
            );
        }
    }

    #[test]
    fn status_callback_accepts_strings_for_booleans_and_numbers_and_any_case_of_direction() {
        let body = r#"{"status":{"name":"Busy"},"direction":"outbound","respectQuietHours":"true","duration":"27","price":"0.031"}"#;
        let callback = StatusCallback::parse(body.as_bytes()).expect("a callback");
        assert_eq!(callback.direction, Some(Direction::Outbound));
        assert_eq!(callback.respect_quiet_hours, Some(true));
        assert_eq!((callback.duration, callback.price), (Some(27.0), Some(0.031)));
    }

    #[test]
    fn collect_event_of_the_contract_is_parsed() {
        let event = CollectEvent::parse(COLLECT).expect("an event");
        assert_eq!(event.message_id, "a1b2c3d4-0000-4000-8000-00000000c0de");
        assert_eq!(event.tracking_id, "5b0c2f5e-7a31-4f0f-9d58-0c1d2e3f4a5b");
        assert_eq!(event.to, PhoneNumber::parse("+306900000001").ok());
        assert_eq!(event.keys(), "1");
    }

    #[test]
    fn keys_are_extracted_from_every_notation() {
        for (tones, expected) in [
            (r#""1""#, "1"),
            (r#""""#, ""),
            ("null", ""),
            ("1", "1"),
            ("1.0", "1"),
            ("12", "12"),
            (r#""1,2, 3#""#, "123"),
            (r#"" 1 ""#, "1"),
            (r#""*1#""#, "*1"),
            ("[]", ""),
            ("true", ""),
            (r#""one""#, ""),
        ] {
            assert_eq!(
                collected(&format!(r#"{{"collectedTones":{tones}}}"#)),
                expected,
                "{tones}"
            );
        }
        assert_eq!(collected("{}"), "");
        let many = format!("{}1", "2".repeat(500));
        assert_eq!(keys(&many).len(), MAX_KEYS);
        assert!(keys(&many).ends_with("21"));
    }

    #[test]
    fn collect_event_may_be_a_form() {
        let event =
            CollectEvent::parse(b"messageId=m-1&collectedTones=1%2C2%23&from=%2B306900000001").expect("an event");
        assert_eq!((event.message_id.as_str(), event.keys().as_str()), ("m-1", "12"));
        assert_eq!(event.from, PhoneNumber::parse("+306900000001").ok());
        for body in ["", "hello", "{\"collectedTones\"=1", "<x a=1>"] {
            assert_eq!(
                CollectEvent::parse(body.as_bytes()),
                Err(InvalidWebhook::NotAnObject),
                "{body}"
            );
        }
    }

    #[test]
    fn debug_output_masks_phone_numbers() {
        let printed = format!("{:?} {:?}", StatusCallback::parse(STATUS), CollectEvent::parse(COLLECT));
        assert!(!printed.contains("690000000") && printed.contains("…01"), "{printed}");
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = StatusCallback::parse(&body);
            if let Ok(event) = CollectEvent::parse(&body) {
                prop_assert!(event.keys().len() <= MAX_KEYS);
            }
        }

        #[test]
        fn no_field_value_panics(
            field in proptest::sample::select(vec!["status", "messageId", "to", "collectedTones", "duration", "direction"]),
            text in any::<String>(),
            number in any::<f64>(),
        ) {
            for value in [json!(text), json!(number), json!({ "name": text, "updatedDate": text }), json!([text])] {
                let body = json!({ field: value }).to_string();
                let _ = StatusCallback::parse(body.as_bytes());
                prop_assert!(CollectEvent::parse(body.as_bytes()).is_ok());
            }
        }
    }
}
