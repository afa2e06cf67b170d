//! What goes wrong: by chance, from the seed, or once, as told.

use std::time::Duration;

use super::records::Status;
use crate::exchange::Outage;
use crate::mishaps::WebhookFaults;
use crate::rng::Rng;

/// Everything that can go wrong with this Routee, as probabilities. None by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// On the way of status webhooks.
    pub status: WebhookFaults,
    /// On the way of COLLECT events.
    pub collect: WebhookFaults,
    /// For each create request: faults and how likely each is; the first that strikes counts.
    pub create: Vec<(f64, CreateFault)>,
    /// How likely a token request fails, in a random way.
    pub token: f64,
    /// How likely a tracking request fails, in a random way.
    pub tracking: f64,
    /// How likely a `hangup` or `reject` fails, in a random way.
    pub control: f64,
    /// The account has no money; holds until it is taken back.
    pub out_of_money: Option<OutOfMoney>,
    /// It is down; holds until it is taken back.
    pub outage: Option<Outage>,
}

/// Which webhook a scripted fault strikes: the next that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A COLLECT event.
    Collect,
    /// Any status.
    AnyStatus,
    /// This status.
    Status(Status),
}

/// What happens to one create request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateFault {
    /// 429, no call.
    TooManyRequests,
    /// 400 with a validation error, no call.
    BadRequest,
    /// 500.
    InternalError {
        /// Whether the call was placed all the same.
        placed: bool,
    },
    /// 503.
    Unavailable {
        /// Whether the call was placed all the same.
        placed: bool,
    },
    /// No response arrives.
    NoAnswer {
        /// Whether the call was placed.
        placed: bool,
    },
    /// The connection is never made.
    NotSent,
    /// The call is placed, but the response with status 200 cannot be parsed.
    Malformed,
    /// 401: all tokens that were issued until now are void.
    Unauthorized,
    /// The call is placed, and its first webhook is there before the response.
    WebhookFirst,
    /// This one call meets an empty account.
    OutOfMoney(OutOfMoney),
}

/// How an empty account shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfMoney {
    /// The create request is refused: 400 with code `400001009`.
    Refused,
    /// The call is accepted, then has the status `Unsent`.
    Unsent,
    /// The call is cut off this long after it was answered: status `Terminated`.
    Terminated {
        /// How long after the answer.
        after: Duration,
    },
}

/// What happens to one request other than a create request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiFault {
    /// 500.
    InternalError,
    /// 503.
    Unavailable,
    /// 403: the token lacks the service.
    Forbidden,
    /// 404, although it exists.
    NotFound,
    /// 401: all tokens that were issued until now are void.
    Unauthorized,
    /// 200 with a body that cannot be parsed.
    Malformed,
    /// No response arrives; a `hangup` or `reject` was not carried out.
    NoAnswer,
    /// The connection is never made.
    NotSent,
}

/// Requests that fail alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /oauth/token`.
    Token,
    /// Everything that only reads, and the search.
    Tracking,
    /// `PUT /voice/conversation/{messageId}`.
    Control,
}

impl Faults {
    /// Every fault, each about as likely as `rate`.
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
