//! Faults of the API and of webhooks: random (from the seed), or planned for one request or webhook.

use std::time::Duration;

use super::records::{Status, WebhookKind};
use crate::exchange::Outage;
use crate::rng::Rng;
use crate::webhook_faults::WebhookFaults;

/// Random faults with their probabilities (0 by default), and outages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFaults {
    /// Faults of status callbacks.
    pub status: WebhookFaults,
    /// Faults of requests for documents, including those that report keys. They are never reordered.
    pub documents: WebhookFaults,
    /// Faults of results of machine detection.
    pub detection: WebhookFaults,
    /// Faults of create requests with their probabilities. The first that is drawn applies.
    pub create: Vec<(f64, CreateFault)>,
    /// Probability of a random fault of a read request.
    pub read: f64,
    /// Probability of a random fault of an update.
    pub update: f64,
    /// Probability that machine detection confuses a person and a machine.
    pub mistaken: f64,
    /// The account has no money, until this is set to `None`. The value is the error code: 10001 or 20005.
    pub no_money: Option<u32>,
    /// The provider is down, until this is set to `None`.
    pub outage: Option<Outage>,
}

/// Selects the webhook of a planned fault: the next one that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A request for a document.
    Document,
    /// A result of machine detection.
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

/// A fault of one create request.
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
        /// Whether the call is placed nevertheless.
        placed: bool,
    },
    /// 503 without JSON.
    Unavailable {
        /// Whether the call is placed nevertheless.
        placed: bool,
    },
    /// The response is lost.
    NoAnswer {
        /// Whether the call is placed.
        placed: bool,
    },
    /// The connection is reset immediately.
    Reset {
        /// Whether the call is placed.
        placed: bool,
    },
    /// No connection is established.
    NotSent,
    /// The call is placed, but the body of the 201 response is not JSON.
    Malformed,
    /// 401 with code 20003.
    Unauthorized,
    /// The call is placed, and its first callback arrives before the response.
    WebhookFirst,
}

/// A fault of one request other than a create request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiFault {
    /// 500.
    InternalError,
    /// 503 without JSON.
    Unavailable,
    /// 404, although the resource exists.
    NotFound,
    /// 401.
    Unauthorized,
    /// 429.
    TooManyRequests,
    /// 200 with a body that is not JSON. An update takes effect.
    Malformed,
    /// The response is lost. An update has no effect.
    NoAnswer,
    /// The response is lost. An update takes effect.
    AnswerLost,
    /// No connection is established.
    NotSent,
}

/// A group of requests with the same faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// All read requests.
    Read,
    /// `POST /Calls/{CA}.json`.
    Update,
}

impl CallFaults {
    /// For every kind of fault, randomly either 0 or `rate`.
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
