//! Faults of the API and of events: random (from the seed), or planned for one request or event.

use patchbay::clock::Timestamp;

use crate::exchange::Outage;
use crate::rng::Rng;
use crate::webhook_faults::WebhookFaults;

/// Random faults with their probabilities (0 by default), and outages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Faults of events. `lose` and `lose_for_good` apply to account webhooks only: the platform notices when it cannot
    /// reach a bot. A duplicate, a delay and a swap apply to both.
    pub events: WebhookFaults,
    /// Faults of API requests with their probabilities. The first that is drawn applies.
    pub api: Vec<(f64, ApiFault)>,
    /// Faults of token requests with their probabilities. The first that is drawn applies.
    pub token: Vec<(f64, ApiFault)>,
    /// The API fails, until this is set to `None`. Events are sent.
    pub outage: Option<Outage>,
    /// The whole platform is down from the first time until the second: it refuses connections, and sends the events of
    /// this time at its end.
    pub down: Option<(Timestamp, Timestamp)>,
}

/// A fault of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiFault {
    /// 429, no effect.
    TooManyRequests {
        /// `Retry-After` in seconds, if present.
        retry_after: Option<u32>,
    },
    /// 500.
    InternalError {
        /// Whether the request has its effect.
        done: bool,
    },
    /// 503 with a body that is not JSON, no effect.
    Unavailable,
    /// The response is lost.
    NoAnswer {
        /// Whether the request has its effect.
        done: bool,
    },
    /// No connection is established.
    NotSent,
    /// 401, no effect. All tokens that were issued so far are revoked.
    Unauthorized,
    /// The request has its effect, but the body of the response is not JSON.
    Malformed,
    /// This status of 400 to 499, no effect: the request is refused forever. Never drawn at random.
    Refused(u16),
}

impl ApiFault {
    /// The faults that are drawn at random.
    pub const RANDOM: [Self; 10] = [
        Self::TooManyRequests { retry_after: Some(2) },
        Self::TooManyRequests { retry_after: None },
        Self::InternalError { done: false },
        Self::InternalError { done: true },
        Self::Unavailable,
        Self::NoAnswer { done: false },
        Self::NoAnswer { done: true },
        Self::NotSent,
        Self::Unauthorized,
        Self::Malformed,
    ];
}

/// A group of requests that a planned fault selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A token request.
    Token,
    /// Any request but a token request.
    Any,
    /// Any of the four that follow.
    SetUp,
    /// Bots.
    Bots,
    /// The list of inboxes.
    Inboxes,
    /// The assignment of a bot to an inbox.
    Assign,
    /// Webhooks.
    Webhooks,
    /// Contacts and conversations.
    Conversations,
    /// A message.
    Messages,
    /// The delivery of a conversation to people.
    Deliver,
    /// The end of a conversation.
    Finish,
    /// A call on behalf of a queue or an agent.
    Calls,
}

impl Endpoint {
    /// Whether a fault planned for this group applies to a request of `group`.
    pub(super) fn includes(self, group: Self) -> bool {
        match self {
            Self::Any => group != Self::Token,
            Self::SetUp => matches!(
                group,
                Self::SetUp | Self::Bots | Self::Inboxes | Self::Assign | Self::Webhooks
            ),
            _ => self == group,
        }
    }
}

impl Faults {
    /// For every kind of fault, randomly either 0 or `rate`. No outage.
    pub fn random(rng: &mut Rng, rate: f64) -> Self {
        let rates = |rng: &mut Rng| {
            let faults = ApiFault::RANDOM.into_iter();
            faults.map(|fault| (rng.pick(0.0, &[rate]), fault)).collect()
        };
        Self {
            events: WebhookFaults::random(rng, rate),
            api: rates(rng),
            token: rates(rng),
            outage: None,
            down: None,
        }
    }
}
