//! A script in Routee's words: a dial plan of the published verbs (`routee.md` section 4).

use serde::{Deserialize, Serialize};

use crate::dispatch::script::{Line, Script, Step};
use crate::dispatch::{Gender, Language};

/// Where COLLECT stands in a dial plan.
///
/// Whether the provider listens from the beginning of a call or from that verb on is contested. First is right under every
/// reading; last is how plans are published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "explained above")]
pub enum Position {
    #[default]
    First,
    Last,
}

/// How dial plans are written, where the contract leaves a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where COLLECT stands.
    pub collect: Position,
    /// Whether `#` sends the keys at once. A provider that honours it may drop keys that no `#` follows, so it is off
    /// unless asked for.
    pub submit_on_hash: bool,
}

/// A dial plan. The provider takes no empty one (`routee.md` 2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialPlan {
    /// What is done, in order.
    pub verbs: Vec<Verb>,
}

/// One step of a dial plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "UPPERCASE", rename_all_fields = "camelCase")]
pub enum Verb {
    /// Speaks a text.
    Say {
        /// What is said, and how.
        message: Message,
        /// How often it is said again after the first time. The provider's "forever" (-1) is left out on purpose: such
        /// a plan has no end.
        #[serde(default, skip_serializing_if = "is_zero")]
        repeat: u32,
        /// Whether a key interrupts it, and is told at once.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        barge_in: bool,
    },
    /// Is silent.
    Pause {
        /// For how many seconds.
        duration: u32,
    },
    /// Has keys told to us. It does not wait for them.
    Collect {
        /// Where they are told.
        event_url: String,
        /// Whether `#` sends the keys at once.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        submit_on_hash: bool,
        /// Most keys; the provider's own default is 30.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_digits: Option<u32>,
    },
}

/// A text and its voice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// At most 1,000 characters (`routee.md` section 7), without markup.
    pub text: String,
    /// Language of the voice.
    pub language: Language,
    /// Gender of the voice.
    pub gender: Gender,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl DialPlan {
    /// `script` as a dial plan, whose keys are told at `event_url`.
    pub fn of(script: Script, settings: &Settings, event_url: &str) -> Self {
        let verb = |step| match step {
            Step::Say { line, interruptible } => {
                let Line { text, language, gender } = line;
                Verb::Say {
                    message: Message { text, language, gender },
                    repeat: 0,
                    barge_in: interruptible,
                }
            }
            Step::Silence { seconds } => Verb::Pause { duration: seconds },
            Step::Listen => Verb::Collect {
                event_url: event_url.to_owned(),
                submit_on_hash: settings.submit_on_hash,
                max_digits: None,
            },
        };
        let mut steps = script.steps;
        if settings.collect == Position::Last {
            // A stable sort: whatever is heard keeps its order.
            steps.sort_by_key(|step| *step == Step::Listen);
        }
        Self {
            verbs: steps.into_iter().map(verb).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URL: &str = "https://hooks.example.org/collect";

    #[test]
    fn verbs_have_the_published_names() {
        let message = Message {
            text: "Hi".to_owned(),
            language: Language::EsLa,
            gender: Gender::Male,
        };
        let plan = DialPlan {
            verbs: vec![
                Verb::Say {
                    message,
                    repeat: 2,
                    barge_in: true,
                },
                Verb::Pause { duration: 5 },
                Verb::Collect {
                    event_url: URL.to_owned(),
                    submit_on_hash: true,
                    max_digits: Some(1),
                },
            ],
        };
        let wire = json!({ "verbs": [
            { "type": "SAY", "message": { "text": "Hi", "language": "es-LA", "gender": "male" }, "repeat": 2, "bargeIn": true },
            { "type": "PAUSE", "duration": 5 },
            { "type": "COLLECT", "eventUrl": URL, "submitOnHash": true, "maxDigits": 1 },
        ] });
        assert_eq!(serde_json::to_value(&plan).expect("json"), wire);
        assert_eq!(serde_json::from_value::<DialPlan>(wire).expect("a plan"), plan);
    }

    #[test]
    fn a_script_is_said_step_by_step() {
        let line = Line {
            text: "Press 1.".to_owned(),
            language: Language::FrFr,
            gender: Gender::Female,
        };
        let say = |interruptible| Step::Say {
            line: line.clone(),
            interruptible,
        };
        let script = Script {
            steps: vec![Step::Listen, say(false), Step::Silence { seconds: 4 }, say(true)],
        };
        let settings = Settings {
            submit_on_hash: true,
            ..Settings::default()
        };
        let message = json!({ "text": "Press 1.", "language": "fr-FR", "gender": "female" });
        assert_eq!(
            serde_json::to_value(DialPlan::of(script.clone(), &settings, URL)).expect("json"),
            json!({ "verbs": [
                { "type": "COLLECT", "eventUrl": URL, "submitOnHash": true },
                { "type": "SAY", "message": message },
                { "type": "PAUSE", "duration": 4 },
                { "type": "SAY", "message": message, "bargeIn": true },
            ] })
        );
        let collect = json!({ "type": "COLLECT", "eventUrl": URL });
        let written = |collect| {
            let settings = Settings {
                collect,
                ..Settings::default()
            };
            serde_json::to_value(DialPlan::of(script.clone(), &settings, URL)).expect("json")
        };
        assert_eq!(written(Position::First).pointer("/verbs/0"), Some(&collect));
        let last = written(Position::Last);
        assert_eq!(last.pointer("/verbs/3"), Some(&collect));
        assert_eq!(last.pointer("/verbs/0/type"), Some(&json!("SAY")));
    }
}
