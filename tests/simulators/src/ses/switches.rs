//! Switches for the questions that the documentation leaves open, and faults.

use std::time::Duration;

use crate::exchange::Outage;
use crate::rng::{Rng, question};
use crate::webhook_faults::WebhookFaults;

question!(
    /// How a mail program posts the opt-out button (ses/CONTRACT.md 5).
    OneClickForm {
    /// As `application/x-www-form-urlencoded`.
        UrlEncoded,
    /// As `multipart/form-data`.
        Multipart,
    }
);

question!(
    /// The error of a used-up quota of a day (ses/CONTRACT.md 2).
    QuotaError {
    /// 429 `TooManyRequestsException`; only the text tells it from a rate that is too high.
        TooManyRequests,
    /// 400 `LimitExceededException`.
        LimitExceeded,
    }
);

question!(
    /// The error of a rate that is too high (ses/CONTRACT.md 2).
    RateError {
    /// 429 `TooManyRequestsException`.
        TooManyRequests,
    /// 400 `ThrottlingException`.
        Throttling,
    }
);

/// What is around a published event (ses/CONTRACT.md 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventShape {
    /// The message of SNS that a subscribed endpoint gets.
    SnsMessage,
    /// An invocation of a function by SNS.
    SnsInvocation,
    /// An event of `EventBridge`.
    EventBridge,
}

/// The behavior of SES where its documentation is silent, and the state of the account.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent question about the API"
)]
#[derive(Clone, Debug, PartialEq)]
pub struct Switches {
    /// Response time of the API.
    pub response_time: Duration,
    /// Simulates the time-out of the client's transport: after this time, the client gets an error for a lost response.
    pub client_timeout: Duration,
    /// From the acceptance of a mail to its event `Send`. Not documented.
    pub send_event_after: Duration,
    /// Maximum random delay of each event, so that they overtake one another.
    pub event_jitter: Duration,
    /// Whether the account is in the sandbox: recipients must be verified too.
    pub sandbox: bool,
    /// Recipients in 24 hours.
    pub per_24_hours: usize,
    /// Recipients in a second.
    pub per_second: usize,
    /// Whether hard bounces and complaints get on the account's suppression list.
    pub suppresses: bool,
    /// Whether the suppression list ignores the case of addresses.
    pub suppression_folds_case: bool,
    /// How a mail program posts the opt-out button.
    pub one_click: OneClickForm,
    /// The error of a used-up quota.
    pub quota_error: QuotaError,
    /// The error of a rate that is too high.
    pub rate_error: RateError,
    /// Whether DMARC passes for replies.
    pub replies_prove_sender: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            response_time: Duration::from_millis(80),
            client_timeout: Duration::from_secs(10),
            send_event_after: Duration::from_millis(300),
            event_jitter: Duration::ZERO,
            sandbox: false,
            per_24_hours: 50_000,
            per_second: 14,
            suppresses: true,
            suppression_folds_case: true,
            one_click: OneClickForm::default(),
            quota_error: QuotaError::default(),
            rate_error: RateError::default(),
            replies_prove_sender: true,
        }
    }
}

impl Switches {
    /// Random settings of the switches. The account stays out of the sandbox and keeps its quota.
    pub fn random(rng: &mut Rng) -> Self {
        let (millis, seconds) = (Duration::from_millis, Duration::from_secs);
        Self {
            response_time: rng.between(millis(20), millis(900)),
            send_event_after: rng.between(Duration::ZERO, seconds(5)),
            event_jitter: rng.pick(Duration::ZERO, &[seconds(10)]),
            suppresses: rng.flip(),
            suppression_folds_case: rng.flip(),
            one_click: OneClickForm::random(rng),
            quota_error: QuotaError::random(rng),
            rate_error: RateError::random(rng),
            replies_prove_sender: rng.flip(),
            ..Self::default()
        }
    }
}

/// Random faults with their probabilities (0 by default), and outages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Faults of published events.
    pub events: WebhookFaults,
    /// Faults of requests that send a mail, with their probabilities. The first that is drawn applies.
    pub send: Vec<(f64, SendFault)>,
    /// The API is down, until this is set to `None`.
    pub outage: Option<Outage>,
}

/// A fault of one request that sends a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFault {
    /// The rate is too high. Not sent.
    Throttled,
    /// The quota of 24 hours is used up. Not sent.
    QuotaUsedUp,
    /// 400 `MessageRejected`: the content. Not sent.
    ContentRejected,
    /// 400 `SendingPausedException`. Not sent.
    Paused,
    /// 400 `AccountSuspendedException`. Not sent.
    Suspended,
    /// 400 `MailFromDomainNotVerifiedException`. Not sent.
    MailFromNotVerified,
    /// 500.
    InternalError {
        /// Whether the mail is sent nevertheless.
        sent: bool,
    },
    /// 503 without JSON.
    Unavailable {
        /// Whether the mail is sent nevertheless.
        sent: bool,
    },
    /// The response is lost.
    NoAnswer {
        /// Whether the mail is sent.
        sent: bool,
    },
    /// No connection is established.
    NotSent,
    /// The mail is sent, but the body of the response is not JSON.
    Malformed,
    /// The mail is sent, and its first events arrive before the response.
    EventFirst,
}

impl SendFault {
    /// Whether the mail is sent.
    pub(super) const fn sends(self) -> bool {
        match self {
            Self::InternalError { sent } | Self::Unavailable { sent } | Self::NoAnswer { sent } => sent,
            Self::Malformed | Self::EventFirst => true,
            _ => false,
        }
    }
}

impl Faults {
    /// For every kind of fault, randomly either 0 or `rate`. No outage.
    pub fn random(rng: &mut Rng, rate: f64) -> Self {
        let send = [
            SendFault::Throttled,
            SendFault::QuotaUsedUp,
            SendFault::ContentRejected,
            SendFault::Paused,
            SendFault::Suspended,
            SendFault::MailFromNotVerified,
            SendFault::InternalError { sent: true },
            SendFault::InternalError { sent: false },
            SendFault::Unavailable { sent: true },
            SendFault::Unavailable { sent: false },
            SendFault::NoAnswer { sent: true },
            SendFault::NoAnswer { sent: false },
            SendFault::NotSent,
            SendFault::Malformed,
            SendFault::EventFirst,
        ];
        Self {
            events: WebhookFaults::random(rng, rate),
            send: send.map(|fault| (rng.pick(0.0, &[rate]), fault)).to_vec(),
            outage: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_settings_are_reproducible_and_cover_every_form() {
        let draw = |seed| Switches::random(&mut Rng::new(seed));
        assert_eq!(draw(5), draw(5));
        let all: Vec<Switches> = (0..100).map(draw).collect();
        for form in [OneClickForm::UrlEncoded, OneClickForm::Multipart] {
            assert!(all.iter().any(|switches| switches.one_click == form));
        }
        assert_eq!(
            Faults::random(&mut Rng::new(1), 0.5),
            Faults::random(&mut Rng::new(1), 0.5)
        );
        assert!(SendFault::EventFirst.sends() && !SendFault::Throttled.sends());
    }
}
