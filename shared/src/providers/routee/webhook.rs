//! What Routee posts to us (`routee.md` section 5). Nothing is signed: trust comes from the reference in our URL.

use serde_json::Value;

use super::status::CallStatus;
use crate::clock::Timestamp;
use crate::phone::PhoneNumber;
use crate::providers::lenient::{Fields, as_text};

/// Most keys that are kept of one event. The provider collects 30 by default; the last ones are what counts.
const MAX_KEYS: usize = 64;

/// The body is not what Routee posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Neither a JSON object nor, where one is taken, a form.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// There is no state in it.
    #[error("the body has no status.name")]
    NoStatus,
}

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the provider's two words")]
pub enum Direction {
    Inbound,
    Outbound,
}

impl Direction {
    /// In any case: one page writes it in lower case.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [(Self::Inbound, "inbound"), (Self::Outbound, "outbound")]
            .into_iter()
            .find_map(|(direction, known)| known.eq_ignore_ascii_case(name.trim()).then_some(direction))
    }
}

/// The state of a call changed (`routee.md` 5.1).
#[derive(Clone, Debug, PartialEq)]
pub struct StatusCallback {
    /// The call leg, which is what can be hung up; empty when it was not told.
    pub message_id: String,
    /// The conversation, the `trackingId` of the create response; empty when it was not told.
    pub tracking_id: String,
    /// The state.
    pub status: CallStatus,
    /// When it became so. With leg and state it tells a repeated callback from a new one.
    pub updated_at: Option<Timestamp>,
    /// Who called whom.
    pub direction: Option<Direction>,
    /// Who was called.
    pub to: Option<PhoneNumber>,
    /// Our sender id, when it is a telephone number.
    pub from: Option<PhoneNumber>,
    /// What the call was part of.
    pub originating_service: Option<String>,
    /// Whether quiet hours were respected.
    pub respect_quiet_hours: Option<bool>,
    /// Length of the call in seconds, once it is known.
    pub duration: Option<f64>,
    /// Its price in the account's currency, once it is known.
    pub price: Option<f64>,
}

impl StatusCallback {
    /// Reads the body of a status callback; all but the state may be missing.
    pub fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        let fields = Fields::from_json(body).ok_or(Unreadable::NotAnObject)?;
        let (status, updated_at) = status(&fields);
        Ok(Self {
            message_id: fields.id("messageId").unwrap_or_default(),
            tracking_id: fields.id("conversationTrackingId").unwrap_or_default(),
            status: status.ok_or(Unreadable::NoStatus)?,
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

/// The state and its date. Callbacks say `status.name` and `status.updatedDate`, tracking says `status.status` and
/// `status.date` (`routee.md` 3.2); either is taken in both places.
pub(super) fn status(fields: &Fields) -> (Option<CallStatus>, Option<Timestamp>) {
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

/// Keys were pressed, or the call ended without one (`routee.md` 5.3 and 5.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectEvent {
    /// The call leg; empty when it was not told.
    pub message_id: String,
    /// The conversation; empty when it was not told.
    pub tracking_id: String,
    /// Which of the two is the employee is not known for outbound calls.
    pub from: Option<PhoneNumber>,
    /// See `from`.
    pub to: Option<PhoneNumber>,
    /// The keys as they came; may repeat keys of earlier events.
    pub collected_tones: String,
}

impl CollectEvent {
    /// Reads the body of a COLLECT event: JSON, or the form that its field observers could not tell from JSON.
    pub fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        let fields = match Fields::from_json(body) {
            Some(fields) => fields,
            None if is_form(body) => Fields::from_form(body),
            None => return Err(Unreadable::NotAnObject),
        };
        Ok(Self {
            message_id: fields.id("messageId").unwrap_or_default(),
            tracking_id: fields.id("conversationTrackingId").unwrap_or_default(),
            from: fields.phone("from"),
            to: fields.phone("to"),
            collected_tones: fields.value("collectedTones").and_then(as_text).unwrap_or_default(),
        })
    }

    /// The keys alone, without the commas, spaces and `#` that may stand between them.
    pub fn keys(&self) -> String {
        keys(&self.collected_tones)
    }
}

/// A form has a `name=value` and does not begin as JSON does.
fn is_form(body: &[u8]) -> bool {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_some_and(u8::is_ascii_alphabetic) && body.contains(&b'=') && std::str::from_utf8(body).is_ok()
}

/// The keys of a telephone in `tones`, without the commas, spaces and `#` that may stand between them; the last
/// [`MAX_KEYS`] of them.
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
    fn a_status_callback_of_the_contract_is_read() {
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
    fn a_status_callback_needs_nothing_but_its_state() {
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
                Err(Unreadable::NoStatus),
                "{body}"
            );
        }
        for body in ["", "[]", "{", "status=Completed"] {
            assert_eq!(
                StatusCallback::parse(body.as_bytes()),
                Err(Unreadable::NotAnObject),
                "{body}"
            );
        }
    }

    #[test]
    fn strings_stand_for_booleans_and_numbers_and_any_case_for_the_direction() {
        let body = r#"{"status":{"name":"Busy"},"direction":"outbound","respectQuietHours":"true","duration":"27","price":"0.031"}"#;
        let callback = StatusCallback::parse(body.as_bytes()).expect("a callback");
        assert_eq!(callback.direction, Some(Direction::Outbound));
        assert_eq!(callback.respect_quiet_hours, Some(true));
        assert_eq!((callback.duration, callback.price), (Some(27.0), Some(0.031)));
    }

    #[test]
    fn a_collect_event_of_the_contract_is_read() {
        let event = CollectEvent::parse(COLLECT).expect("an event");
        assert_eq!(event.message_id, "a1b2c3d4-0000-4000-8000-00000000c0de");
        assert_eq!(event.tracking_id, "5b0c2f5e-7a31-4f0f-9d58-0c1d2e3f4a5b");
        assert_eq!(event.to, PhoneNumber::parse("+306900000001").ok());
        assert_eq!(event.keys(), "1");
    }

    #[test]
    fn keys_are_found_however_they_are_written() {
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
    fn a_form_does_as_well() {
        let event =
            CollectEvent::parse(b"messageId=m-1&collectedTones=1%2C2%23&from=%2B306900000001").expect("an event");
        assert_eq!((event.message_id.as_str(), event.keys().as_str()), ("m-1", "12"));
        assert_eq!(event.from, PhoneNumber::parse("+306900000001").ok());
        for body in ["", "hello", "{\"collectedTones\"=1", "<x a=1>"] {
            assert_eq!(
                CollectEvent::parse(body.as_bytes()),
                Err(Unreadable::NotAnObject),
                "{body}"
            );
        }
    }

    #[test]
    fn nothing_that_is_printed_shows_a_whole_telephone_number() {
        let printed = format!("{:?} {:?}", StatusCallback::parse(STATUS), CollectEvent::parse(COLLECT));
        assert!(!printed.contains("690000000") && printed.contains("…01"), "{printed}");
    }

    proptest! {
        #[test]
        fn no_body_brings_a_webhook_down(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = StatusCallback::parse(&body);
            if let Ok(event) = CollectEvent::parse(&body) {
                prop_assert!(event.keys().len() <= MAX_KEYS);
            }
        }

        #[test]
        fn no_value_in_any_field_brings_a_webhook_down(
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
