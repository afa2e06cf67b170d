//! Translates a script into a Routee dial plan, using the published verbs only (CONTRACT.md 4).

use serde::{Deserialize, Serialize};

use crate::dispatch::script::{Script, SpokenLine, Step};
use crate::dispatch::{Gender, Language};

/// The position of COLLECT in a dial plan.
///
/// It is disputed whether Routee listens for keys from the start of the call or only from this verb on. `First` works
/// under both readings; `Last` is how published plans place it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "explained above")]
pub enum CollectPosition {
    #[default]
    First,
    Last,
}

/// Options for dial plans where the contract leaves a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The position of COLLECT.
    pub collect: CollectPosition,
    /// Whether `#` submits the keys at once. If Routee honors it, it may drop keys without a final `#`; so it is off by
    /// default.
    pub submit_on_hash: bool,
}

/// A dial plan. Routee rejects an empty one (CONTRACT.md 2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialPlan {
    /// The steps, in order.
    pub verbs: Vec<Verb>,
}

/// One step of a dial plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "UPPERCASE", rename_all_fields = "camelCase")]
pub enum Verb {
    /// Speaks a text.
    Say {
        /// The text and its voice.
        message: SpokenText,
        /// Number of repetitions after the first time. Routee's "forever" (-1) is not supported on purpose: such a plan
        /// never ends.
        #[serde(default, skip_serializing_if = "is_zero")]
        repeat: u32,
        /// Whether a key interrupts the text and is reported at once.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        barge_in: bool,
    },
    /// Stays silent.
    Pause {
        /// Length in seconds.
        duration: u32,
    },
    /// Makes Routee report keys. The plan does not wait for them.
    Collect {
        /// URL to which Routee posts the keys.
        event_url: String,
        /// Whether `#` submits the keys at once.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        submit_on_hash: bool,
        /// Maximum number of keys. Routee's default is 30.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_digits: Option<u32>,
    },
}

/// A text and its voice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpokenText {
    /// At most 1,000 characters (CONTRACT.md 7), without markup.
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
    /// The dial plan of `script`. Routee posts keys to `event_url`.
    pub fn from_script(script: Script, settings: &Settings, event_url: &str) -> Self {
        let verb = |step| match step {
            Step::Say { line, interruptible } => {
                let SpokenLine { text, language, gender } = line;
                Verb::Say {
                    message: SpokenText { text, language, gender },
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
        if settings.collect == CollectPosition::Last {
            // The sort is stable: the spoken steps keep their order.
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
        let message = SpokenText {
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
    fn script_becomes_one_verb_per_step() {
        let line = SpokenLine {
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
            serde_json::to_value(DialPlan::from_script(script.clone(), &settings, URL)).expect("json"),
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
            serde_json::to_value(DialPlan::from_script(script.clone(), &settings, URL)).expect("json")
        };
        assert_eq!(written(CollectPosition::First).pointer("/verbs/0"), Some(&collect));
        let last = written(CollectPosition::Last);
        assert_eq!(last.pointer("/verbs/3"), Some(&collect));
        assert_eq!(last.pointer("/verbs/0/type"), Some(&json!("SAY")));
    }
}
