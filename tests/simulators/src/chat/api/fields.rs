//! The fields of request bodies. Numbers are also accepted as strings of digits.

use serde_json::{Map, Value};

use super::Reply;

/// The body of a request.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// The fields of a body, or the error response if it is not an object.
    pub(super) fn read(body: Value) -> Result<Self, Reply> {
        match body {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(Reply::error(400, "the body is not an object")),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A string that is not blank, or the error response.
    pub(super) fn text(&self, name: &str) -> Result<&str, Reply> {
        let text = self.get(name).and_then(Value::as_str);
        text.filter(|text| !text.trim().is_empty()).ok_or_else(|| missing(name))
    }

    /// A number, or the error response.
    pub(super) fn number(&self, name: &str) -> Result<u64, Reply> {
        self.get(name).and_then(number).ok_or_else(|| missing(name))
    }

    /// A boolean; false if it is missing.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or_default()
    }
}

/// A number, or a string of digits.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn missing(name: &str) -> Reply {
    Reply::error(400, &format!("{name} is missing or invalid"))
}

/// Whether a URL is one to which events can be sent.
pub(super) fn is_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Whether a text resembles an e-mail address.
pub(super) fn is_email(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !text.contains(char::is_whitespace))
}

/// Whether a text is `+` and digits. The number of digits is not checked: Sangoma's sample has nine.
pub(super) fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (2..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
}
