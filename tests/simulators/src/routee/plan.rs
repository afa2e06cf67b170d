//! Dial plans: the verbs that the provider executes in an answered call (4).

use std::collections::VecDeque;

use serde_json::Value;

use super::fields::{Object, Problems};

/// The verbs that are still to be executed.
pub(super) type Plan = VecDeque<Verb>;

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Say {
        text: String,
        times: Times,
        barge_in: bool,
    },
    Play {
        url: String,
        times: Times,
        barge_in: bool,
    },
    Pause {
        seconds: u32,
    },
    Collect(Collect),
    /// The other party never answers: bridging is not simulated.
    Dial {
        seconds: u32,
    },
}

/// How often a verb is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Number(u32),
    Forever,
}

/// The parameters of a COLLECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Collect {
    pub(super) event_url: Option<String>,
    pub(super) submit_on_hash: bool,
    pub(super) max_digits: usize,
}

/// The supported languages.
const LANGUAGES: [&str; 14] = [
    "en-US", "de-DE", "fr-FR", "it-IT", "pt-BR", "es-ES", "es-LA", "en-GB", "el-GR", "bg-BG", "pl-PL", "hu-HU",
    "sv-SE", "ru-RU",
];

/// Maximum length of a spoken text in characters (7).
const LONGEST_TEXT: usize = 1000;

/// Default ringing time of DIAL.
const DIAL_SECONDS: u32 = 20;

impl Verb {
    /// Whether it keeps the line open.
    pub(super) const fn takes_time(&self) -> bool {
        !matches!(self, Self::Collect(_))
    }
}

/// The first COLLECT of a plan.
pub(super) fn first_collect(plan: &Plan) -> Option<&Collect> {
    plan.iter().find_map(|verb| match verb {
        Verb::Collect(collect) => Some(collect),
        _ => None,
    })
}

/// Parses `{"verbs": [...]}`. Returns `None` and adds problems if it is not a valid plan.
pub(super) fn read(path: &str, value: &Value, problems: &mut Problems) -> Option<Plan> {
    let plan = Object::parse(path, value, problems)?;
    plan.reject_unknown(&["verbs"], problems);
    let Some(verbs) = plan
        .get("verbs")
        .and_then(Value::as_array)
        .filter(|verbs| !verbs.is_empty())
    else {
        problems.add(plan.path("verbs"), "may not be empty");
        return None;
    };
    let path = plan.path("verbs");
    let read: Plan = verbs
        .iter()
        .enumerate()
        .filter_map(|(index, verb)| read_verb(&Object::parse(format!("{path}[{index}]"), verb, problems)?, problems))
        .collect();
    if read.iter().filter(|verb| matches!(verb, Verb::Dial { .. })).count() > 1 {
        problems.add(path, "may contain one DIAL only");
        return None;
    }
    (read.len() == verbs.len()).then_some(read)
}

fn read_verb(verb: &Object<'_>, problems: &mut Problems) -> Option<Verb> {
    match verb.required_text("type", problems)? {
        "SAY" => {
            verb.reject_unknown(&["type", "message", "repeat", "bargeIn"], problems);
            let times = read_times(verb, problems);
            let barge_in = verb.boolean("bargeIn", problems);
            let text = read_message(verb, problems)?;
            Some(Verb::Say { text, times, barge_in })
        }
        "PLAY" => {
            verb.reject_unknown(&["type", "fileURL", "repeat", "bargeIn"], problems);
            let times = read_times(verb, problems);
            let barge_in = verb.boolean("bargeIn", problems);
            verb.required_text("fileURL", problems)?;
            let url = verb.url("fileURL", problems)?;
            Some(Verb::Play { url, times, barge_in })
        }
        "PAUSE" => {
            verb.reject_unknown(&["type", "duration"], problems);
            let Some(seconds) = verb.integer("duration", &(1..=60), problems) else {
                if verb.get("duration").is_none() {
                    problems.add(verb.path("duration"), "may not be empty");
                }
                return None;
            };
            Some(Verb::Pause {
                seconds: u32::try_from(seconds).ok()?,
            })
        }
        "COLLECT" => {
            verb.reject_unknown(&["type", "eventUrl", "submitOnHash", "maxDigits"], problems);
            Some(Verb::Collect(Collect {
                event_url: verb.url("eventUrl", problems),
                submit_on_hash: verb.boolean("submitOnHash", problems),
                max_digits: verb.integer("maxDigits", &(1..=1000), problems).map_or(30, unsigned),
            }))
        }
        "DIAL" => {
            verb.required_text("from", problems)?;
            Object::parse(verb.path("to"), verb.get("to").unwrap_or(&Value::Null), problems)?;
            let seconds = verb.integer("hangupDelay", &(1..=3600), problems);
            Some(Verb::Dial {
                seconds: seconds.and_then(|s| u32::try_from(s).ok()).unwrap_or(DIAL_SECONDS),
            })
        }
        _ => {
            problems.add(verb.path("type"), "must be one of SAY, PLAY, DIAL, PAUSE, COLLECT");
            None
        }
    }
}

fn read_message(verb: &Object<'_>, problems: &mut Problems) -> Option<String> {
    let message = Object::parse(
        verb.path("message"),
        verb.get("message").unwrap_or(&Value::Null),
        problems,
    )?;
    message.reject_unknown(&["text", "language", "gender"], problems);
    message.choice("gender", &["male", "female"], problems);
    message.required_text("language", problems)?;
    message.choice("language", &LANGUAGES, problems)?;
    let text = message.required_text("text", problems)?;
    if text.chars().count() > LONGEST_TEXT {
        problems.add(message.path("text"), "may not be longer than 1000 characters");
        return None;
    }
    Some(text.to_owned())
}

/// Reads `repeat`: 0, the default, plays once; n plays n more times; -1 repeats forever.
fn read_times(verb: &Object<'_>, problems: &mut Problems) -> Times {
    match verb.integer("repeat", &(-1..=100), problems) {
        Some(-1) => Times::Forever,
        repeat => Times::Number(repeat.and_then(|repeat| u32::try_from(repeat).ok()).unwrap_or(0) + 1),
    }
}

fn unsigned(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems_of(plan: &Value, refuses_unknown: bool) -> Value {
        let mut problems = Problems::new(refuses_unknown);
        let read = read("dialPlan", plan, &mut problems);
        assert_eq!(
            read.is_some(),
            problems.is_empty() || problems_are_minor(&problems),
            "{problems:?}"
        );
        problems.into_json()
    }

    /// A problem in an optional field does not prevent parsing the verb, but the request is still rejected.
    fn problems_are_minor(problems: &Problems) -> bool {
        let text = format!("{problems:?}");
        ["known field", "gender", "bargeIn", "repeat", "eventUrl"]
            .iter()
            .any(|minor| text.contains(minor))
    }

    #[test]
    fn the_four_verbs_of_the_published_flow_are_parsed_with_their_defaults() {
        let plan = json!({ "verbs": [
            { "type": "PAUSE", "duration": 3 },
            { "type": "SAY", "message": { "text": "Pump four.", "gender": "male", "language": "en-US" } },
            { "type": "PLAY", "fileURL": "https://example.org/a.wav", "repeat": -1, "bargeIn": "true" },
            { "type": "COLLECT", "eventUrl": "https://example.org/collect", "submitOnHash": "false" },
        ] });
        let mut problems = Problems::new(true);
        let read = read("dialPlan", &plan, &mut problems).expect("a plan");
        assert!(problems.is_empty());
        let collect = Collect {
            event_url: Some("https://example.org/collect".to_owned()),
            submit_on_hash: false,
            max_digits: 30,
        };
        assert_eq!(
            Vec::from(read),
            [
                Verb::Pause { seconds: 3 },
                Verb::Say {
                    text: "Pump four.".to_owned(),
                    times: Times::Number(1),
                    barge_in: false
                },
                Verb::Play {
                    url: "https://example.org/a.wav".to_owned(),
                    times: Times::Forever,
                    barge_in: true
                },
                Verb::Collect(collect),
            ]
        );
    }

    #[test]
    fn an_invalid_plan_is_rejected_with_the_path_of_the_problem() {
        let say = |message: Value| json!({ "verbs": [{ "type": "SAY", "message": message }] });
        for (plan, path) in [
            (json!({}), "dialPlan.verbs"),
            (json!({ "verbs": [] }), "dialPlan.verbs"),
            (json!([]), "dialPlan"),
            (json!({ "verbs": [{ "type": "HANGUP" }] }), "dialPlan.verbs[0].type"),
            (
                json!({ "verbs": [{ "type": "PAUSE", "length": 5 }] }),
                "dialPlan.verbs[0].duration",
            ),
            (
                json!({ "verbs": [{ "type": "PAUSE", "duration": 0 }] }),
                "dialPlan.verbs[0].duration",
            ),
            (
                say(json!({ "text": "", "language": "en-US" })),
                "dialPlan.verbs[0].message.text",
            ),
            (
                say(json!({ "text": "x".repeat(1001), "language": "en-US" })),
                "dialPlan.verbs[0].message.text",
            ),
            (
                say(json!({ "text": "x", "language": "xx-XX" })),
                "dialPlan.verbs[0].message.language",
            ),
            (
                say(json!({ "text": "x", "language": "en-US", "gender": "x" })),
                "dialPlan.verbs[0].message.gender",
            ),
            (
                json!({ "verbs": [{ "type": "COLLECT", "eventUrl": "collect" }] }),
                "dialPlan.verbs[0].eventUrl",
            ),
        ] {
            let problems = problems_of(&plan, false);
            assert!(problems.get(path).is_some(), "{plan} {problems}");
        }
    }

    #[test]
    fn a_plan_with_two_dials_is_rejected() {
        let dial = json!({ "type": "DIAL", "from": "123", "to": { "phone": "+12025550123" } });
        assert!(
            problems_of(&json!({ "verbs": [dial, dial] }), false)
                .get("dialPlan.verbs")
                .is_some()
        );
        assert_eq!(problems_of(&json!({ "verbs": [dial] }), false), json!({}));
    }

    #[test]
    fn an_unknown_field_is_rejected_only_by_a_strict_provider() {
        let plan = json!({ "verbs": [{ "type": "PAUSE", "duration": 5, "timeout": 3 }] });
        assert_eq!(problems_of(&plan, false), json!({}));
        assert!(problems_of(&plan, true).get("dialPlan.verbs[0].timeout").is_some());
    }
}
