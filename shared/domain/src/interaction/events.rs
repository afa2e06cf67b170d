//! The events of an interaction that a requester's webhook receives: each event is an entry of its timeline.

use super::state::Interaction;
use super::status::State;
use super::timeline::{Entry, Fact};
use crate::timestamp::Timestamp;
use crate::webhook::{self, Notice, Strategy};

impl Fact {
    /// The published type of the webhook event, if this fact has one.
    pub const fn event_type(&self) -> Option<&'static str> {
        match self {
            Self::StateChanged { to, .. } => match to {
                // Nothing comes before it.
                State::Scheduled => None,
                State::Sending => Some("interaction.sending"),
                State::Sent => Some("interaction.sent"),
                State::Open => Some("interaction.opened"),
                State::Unknown => Some("interaction.unknown"),
                State::Ended { .. } => Some("interaction.ended"),
            },
            Self::AttemptEnded { .. } => Some("interaction.attempt_ended"),
            Self::SettledLate { .. } => Some("interaction.attempt_settled"),
            Self::Received { .. } => Some("interaction.received"),
            Self::Progressed { .. } => Some("interaction.progressed"),
            _ => None,
        }
    }

    /// Whether a webhook with this strategy receives the fact.
    pub const fn notifies(&self, strategy: Strategy) -> bool {
        match strategy {
            Strategy::OnCompletion => self.concerns_all(),
            Strategy::OnChange => self.event_type().is_some() && !matches!(self, Self::Progressed { .. }),
            Strategy::OnStatus => self.event_type().is_some(),
        }
    }

    /// Whether a person may have to act: it is over, or unclear.
    const fn concerns_all(&self) -> bool {
        matches!(
            self,
            Self::StateChanged {
                to: State::Ended { .. } | State::Unknown,
                ..
            }
        )
    }
}

impl Interaction {
    /// The event of an entry of the timeline, if the webhook receives it.
    pub fn event(&self, entry: &Entry) -> Option<webhook::Event> {
        let webhook = self.webhook.as_ref()?;
        if !entry.fact.notifies(webhook.strategy) {
            return None;
        }
        Some(webhook::Event {
            entry: entry.id.clone(),
            event_type: entry.fact.event_type()?,
            sequence: entry.sequence(),
            at: entry.at,
        })
    }

    /// The notices of the entries of a commit, to be sent before it at `now`.
    pub fn notices(&self, entries: &[Entry], now: Timestamp) -> Vec<Notice> {
        let events = entries.iter().filter_map(|entry| self.event(entry));
        let notice = |event: webhook::Event| Notice::first(self.key.clone().into(), event.entry, now);
        events.map(notice).collect()
    }

    /// Whether an entry says how far an attempt got, and the attempt has got further since, or has ended.
    pub fn has_superseded(&self, entry: &Entry) -> bool {
        let Fact::Progressed { attempt, progress, .. } = &entry.fact else {
            return false;
        };
        let current = self.attempt.as_ref().filter(|current| current.id == *attempt);
        current.is_none_or(|current| current.progress > Some(*progress))
    }
}
