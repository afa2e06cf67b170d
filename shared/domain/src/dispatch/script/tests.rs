use super::*;
use crate::dispatch::policy::TextOverrides;
use crate::phone::PhoneNumber;

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

fn texts(script: &Script) -> Vec<&str> {
    let said = script.steps.iter().map(|step| match step {
        Step::Say { line, .. } => Some(line.text.as_str()),
        _ => None,
    });
    said.flatten().collect()
}

fn kinds(script: &Script) -> Vec<String> {
    let kind = |step: &Step| match step {
        Step::Say {
            interruptible: true, ..
        } => "say, key interrupts".to_owned(),
        Step::Say { .. } => "say".to_owned(),
        Step::Silence { seconds } => format!("silence {seconds}"),
        Step::Listen => "listen".to_owned(),
    };
    script.steps.iter().map(kind).collect()
}

fn hears_keys(script: &Script) -> bool {
    script.steps.contains(&Step::Listen)
}

#[test]
fn default_script_listens_from_the_start() {
    let script = offer(&pump(), &employee(None), &Policy::default());
    assert_eq!(
        kinds(&script),
        [
            "listen",
            "silence 3",
            "say",
            "silence 4",
            "say, key interrupts",
            "silence 10",
            "say, key interrupts",
            "silence 6"
        ]
    );
}

#[test]
fn zero_pauses_are_left_out_and_options_repeat_as_the_policy_says() {
    let policy = Policy {
        greeting_pause: 0,
        options_pause: 0,
        repeats: 3,
        ..Policy::default()
    };
    let script = offer(&pump(), &employee(None), &policy);
    let (ask, wait) = ("say, key interrupts", "silence 10");
    assert_eq!(
        kinds(&script),
        ["listen", "say", ask, wait, ask, wait, ask, wait, ask, "silence 6"]
    );
    let never_again = Policy { repeats: 0, ..policy };
    assert_eq!(
        kinds(&offer(&pump(), &employee(None), &never_again)),
        ["listen", "say", ask, "silence 6"]
    );
}

#[test]
fn call_uses_the_employees_own_language_and_voice() {
    let policy = Policy {
        language: Language::FrFr,
        ..Policy::default()
    };
    let own = Employee {
        voice: Some(Gender::Female),
        ..employee(Some(Language::DeDe))
    };
    let line = |script: &Script, step: usize| match &script.steps[step] {
        Step::Say { line, .. } => line.clone(),
        other => panic!("{other:?}"),
    };
    let said = |text: &str, language, gender| SpokenLine {
        text: text.to_owned(),
        language,
        gender,
    };
    let script = offer(&pump(), &own, &policy);
    assert_eq!(
        line(&script, 2),
        said("Alarm at pump four.", Language::DeDe, Gender::Female)
    );
    assert_eq!(line(&script, 4).text, sentences(Language::DeDe).options);

    let script = offer(&pump(), &employee(None), &policy);
    assert_eq!(line(&script, 2).gender, Gender::Male);
    let options = line(&script, 4);
    assert_eq!((options.language, options.gender), (Language::FrFr, Gender::Female));
}

#[test]
fn custom_options_replace_those_of_one_language() {
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
        texts(&repeat_options(Language::DeDe, &policy)),
        ["Taste 1 für ja , Taste 2 nein."; 2]
    );
    assert_eq!(
        texts(&repeat_options(Language::FrFr, &policy)),
        [sentences(Language::FrFr).options; 2]
    );
    assert_eq!(
        texts(&repeat_options(Language::EnGb, &policy)),
        [sentences(Language::EnGb).options; 2]
    );
}

#[test]
fn announcements_do_not_wait_for_a_key() {
    let (english, policy) = (Language::EnUs, Policy::default());
    for (script, said) in [
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
        assert_eq!(texts(&script), [said]);
        assert_eq!(kinds(&script), ["say"], "{said}");
    }
}

#[test]
fn questions_listen_and_end_with_silence() {
    let policy = Policy::default();
    for language in Language::ALL {
        for script in [repeat_options(language, &policy), one_moment(language, &policy)] {
            assert!(hears_keys(&script), "{script:?}");
            assert_eq!(script.steps.first(), Some(&Step::Listen));
            assert!(
                !kinds(&script).contains(&"say".to_owned()),
                "a key interrupts every text: {script:?}"
            );
            assert!(texts(&script).contains(&sentences(language).options));
            assert_eq!(script.steps.last(), Some(&Step::Silence { seconds: 6 }));
        }
    }
}

#[test]
fn unstored_answer_is_never_announced_as_accepted() {
    for language in Language::ALL {
        let script = one_moment(language, &Policy::default());
        let said = texts(&script).join(" ");
        assert!(said.starts_with(sentences(language).one_moment));
        assert!(
            !said.contains(sentences(language).accepted) && !said.contains("accepted"),
            "{said}"
        );
    }
}

#[test]
fn every_script_is_valid_in_every_language() {
    let policy = Policy::default();
    for language in Language::ALL {
        let long_name = "Anna ".repeat(400);
        for script in [
            offer(&pump(), &employee(Some(language)), &policy),
            accepted(language, &policy),
            rejected(language, &policy),
            taken_by(&long_name, language, &policy),
            closed(language, &policy),
            goodbye(language, &policy),
            repeat_options(language, &policy),
            one_moment(language, &policy),
        ] {
            assert!(!script.steps.is_empty());
            for said in texts(&script) {
                assert!(
                    (1..=MAX_SAY_CHARS).contains(&said.chars().count()) && !said.contains('{'),
                    "{said}"
                );
            }
            for step in &script.steps {
                if let Step::Say { line, .. } = step {
                    assert_eq!(line.language, language);
                }
            }
        }
    }
}

#[test]
fn longest_seconds_counts_slow_speech_and_silences() {
    let line = |chars| SpokenLine {
        text: "x".repeat(chars),
        language: Language::EnUs,
        gender: Gender::Male,
    };
    let silence = |seconds| Step::Silence { seconds };
    let seconds = |steps: &[Step]| Script { steps: steps.to_vec() }.longest_seconds();
    assert_eq!(seconds(&[say(line(80), false)]), 12);
    assert_eq!(seconds(&[say(line(81), true)]), 13);
    assert_eq!(seconds(&[silence(7), say(line(8), false), silence(3)]), 13);
    assert_eq!(seconds(&[silence(u32::MAX), say(line(8), false)]), u32::MAX);
    assert_eq!(seconds(&[Step::Listen]), 0);
    let script = offer(&pump(), &employee(None), &Policy::default());
    assert!(
        script.longest_seconds() >= 23 + 3 * 2,
        "all silences, and at least 2 s for each text"
    );
}
