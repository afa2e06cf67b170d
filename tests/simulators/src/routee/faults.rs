//! What goes wrong: by chance, from the seed, or once, as told.

use std::time::Duration;

use super::records::Status;
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
}

/// How likely a webhook goes astray.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebhookFaults {
    /// One attempt does not arrive. A status is then sent again after the retry schedule.
    pub lose: f64,
    /// It arrives, but the answer does not.
    pub lose_answer: f64,
    /// It never arrives, whatever the retry schedule says.
    pub lose_for_good: f64,
    /// It arrives twice.
    pub duplicate: f64,
    /// It is on its way for up to `delay_up_to`.
    pub delay: f64,
    /// The longest delay.
    pub delay_up_to: Duration,
    /// It changes places with the next webhook of the same call.
    pub reorder: f64,
}

/// What happens to one webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookFault {
    /// The first attempt does not arrive.
    Lose,
    /// The first attempt arrives, but its answer does not.
    LoseAnswer,
    /// It never arrives.
    LoseForGood,
    /// It arrives again after this long.
    Duplicate(Duration),
    /// It is on its way for this long.
    Delay(Duration),
    /// It leaves right after the next webhook of the same call.
    Reorder,
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
        }
    }
}

impl WebhookFaults {
    fn random(rng: &mut Rng, rate: f64) -> Self {
        Self {
            lose: rng.pick(0.0, &[rate]),
            lose_answer: rng.pick(0.0, &[rate]),
            lose_for_good: rng.pick(0.0, &[rate]),
            duplicate: rng.pick(0.0, &[rate]),
            delay: rng.pick(0.0, &[rate]),
            delay_up_to: rng.between(Duration::from_secs(1), Duration::from_mins(2)),
            reorder: rng.pick(0.0, &[rate]),
        }
    }

    /// What happens to a webhook that leaves now.
    pub(super) fn draw(&self, rng: &mut Rng) -> Fate {
        Fate {
            lost_for_good: rng.chance(self.lose_for_good),
            first: self.draw_attempt(rng),
            duplicate: rng
                .chance(self.duplicate)
                .then(|| rng.between(Duration::from_millis(50), Duration::from_secs(10))),
            delay: if rng.chance(self.delay) {
                rng.between(Duration::ZERO, self.delay_up_to)
            } else {
                Duration::ZERO
            },
            held: rng.chance(self.reorder),
        }
    }

    /// What happens to one further attempt.
    pub(super) fn draw_attempt(&self, rng: &mut Rng) -> AttemptFate {
        AttemptFate {
            lost: rng.chance(self.lose),
            answer_lost: rng.chance(self.lose_answer),
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

/// What is decided about a webhook when it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) lost_for_good: bool,
    pub(super) first: AttemptFate,
    pub(super) duplicate: Option<Duration>,
    pub(super) delay: Duration,
    pub(super) held: bool,
}

/// What is decided about one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AttemptFate {
    pub(super) lost: bool,
    pub(super) answer_lost: bool,
}

impl From<WebhookFault> for Fate {
    fn from(fault: WebhookFault) -> Self {
        let fate = Self::default();
        match fault {
            WebhookFault::Lose => Self {
                first: AttemptFate {
                    lost: true,
                    answer_lost: false,
                },
                ..fate
            },
            WebhookFault::LoseAnswer => Self {
                first: AttemptFate {
                    lost: false,
                    answer_lost: true,
                },
                ..fate
            },
            WebhookFault::LoseForGood => Self {
                lost_for_good: true,
                ..fate
            },
            WebhookFault::Duplicate(after) => Self {
                duplicate: Some(after),
                ..fate
            },
            WebhookFault::Delay(delay) => Self { delay, ..fate },
            WebhookFault::Reorder => Self { held: true, ..fate },
        }
    }
}
