//! Faults in the delivery of webhooks from a provider to patchbay: random (from the seed), or planned for one webhook.

use std::time::Duration;

use crate::rng::Rng;

/// Removes and returns the first planned fault whose target `fits`.
pub(crate) fn take_planned<K, F>(planned: &mut Vec<(K, F)>, fits: impl Fn(&K) -> bool) -> Option<F> {
    let index = planned.iter().position(|(target, _)| fits(target))?;
    Some(planned.remove(index).1)
}

/// Random webhook faults: for each kind, its probability from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebhookFaults {
    /// An attempt does not arrive. The provider may retry.
    pub lose: f64,
    /// An attempt arrives, but its response does not.
    pub lose_answer: f64,
    /// No attempt ever arrives.
    pub lose_for_good: f64,
    /// The webhook arrives twice.
    pub duplicate: f64,
    /// The webhook is delayed by up to `delay_up_to`.
    pub delay: f64,
    /// The longest delay.
    pub delay_up_to: Duration,
    /// The webhook swaps places with the next one of the same call.
    pub reorder: f64,
}

/// A planned fault of one webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookFault {
    /// The first attempt does not arrive.
    Lose,
    /// The first attempt arrives, but its response does not.
    LoseAnswer,
    /// No attempt ever arrives.
    LoseForGood,
    /// A duplicate arrives this much later.
    Duplicate(Duration),
    /// It is delayed by this much.
    Delay(Duration),
    /// It is sent right after the next webhook of the same call.
    Reorder,
}

impl WebhookFaults {
    /// For every kind of fault, randomly either 0 or `rate`.
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

    /// Draws the faults of a webhook that is about to be sent.
    pub(crate) fn draw(&self, rng: &mut Rng) -> DrawnFaults {
        DrawnFaults {
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
            reordered: rng.chance(self.reorder),
        }
    }

    /// Draws the faults of one retry.
    pub(crate) fn draw_attempt(&self, rng: &mut Rng) -> AttemptFaults {
        AttemptFaults {
            lost: rng.chance(self.lose),
            answer_lost: rng.chance(self.lose_answer),
        }
    }
}

/// The faults of one webhook, drawn when it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DrawnFaults {
    pub(crate) lost_for_good: bool,
    pub(crate) first: AttemptFaults,
    pub(crate) duplicate: Option<Duration>,
    pub(crate) delay: Duration,
    pub(crate) reordered: bool,
}

/// The faults of one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AttemptFaults {
    pub(crate) lost: bool,
    pub(crate) answer_lost: bool,
}

impl From<WebhookFault> for DrawnFaults {
    fn from(fault: WebhookFault) -> Self {
        let none = Self::default();
        match fault {
            WebhookFault::Lose => Self {
                first: AttemptFaults {
                    lost: true,
                    answer_lost: false,
                },
                ..none
            },
            WebhookFault::LoseAnswer => Self {
                first: AttemptFaults {
                    lost: false,
                    answer_lost: true,
                },
                ..none
            },
            WebhookFault::LoseForGood => Self {
                lost_for_good: true,
                ..none
            },
            WebhookFault::Duplicate(after) => Self {
                duplicate: Some(after),
                ..none
            },
            WebhookFault::Delay(delay) => Self { delay, ..none },
            WebhookFault::Reorder => Self {
                reordered: true,
                ..none
            },
        }
    }
}
