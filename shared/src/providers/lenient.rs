//! Reading JSON whose documentation is incomplete: numbers may be strings, booleans too, any field may be missing and
//! new ones may appear (`routee.md` section 8, `twilio.md` 1.3). One odd field must not cost the rest of a webhook.

use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::foreign;
use crate::percent;
use crate::phone::PhoneNumber;

/// Longest id of a provider's that is taken, in characters. Theirs have 36 at most.
pub(in crate::providers) const MAX_ID_CHARS: usize = 128;

/// The fields of a JSON object.
pub(in crate::providers) struct Fields(Map<String, Value>);

impl Fields {
    /// Of a body that is a JSON object.
    pub(in crate::providers) fn from_json(body: &[u8]) -> Option<Self> {
        foreign::read(body).ok().and_then(Self::from_value)
    }

    pub(in crate::providers) fn from_value(value: Value) -> Option<Self> {
        if let Value::Object(fields) = value {
            Some(Self(fields))
        } else {
            None
        }
    }

    /// Of a form body; a field that comes twice counts as it came last.
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

    /// A text, or a number as text.
    pub(in crate::providers) fn text(&self, name: &str) -> Option<String> {
        self.value(name).and_then(as_text)
    }

    /// An id of the provider's; one that is empty or too long is none.
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

    /// A number that is not negative, without its fraction.
    pub(in crate::providers) fn whole(&self, name: &str) -> Option<u64> {
        match self.value(name)? {
            Value::Number(number) if number.is_u64() => number.as_u64(),
            _ => {
                let number = self.number(name)?;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the cast saturates, and a negative number becomes 0"
                )]
                let whole = number as u64;
                Some(whole)
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

    /// A time; one without an offset is in UTC.
    pub(in crate::providers) fn time(&self, name: &str) -> Option<Timestamp> {
        match self.value(name)? {
            Value::String(text) => parse_time(text.trim()),
            Value::Number(millis) => millis.as_i64().map(Timestamp::from_millis),
            _ => None,
        }
    }

    /// A telephone number, with or without its `+`.
    pub(in crate::providers) fn phone(&self, name: &str) -> Option<PhoneNumber> {
        let text = self.text(name)?;
        PhoneNumber::from_e164(text.trim())
            .or_else(|_| PhoneNumber::from_e164(&format!("+{}", text.trim())))
            .ok()
    }
}

/// A text, or a number as text.
pub(in crate::providers) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        // 1.0 is the number 1: its text must not gain a digit.
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
            // `+0000`, as Java's older formatters write it.
            let (time, offset) = text.split_at_checked(text.len().checked_sub(5)?)?;
            let (hours, minutes) = offset.split_at_checked(3)?;
            Timestamp::parse(&format!("{time}{hours}:{minutes}"))
        })
}

/// An id of the provider's as one segment of a path; nothing when it cannot be one. Everything but unreserved
/// characters is escaped: such an id came in a webhook, and must not choose another path.
pub(in crate::providers) fn segment(id: &str) -> Option<String> {
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
            (fields.whole("a"), fields.whole("b"), fields.whole("d")),
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
    fn a_number_that_should_be_a_text_gains_no_digit() {
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
    fn times_come_in_the_forms_that_java_writes() {
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
        for odd in [json!("ключ"), json!(""), json!("soon"), json!([]), json!(true)] {
            assert_eq!(fields(json!({ "t": odd })).time("t"), None);
        }
    }

    #[test]
    fn ids_that_could_not_be_asked_for_are_none() {
        let fields = fields(json!({ "a": "", "b": "x".repeat(128), "c": "x".repeat(129) }));
        assert!(fields.id("a").is_none() && fields.id("b").is_some() && fields.id("c").is_none());
    }

    #[test]
    fn a_phone_number_may_lack_its_plus_and_a_sender_name_is_none() {
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
