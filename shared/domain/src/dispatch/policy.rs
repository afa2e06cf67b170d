//! The policy of a dispatch: copied into it at the start, so a later edit never affects a running dispatch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::employee::{Gender, Language};
use crate::field::FieldError;
use crate::ids::ProviderName;

/// Spoken sentences that a policy may replace, for one language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct TextOverrides {
    /// Replaces "Press 1 to accept this ticket, or press 2 to reject it".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
}

/// What is repeated while no key is pressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepeatContent {
    /// The options.
    #[default]
    Options,
    /// The ticket and the options.
    All,
}

/// What is done when a machine answers, usually voicemail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnVoicemail {
    /// Nothing: the call goes on as with a person, and the provider is not asked to detect machines.
    #[default]
    Ignore,
    /// The call is hung up. Detection is sometimes wrong, so this may cut off a person.
    HangUp,
}

/// The rules of one dispatch. All durations are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Calls to one employee before the next is phoned: 1 to 10.
    pub attempts: u8,
    /// Pause between two calls to the same employee: 5 to 3600.
    pub retry_delay: u32,
    /// How long the phone rings: 1 to 60 (the provider's limits). None leaves it to the network, which may let
    /// voicemail answer.
    pub ring_timeout: Option<u32>,
    /// Longest duration of the call itself, after which the provider ends it: 30 to 600. None sets no limit at the
    /// provider.
    pub max_duration: Option<u32>,
    /// Silence before the ticket is read: 0 to 60.
    pub greeting_pause: u32,
    /// Silence between the ticket and the options: 0 to 60.
    pub options_pause: u32,
    /// Silence after the options before they are repeated: 1 to 60.
    pub repeat_after: u32,
    /// How often the options are repeated: 0 to 5.
    pub repeats: u8,
    /// What is repeated.
    #[serde(skip_serializing_if = "is_default")]
    #[serde(alias = "repeat")]
    pub repeat_content: RepeatContent,
    /// Silence at the end, in which a key still counts: 1 to 60.
    pub closing_pause: u32,
    /// How often a wrong key is answered with the options: 0 to 5.
    pub wrong_keys: u8,
    /// Pause between two rounds through the list: 0 to 86400.
    pub round_pause: u32,
    /// Rounds through the list: 1 to 1000. None continues until the dispatch expires.
    pub max_rounds: Option<u32>,
    /// Maximum number of calls in all, reopened dispatches included: 1 to 1000. Then the dispatch is exhausted. None
    /// sets no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_calls: Option<u32>,
    /// The providers to place calls over, the preferred one first. Empty means every provider that the deployment has
    /// an account with, in the deployment's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderName>,
    /// What is done when a machine answers.
    #[serde(skip_serializing_if = "is_default")]
    #[serde(alias = "machine")]
    pub on_voicemail: OnVoicemail,
    /// Lifetime of the dispatch: 60 to 604800 (a week).
    pub expires_after: u32,
    /// Time within which an accepted ticket must be resolved, or it is reopened: 60 to 604800. None never reopens it.
    pub resolve_within: Option<u32>,
    /// Whether an employee who rejected is phoned again in the next round.
    #[serde(alias = "ask_again")]
    pub retry_rejected: bool,
    /// Language for employees without a language of their own.
    pub language: Language,
    /// Voice that reads the ticket to employees without a voice of their own.
    pub ticket_voice: Gender,
    /// Voice of the options.
    pub options_voice: Gender,
    /// The requester's own sentences, by language.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub texts: BTreeMap<Language, TextOverrides>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 3,
            retry_delay: 30,
            // Most voicemail answers after 25 to 30 s.
            ring_timeout: Some(25),
            max_duration: Some(180),
            greeting_pause: 3,
            options_pause: 4,
            repeat_after: 10,
            repeats: 1,
            repeat_content: RepeatContent::default(),
            closing_pause: 6,
            wrong_keys: 2,
            round_pause: 300,
            max_rounds: None,
            max_calls: None,
            providers: Vec::new(),
            on_voicemail: OnVoicemail::default(),
            expires_after: 86_400,
            resolve_within: None,
            retry_rejected: true,
            language: Language::EnUs,
            ticket_voice: Gender::Male,
            options_voice: Gender::Female,
            texts: BTreeMap::new(),
        }
    }
}

/// Maximum length of a requester's own text for the options, in characters.
const MAX_OPTIONS_CHARS: usize = 300;

/// Assumed longest ring time, in seconds, where the policy leaves it to the network.
const NETWORK_RING_SECONDS: u32 = 90;
/// Assumed longest call, in seconds, where the policy sets no limit: then we give up on it.
const UNLIMITED_CALL_SECONDS: u32 = 600;

impl Policy {
    /// Longest time that a phone rings, in seconds.
    pub fn longest_ring(&self) -> u32 {
        self.ring_timeout.unwrap_or(NETWORK_RING_SECONDS)
    }

    /// Longest time that a call takes after it is placed, ringing included, in seconds.
    pub fn longest_call(&self) -> u32 {
        self.longest_ring() + self.max_duration.unwrap_or(UNLIMITED_CALL_SECONDS)
    }

    /// Every field that is out of its range; empty when the policy is valid.
    pub fn errors(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut range = |field: &str, value: u32, low: u32, high: u32| {
            if !(low..=high).contains(&value) {
                errors.push(FieldError::new(
                    format!("policy.{field}"),
                    format!("must be from {low} to {high}"),
                ));
            }
        };
        range("attempts", self.attempts.into(), 1, 10);
        range("retry_delay", self.retry_delay, 5, 3_600);
        range("ring_timeout", self.ring_timeout.unwrap_or(1), 1, 60);
        range("max_duration", self.max_duration.unwrap_or(30), 30, 600);
        range("greeting_pause", self.greeting_pause, 0, 60);
        range("options_pause", self.options_pause, 0, 60);
        range("repeat_after", self.repeat_after, 1, 60);
        range("repeats", self.repeats.into(), 0, 5);
        range("closing_pause", self.closing_pause, 1, 60);
        range("wrong_keys", self.wrong_keys.into(), 0, 5);
        range("round_pause", self.round_pause, 0, 86_400);
        range("max_rounds", self.max_rounds.unwrap_or(1), 1, 1_000);
        range("max_calls", self.max_calls.unwrap_or(1), 1, 1_000);
        range("expires_after", self.expires_after, 60, 604_800);
        range("resolve_within", self.resolve_within.unwrap_or(60), 60, 604_800);
        for (index, provider) in self.providers.iter().enumerate() {
            let earlier = self.providers.iter().take(index).position(|other| other == provider);
            if let Some(earlier) = earlier {
                errors.push(FieldError::new(
                    format!("policy.providers[{index}]"),
                    format!("duplicates policy.providers[{earlier}]"),
                ));
            }
        }
        for (language, texts) in &self.texts {
            let Some(options) = &texts.options else { continue };
            let chars = options.trim().chars().count();
            if chars == 0 || chars > MAX_OPTIONS_CHARS {
                errors.push(FieldError::new(
                    format!("policy.texts.{}.options", super::texts::tag(*language)),
                    format!("must have from 1 to {MAX_OPTIONS_CHARS} characters"),
                ));
            }
        }
        errors
    }
}
