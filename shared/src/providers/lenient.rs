//! A lenient reader for provider JSON whose documentation is incomplete.
//!
//! Numbers and booleans may be strings, any field may be missing, and new ones may appear (routee/CONTRACT.md 8,
//! twilio/CONTRACT.md 1.3). A field with an unexpected value reads as absent; the rest of the webhook is still read.

use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::lenient_json;
use crate::percent;
use crate::phone::PhoneNumber;

/// Longest provider id that we accept, in characters. Providers use 36 at most.
pub(in crate::providers) const MAX_ID_CHARS: usize = 128;

/// The fields of a JSON object.
pub(in crate::providers) struct Fields(Map<String, Value>);

impl Fields {
    /// The fields of a body; `None` if the body is not a JSON object.
    pub(in crate::providers) fn from_json(body: &[u8]) -> Option<Self> {
        lenient_json::parse(body).ok().and_then(Self::from_value)
    }

    pub(in crate::providers) fn from_value(value: Value) -> Option<Self> {
        if let Value::Object(fields) = value {
            Some(Self(fields))
        } else {
            None
        }
    }

    /// The fields of a form body. Of a duplicate field the last value counts.
    pub(in crate::providers) fn from_form(body: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(body);
        Self(
            pairs
                .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
                .collect(),
        )
    }

    pub(in crate::providers) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A string, or a number as text.
    pub(in crate::providers) fn text(&self, name: &str) -> Option<String> {
        self.value(name).and_then(as_text)
    }

    /// A provider id; `None` if it is empty or longer than [`MAX_ID_CHARS`].
    pub(in crate::providers) fn id(&self, name: &str) -> Option<String> {
        self.text(name)
            .filter(|id| !id.is_empty() && id.chars().count() <= MAX_ID_CHARS)
    }

    pub(in crate::providers) fn number(&self, name: &str) -> Option<f64> {
        let number = match self.value(name)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number| number.is_finite())
    }

    /// A number without its fraction. Negative numbers read as 0.
    pub(in crate::providers) fn integer(&self, name: &str) -> Option<u64> {
        match self.value(name)? {
            Value::Number(number) if number.is_u64() => number.as_u64(),
            _ => {
                let number = self.number(name)?;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the cast saturates, and a negative number becomes 0"
                )]
                let integer = number as u64;
                Some(integer)
            }
        }
    }

    pub(in crate::providers) fn flag(&self, name: &str) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// A time. Without an offset it is in UTC; a number is milliseconds since the epoch.
    pub(in crate::providers) fn time(&self, name: &str) -> Option<Timestamp> {
        match self.value(name)? {
            Value::String(text) => parse_time(text.trim()),
            Value::Number(millis) => millis.as_i64().map(Timestamp::from_millis),
            _ => None,
        }
    }

    /// A phone number, with or without its `+`.
    pub(in crate::providers) fn phone(&self, name: &str) -> Option<PhoneNumber> {
        let text = self.text(name)?;
        PhoneNumber::from_e164(text.trim())
            .or_else(|_| PhoneNumber::from_e164(&format!("+{}", text.trim())))
            .ok()
    }
}

/// A string, or a number as text.
pub(in crate::providers) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        // 1.0 is the number 1: its text must be "1", or a key press of 1 would read as 10.
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => Some(format!("{float}")),
            _ => Some(number.to_string()),
        },
        _ => None,
    }
}

fn parse_time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text)
        .or_else(|| Timestamp::parse(&format!("{text}Z")))
        .or_else(|| {
            // An offset like `+0000`, as older Java formatters write it.
            let (time, offset) = text.split_at_checked(text.len().checked_sub(5)?)?;
            let (hours, minutes) = offset.split_at_checked(3)?;
            Timestamp::parse(&format!("{time}{hours}:{minutes}"))
        })
}

/// A provider id as one path segment; `None` if it cannot be one (empty, only dots, or too long). Everything but
/// unreserved characters is escaped: the id came in a webhook and must not be able to choose another path.
pub(in crate::providers) fn path_segment(id: &str) -> Option<String> {
    if id.chars().count() > MAX_ID_CHARS || id.chars().all(|c| c == '.') {
        return None;
    }
    Some(utf8_percent_encode(id, percent::ALL_BUT_UNRESERVED).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        Fields::from_value(value).expect("an object")
    }

    #[test]
    fn numbers_and_booleans_may_be_strings() {
        let fields =
            fields(json!({ "a": 3599, "b": "3599", "c": "0.031", "d": -1, "e": "true", "f": false, "g": [1] }));
        assert_eq!(
            (fields.integer("a"), fields.integer("b"), fields.integer("d")),
            (Some(3599), Some(3599), Some(0))
        );
        assert_eq!(
            (fields.number("c"), fields.number("g"), fields.number("e")),
            (Some(0.031), None, None)
        );
        assert_eq!(
            (fields.flag("e"), fields.flag("f"), fields.flag("a")),
            (Some(true), Some(false), None)
        );
    }

    #[test]
    fn number_as_text_gains_no_digit() {
        let fields = fields(json!({ "a": 12, "b": 1.0, "c": null, "d": {} }));
        assert_eq!(
            (fields.text("a").as_deref(), fields.text("b").as_deref()),
            (Some("12"), Some("1"))
        );
        assert_eq!(
            (fields.text("c"), fields.text("d"), fields.text("missing")),
            (None, None, None)
        );
    }

    #[test]
    fn time_formats_of_java_are_parsed() {
        let expected = Timestamp::parse("2026-01-05T09:00:31.440Z");
        for time in [
            "2026-01-05T09:00:31.44Z",
            "2026-01-05T09:00:31.440",
            "2026-01-05T09:00:31.440+0000",
            "2026-01-05T11:00:31.440+0200",
            "2026-01-05T11:00:31.440+02:00",
        ] {
            assert_eq!(fields(json!({ "t": time })).time("t"), expected, "{time}");
        }
        assert_eq!(fields(json!({ "t": 1_767_603_631_440_i64 })).time("t"), expected);
        for invalid in [json!("ключ"), json!(""), json!("soon"), json!([]), json!(true)] {
            assert_eq!(fields(json!({ "t": invalid })).time("t"), None);
        }
    }

    #[test]
    fn empty_or_too_long_id_is_none() {
        let fields = fields(json!({ "a": "", "b": "x".repeat(128), "c": "x".repeat(129) }));
        assert!(fields.id("a").is_none() && fields.id("b").is_some() && fields.id("c").is_none());
    }

    #[test]
    fn phone_number_may_lack_its_plus_and_sender_name_is_none() {
        let fields =
            fields(json!({ "a": "+306900000001", "b": "306900000001", "c": 306_900_000_001_u64, "d": "Helpdesk" }));
        let number = PhoneNumber::parse("+306900000001").ok();
        assert_eq!(
            (fields.phone("a"), fields.phone("b"), fields.phone("c")),
            (number.clone(), number.clone(), number)
        );
        assert_eq!(fields.phone("d"), None);
    }
}
