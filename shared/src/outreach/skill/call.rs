//! What a skill says about announcements by phone: the keys that are offered, and how often somebody is called.

use serde::Deserialize;

use super::super::document::check_text;
use crate::flow::Issue;
use crate::flow::source::{element, field};
use crate::interaction::limits::MAX_ATTEMPTS;
use crate::interaction::{KeyAction, KeyOption};

/// Most keys: the digits.
const MAX_KEYS: usize = 10;
/// Longest offer of a key, and longest reply to it, in characters, before variables are filled in. What all offers say
/// together is spoken up to a thousand characters.
const MAX_OFFER_CHARS: usize = 300;
/// Minutes until the customer is called again, if the document says nothing.
const DEFAULT_RETRY_MINUTES: u32 = 15;

/// Announcements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls {
    /// The keys; their texts are templates. Without keys the text is only read out.
    pub keys: Vec<KeyOption>,
    /// How often the customer is called until they answer.
    pub attempts: u16,
    /// Minutes until they are called again.
    pub retry_minutes: u32,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            attempts: 1,
            retry_minutes: DEFAULT_RETRY_MINUTES,
        }
    }
}

/// Announcements by phone.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Calls"))]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// The keys that are offered. Without keys the text is only read out.
    #[serde(default)]
    keys: Vec<KeyFields>,
    /// How often, from 1 to 10, the customer is called until they answer. Once when left out.
    #[serde(default)]
    attempts: Option<u16>,
    /// Minutes, from 1 to 10080, until they are called again. 15 when left out.
    #[serde(default)]
    retry_minutes: Option<u32>,
}

/// A key that a call offers.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Key"))]
#[serde(deny_unknown_fields)]
struct KeyFields {
    /// The digit.
    #[cfg_attr(feature = "schema", schemars(required))]
    key: Option<String>,
    /// What is said to offer it, such as `Press 1 to confirm the appointment.`, a text with variables.
    #[cfg_attr(feature = "schema", schemars(required))]
    offer: Option<String>,
    /// What is said after it was pressed, a text with variables. A goodbye when left out.
    #[serde(default)]
    reply: Option<String>,
    /// What it does: `answer` is the customer's answer, `repeat` reads the text again, `opt_out` ends all contact.
    /// `answer` when left out.
    #[serde(default)]
    action: Option<String>,
}

impl Fields {
    pub(super) fn check(&self, path: &str, issues: &mut Vec<Issue>) -> Calls {
        let attempts = self.attempts.unwrap_or(1);
        if !(1..=MAX_ATTEMPTS).contains(&attempts) {
            issues.push(Issue::new(
                field(path, "attempts"),
                format!("must be from 1 to {MAX_ATTEMPTS}"),
            ));
        }
        let retry_minutes = self.retry_minutes.unwrap_or(DEFAULT_RETRY_MINUTES);
        super::check_minutes(retry_minutes, &field(path, "retry_minutes"), issues);
        let path = field(path, "keys");
        if self.keys.len() > MAX_KEYS {
            issues.push(Issue::new(&path, format!("has more than {MAX_KEYS} keys")));
        }
        let mut keys: Vec<KeyOption> = Vec::new();
        for (index, written) in self.keys.iter().enumerate().take(MAX_KEYS) {
            let path = element(&path, index);
            let Some(option) = written.check(&path, issues) else {
                continue;
            };
            if keys.iter().any(|other| other.key == option.key) {
                issues.push(Issue::new(field(&path, "key"), "is a duplicate"));
            }
            keys.push(option);
        }
        Calls {
            keys,
            attempts,
            retry_minutes,
        }
    }
}

impl KeyFields {
    fn check(&self, path: &str, issues: &mut Vec<Issue>) -> Option<KeyOption> {
        let mut chars = self.key.as_deref().unwrap_or_default().chars();
        let key = match (chars.next(), chars.next()) {
            (Some(key), None) if key.is_ascii_digit() => Some(key),
            _ => {
                issues.push(Issue::new(field(path, "key"), "must be a digit, such as '1'"));
                None
            }
        };
        match &self.offer {
            Some(offer) => check_text(offer, MAX_OFFER_CHARS, &field(path, "offer"), issues),
            None => issues.push(Issue::new(field(path, "offer"), "is missing")),
        }
        if let Some(reply) = &self.reply {
            check_text(reply, MAX_OFFER_CHARS, &field(path, "reply"), issues);
        }
        let action = match self.action.as_deref() {
            None | Some("answer") => KeyAction::Answer,
            Some("repeat") => KeyAction::Repeat,
            Some("opt_out") => KeyAction::OptOut,
            Some(_) => {
                issues.push(Issue::new(field(path, "action"), "must be answer, repeat or opt_out"));
                KeyAction::Answer
            }
        };
        Some(KeyOption {
            key: key?,
            offer: self.offer.clone().unwrap_or_default(),
            reply: self.reply.clone(),
            action,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(call: &Value) -> Result<Calls, Vec<String>> {
        let fields: Fields = serde_json::from_value(call.clone()).expect("fields");
        let mut issues = Vec::new();
        let calls = fields.check("call", &mut issues);
        if issues.is_empty() {
            return Ok(calls);
        }
        Err(issues.into_iter().map(|issue| issue.path).collect())
    }

    #[test]
    fn keys_say_what_they_do() {
        let calls = check(&json!({
            "keys": [
                { "key": "1", "offer": "Press 1 to confirm.", "reply": "Thank you." },
                { "key": "9", "offer": "Press 9 to get no more calls.", "action": "opt_out" },
            ],
            "attempts": 2,
        }))
        .expect("calls");
        let keys: Vec<_> = calls.keys.iter().map(|option| (option.key, option.action)).collect();
        assert_eq!(keys, [('1', KeyAction::Answer), ('9', KeyAction::OptOut)]);
        assert_eq!((calls.attempts, calls.retry_minutes), (2, 15));
        assert_eq!(check(&json!({})), Ok(Calls::default()));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = check(&json!({
            "keys": [
                { "key": "#", "offer": "Press the hash key.", "action": "hang_up" },
                { "key": "12" },
                { "key": "1", "offer": "Press 1." },
                { "key": "1", "offer": " " },
            ],
            "attempts": 11, "retry_minutes": 0,
        }));
        let expected = [
            "call.attempts",
            "call.retry_minutes",
            "call.keys[0].key",
            "call.keys[0].action",
            "call.keys[1].key",
            "call.keys[1].offer",
            "call.keys[3].offer",
            "call.keys[3].key",
        ];
        assert_eq!(wrong, Err(expected.map(str::to_owned).to_vec()));
    }
}
