//! Parsing and formatting of phone scripts.

use patchbay_simulators::rng::Rng;

use super::*;

const NUMBER: &str = "+12025550123";

/// What a phone with this script does at its first `calls` calls.
fn simulated_calls(behavior: &str, calls: usize) -> Vec<Behavior> {
    let scripts = parse::scripts(&format!("+1 202 555 0123 {behavior}")).expect(behavior);
    let phones = scripts.phones();
    let number = PhoneNumber::parse(NUMBER).expect("a number");
    (0..calls)
        .map(|nth| phones.behavior(&number, nth).expect("a script").clone())
        .collect()
}

fn simulated_call(behavior: &str) -> Behavior {
    simulated_calls(behavior, 1).remove(0)
}

fn errors(text: &str) -> Vec<String> {
    let errors = parse::scripts(text).expect_err(text);
    errors
        .into_iter()
        .map(|error| format!("{}: {}", error.line, error.message))
        .collect()
}

fn after(seconds: u64) -> When {
    When::AfterAnswer(Duration::from_secs(seconds))
}

fn press(keys: &str) -> Action {
    Action::Press(keys.to_owned())
}

#[test]
fn every_behavior_is_parsed_and_formatted_back_to_the_same_text() {
    for (behavior, expected) in [
        ("never picks up", Behavior::NeverPicksUp),
        ("is busy", Behavior::Busy),
        ("fails", Behavior::Fails),
        ("gets lost", Behavior::GetsLost),
        (
            "rejects after 3 s",
            Behavior::Rejects {
                after: Duration::from_secs(3),
            },
        ),
        ("voicemail answers after 20 s", Behavior::voicemail(20)),
        ("picks up after 4 s and says nothing", Behavior::silent(4)),
        (
            "picks up after 5 s, presses 1 at the options",
            Behavior::presses("1", When::OptionsSay(1)),
        ),
        (
            "picks up after 2 s, presses 2 after 9 s on the line",
            Behavior::silent(2).and(after(9), press("2")),
        ),
        (
            "picks up after 5 s, presses 7 at the options, presses 1 at the 2nd options",
            Behavior::presses("7", When::OptionsSay(1)).and(When::OptionsSay(2), press("1")),
        ),
        (
            "picks up after 5 s, presses 1# during the ticket",
            Behavior::presses("1#", When::TicketSay),
        ),
        (
            "picks up after 5 s, presses 1 in the last moment",
            Behavior::presses("1", When::JustBeforeEnd),
        ),
        (
            "picks up after 5 s, presses 1 in the 3rd pause",
            Behavior::presses("1", When::Pause(3)),
        ),
        (
            "picks up after 5 s, presses # at the options and hangs up",
            Behavior::presses_and_hangs_up("#", When::OptionsSay(1)),
        ),
        (
            "picks up after 5 s, hangs up after 10 s on the line",
            Behavior::hangs_up_after(10),
        ),
    ] {
        assert_eq!(simulated_call(behavior), expected, "{behavior}");
        let scripts = parse::scripts(&format!("{NUMBER} {behavior}")).expect(behavior);
        assert_eq!(scripts.lines().collect::<Vec<_>>(), [format!("{NUMBER} {behavior}")]);
    }
}

#[test]
fn calls_may_differ_and_the_last_behavior_repeats() {
    let behavior = "is busy; then never picks up; then picks up after 5 s, presses 1 at the options";
    assert_eq!(
        simulated_calls(behavior, 4),
        [
            Behavior::Busy,
            Behavior::NeverPicksUp,
            Behavior::presses("1", When::OptionsSay(1)),
            Behavior::presses("1", When::OptionsSay(1)),
        ]
    );
    let scripts = parse::scripts(&format!("{NUMBER} {behavior}")).expect(behavior);
    assert_eq!(scripts.lines().collect::<Vec<_>>(), [format!("{NUMBER} {behavior}")]);
}

#[test]
fn comments_blank_lines_colons_and_capitals_do_not_matter() {
    let text = "\u{feff}# Phones\r\n\r\n  \t+1 (202) 555-0101: Never picks up   # on holiday\r\n\
                +1.202.555.0102 picks up after 4s, presses #1# at the options #x\r\n";
    let scripts = parse::scripts(text).expect("phones");
    assert_eq!(
        scripts.lines().collect::<Vec<_>>(),
        [
            "+12025550101 never picks up",
            "+12025550102 picks up after 4 s, presses #1# at the options"
        ]
    );
    assert_eq!(
        simulated_call("picks up after 5 s, hangs up after 10 s"),
        Behavior::hangs_up_after(10),
        "`on the line` may be left out"
    );
    assert_eq!(parse::scripts(""), Ok(PhoneScripts::default()));
}

#[test]
fn all_errors_are_reported_at_once_with_their_lines() {
    let text = "never picks up\n+12025550101 never picks up\n# a comment\n12025550102 is busy\n\
                +1 202 555 0101 is busy\n+12025550103 presses 1\n";
    assert_eq!(
        errors(text),
        [
            "1: expected an E.164 number: + and 8 to 15 digits, such as +12025550123, at the beginning of the line; \
             found `never picks up`",
            "4: expected an E.164 number: + and 8 to 15 digits, such as +12025550123, at the beginning of the line; \
             found `12025550102`",
            "5: +12025550101 already has a script in line 2",
            "6: expected `never picks up`, `is busy`, `fails`, `gets lost`, `rejects after … s`, `voicemail answers \
             after … s` or `picks up after … s`; found `presses`",
        ]
    );
}

#[test]
fn an_error_names_what_was_expected_and_what_was_found() {
    for (behavior, expected) in [
        ("", "`picks up after … s`; found the end of the line"),
        ("never", "or `picks up after … s`; found `never`"),
        ("is busy now", "expected `; then`, or the end of the line; found `now`"),
        ("is busy; is busy", "expected `then`; found `is`"),
        ("is busy; then", "`picks up after … s`; found the end of the line"),
        ("rejects after", "such as `4 s`; found the end of the line"),
        ("rejects after -1 s", "such as `4 s`; found `-1`"),
        ("rejects after +1 s", "such as `4 s`; found `+1`"),
        ("rejects after 3601 s", "up to 3600, such as `4 s`; found `3601`"),
        ("rejects after 99999999999 s", "found `99999999999`"),
        ("rejects after 4 min", "expected `s` after 4; found `min`"),
        ("rejects after s", "found `s`"),
        (
            "picks up after 4 s",
            "expected `and says nothing`, or `,` and an action; found the end of the line",
        ),
        ("picks up after 4 s presses 1", "or `,` and an action; found `presses`"),
        (
            "picks up after 4 s,",
            "expected `presses …` or `hangs up`; found the end of the line",
        ),
        (
            "picks up after 4 s, presses",
            "keys of 0–9, * and #; found the end of the line",
        ),
        (
            "picks up after 4 s, presses one at the options",
            "keys of 0–9, * and #; found `one`",
        ),
        (
            "picks up after 4 s, presses 1",
            "or `in the last moment`; found the end of the line",
        ),
        (
            "picks up after 4 s, presses 1 at the 0th options",
            "`2nd options` and so on, up to 99; found `0th`",
        ),
        ("picks up after 4 s, presses 1 at the 2th options", "found `2th`"),
        ("picks up after 4 s, presses 1 at the é options", "found `é`"),
        (
            "picks up after 4 s, presses 1 in the 3rd options",
            "expected `pause`; found `options`",
        ),
        (
            "picks up after 4 s, hangs up",
            "or `in the last moment`; found the end of the line",
        ),
        (
            "picks up after 4 s, presses 1 at the options then presses 2",
            "expected `,` and another action, `; then`, or the end of the line; found `then`",
        ),
    ] {
        let found = errors(&format!("{NUMBER} {behavior}"));
        assert!(found.len() == 1 && found[0].contains(expected), "{behavior}: {found:?}");
    }
}

#[test]
fn an_error_names_the_file_and_each_line() {
    let error =
        PhoneScripts::parse("phones.txt", "+12025550101 sings\n\n+12025550102 dances\n").expect_err("invalid scripts");
    let error = error.to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    assert!(lines[1].starts_with("phones.txt:1: expected "), "{error}");
    assert!(lines[2].starts_with("phones.txt:3: expected "), "{error}");
    let missing = PhoneScripts::load(Some(Path::new("no-such-phones.txt"))).expect_err("no file");
    assert_eq!(missing.to_string(), "cannot read no-such-phones.txt");
}

#[test]
fn built_in_phones_are_the_six_of_the_readme() {
    let phones = PhoneScripts::load(None).expect("phones").phones();
    let behavior = |number: &str| {
        let number = PhoneNumber::parse(number).expect("a number");
        phones.behavior(&number, 0).expect("a script").clone()
    };
    for (number, expected) in [
        ("+12025550101", Behavior::NeverPicksUp),
        ("+12025550102", Behavior::silent(4)),
        ("+12025550103", Behavior::presses("2", When::OptionsSay(1))),
        ("+12025550104", Behavior::presses("1", When::OptionsSay(1))),
        ("+12025550105", Behavior::Busy),
        (
            "+12025550106",
            Behavior::presses("7", When::OptionsSay(1)).and(When::OptionsSay(2), press("1")),
        ),
    ] {
        assert_eq!(behavior(number), expected, "{number}");
    }
}

#[test]
fn the_examples_of_the_help_are_valid() {
    let lines: Vec<&str> = FORMAT.lines().filter(|line| line.starts_with("  ")).collect();
    let scripts = parse::scripts(&lines.join("\n")).expect("phones");
    assert_eq!(scripts.0.len(), 11);
}

#[test]
fn random_scripts_survive_formatting_and_parsing() {
    let mut rng = Rng::new(7);
    for round in 0..2_000 {
        let scripts = random(&mut rng);
        let text: Vec<String> = scripts.lines().collect();
        assert_eq!(parse::scripts(&text.join("\n")), Ok(scripts), "round {round}: {text:?}");
    }
}

/// Words of the format in any order are parsed or rejected; nothing panics.
#[test]
fn random_text_is_parsed_or_rejected() {
    let pieces = [
        "+12025550101",
        "+1",
        "picks up after",
        "4 s",
        "4s",
        ",",
        ";",
        "then",
        "presses",
        "1",
        "#",
        "hangs up",
        "at the",
        "options",
        "2nd",
        "in the",
        "pause",
        "and",
        "says nothing",
        "é",
        "s",
        "\u{feff}",
        "0",
        ":",
        "99999999999999",
        "never picks up",
        "after",
        "-",
        "(",
        "…",
    ];
    let mut rng = Rng::new(8);
    for _ in 0..5_000 {
        let count = rng.below(12);
        let words: Vec<&str> = (0..count).map(|_| rng.pick("\n", &pieces)).collect();
        let gap = rng.pick(" ", &["", "  ", "\t"]);
        let text = words.join(gap);
        match parse::scripts(&text) {
            Ok(scripts) => assert!(scripts.0.len() <= text.lines().count()),
            Err(errors) => assert!(!errors.is_empty()),
        }
    }
}

fn random(rng: &mut Rng) -> PhoneScripts {
    let phones = (0..rng.below(4)).map(|index| Phone {
        number: PhoneNumber::parse(&format!("+120255501{index:02}")).expect("a number"),
        first: random_behavior(rng),
        then: (0..rng.below(3)).map(|_| random_behavior(rng)).collect(),
    });
    PhoneScripts(phones.collect())
}

fn random_behavior(rng: &mut Rng) -> CallBehavior {
    let after = seconds(rng);
    match rng.below(8) {
        0 => CallBehavior::NeverPicksUp,
        1 => CallBehavior::IsBusy,
        2 => CallBehavior::Fails,
        3 => CallBehavior::GetsLost,
        4 => CallBehavior::Rejects { after },
        5 => CallBehavior::Voicemail { after },
        _ => CallBehavior::PicksUp {
            after,
            actions: (0..rng.below(4)).map(|_| random_action(rng)).collect(),
        },
    }
}

fn random_action(rng: &mut Rng) -> (Action, When) {
    let keys = rng.pick("1", &["2", "7", "*", "#", "1#", "0123456789"]).to_owned();
    let action = match rng.below(3) {
        0 => Action::Press(keys),
        1 => Action::PressAndHangUp(keys),
        _ => Action::HangUp,
    };
    let nth = u32::try_from(rng.below(99)).expect("small") + 1;
    let when = match rng.below(5) {
        0 => When::AfterAnswer(Duration::from_secs(seconds(rng).into())),
        1 => When::TicketSay,
        2 => When::OptionsSay(nth),
        3 => When::Pause(nth),
        _ => When::JustBeforeEnd,
    };
    (action, when)
}

fn seconds(rng: &mut Rng) -> u32 {
    u32::try_from(rng.below(3_601)).expect("small")
}
