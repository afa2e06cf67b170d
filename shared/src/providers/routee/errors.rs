//! Routee's error bodies, in both of its error formats: that of the token endpoint and that of the API (CONTRACT.md 1
//! and 2.3).

use std::fmt::Write;

use serde_json::Value;

use crate::providers::lenient::{Fields, as_text};
use crate::providers::masked::redact;

/// The account has insufficient balance (CONTRACT.md 2.3). The code was seen for SMS only, but its module part (001)
/// means "account", so we expect it for voice too.
const INSUFFICIENT_BALANCE: &str = "400001009";

/// The relevant parts of an error body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    /// `code` of the API, or `error` of the token endpoint (OAuth).
    pub(super) code: Option<String>,
    /// Message for operators, redacted for logs.
    pub(super) detail: String,
    /// Whether an invalid field is the number to call.
    pub(super) about_number: bool,
}

impl ErrorBody {
    pub(super) fn parse(body: &[u8]) -> Self {
        let Some(fields) = Fields::from_json(body) else {
            return Self {
                code: None,
                detail: "the response is not a JSON object".to_owned(),
                about_number: false,
            };
        };
        let code = ["code", "error"]
            .iter()
            .find_map(|name| fields.text(name))
            .map(|code| sanitize_code(&code));
        let message = ["developerMessage", "error_description", "message", "error"];
        let mut text = message.iter().find_map(|name| fields.text(name)).unwrap_or_default();
        let mut about_number = false;
        if let Some(Value::Object(properties)) = fields.value("properties") {
            about_number = properties.keys().any(|field| field == "to" || field.starts_with("to."));
            for (field, problem) in properties {
                let problem = as_text(problem).unwrap_or_else(|| problem.to_string());
                // Writing to a string cannot fail.
                let _ = write!(text, " [{field}: {problem}]");
            }
        }
        Self {
            code,
            detail: redact(&text),
            about_number,
        }
    }

    /// Whether the account has insufficient balance. The code is documented as a string but was seen as a number. The
    /// message text counts too, because the code for voice is inferred.
    pub(super) fn is_out_of_money(&self) -> bool {
        let text = self.detail.to_ascii_lowercase();
        self.code.as_deref() == Some(INSUFFICIENT_BALANCE) || text.contains("insufficient balance")
    }

    /// Whether the rate limit was exceeded. Routee does not document its response to that (429 is not in its list of
    /// statuses), so the message text counts.
    pub(super) fn is_rate_limited(&self) -> bool {
        let text = self.detail.to_ascii_lowercase();
        text.contains("too many requests") || text.contains("rate limit")
    }
}

/// A code is a number or an OAuth error word: visible ASCII only, cut to 64 characters.
fn sanitize_code(code: &str) -> String {
    code.chars().filter(char::is_ascii_graphic).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::masked::MAX_DETAIL_CHARS;

    fn parse(body: &str) -> ErrorBody {
        ErrorBody::parse(body.as_bytes())
    }

    #[test]
    fn validation_error_names_its_fields() {
        let body = parse(
            r#"{"code":"400000000","developerMessage":"Validation Error!","properties":{"from":"may not be empty"}}"#,
        );
        assert_eq!(body.code.as_deref(), Some("400000000"));
        assert_eq!(body.detail, "Validation Error! [from: may not be empty]");
    }

    #[test]
    fn oauth_error_format_is_parsed_too() {
        let body = parse(r#"{"status":401,"error":"Unauthorized","message":"Bad credentials","path":"/oauth/token"}"#);
        assert_eq!(
            (body.code.as_deref(), body.detail.as_str()),
            (Some("Unauthorized"), "Bad credentials")
        );
        let body = parse(r#"{"error":"invalid_scope","error_description":"Invalid scope: x"}"#);
        assert_eq!(
            (body.code.as_deref(), body.detail.as_str()),
            (Some("invalid_scope"), "Invalid scope: x")
        );
    }

    #[test]
    fn insufficient_balance_is_detected_by_code_or_text() {
        for body in [
            r#"{"code":"400001009","developerMessage":"x"}"#,
            r#"{"code":400001009}"#,
            r#"{"code":"400013001","developerMessage":"Insufficient Balance"}"#,
        ] {
            assert!(parse(body).is_out_of_money(), "{body}");
        }
        assert!(!parse(r#"{"code":"400000000","developerMessage":"Validation Error!"}"#).is_out_of_money());
    }

    #[test]
    fn echoed_secrets_are_redacted() {
        for (text, safe) in [
            (
                "Invalid access token: 0f1e2d3c-1111-4222-8333-444455556666",
                "Invalid access token: [id]",
            ),
            (
                "bad url (https://hooks.example.org/status/dsp_1.2.abc)",
                "bad url [url]",
            ),
            ("to +306900000001 is not valid", "to [number] is not valid"),
            ("to=306900000001;", "to=[number];"),
            (
                "dialPlan.verbs[0].message.text may not be empty",
                "dialPlan.verbs[0].message.text may not be empty",
            ),
            ("two\n lines\u{0}here ключ…", "two lines here ключ…"),
        ] {
            assert_eq!(redact(text), safe);
        }
        assert_eq!(redact(&"long ".repeat(200)).chars().count(), MAX_DETAIL_CHARS);
    }

    #[test]
    fn body_that_is_no_error_document_yields_a_generic_detail() {
        for body in ["", "<html>502</html>", "[]", "\"400001009\"", "null"] {
            assert_eq!(parse(body).detail, "the response is not a JSON object");
            assert!(!parse(body).is_out_of_money());
        }
    }
}
