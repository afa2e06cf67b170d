//! Calls: the platform phones the customer, or a dispatch phones employees.

use serde_json::{Value, json};

use super::document::Dispatch;
use crate::conversation::limits::MAX_REQUEST_BYTES;
use crate::dispatch::request::DispatchRequest;
use crate::phone::{CallingCode, PhoneNumber};
use crate::web::body::field_path;

/// Maximum length of the text that is read to employees, in characters: nobody listens to more.
pub(super) const MAX_TEXT_CHARS: usize = 500;
/// Maximum size of a request in a document, in bytes: its text may take more in another language.
pub(super) const MAX_DOCUMENT_BYTES: usize = MAX_REQUEST_BYTES - 4 * MAX_TEXT_CHARS;
/// A text as long as ours may be.
pub(super) fn longest_text() -> String {
    let word = "word ";
    word.repeat(MAX_TEXT_CHARS / word.len())
}

impl Dispatch {
    /// The body of the request with this text.
    pub(super) fn request(&self, text: &str) -> Value {
        let mut request = json!({ "ticket": { "text": text }, "employees": self.employees });
        if let Some(fields) = request.as_object_mut() {
            if !self.policy.is_null() {
                fields.insert("policy".to_owned(), self.policy.clone());
            }
            if let Some(priority) = self.priority {
                fields.insert("priority".to_owned(), json!(priority));
            }
        }
        request
    }
}

/// What is wrong with a request for a dispatch of at most `max_bytes`, by field: what `POST /v1/dispatches` would
/// refuse.
pub(super) fn check_request(request: &Value, max_bytes: usize) -> Vec<(String, String)> {
    let text = request.to_string();
    if text.len() > max_bytes {
        return vec![(String::new(), format!("has more than {max_bytes} bytes"))];
    }
    let mut unknown = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let mut collect = |path: serde_ignored::Path<'_>| unknown.push((field_path(&path), "is not known".to_owned()));
    let parsed: Result<DispatchRequest, _> =
        serde_path_to_error::deserialize(serde_ignored::Deserializer::new(&mut deserializer, &mut collect));
    match parsed {
        Err(error) => {
            let path = error.path().to_string();
            vec![(path, crate::field::expected(&error.into_inner().to_string()))]
        }
        Ok(_) if !unknown.is_empty() => unknown,
        Ok(request) => {
            let errors = request.check().err().unwrap_or_default();
            errors.into_iter().map(|error| (error.field, error.detail)).collect()
        }
    }
}

/// The number in a text, in international notation or as it is dialed in `country`.
pub(super) fn number(text: &str, country: Option<&CallingCode>) -> Option<PhoneNumber> {
    let number = match country {
        Some(country) => PhoneNumber::parse_at_home(text, country),
        None => PhoneNumber::parse(text),
    };
    number.ok()
}
