//! Faults of the API and of webhooks: random (from the seed), or planned for one request or webhook.

use std::time::Duration;

use super::records::Status;
use crate::exchange::Outage;
use crate::rng::Rng;
use crate::webhook_faults::WebhookFaults;

/// Random faults with their probabilities (0 by default), and outages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Faults of status webhooks.
    pub status: WebhookFaults,
    /// Faults of COLLECT events.
    pub collect: WebhookFaults,
    /// Faults of create requests with their probabilities. The first that is drawn applies.
    pub create: Vec<(f64, CreateFault)>,
    /// Probability of a random fault of a token request.
    pub token: f64,
    /// Probability of a random fault of a tracking request.
    pub tracking: f64,
    /// Probability of a random fault of a `hangup` or `reject`.
    pub control: f64,
    /// The account has no money, until this is set to `None`.
    pub out_of_money: Option<OutOfMoney>,
    /// The provider is down, until this is set to `None`.
    pub outage: Option<Outage>,
}

/// Selects the webhook of a planned fault: the next one that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A COLLECT event.
    Collect,
    /// Any status.
    AnyStatus,
    /// This status.
    Status(Status),
}

/// A fault of one create request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateFault {
    /// 429, no call.
    TooManyRequests,
    /// 400 with a validation error, no call.
    BadRequest,
    /// 500.
    InternalError {
        /// Whether the call is placed nevertheless.
        placed: bool,
    },
    /// 503.
    Unavailable {
        /// Whether the call is placed nevertheless.
        placed: bool,
    },
    /// The response is lost.
    NoAnswer {
        /// Whether the call is placed.
        placed: bool,
    },
    /// No connection is established.
    NotSent,
    /// The call is placed, but the body of the 200 response cannot be parsed.
    Malformed,
    /// 401. All tokens that were issued so far are revoked.
    Unauthorized,
    /// The call is placed, and its first webhook arrives before the response.
    WebhookFirst,
    /// The account has no money for this call.
    OutOfMoney(OutOfMoney),
}

/// The effect of an empty account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfMoney {
    /// The create request is rejected: 400 with code `400001009`.
    Refused,
    /// The call is accepted, then gets the status `Unsent`.
    Unsent,
    /// The call is cut off: status `Terminated`.
    Terminated {
        /// Time from the answer to the cut-off.
        after: Duration,
    },
}

/// A fault of one request other than a create request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiFault {
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// 403: the token lacks the service.
    Forbidden,
    /// 404, although the resource exists.
    NotFound,
    /// 401. All tokens that were issued so far are revoked.
    Unauthorized,
    /// 200 with a body that cannot be parsed.
    Malformed,
    /// The response is lost. A `hangup` or `reject` has no effect.
    NoAnswer,
    /// No connection is established.
    NotSent,
}

/// A group of requests with the same faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /oauth/token`.
    Token,
    /// All read requests, including the search.
    Tracking,
    /// `PUT /voice/conversation/{messageId}`.
    Control,
}

impl Faults {
    /// For every kind of fault, randomly either 0 or `rate`.
    pub fn random(rng: &mut Rng, rate: f64) -> Self {
        let after = rng.between(Duration::ZERO, Duration::from_secs(30));
        let create = [
            CreateFault::TooManyRequests,
            CreateFault::BadRequest,
            CreateFault::InternalError { placed: false },
            CreateFault::InternalError { placed: true },
            CreateFault::Unavailable { placed: false },
            CreateFault::Unavailable { placed: true },
            CreateFault::NoAnswer { placed: false },
            CreateFault::NoAnswer { placed: true },
            CreateFault::NotSent,
            CreateFault::Malformed,
            CreateFault::Unauthorized,
            CreateFault::WebhookFirst,
            CreateFault::OutOfMoney(OutOfMoney::Refused),
            CreateFault::OutOfMoney(OutOfMoney::Unsent),
            CreateFault::OutOfMoney(OutOfMoney::Terminated { after }),
        ];
        let create = create
            .into_iter()
            .map(|fault| (rng.pick(0.0, &[rate]), fault))
            .collect();
        Self {
            status: WebhookFaults::random(rng, rate),
            collect: WebhookFaults::random(rng, rate),
            create,
            token: rng.pick(0.0, &[rate]),
            tracking: rng.pick(0.0, &[rate]),
            control: rng.pick(0.0, &[rate]),
            out_of_money: None,
            outage: None,
        }
    }
}

impl ApiFault {
    pub(super) fn random(rng: &mut Rng) -> Self {
        use ApiFault::{Forbidden, InternalError, Malformed, NoAnswer, NotFound, NotSent, Unauthorized, Unavailable};
        rng.pick(
            InternalError,
            &[
                Unavailable,
                Forbidden,
                NotFound,
                Unauthorized,
                Malformed,
                NoAnswer,
                NotSent,
            ],
        )
    }
}
