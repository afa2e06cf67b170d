//! Switches for the questions that the documentation of both providers leaves open.

use std::time::Duration;

use crate::rng::{Rng, question};

question!(
    /// The status of a free `WhatsApp` message outside of the 24 hours (twilio/CONTRACT.md 5.3).
    OutsideWindow {
    /// `undelivered`.
        Undelivered,
    /// `failed`.
        Failed,
    }
);

question!(
    /// How Routee spells statuses of messages.
    StatusCase {
    /// `Delivered`, as documented.
        Capitalized,
    /// `DELIVERED`.
        Upper,
    /// `delivered`.
        Lower,
    }
);

question!(
    /// How Routee tracks a message of several parts (routee/CONTRACT.md 6).
    TrackedParts {
    /// A list of all parts.
        List,
    /// A page whose `content` is a list of all parts.
        Page,
    /// One object: the last part.
        Last,
    }
);

/// The behavior of both providers where their documentation is silent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent question about the providers' APIs"
)]
pub struct Switches {
    /// Response time of the APIs.
    pub response_time: Duration,
    /// Simulates the time-out of the client's transport: after this time, the client gets an error for a lost response.
    pub client_timeout: Duration,
    /// From the creation to the status `sent`.
    pub sent_after: Duration,
    /// Whether the status `sent` is called back.
    pub sent_is_called_back: bool,
    /// Whether `queued` and `sending` (Twilio) and `Queued` (Routee) are called back. Twilio documents `queued` for
    /// messaging services only, and older captures show both.
    pub queued_is_called_back: bool,
    /// Maximum random delay of each status callback, so that callbacks overtake one another.
    pub callback_jitter: Duration,
    /// `Retry-After` of 429 in seconds, if present. Neither provider documents it.
    pub retry_after: Option<u32>,
    /// Whether a 201 response shows `sending` instead of `queued`.
    pub created_is_sending: bool,
    /// The status of a free `WhatsApp` message outside of the 24 hours.
    pub outside_window: OutsideWindow,
    /// Whether Twilio handles the words `STOP` and `START` itself: on its numbers always, on a messaging service with
    /// Advanced Opt-Out.
    pub handles_opt_out: bool,
    /// Whether the messaging service has Advanced Opt-Out, which adds `OptOutType` to the webhook.
    pub advanced_opt_out: bool,
    /// Whether callbacks of failures contain `ErrorMessage`.
    pub failed_has_message: bool,
    /// Whether delivered `WhatsApp` messages have the field `EventType`.
    pub delivered_has_event_type: bool,
    /// How Routee spells statuses.
    pub status_case: StatusCase,
    /// How Routee tracks a message of several parts.
    pub tracked_parts: TrackedParts,
    /// Whether a failure that Routee reports has a reason.
    pub failure_has_reason: bool,
    /// The retries of Routee's callbacks: 12, or 5 (routee/CONTRACT.md 5.7).
    pub retries: usize,
    /// How long after its creation a message is missing from lists and lookups.
    pub appears_after: Duration,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            response_time: Duration::from_millis(80),
            client_timeout: Duration::from_secs(10),
            sent_after: Duration::from_millis(600),
            sent_is_called_back: true,
            queued_is_called_back: false,
            callback_jitter: Duration::ZERO,
            retry_after: None,
            created_is_sending: false,
            outside_window: OutsideWindow::default(),
            handles_opt_out: true,
            advanced_opt_out: false,
            failed_has_message: false,
            delivered_has_event_type: false,
            status_case: StatusCase::default(),
            tracked_parts: TrackedParts::default(),
            failure_has_reason: true,
            retries: 12,
            appears_after: Duration::ZERO,
        }
    }
}

impl Switches {
    /// Random settings of the switches.
    pub fn random(rng: &mut Rng) -> Self {
        let (millis, seconds) = (Duration::from_millis, Duration::from_secs);
        Self {
            response_time: rng.between(millis(20), millis(900)),
            sent_after: rng.between(millis(100), seconds(20)),
            sent_is_called_back: rng.flip(),
            queued_is_called_back: rng.flip(),
            callback_jitter: rng.pick(Duration::ZERO, &[seconds(5)]),
            retry_after: rng.pick(None, &[Some(1), Some(30)]),
            created_is_sending: rng.flip(),
            outside_window: OutsideWindow::random(rng),
            handles_opt_out: rng.flip(),
            advanced_opt_out: rng.flip(),
            failed_has_message: rng.flip(),
            delivered_has_event_type: rng.flip(),
            status_case: StatusCase::random(rng),
            tracked_parts: TrackedParts::random(rng),
            failure_has_reason: rng.flip(),
            retries: rng.pick(12, &[5]),
            appears_after: rng.between(Duration::ZERO, seconds(5)),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_switches_are_reproducible_and_cover_every_setting() {
        let draw = |seed| Switches::random(&mut Rng::new(seed));
        assert_eq!(draw(5), draw(5));
        let all: Vec<Switches> = (0..200).map(draw).collect();
        for case in [StatusCase::Capitalized, StatusCase::Upper, StatusCase::Lower] {
            assert!(all.iter().any(|switches| switches.status_case == case));
        }
        for tracked in [TrackedParts::List, TrackedParts::Page, TrackedParts::Last] {
            assert!(all.iter().any(|switches| switches.tracked_parts == tracked));
        }
        for setting in [true, false] {
            assert!(all.iter().any(|switches| switches.sent_is_called_back == setting));
            assert!(all.iter().any(|switches| switches.handles_opt_out == setting));
        }
    }
}
