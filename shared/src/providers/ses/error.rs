//! The outcome of a request to SES (CONTRACT.md 2).

use http::StatusCode;
use serde_json::Value;

use crate::http::{Response, SendError};
use crate::lenient_json::{self, Selection};
use crate::providers::masked::redact;

/// Longest error code in a message, in characters.
const MAX_CODE_CHARS: usize = 64;

/// Who has to change something before the request can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The content was refused. The same e-mail must not be sent again.
    Content,
    /// An operator: an identity is not verified (in the sandbox: not even the recipient's), a configuration set is
    /// missing, a permission or the credentials.
    Configuration,
    /// We: SES does not understand the request.
    Request,
}

/// Why a request did not succeed. Only after [`SesError::Unclear`] may an e-mail have been sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SesError {
    /// Not sent: too many requests in a second. It succeeds later; SES states no time.
    #[error("SES is throttling: {detail}")]
    Throttled {
        /// For logs.
        detail: String,
    },
    /// Not sent: the quota of 24 hours is used up.
    #[error("the daily quota of SES is used up: {detail}")]
    Quota {
        /// For logs.
        detail: String,
    },
    /// Not sent, and never will be, unless something changes.
    #[error("SES refused the request: {detail}")]
    Refused {
        /// What has to change.
        reason: Refusal,
        /// For logs.
        detail: String,
    },
    /// Not sent: AWS stopped the account or the configuration set.
    #[error("AWS has stopped sending: {detail}")]
    Stopped {
        /// For logs.
        detail: String,
    },
    /// Not sent: there was no connection.
    #[error("the request was not sent: {detail}")]
    NotSent {
        /// For logs.
        detail: String,
    },
    /// It may have been sent. Only an event with our tags tells; sending again could make two of one e-mail.
    #[error("it is unclear whether SES accepted the request: {detail}")]
    Unclear {
        /// For logs.
        detail: String,
    },
}

impl SesError {
    /// Whether an e-mail may have been sent nevertheless.
    pub const fn may_have_been_sent(&self) -> bool {
        matches!(self, Self::Unclear { .. })
    }

    pub(super) fn unclear(detail: impl Into<String>) -> Self {
        Self::Unclear { detail: detail.into() }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::Refused {
            reason: Refusal::Request,
            detail: detail.into(),
        }
    }
}

impl From<SendError> for SesError {
    fn from(error: SendError) -> Self {
        // The URL may name an address.
        let detail = redact(&error.to_string());
        match error {
            SendError::NotSent(_) => Self::NotSent { detail },
            SendError::Forbidden(_) => Self::Refused {
                reason: Refusal::Configuration,
                detail,
            },
            SendError::NoResponse(_) => Self::Unclear { detail },
        }
    }
}

/// An answer that is not a success.
pub(super) struct ErrorAnswer {
    pub(super) status: StatusCode,
    /// Such as `MessageRejected`; empty if there is none.
    pub(super) code: String,
    message: String,
}

const FIELDS: Selection = Selection::Fields(&[
    ("__type", Selection::Scalar),
    ("code", Selection::Scalar),
    ("Code", Selection::Scalar),
    ("message", Selection::Scalar),
    ("Message", Selection::Scalar),
]);

impl ErrorAnswer {
    pub(super) fn parse(response: &Response) -> Self {
        let body = lenient_json::select(response.body(), FIELDS).unwrap_or_default();
        let text = |names: &[&str]| names.iter().find_map(|name| body.get(name).and_then(Value::as_str));
        let header = response.headers().get("x-amzn-errortype");
        let code = header
            .and_then(|value| value.to_str().ok())
            .or_else(|| text(&["__type", "code", "Code"]));
        Self {
            status: response.status(),
            code: code.map(bare_code).unwrap_or_default(),
            message: text(&["message", "Message"]).unwrap_or_default().to_owned(),
        }
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && self.code == "NotFoundException"
    }

    pub(super) fn into_error(self) -> SesError {
        let detail = self.detail();
        let says = |words: &str| self.message.to_ascii_lowercase().contains(words);
        // What a server or a gateway reports may hide an e-mail that was sent.
        if !self.status.is_client_error() || self.status == StatusCode::REQUEST_TIMEOUT {
            return SesError::Unclear { detail };
        }
        let refused = |reason, detail| SesError::Refused { reason, detail };
        match self.code.as_str() {
            // The same code stands for both limits; the text tells them apart.
            _ if says("daily message quota exceeded") => SesError::Quota { detail },
            _ if says("maximum sending rate exceeded") => SesError::Throttled { detail },
            "LimitExceededException" => SesError::Quota { detail },
            "TooManyRequestsException" | "ThrottlingException" | "Throttling" => SesError::Throttled { detail },
            "SendingPausedException" | "AccountSuspendedException" => SesError::Stopped { detail },
            "MessageRejected" if says("not verified") => refused(Refusal::Configuration, detail),
            "MessageRejected" => refused(Refusal::Content, detail),
            "MailFromDomainNotVerifiedException" | "NotFoundException" => refused(Refusal::Configuration, detail),
            _ if self.status == StatusCode::TOO_MANY_REQUESTS => SesError::Throttled { detail },
            // Permissions, credentials, or an endpoint that is not SES.
            _ if matches!(self.status.as_u16(), 401 | 403 | 404) => refused(Refusal::Configuration, detail),
            _ => refused(Refusal::Request, detail),
        }
    }

    /// Status, code and message, without addresses.
    fn detail(&self) -> String {
        let words = self.message.split_whitespace();
        let words: Vec<&str> = words
            .map(|word| if word.contains('@') { "[address]" } else { word })
            .collect();
        let detail = format!("{} {} {}", self.status.as_u16(), self.code, redact(&words.join(" ")));
        detail.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The code in `com.amazonaws.sesv2#MessageRejected:http://…`: prefix and suffix vary between protocols.
fn bare_code(code: &str) -> String {
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    let code = code.chars().take_while(char::is_ascii_alphanumeric);
    code.take(MAX_CODE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, header: Option<&str>, body: &str) -> Response {
        let mut response = http::Response::builder().status(status);
        if let Some(code) = header {
            response = response.header("x-amzn-errortype", code);
        }
        response.body(body.to_owned().into()).expect("a response")
    }

    fn class(error: &SesError) -> &'static str {
        match error {
            SesError::Throttled { .. } => "throttled",
            SesError::Quota { .. } => "quota",
            SesError::Refused { reason, .. } => match reason {
                Refusal::Content => "content",
                Refusal::Configuration => "configuration",
                Refusal::Request => "request",
            },
            SesError::Stopped { .. } => "stopped",
            SesError::NotSent { .. } => "not sent",
            SesError::Unclear { .. } => "unclear",
        }
    }

    #[test]
    fn every_error_has_its_class() {
        const RATE: &str = "Maximum sending rate exceeded.";
        const DAILY: &str = "Daily message quota exceeded.";
        const NOT_VERIFIED: &str = "Email address is not verified. The following identities failed the check in region \
                                    EU-CENTRAL-1: ana@example.net";
        for (status, code, message, expected) in [
            (429, "TooManyRequestsException", "Too many requests", "throttled"),
            (429, "TooManyRequestsException", RATE, "throttled"),
            (400, "ThrottlingException", RATE, "throttled"),
            (400, "Throttling", RATE, "throttled"),
            (400, "LimitExceededException", RATE, "throttled"),
            (429, "", "", "throttled"),
            (429, "TooManyRequestsException", DAILY, "quota"),
            (400, "ThrottlingException", DAILY, "quota"),
            (400, "LimitExceededException", "", "quota"),
            (400, "MessageRejected", NOT_VERIFIED, "configuration"),
            (400, "MessageRejected", "Email address not verified", "configuration"),
            (400, "MessageRejected", "Illegal content", "content"),
            (400, "MessageRejected", "", "content"),
            (400, "MailFromDomainNotVerifiedException", "", "configuration"),
            (
                404,
                "NotFoundException",
                "Configuration set <x> does not exist.",
                "configuration",
            ),
            (404, "", "<html>", "configuration"),
            (403, "AccessDeniedException", "", "configuration"),
            (403, "InvalidSignatureException", "", "configuration"),
            (400, "SendingPausedException", "", "stopped"),
            (400, "AccountSuspendedException", "", "stopped"),
            (400, "BadRequestException", "", "request"),
            (400, "SomethingNewException", "", "request"),
            (413, "", "", "request"),
            (408, "", "", "unclear"),
            (500, "InternalServiceErrorException", "", "unclear"),
            (502, "", "<html>", "unclear"),
            (503, "ThrottlingException", RATE, "unclear"),
            (504, "", "", "unclear"),
            (302, "", "", "unclear"),
        ] {
            let body = json!({ "message": message }).to_string();
            let error = ErrorAnswer::parse(&answer(status, Some(code), &body)).into_error();
            assert_eq!(class(&error), expected, "{status} {code} {message}");
            assert_eq!(error.may_have_been_sent(), expected == "unclear");
        }
    }

    #[test]
    fn code_is_found_in_every_known_form() {
        for (header, body) in [
            (Some("MessageRejected"), "{}"),
            (Some("MessageRejected:http://internal.example.org/"), ""),
            (None, r#"{"__type":"com.amazonaws.sesv2#MessageRejected"}"#),
            (None, r#"{"code":"MessageRejected"}"#),
            (None, r#"{"Code":"MessageRejected","Message":"x"}"#),
        ] {
            assert_eq!(
                ErrorAnswer::parse(&answer(400, header, body)).code,
                "MessageRejected",
                "{body}"
            );
        }
    }

    #[test]
    fn detail_shows_no_address_and_stays_short() {
        let message = format!("failed: ana@example.net, +12025550143 {}", "x ".repeat(10_000));
        let body = json!({ "message": message }).to_string();
        let error = ErrorAnswer::parse(&answer(400, Some("MessageRejected"), &body)).into_error();
        let text = error.to_string();
        assert!(
            text.starts_with("SES refused the request: 400 MessageRejected failed: [address] [number] x"),
            "{text}"
        );
        assert!(text.len() < 500, "{}", text.len());
    }

    #[test]
    fn lost_answer_is_unclear_and_a_missing_connection_is_not() {
        for (error, expected) in [
            (SendError::NoResponse("timed out".to_owned()), "unclear"),
            (SendError::NotSent("refused".to_owned()), "not sent"),
            (SendError::Forbidden("not https".to_owned()), "configuration"),
        ] {
            assert_eq!(class(&error.into()), expected);
        }
        let error = SendError::NoResponse("for https://ses.example.org/addresses/ana%40example.net".to_owned());
        assert!(!SesError::from(error).to_string().contains("ana"));
    }

    proptest! {
        #[test]
        fn any_answer_has_a_class(status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
            let response = http::Response::builder().status(status).body(body.into()).expect("a response");
            let error = ErrorAnswer::parse(&response).into_error();
            prop_assert_eq!(error.may_have_been_sent(), !(400..500).contains(&status) || status == 408);
        }
    }
}
