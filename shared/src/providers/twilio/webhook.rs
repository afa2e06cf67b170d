//! The forms that Twilio posts (`twilio.md` 2.1, 3.1, 4.2). Unknown fields come without notice and are ignored.

use std::fmt;

use crate::context::{NotKept, Processor, Status};

/// The fields of a form, decoded, in the order in which they came.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// The form that `body` is. Whatever the bytes are, they are some form; text that is not UTF-8 is replaced.
    pub fn parse(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    /// The first field called `name`; none when it is blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Names only: values are telephone numbers and worse.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What every request about a call says.
#[derive(Clone, PartialEq, Eq)]
pub struct CallRequest {
    /// `CallSid`: which call. Empty when Twilio does not say.
    pub call: String,
    /// `From`: a number, or words in its place.
    pub from: String,
    /// Whether the call is over: then it is a status callback, and nobody listens any more.
    pub is_over: bool,
}

impl CallRequest {
    /// What `form` says.
    pub fn read(form: &Form) -> Self {
        let over = ["completed", "busy", "failed", "no-answer", "canceled"];
        Self {
            call: form.get("CallSid").map(identifier).unwrap_or_default(),
            from: form.get("From").unwrap_or_default().to_owned(),
            is_over: form.get("CallStatus").is_some_and(|status| over.contains(&status)),
        }
    }
}

/// Letters, digits, `-` and `_` of a name that the provider makes: at most 64.
fn identifier(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(64)
        .collect()
}

/// How `<Pay>` ended (`Result`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayEnd {
    /// Paid, or tokenised.
    Success,
    /// The caller ran out of attempts.
    TooManyFailedAttempts,
    /// The connector, or the processor behind it, refused.
    ConnectorError,
    /// The caller pressed `*`.
    InterruptedWithStar,
    /// The caller hung up.
    HungUp,
    /// Our attributes are wrong.
    ValidationError,
    /// Twilio failed.
    InternalError,
    /// No result, or one that is not documented: the verb after `<Pay>` ran instead of its action.
    Unknown,
}

impl PayEnd {
    const NAMED: [(&'static str, Self); 7] = [
        ("success", Self::Success),
        ("too-many-failed-attempts", Self::TooManyFailedAttempts),
        ("payment-connector-error", Self::ConnectorError),
        ("caller-interrupted-with-star", Self::InterruptedWithStar),
        ("caller-hung-up", Self::HungUp),
        ("validation-error", Self::ValidationError),
        ("internal-error", Self::InternalError),
    ];

    /// The published name; ours for what has none.
    pub fn name(self) -> &'static str {
        let named = Self::NAMED.into_iter().find(|(_, end)| *end == self);
        named.map_or("unknown", |(name, _)| name)
    }

    /// What it means to whoever waits for the payment.
    pub const fn status(self) -> Status {
        match self {
            Self::Success => Status::PaymentSuccess,
            Self::InterruptedWithStar => Status::PaymentCancelled,
            Self::HungUp => Status::CallerHungUp,
            Self::TooManyFailedAttempts
            | Self::ConnectorError
            | Self::ValidationError
            | Self::InternalError
            | Self::Unknown => Status::PaymentFailed,
        }
    }
}

/// What `<Pay>` says at its end. Of the card nothing is read but its last four digits and its brand; the free texts of
/// connectors (`PaymentError`, `ConnectorError`) are not read either, for anything may be in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayResult {
    /// How it ended.
    pub end: PayEnd,
    /// `PayErrorCode`: 64001 to 64024 (`twilio.md` 4.6).
    pub error_code: Option<u32>,
    /// What is kept of the payment.
    pub processor: Processor,
    /// What was said of it and may not be kept.
    pub not_kept: Vec<NotKept>,
}

impl PayResult {
    /// What `form` says; `connector` is the one that was asked for.
    pub fn read(form: &Form, connector: &str) -> Self {
        let named = |name: &str| PayEnd::NAMED.into_iter().find(|(known, _)| *known == name);
        let end = form
            .get("Result")
            .and_then(named)
            .map_or(PayEnd::Unknown, |(_, end)| end);
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
            // Some connectors give a profile instead of a token.
            token: owned("PaymentToken").or_else(|| owned("ProfileId")),
            last_four: form.get("PaymentCardNumber").and_then(last_four),
            card_type: form.get("PaymentCardType").and_then(brand),
            error: match (end, error_code) {
                (PayEnd::Success, _) => None,
                (_, Some(code)) => Some(format!("{} ({code})", end.name())),
                (_, None) => Some(end.name().to_owned()),
            },
        };
        let (processor, not_kept) = processor.kept();
        Self {
            end,
            error_code,
            processor,
            not_kept,
        }
    }
}

/// The last four digits of a masked number, if these four are not masked.
fn last_four(masked: &str) -> Option<String> {
    let from = masked.len().checked_sub(4)?;
    let tail = masked.get(from..)?;
    tail.bytes().all(|byte| byte.is_ascii_digit()).then(|| tail.to_owned())
}

fn brand(text: &str) -> Option<String> {
    let is_name = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    is_name.then(|| text.to_owned())
}

/// Whether the number that was dialled was reached (`DialCallStatus`). None when nothing was dialled.
pub fn was_reached(form: &Form) -> Option<bool> {
    let status = form.get("DialCallStatus")?;
    Some(matches!(status, "completed" | "answered"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_request_is_read_whatever_else_is_in_it() {
        let body =
            b"AccountSid=AC1&CallSid=CA01&CallSid=CA02&From=%2B12025550143&CallStatus=ringing&New=%FF&Empty=&=x&&";
        let form = Form::parse(body);
        let call = CallRequest::read(&form);
        assert_eq!((call.call.as_str(), call.from.as_str()), ("CA01", "+12025550143"));
        assert!(!call.is_over);
        assert_eq!((form.get("Empty"), form.get("None")), (None, None));
        assert!(!format!("{form:?}").contains("2025550143"));
        for status in ["completed", "canceled", "busy", "no-answer", "failed"] {
            assert!(CallRequest::read(&Form::parse(format!("CallStatus={status}").as_bytes())).is_over);
        }
        let strange = CallRequest::read(&Form::parse(b"CallSid=a%0ab%22c%2Fd"));
        assert_eq!(strange.call, "abcd");
    }

    #[test]
    fn of_a_payment_only_what_may_be_kept_is_read() {
        let form = Form::parse(
            b"Result=success&PaymentConfirmationCode=ch_1&PaymentToken=tok_1&ProfileId=p&PaymentCardNumber=xxxx-xxxxxx-x4001\
              &PaymentCardType=amex&ExpirationDate=1229&SecurityCode=***&PaymentCardPostalCode=94105\
              &PaymentError=cvc+123&ConnectorError=1229",
        );
        let result = PayResult::read(&form, "Default");
        let expected = Processor {
            connector: Some("Default".into()),
            confirmation_code: Some("ch_1".into()),
            token: Some("tok_1".into()),
            last_four: Some("4001".into()),
            card_type: Some("amex".into()),
            error: None,
        };
        assert_eq!((result.end, &result.processor), (PayEnd::Success, &expected));
        let printed = format!("{result:?}");
        for secret in ["1229", "94105", "cvc", "***"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }

    #[test]
    fn every_end_has_a_status() {
        for (body, end, status, error) in [
            ("Result=success", PayEnd::Success, Status::PaymentSuccess, None),
            (
                "Result=too-many-failed-attempts&PayErrorCode=64012",
                PayEnd::TooManyFailedAttempts,
                Status::PaymentFailed,
                Some("too-many-failed-attempts (64012)"),
            ),
            (
                "Result=payment-connector-error&PayErrorCode=4242424242424242",
                PayEnd::ConnectorError,
                Status::PaymentFailed,
                Some("payment-connector-error"),
            ),
            (
                "Result=caller-interrupted-with-star",
                PayEnd::InterruptedWithStar,
                Status::PaymentCancelled,
                Some("caller-interrupted-with-star"),
            ),
            (
                "Result=caller-hung-up",
                PayEnd::HungUp,
                Status::CallerHungUp,
                Some("caller-hung-up"),
            ),
            ("Result=4242", PayEnd::Unknown, Status::PaymentFailed, Some("unknown")),
            ("", PayEnd::Unknown, Status::PaymentFailed, Some("unknown")),
        ] {
            let result = PayResult::read(&Form::parse(body.as_bytes()), "c");
            assert_eq!((result.end, result.end.status()), (end, status), "{body}");
            assert_eq!(result.processor.error.as_deref(), error, "{body}");
        }
    }

    #[test]
    fn the_last_four_digits_are_taken_from_every_style_of_mask() {
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
    fn a_dialled_leg_was_reached_or_not() {
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
