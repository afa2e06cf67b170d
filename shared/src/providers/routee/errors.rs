//! What Routee says when it refuses, in both of its families (`routee.md` 1 and 2.3).

use std::fmt::Write;

use serde_json::Value;

use crate::http::Response;
use crate::providers::lenient::{Fields, as_text};
use crate::providers::masked::detail;

/// Longest wait that a `Retry-After` may ask of us, in seconds.
const MAX_RETRY_AFTER_SECONDS: u32 = 3_600;
/// The account has no money (`routee.md` 2.3; seen for SMS, the module is the account's).
const INSUFFICIENT_BALANCE: &str = "400001009";

/// What can be told from the body of a refusal.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    /// `code`, or `error` of the OAuth family.
    pub(super) code: Option<String>,
    /// For a person; safe to log.
    pub(super) detail: String,
    /// Whether the field that is wrong is the number that was to be called.
    pub(super) about_number: bool,
}

impl ErrorBody {
    pub(super) fn parse(body: &[u8]) -> Self {
        let Some(fields) = Fields::from_json(body) else {
            return Self {
                code: None,
                detail: "the answer is not a JSON object".to_owned(),
                about_number: false,
            };
        };
        let code = ["code", "error"]
            .iter()
            .find_map(|name| fields.text(name))
            .map(|code| detail_of_code(&code));
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
            detail: detail(&text),
            about_number,
        }
    }

    /// Whether the account has no money. The code is documented as a string and was seen as a number; its wording is
    /// taken too, as the code for voice is inferred.
    pub(super) fn is_out_of_money(&self) -> bool {
        let text = self.detail.to_ascii_lowercase();
        self.code.as_deref() == Some(INSUFFICIENT_BALANCE) || text.contains("insufficient balance")
    }

    /// Whether the pace was exceeded. What Routee answers then is unknown: 429 is not in its list of statuses.
    pub(super) fn is_too_fast(&self) -> bool {
        let text = self.detail.to_ascii_lowercase();
        text.contains("too many requests") || text.contains("rate limit")
    }
}

/// A code is digits or a word of OAuth's; anything longer is not one.
fn detail_of_code(code: &str) -> String {
    code.chars().filter(char::is_ascii_graphic).take(64).collect()
}

/// Seconds after which to try again, when the answer tells them. Dates are not read: nothing documents them here.
pub(super) fn retry_after(response: &Response) -> Option<u32> {
    let value = response.headers().get(http::header::RETRY_AFTER)?;
    let seconds: u32 = value.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.min(MAX_RETRY_AFTER_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::masked::MAX_DETAIL_CHARS;

    fn parse(body: &str) -> ErrorBody {
        ErrorBody::parse(body.as_bytes())
    }

    #[test]
    fn a_validation_error_names_its_fields() {
        let body = parse(
            r#"{"code":"400000000","developerMessage":"Validation Error!","properties":{"from":"may not be empty"}}"#,
        );
        assert_eq!(body.code.as_deref(), Some("400000000"));
        assert_eq!(body.detail, "Validation Error! [from: may not be empty]");
    }

    #[test]
    fn the_family_of_the_token_endpoint_is_read_too() {
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
    fn an_empty_account_is_known_by_code_or_wording() {
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
    fn what_an_error_echoes_of_ours_is_not_kept() {
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
            assert_eq!(detail(text), safe);
        }
        assert_eq!(detail(&"long ".repeat(200)).chars().count(), MAX_DETAIL_CHARS);
    }

    #[test]
    fn a_body_that_is_no_error_document_says_only_that() {
        for body in ["", "<html>502</html>", "[]", "\"400001009\"", "null"] {
            assert_eq!(parse(body).detail, "the answer is not a JSON object");
            assert!(!parse(body).is_out_of_money());
        }
    }
}
