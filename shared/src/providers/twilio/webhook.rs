//! Parses the forms that Twilio posts (CONTRACT.md 2.1, 3.1, 4.2). Twilio adds fields without notice; unknown ones are
//! ignored.

use std::fmt;

use crate::context::{DroppedField, PaymentStatus, Processor};

/// The decoded fields of a form, in the order in which they were sent.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Parses `body`. Every sequence of bytes is a form; invalid UTF-8 is replaced.
    pub fn parse(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    /// The first field called `name`, trimmed; `None` if it is missing or blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// Whether the form has no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All fields as pairs of name and value.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Shows names only: values may be phone numbers or payment data.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The fields that every voice request has.
#[derive(Clone, PartialEq, Eq)]
pub struct VoiceRequest {
    /// `CallSid`: id of the call; empty if missing.
    pub call: String,
    /// `From`: the caller's number, or a word such as `anonymous`.
    pub from: String,
    /// Whether the call is over: then the request is a status callback, and nobody hears a response.
    pub is_over: bool,
}

impl VoiceRequest {
    /// Parses a form.
    pub fn parse(form: &Form) -> Self {
        let over = ["completed", "busy", "failed", "no-answer", "canceled"];
        Self {
            call: form.get("CallSid").map(identifier).unwrap_or_default(),
            from: form.get("From").unwrap_or_default().to_owned(),
            is_over: form.get("CallStatus").is_some_and(|status| over.contains(&status)),
        }
    }
}

/// The first 64 letters, digits, `-` and `_` of a provider id.
fn identifier(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(64)
        .collect()
}

/// The `Result` of `<Pay>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayResultCode {
    /// The card was charged or tokenized.
    Success,
    /// The caller ran out of attempts.
    TooManyFailedAttempts,
    /// The pay connector, or the processor behind it, refused.
    ConnectorError,
    /// The caller pressed `*`.
    InterruptedWithStar,
    /// The caller hung up.
    HungUp,
    /// An attribute of our `<Pay>` is invalid.
    ValidationError,
    /// Internal error at Twilio.
    InternalError,
    /// No result, or an undocumented one. There is none if Twilio ran the verb after `<Pay>` instead of its action.
    Unknown,
}

impl PayResultCode {
    const NAMED: [(&'static str, Self); 7] = [
        ("success", Self::Success),
        ("too-many-failed-attempts", Self::TooManyFailedAttempts),
        ("payment-connector-error", Self::ConnectorError),
        ("caller-interrupted-with-star", Self::InterruptedWithStar),
        ("caller-hung-up", Self::HungUp),
        ("validation-error", Self::ValidationError),
        ("internal-error", Self::InternalError),
    ];

    /// Twilio's name of the result; `unknown` for [`PayResultCode::Unknown`].
    pub fn name(self) -> &'static str {
        let named = Self::NAMED.into_iter().find(|(_, code)| *code == self);
        named.map_or("unknown", |(name, _)| name)
    }

    /// The status that the agent who waits for the payment gets.
    pub const fn status(self) -> PaymentStatus {
        match self {
            Self::Success => PaymentStatus::PaymentSuccess,
            Self::InterruptedWithStar => PaymentStatus::PaymentCancelled,
            Self::HungUp => PaymentStatus::CallerHungUp,
            Self::TooManyFailedAttempts
            | Self::ConnectorError
            | Self::ValidationError
            | Self::InternalError
            | Self::Unknown => PaymentStatus::PaymentFailed,
        }
    }
}

/// The result of `<Pay>`. Of the card only the last four digits and the brand are read. The free texts of connectors
/// (`PaymentError`, `ConnectorError`) are not read, because they may contain anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayResult {
    /// How the payment ended.
    pub code: PayResultCode,
    /// `PayErrorCode`: 64001 to 64024 (CONTRACT.md 4.6).
    pub error_code: Option<u32>,
    /// The payment data that we store.
    pub processor: Processor,
    /// Fields that must not be stored and were dropped.
    pub dropped_fields: Vec<DroppedField>,
}

impl PayResult {
    /// Parses a form. `connector` is the pay connector that we requested.
    pub fn parse(form: &Form, connector: &str) -> Self {
        let named = |name: &str| PayResultCode::NAMED.into_iter().find(|(known, _)| *known == name);
        let code = form
            .get("Result")
            .and_then(named)
            .map_or(PayResultCode::Unknown, |(_, code)| code);
        let error_code = form
            .get("PayErrorCode")
            .and_then(|code| code.parse().ok())
            .filter(|code| (10_000..100_000).contains(code));
        let owned = |name: &str| {
            let text = form.get(name)?.chars().filter(|c| !c.is_control()).collect();
            Some(text)
        };
        let processor = Processor {
            connector: Some(connector.to_owned()),
            confirmation_code: owned("PaymentConfirmationCode"),
            // Some connectors return a profile instead of a token.
            token: owned("PaymentToken").or_else(|| owned("ProfileId")),
            last_four: form.get("PaymentCardNumber").and_then(last_four),
            card_type: form.get("PaymentCardType").and_then(brand),
            error: match (code, error_code) {
                (PayResultCode::Success, _) => None,
                (_, Some(error_code)) => Some(format!("{} ({error_code})", code.name())),
                (_, None) => Some(code.name().to_owned()),
            },
        };
        let (processor, dropped_fields) = processor.sanitized();
        Self {
            code,
            error_code,
            processor,
            dropped_fields,
        }
    }
}

/// The last four digits of a masked card number; `None` if one of them is masked.
fn last_four(masked: &str) -> Option<String> {
    let from = masked.len().checked_sub(4)?;
    let tail = masked.get(from..)?;
    tail.bytes().all(|byte| byte.is_ascii_digit()).then(|| tail.to_owned())
}

fn brand(text: &str) -> Option<String> {
    let is_name = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    is_name.then(|| text.to_owned())
}

/// Whether the dialed number was reached (`DialCallStatus`); `None` if no number was dialed.
pub fn was_reached(form: &Form) -> Option<bool> {
    let status = form.get("DialCallStatus")?;
    Some(matches!(status, "completed" | "answered"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voice_request_is_parsed_and_unknown_fields_are_ignored() {
        let body =
            b"AccountSid=AC1&CallSid=CA01&CallSid=CA02&From=%2B12025550143&CallStatus=ringing&New=%FF&Empty=&=x&&";
        let form = Form::parse(body);
        let call = VoiceRequest::parse(&form);
        assert_eq!((call.call.as_str(), call.from.as_str()), ("CA01", "+12025550143"));
        assert!(!call.is_over);
        assert_eq!((form.get("Empty"), form.get("None")), (None, None));
        assert!(!format!("{form:?}").contains("2025550143"));
        for status in ["completed", "canceled", "busy", "no-answer", "failed"] {
            assert!(VoiceRequest::parse(&Form::parse(format!("CallStatus={status}").as_bytes())).is_over);
        }
        let sanitized = VoiceRequest::parse(&Form::parse(b"CallSid=a%0ab%22c%2Fd"));
        assert_eq!(sanitized.call, "abcd");
    }

    #[test]
    fn only_storable_payment_data_is_read() {
        let form = Form::parse(
            b"Result=success&PaymentConfirmationCode=ch_1&PaymentToken=tok_1&ProfileId=p&PaymentCardNumber=xxxx-xxxxxx-x4001\
              &PaymentCardType=amex&ExpirationDate=1229&SecurityCode=***&PaymentCardPostalCode=94105\
              &PaymentError=cvc+123&ConnectorError=1229",
        );
        let result = PayResult::parse(&form, "Default");
        let expected = Processor {
            connector: Some("Default".into()),
            confirmation_code: Some("ch_1".into()),
            token: Some("tok_1".into()),
            last_four: Some("4001".into()),
            card_type: Some("amex".into()),
            error: None,
        };
        assert_eq!((result.code, &result.processor), (PayResultCode::Success, &expected));
        let printed = format!("{result:?}");
        for secret in ["1229", "94105", "cvc", "***"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }

    #[test]
    fn every_pay_result_has_a_status() {
        for (body, code, status, error) in [
            (
                "Result=success",
                PayResultCode::Success,
                PaymentStatus::PaymentSuccess,
                None,
            ),
            (
                "Result=too-many-failed-attempts&PayErrorCode=64012",
                PayResultCode::TooManyFailedAttempts,
                PaymentStatus::PaymentFailed,
                Some("too-many-failed-attempts (64012)"),
            ),
            (
                "Result=payment-connector-error&PayErrorCode=4242424242424242",
                PayResultCode::ConnectorError,
                PaymentStatus::PaymentFailed,
                Some("payment-connector-error"),
            ),
            (
                "Result=caller-interrupted-with-star",
                PayResultCode::InterruptedWithStar,
                PaymentStatus::PaymentCancelled,
                Some("caller-interrupted-with-star"),
            ),
            (
                "Result=caller-hung-up",
                PayResultCode::HungUp,
                PaymentStatus::CallerHungUp,
                Some("caller-hung-up"),
            ),
            (
                "Result=4242",
                PayResultCode::Unknown,
                PaymentStatus::PaymentFailed,
                Some("unknown"),
            ),
            (
                "",
                PayResultCode::Unknown,
                PaymentStatus::PaymentFailed,
                Some("unknown"),
            ),
        ] {
            let result = PayResult::parse(&Form::parse(body.as_bytes()), "c");
            assert_eq!((result.code, result.code.status()), (code, status), "{body}");
            assert_eq!(result.processor.error.as_deref(), error, "{body}");
        }
    }

    #[test]
    fn last_four_digits_are_read_from_every_mask() {
        for (masked, expected) in [
            ("xxxx-xxxxxx-x4001", Some("4001")),
            ("xxxxxxxxxxx4001", Some("4001")),
            ("4242424242424242", Some("4242")),
            ("*******92", None),
            ("12", None),
            ("ééé4", None),
            ("", None),
        ] {
            assert_eq!(last_four(masked).as_deref(), expected, "{masked}");
        }
    }

    #[test]
    fn dialed_number_was_reached_or_not() {
        for (body, expected) in [
            ("DialCallStatus=completed", Some(true)),
            ("DialCallStatus=answered", Some(true)),
            ("DialCallStatus=busy", Some(false)),
            ("DialCallStatus=new-word", Some(false)),
            ("", None),
        ] {
            assert_eq!(was_reached(&Form::parse(body.as_bytes())), expected, "{body}");
        }
    }
}
