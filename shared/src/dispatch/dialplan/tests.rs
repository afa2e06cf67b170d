use serde_json::{Value, json};

use super::*;
use crate::dispatch::policy::TextOverrides;
use crate::phone::PhoneNumber;

const URL: &str = "https://hooks.example.org/collect";

fn employee(language: Option<Language>) -> Employee {
    Employee {
        id: "anna".to_owned(),
        name: "Anna".to_owned(),
        phone: PhoneNumber::parse("+12025550101").expect("a number"),
        language,
        voice: None,
        on_duty: Vec::new(),
        quiet_hours: None,
        opted_out: false,
        unverified: false,
    }
}

fn pump() -> Ticket {
    Ticket {
        reference: None,
        text: "Alarm at pump four.".to_owned(),
    }
}

fn texts(plan: &DialPlan) -> Vec<&str> {
    let said = plan.verbs.iter().map(|verb| match verb {
        Verb::Say { message, .. } => Some(message.text.as_str()),
        _ => None,
    });
    said.flatten().collect()
}

fn kinds(plan: &DialPlan) -> Vec<String> {
    let kind = |verb: &Verb| match verb {
        Verb::Say { barge_in: true, .. } => "say, key interrupts".to_owned(),
        Verb::Say { .. } => "say".to_owned(),
        Verb::Pause { duration } => format!("pause {duration}"),
        Verb::Collect { .. } => "collect".to_owned(),
    };
    plan.verbs.iter().map(kind).collect()
}

fn hears_keys(plan: &DialPlan) -> bool {
    plan.verbs.iter().any(|verb| matches!(verb, Verb::Collect { .. }))
}

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
fn by_default_keys_are_heard_from_the_first_moment() {
    let plan = offer(&pump(), &employee(None), &Policy::default(), URL);
    assert_eq!(
        kinds(&plan),
        [
            "collect",
            "pause 3",
            "say",
            "pause 4",
            "say, key interrupts",
            "pause 10",
            "say, key interrupts",
            "pause 6"
        ]
    );
}

#[test]
fn pauses_of_no_length_are_left_out_and_options_repeat_as_often_as_the_policy_says() {
    let policy = Policy {
        greeting_pause: 0,
        options_pause: 0,
        repeats: 3,
        collect: CollectPosition::Last,
        submit_on_hash: true,
        ..Policy::default()
    };
    let plan = offer(&pump(), &employee(None), &policy, URL);
    let (ask, wait) = ("say, key interrupts", "pause 10");
    assert_eq!(
        kinds(&plan),
        ["say", ask, wait, ask, wait, ask, wait, ask, "pause 6", "collect"]
    );
    assert!(plan.verbs.contains(&Verb::Collect {
        event_url: URL.to_owned(),
        submit_on_hash: true,
        max_digits: None
    }));
    let never_again = Policy { repeats: 0, ..policy };
    assert_eq!(
        kinds(&offer(&pump(), &employee(None), &never_again, URL)),
        ["say", ask, "pause 6", "collect"]
    );
}

#[test]
fn an_employee_is_spoken_to_in_their_own_language_and_voice() {
    let policy = Policy {
        language: Language::FrFr,
        ..Policy::default()
    };
    let own = Employee {
        voice: Some(Gender::Female),
        ..employee(Some(Language::DeDe))
    };
    let plan = serde_json::to_value(offer(&pump(), &own, &policy, URL)).expect("json");
    assert_eq!(
        plan.pointer("/verbs/2/message"),
        Some(&json!({ "text": "Alarm at pump four.", "language": "de-DE", "gender": "female" }))
    );
    assert_eq!(
        plan.pointer("/verbs/4/message/text"),
        Some(&json!(sentences(Language::DeDe).options))
    );

    let plan = serde_json::to_value(offer(&pump(), &employee(None), &policy, URL)).expect("json");
    assert_eq!(plan.pointer("/verbs/2/message/gender"), Some(&json!("male")));
    assert_eq!(plan.pointer("/verbs/4/message/language"), Some(&json!("fr-FR")));
    assert_eq!(plan.pointer("/verbs/4/message/gender"), Some(&json!("female")));
}

#[test]
fn options_of_the_requesters_own_replace_those_of_one_language() {
    let mut policy = Policy::default();
    policy.texts.insert(
        Language::DeDe,
        TextOverrides {
            options: Some("<p>Taste 1 f&uuml;r &lt;ja&gt;, Taste 2 nein.</p>".to_owned()),
        },
    );
    policy.texts.insert(
        Language::FrFr,
        TextOverrides {
            options: Some("<>".to_owned()),
        },
    );
    assert_eq!(
        texts(&ask_again(Language::DeDe, &policy, URL)),
        ["Taste 1 für ja , Taste 2 nein."; 2]
    );
    assert_eq!(
        texts(&ask_again(Language::FrFr, &policy, URL)),
        [sentences(Language::FrFr).options; 2]
    );
    assert_eq!(
        texts(&ask_again(Language::EnGb, &policy, URL)),
        [sentences(Language::EnGb).options; 2]
    );
}

#[test]
fn news_is_told_without_waiting_for_a_key() {
    let (english, policy) = (Language::EnUs, Policy::default());
    for (plan, said) in [
        (accepted(english, &policy), "You have accepted. Thank you."),
        (rejected(english, &policy), "You have rejected. Thank you."),
        (
            taken_by("Anna", english, &policy),
            "Anna has already accepted this ticket.",
        ),
        (
            taken_by("Anna <b>", english, &policy),
            "Anna has already accepted this ticket.",
        ),
        (
            taken_by("<>", english, &policy),
            "Somebody else has already accepted this ticket.",
        ),
        (
            closed(english, &policy),
            "This ticket is closed. There is nothing left for you to do.",
        ),
        (goodbye(english, &policy), "Goodbye."),
    ] {
        assert_eq!(texts(&plan), [said]);
        assert_eq!(kinds(&plan), ["say"], "{said}");
    }
}

#[test]
fn a_question_can_be_answered() {
    for collect in [CollectPosition::First, CollectPosition::Last] {
        let policy = Policy {
            collect,
            ..Policy::default()
        };
        for language in Language::ALL {
            for plan in [ask_again(language, &policy, URL), one_moment(language, &policy, URL)] {
                assert!(hears_keys(&plan), "{plan:?}");
                let at = plan.verbs.iter().position(|verb| matches!(verb, Verb::Collect { .. }));
                assert_eq!(
                    at,
                    Some(if collect == CollectPosition::First {
                        0
                    } else {
                        plan.verbs.len() - 1
                    })
                );
                assert!(
                    !kinds(&plan).contains(&"say".to_owned()),
                    "every SAY gives way to a key: {plan:?}"
                );
                assert!(texts(&plan).contains(&sentences(language).options));
                let closing = if collect == CollectPosition::First { 1 } else { 2 };
                assert_eq!(
                    plan.verbs.iter().rev().nth(closing - 1),
                    Some(&Verb::Pause { duration: 6 })
                );
            }
        }
    }
}

#[test]
fn an_answer_that_could_not_be_stored_is_never_called_accepted() {
    for language in Language::ALL {
        let plan = one_moment(language, &Policy::default(), URL);
        let said = texts(&plan).join(" ");
        assert!(said.starts_with(sentences(language).one_moment));
        assert!(
            !said.contains(sentences(language).accepted) && !said.contains("accepted"),
            "{said}"
        );
    }
}

#[test]
fn every_reply_is_valid_in_every_language() {
    let policy = Policy::default();
    for language in Language::ALL {
        let long_name = "Anna ".repeat(400);
        for plan in [
            offer(&pump(), &employee(Some(language)), &policy, URL),
            accepted(language, &policy),
            rejected(language, &policy),
            taken_by(&long_name, language, &policy),
            closed(language, &policy),
            goodbye(language, &policy),
            ask_again(language, &policy, URL),
            one_moment(language, &policy, URL),
        ] {
            let wire = serde_json::to_value(&plan).expect("json");
            let verbs = wire.get("verbs").and_then(Value::as_array).expect("verbs");
            assert!(!verbs.is_empty());
            for said in texts(&plan) {
                assert!(
                    (1..=MAX_SAY_CHARS).contains(&said.chars().count()) && !said.contains('{'),
                    "{said}"
                );
            }
            for verb in verbs.iter().filter(|verb| verb.get("type") == Some(&json!("SAY"))) {
                assert_eq!(verb.pointer("/message/language"), Some(&json!(language)));
            }
        }
    }
}

#[test]
fn the_longest_time_counts_slow_speech_pauses_and_repetitions() {
    let message = |chars| Message {
        text: "x".repeat(chars),
        language: Language::EnUs,
        gender: Gender::Male,
    };
    let seconds = |verbs: &[Verb]| longest_seconds(&DialPlan { verbs: verbs.to_vec() });
    assert_eq!(seconds(&[say(message(80), false)]), 12);
    assert_eq!(seconds(&[say(message(81), true)]), 13);
    assert_eq!(
        seconds(&[Verb::Say {
            message: message(80),
            repeat: 2,
            barge_in: false
        }]),
        36
    );
    assert_eq!(
        seconds(&[
            Verb::Pause { duration: 7 },
            say(message(8), false),
            Verb::Pause { duration: 3 }
        ]),
        13
    );
    assert_eq!(
        seconds(&[Verb::Pause { duration: u32::MAX }, say(message(8), false)]),
        u32::MAX
    );
    assert_eq!(seconds(&[]), 0);
    let plan = offer(&pump(), &employee(None), &Policy::default(), URL);
    assert!(
        longest_seconds(&plan) >= 23 + 3 * 2,
        "all pauses and something for each SAY"
    );
}
