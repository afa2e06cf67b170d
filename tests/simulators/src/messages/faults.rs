//! Faults of the APIs and of webhooks: random (from the seed), or planned for one request or webhook.

use super::records::{Status, WebhookKind};
use crate::exchange::Outage;
use crate::rng::Rng;
use crate::webhook_faults::WebhookFaults;

/// Random faults with their probabilities (0 by default), and outages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Faults of status callbacks.
    pub status: WebhookFaults,
    /// Faults of webhooks with messages of customers. They are never reordered.
    pub incoming: WebhookFaults,
    /// Faults of requests that send a message, with their probabilities. The first that is drawn applies.
    pub create: Vec<(f64, CreateFault)>,
    /// Probability of a random fault of a lookup or a list.
    pub read: f64,
    /// The message APIs are down, until this is set to `None`.
    pub outage: Option<Outage>,
}

/// Selects the webhook of a planned fault: the next one that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Any status callback.
    AnyStatus,
    /// The callback of this status.
    Status(Status),
    /// A message of a customer.
    Incoming,
}

impl Target {
    pub(super) fn fits(self, kind: WebhookKind) -> bool {
        match kind {
            WebhookKind::Status(status) => self == Self::AnyStatus || self == Self::Status(status),
            WebhookKind::Incoming => self == Self::Incoming,
        }
    }
}

/// A fault of one request that sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateFault {
    /// 429, no message. [`super::Switches::retry_after`] sets the header.
    TooManyRequests,
    /// 429 as well, but the message is sent.
    ThrottledAndSent,
    /// 400, no message: with this code at Twilio, as a bad number at Routee.
    Refused(u32),
    /// The account has no money: 400, no message.
    NoMoney,
    /// 500.
    InternalError {
        /// Whether the message is sent nevertheless.
        sent: bool,
    },
    /// 503 without JSON.
    Unavailable {
        /// Whether the message is sent nevertheless.
        sent: bool,
    },
    /// The response is lost.
    NoAnswer {
        /// Whether the message is sent.
        sent: bool,
    },
    /// No connection is established.
    NotSent,
    /// The message is sent, but the body of the response is not JSON.
    Malformed,
    /// 401, no message. At Routee, all tokens that were issued so far are revoked.
    Unauthorized,
    /// The message is sent, and its first callbacks arrive before the response.
    WebhookFirst,
}

/// A fault of one lookup or list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// 500.
    InternalError,
    /// 404, although the message exists.
    NotFound,
    /// 429.
    TooManyRequests,
    /// 200 with a body that is not JSON.
    Malformed,
    /// The response is lost.
    NoAnswer,
    /// No connection is established.
    NotSent,
}

impl ReadFault {
    pub(super) fn random(rng: &mut Rng) -> Self {
        rng.pick(
            Self::InternalError,
            &[
                Self::NotFound,
                Self::TooManyRequests,
                Self::Malformed,
                Self::NoAnswer,
                Self::NotSent,
            ],
        )
    }
}

impl CreateFault {
    /// Whether the message is sent.
    pub(super) const fn sends(self) -> bool {
        match self {
            Self::TooManyRequests | Self::Refused(_) | Self::NoMoney | Self::NotSent | Self::Unauthorized => false,
            Self::InternalError { sent } | Self::Unavailable { sent } | Self::NoAnswer { sent } => sent,
            Self::ThrottledAndSent | Self::Malformed | Self::WebhookFirst => true,
        }
    }
}

impl Faults {
    /// For every kind of fault, randomly either 0 or `rate`. No outage.
    pub fn random(rng: &mut Rng, rate: f64) -> Self {
        let create = [
            CreateFault::TooManyRequests,
            CreateFault::ThrottledAndSent,
            CreateFault::Refused(rng.pick(21_211, &[21_408, 21_611, 21_612])),
            CreateFault::NoMoney,
            CreateFault::InternalError { sent: true },
            CreateFault::InternalError { sent: false },
            CreateFault::Unavailable { sent: true },
            CreateFault::Unavailable { sent: false },
            CreateFault::NoAnswer { sent: true },
            CreateFault::NoAnswer { sent: false },
            CreateFault::NotSent,
            CreateFault::Malformed,
            CreateFault::Unauthorized,
            CreateFault::WebhookFirst,
        ];
        let create = create.map(|fault| (rng.pick(0.0, &[rate]), fault)).to_vec();
        Self {
            status: WebhookFaults::random(rng, rate),
            incoming: WebhookFaults::random(rng, rate),
            create,
            read: rng.pick(0.0, &[rate]),
            outage: None,
        }
    }
}
