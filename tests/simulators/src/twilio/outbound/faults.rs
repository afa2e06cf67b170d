//! What goes wrong at the API and on the way of webhooks: by chance, from the seed, or once, as told.

use std::time::Duration;

use super::records::{Status, WebhookKind};
use crate::exchange::Outage;
use crate::mishaps::WebhookFaults;
use crate::rng::Rng;

/// Everything that can go wrong with this Twilio, as probabilities. None by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFaults {
    /// On the way of status callbacks.
    pub status: WebhookFaults,
    /// On the way of requests for a document: keys, too, are told by one. They are never re-ordered.
    pub documents: WebhookFaults,
    /// On the way of verdicts of machine detection.
    pub detection: WebhookFaults,
    /// For each create request: faults and how likely each is; the first that strikes counts.
    pub create: Vec<(f64, CreateFault)>,
    /// How likely a request that reads fails, in a random way.
    pub read: f64,
    /// How likely an update fails, in a random way.
    pub update: f64,
    /// How likely machine detection takes a person for a machine, or a machine for a person.
    pub mistaken: f64,
    /// The account has no money; holds until it is taken back.
    pub no_money: Option<u32>,
    /// It is down; holds until it is taken back.
    pub outage: Option<Outage>,
}

/// Which webhook a scripted fault strikes: the next that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A request for a document.
    Document,
    /// A verdict of machine detection.
    Detection,
    /// Any status callback.
    AnyStatus,
    /// The callback of this status.
    Status(Status),
}

impl Target {
    pub(super) fn fits(self, kind: WebhookKind) -> bool {
        match kind {
            WebhookKind::Status(status) => self == Self::AnyStatus || self == Self::Status(status),
            WebhookKind::Document => self == Self::Document,
            WebhookKind::Detection => self == Self::Detection,
        }
    }
}

/// What happens to one create request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateFault {
    /// 429 with code 20429, no call.
    TooManyRequests,
    /// 400 with this code, no call.
    Refused(u32),
    /// The account has no money: code 10001 or 20005, no call.
    NoMoney(u32),
    /// 500 with code 20500.
    InternalError {
        /// Whether the call was placed all the same.
        placed: bool,
    },
    /// 503 without JSON.
    Unavailable {
        /// Whether the call was placed all the same.
        placed: bool,
    },
    /// No response arrives in time.
    NoAnswer {
        /// Whether the call was placed.
        placed: bool,
    },
    /// The connection is reset at once.
    Reset {
        /// Whether the call was placed.
        placed: bool,
    },
    /// The connection is never made.
    NotSent,
    /// The call is placed, but the response with status 201 is no JSON.
    Malformed,
    /// 401 with code 20003.
    Unauthorized,
    /// The call is placed, and its first callback is there before the response.
    WebhookFirst,
}

/// What happens to one request other than a create request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiFault {
    /// 500.
    InternalError,
    /// 503 without JSON.
    Unavailable,
    /// 404, although it exists.
    NotFound,
    /// 401.
    Unauthorized,
    /// 429.
    TooManyRequests,
    /// 200 with a body that is no JSON; an update was carried out.
    Malformed,
    /// No response arrives; an update was not carried out.
    NoAnswer,
    /// No response arrives; an update was carried out.
    AnswerLost,
    /// The connection is never made.
    NotSent,
}

/// Requests that fail alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Everything that only reads.
    Read,
    /// `POST /Calls/{CA}.json`.
    Update,
}

impl CallFaults {
    /// Every fault, each about as likely as `rate`.
    pub fn random(rng: &mut Rng, rate: f64) -> Self {
        let placed = [true, false];
        let both = |make: fn(bool) -> CreateFault| placed.map(make);
        let refused = rng.pick(21_211, &[21_214, 21_215, 21_216, 21_219, 10_004]);
        let create = [
            CreateFault::TooManyRequests,
            CreateFault::Refused(refused),
            CreateFault::NoMoney(rng.pick(10_001, &[20_005])),
            CreateFault::NotSent,
            CreateFault::Malformed,
            CreateFault::Unauthorized,
            CreateFault::WebhookFirst,
        ];
        let create = create
            .into_iter()
            .chain(both(|placed| CreateFault::InternalError { placed }))
            .chain(both(|placed| CreateFault::Unavailable { placed }))
            .chain(both(|placed| CreateFault::NoAnswer { placed }))
            .chain(both(|placed| CreateFault::Reset { placed }));
        let create = create.map(|fault| (rng.pick(0.0, &[rate]), fault)).collect();
        Self {
            status: WebhookFaults::random(rng, rate),
            documents: WebhookFaults {
                delay_up_to: rng.between(Duration::from_secs(1), Duration::from_secs(20)),
                ..WebhookFaults::random(rng, rate)
            },
            detection: WebhookFaults::random(rng, rate),
            create,
            read: rng.pick(0.0, &[rate]),
            update: rng.pick(0.0, &[rate]),
            mistaken: rng.pick(0.0, &[rate]),
            no_money: None,
            outage: None,
        }
    }
}

impl ApiFault {
    pub(super) fn random(rng: &mut Rng) -> Self {
        use ApiFault::{
            AnswerLost, InternalError, Malformed, NoAnswer, NotFound, NotSent, TooManyRequests, Unauthorized,
            Unavailable,
        };
        rng.pick(
            InternalError,
            &[
                Unavailable,
                NotFound,
                Unauthorized,
                TooManyRequests,
                Malformed,
                NoAnswer,
                AnswerLost,
                NotSent,
            ],
        )
    }
}
