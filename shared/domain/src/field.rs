//! Validation errors of a request, by field.

use serde::Serialize;

/// An error in one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Path of the field, such as `policy.attempts`.
    pub field: String,
    /// What is expected there.
    pub detail: String,
}

impl FieldError {
    /// An error at `field`.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            detail: detail.into(),
        }
    }
}

/// Translates a serde error into what was expected, without Rust's terms. It never includes what was found: that is the
/// client's data, and may be a phone number.
pub fn expected(message: &str) -> String {
    let Some((_, expected)) = message.rsplit_once(", expected ") else {
        return match message {
            "expected value" => "has the wrong type".to_owned(),
            "number out of range" => "is out of range".to_owned(),
            _ if message.starts_with("data did not match any variant") => "has none of the documented forms".to_owned(),
            // The message of one of our own types, written for people.
            _ => message.to_owned(),
        };
    };
    let words = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "u128" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "an object",
        "unit" => "null",
        _ if expected.starts_with("struct ") || expected.contains("tagged enum ") => "an object",
        _ if expected.starts_with("tuple ") => "a list",
        _ if expected.starts_with("enum ") || expected.contains(" enum ") => "one of the documented forms",
        _ => expected,
    };
    format!("expected {words}")
}
