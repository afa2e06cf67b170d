//! What a test wants to know about everything that was sent.

use std::collections::BTreeMap;
use std::time::Duration;

use patchbay::clock::Timestamp;

use super::records::{Message, OptOut, Webhook};
use crate::script_runner::later_by;

/// Everything that was sent, over all providers and channels, in the order of sending.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// The messages.
    pub messages: Vec<Message>,
    /// The customers who opted out, in the order in which they did.
    pub opt_outs: Vec<OptOut>,
    /// The webhooks, in the order of sending.
    pub webhooks: Vec<Webhook>,
}

impl Audit {
    /// The messages of each attempt, by its status URL. A message without one belongs to no attempt.
    pub fn attempts(&self) -> BTreeMap<&str, Vec<&Message>> {
        let mut attempts: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
        for message in &self.messages {
            if let Some(url) = &message.status_url {
                attempts.entry(url).or_default().push(message);
            }
        }
        attempts
    }

    /// The attempts that sent more than one message.
    pub fn sent_twice(&self) -> Vec<&str> {
        let attempts = self.attempts().into_iter();
        attempts
            .filter(|(_, messages)| messages.len() > 1)
            .map(|(url, _)| url)
            .collect()
    }

    /// The messages that were sent although patchbay had known for at least `grace` that an earlier one to the same
    /// customer, of the same interaction and channel, had been sent: a callback of it was accepted. `interaction` tells
    /// to which interaction a status URL belongs.
    pub fn sent_again(&self, grace: Duration, interaction: impl Fn(&str) -> String) -> Vec<&Message> {
        let of = |message: &Message| message.status_url.as_deref().map(&interaction);
        let is_known_before = |earlier: &Message, at: Timestamp| {
            self.webhooks.iter().any(|webhook| {
                let is_accepted = webhook.id == earlier.id && webhook.answer == Some(200);
                is_accepted && later_by(webhook.at, grace) < at
            })
        };
        let is_again = |message: &&Message| {
            self.messages.iter().any(|earlier| {
                let is_same = earlier.channel == message.channel && earlier.to == message.to;
                is_same && of(earlier) == of(message) && is_known_before(earlier, message.at)
            })
        };
        self.messages.iter().filter(is_again).collect()
    }

    /// The messages that belong to no attempt: nobody would ever learn their outcome.
    pub fn without_attempt(&self) -> Vec<&Message> {
        let messages = self.messages.iter();
        messages.filter(|message| message.status_url.is_none()).collect()
    }

    /// The messages to customers who had opted out, as patchbay knew for at least `grace`. One confirmation for each
    /// opt-out may be among them: the simulator does not read texts.
    pub fn after_opt_out(&self, grace: Duration) -> Vec<&Message> {
        let is_too_late = |message: &&Message| {
            self.opt_outs.iter().any(|opt_out| {
                let known = opt_out.known_at.map(|known| later_by(known, grace));
                let holds = opt_out.lifted_at.is_none_or(|lifted| message.at < lifted);
                opt_out.number == message.to && holds && known.is_some_and(|known| known < message.at)
            })
        };
        self.messages.iter().filter(is_too_late).collect()
    }

    /// The messages that were sent at a time that `is_allowed` refuses for their receiver.
    pub fn outside_hours(&self, is_allowed: impl Fn(&str, Timestamp) -> bool) -> Vec<&Message> {
        let messages = self.messages.iter();
        messages
            .filter(|message| !is_allowed(&message.to, message.at))
            .collect()
    }

    /// The messages to a number.
    pub fn to(&self, number: &str) -> Vec<&Message> {
        self.messages.iter().filter(|message| message.to == number).collect()
    }
}
