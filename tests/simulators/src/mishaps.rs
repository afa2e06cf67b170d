//! What goes wrong with webhooks on their way from a provider to patchbay: by chance, from the seed, or once, as told.

use std::time::Duration;

use crate::rng::Rng;

/// The first of the planned faults that `fits`; it strikes once.
pub(crate) fn take_planned<K, F>(planned: &mut Vec<(K, F)>, fits: impl Fn(&K) -> bool) -> Option<F> {
    let place = planned.iter().position(|(target, _)| fits(target))?;
    Some(planned.remove(place).1)
}

/// How likely a webhook goes astray.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebhookFaults {
    /// One attempt does not arrive. The provider may try again.
    pub lose: f64,
    /// It arrives, but the answer does not.
    pub lose_answer: f64,
    /// It never arrives, however often the provider tries.
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

impl WebhookFaults {
    /// Every fault, each about as likely as `rate`.
    pub(crate) fn random(rng: &mut Rng, rate: f64) -> Self {
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
    pub(crate) fn draw(&self, rng: &mut Rng) -> Fate {
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
    pub(crate) fn draw_attempt(&self, rng: &mut Rng) -> AttemptFate {
        AttemptFate {
            lost: rng.chance(self.lose),
            answer_lost: rng.chance(self.lose_answer),
        }
    }
}

/// What is decided about a webhook when it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) lost_for_good: bool,
    pub(crate) first: AttemptFate,
    pub(crate) duplicate: Option<Duration>,
    pub(crate) delay: Duration,
    pub(crate) held: bool,
}

/// What is decided about one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AttemptFate {
    pub(crate) lost: bool,
    pub(crate) answer_lost: bool,
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
