//! Both directions: what is read, and what is written of it.

use patchbay_simulators::rng::Rng;

use super::*;

const NUMBER: &str = "+12025550123";

/// What a phone with this habit does at its first calls.
fn behaviours(habit: &str, calls: usize) -> Vec<Behaviour> {
    let habits = read::habits(&format!("+1 202 555 0123 {habit}")).expect(habit);
    let phones = habits.phones();
    let number = PhoneNumber::parse(NUMBER).expect("a number");
    (0..calls)
        .map(|nth| phones.behaviour(&number, nth).expect("a script").clone())
        .collect()
}

fn behaviour(habit: &str) -> Behaviour {
    behaviours(habit, 1).remove(0)
}

fn mistakes(text: &str) -> Vec<String> {
    let mistakes = read::habits(text).expect_err(text);
    mistakes
        .into_iter()
        .map(|mistake| format!("{}: {}", mistake.line, mistake.what))
        .collect()
}

fn after(seconds: u64) -> When {
    When::AfterAnswer(Duration::from_secs(seconds))
}

fn press(keys: &str) -> Deed {
    Deed::Press(keys.to_owned())
}

#[test]
fn every_habit_can_be_said_and_is_said_again_in_the_same_words() {
    for (habit, expected) in [
        ("never picks up", Behaviour::NeverPicksUp),
        ("is busy", Behaviour::Busy),
        ("fails", Behaviour::Fails),
        ("gets lost", Behaviour::GetsLost),
        (
            "rejects after 3 s",
            Behaviour::Rejects {
                after: Duration::from_secs(3),
            },
        ),
        ("voicemail answers after 20 s", Behaviour::voicemail(20)),
        ("picks up after 4 s and says nothing", Behaviour::silent(4)),
        (
            "picks up after 5 s, presses 1 at the options",
            Behaviour::presses("1", When::OptionsSay(1)),
        ),
        (
            "picks up after 2 s, presses 2 after 9 s on the line",
            Behaviour::silent(2).and(after(9), press("2")),
        ),
        (
            "picks up after 5 s, presses 7 at the options, presses 1 at the 2nd options",
            Behaviour::presses("7", When::OptionsSay(1)).and(When::OptionsSay(2), press("1")),
        ),
        (
            "picks up after 5 s, presses 1# during the ticket",
            Behaviour::presses("1#", When::TicketSay),
        ),
        (
            "picks up after 5 s, presses 1 in the last moment",
            Behaviour::presses("1", When::JustBeforeEnd),
        ),
        (
            "picks up after 5 s, presses 1 in the 3rd pause",
            Behaviour::presses("1", When::Pause(3)),
        ),
        (
            "picks up after 5 s, presses # at the options and hangs up",
            Behaviour::presses_and_hangs_up("#", When::OptionsSay(1)),
        ),
        (
            "picks up after 5 s, hangs up after 10 s on the line",
            Behaviour::hangs_up_after(10),
        ),
    ] {
        assert_eq!(behaviour(habit), expected, "{habit}");
        let habits = read::habits(&format!("{NUMBER} {habit}")).expect(habit);
        assert_eq!(habits.sentences().collect::<Vec<_>>(), [format!("{NUMBER} {habit}")]);
    }
}

#[test]
fn calls_may_differ_and_the_last_one_repeats() {
    let habit = "is busy; then never picks up; then picks up after 5 s, presses 1 at the options";
    assert_eq!(
        behaviours(habit, 4),
        [
            Behaviour::Busy,
            Behaviour::NeverPicksUp,
            Behaviour::presses("1", When::OptionsSay(1)),
            Behaviour::presses("1", When::OptionsSay(1)),
        ]
    );
    let habits = read::habits(&format!("{NUMBER} {habit}")).expect(habit);
    assert_eq!(habits.sentences().collect::<Vec<_>>(), [format!("{NUMBER} {habit}")]);
}

#[test]
fn comments_blank_lines_colons_and_capitals_do_not_matter() {
    let text = "\u{feff}# Phones\r\n\r\n  \t+1 (202) 555-0101: Never picks up   # on holiday\r\n\
                +1.202.555.0102 picks up after 4s, presses #1# at the options #x\r\n";
    let habits = read::habits(text).expect("phones");
    assert_eq!(
        habits.sentences().collect::<Vec<_>>(),
        [
            "+12025550101 never picks up",
            "+12025550102 picks up after 4 s, presses #1# at the options"
        ]
    );
    assert_eq!(
        behaviour("picks up after 5 s, hangs up after 10 s"),
        Behaviour::hangs_up_after(10),
        "what goes without saying"
    );
    assert_eq!(read::habits(""), Ok(Habits::default()));
}

#[test]
fn all_mistakes_are_told_at_once_with_their_lines() {
    let text = "never picks up\n+12025550101 never picks up\n# a comment\n12025550102 is busy\n\
                +1 202 555 0101 is busy\n+12025550103 presses 1\n";
    assert_eq!(
        mistakes(text),
        [
            "1: expected an E.164 number: + and 8 to 15 digits, such as +12025550123, at the beginning of the line; \
             found `never picks up`",
            "4: expected an E.164 number: + and 8 to 15 digits, such as +12025550123, at the beginning of the line; \
             found `12025550102`",
            "5: +12025550101 is in line 2 already",
            "6: expected `never picks up`, `is busy`, `fails`, `gets lost`, `rejects after … s`, `voicemail answers \
             after … s` or `picks up after … s`; found `presses`",
        ]
    );
}

#[test]
fn a_mistake_says_what_was_expected_and_what_is_there() {
    for (habit, says) in [
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
            "expected `and says nothing`, or `,` and what is done; found the end of the line",
        ),
        (
            "picks up after 4 s presses 1",
            "or `,` and what is done; found `presses`",
        ),
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
            "expected `,` and what is done next, `; then`, or the end of the line; found `then`",
        ),
    ] {
        let found = mistakes(&format!("{NUMBER} {habit}"));
        assert!(found.len() == 1 && found[0].contains(says), "{habit}: {found:?}");
    }
}

#[test]
fn an_error_names_the_file_and_each_line() {
    let error = Habits::named("phones.txt", "+12025550101 sings\n\n+12025550102 dances\n").expect_err("no habits");
    let error = error.to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    assert!(lines[1].starts_with("phones.txt:1: expected "), "{error}");
    assert!(lines[2].starts_with("phones.txt:3: expected "), "{error}");
    let missing = Habits::of(Some(Path::new("no-such-phones.txt"))).expect_err("no file");
    assert_eq!(missing.to_string(), "cannot read no-such-phones.txt");
}

#[test]
fn the_built_in_phones_are_the_six_that_the_readme_knows() {
    let phones = Habits::of(None).expect("phones").phones();
    let behaviour = |number: &str| {
        let number = PhoneNumber::parse(number).expect("a number");
        phones.behaviour(&number, 0).expect("a habit").clone()
    };
    for (number, expected) in [
        ("+12025550101", Behaviour::NeverPicksUp),
        ("+12025550102", Behaviour::silent(4)),
        ("+12025550103", Behaviour::presses("2", When::OptionsSay(1))),
        ("+12025550104", Behaviour::presses("1", When::OptionsSay(1))),
        ("+12025550105", Behaviour::Busy),
        (
            "+12025550106",
            Behaviour::presses("7", When::OptionsSay(1)).and(When::OptionsSay(2), press("1")),
        ),
    ] {
        assert_eq!(behaviour(number), expected, "{number}");
    }
}

#[test]
fn the_phones_of_the_help_can_be_read() {
    let lines: Vec<&str> = FORMAT.lines().filter(|line| line.starts_with("  ")).collect();
    let habits = read::habits(&lines.join("\n")).expect("phones");
    assert_eq!(habits.0.len(), 11);
}

#[test]
fn whatever_is_written_is_read_as_what_it_was() {
    let mut rng = Rng::new(7);
    for round in 0..2_000 {
        let habits = random(&mut rng);
        let text: Vec<String> = habits.sentences().collect();
        assert_eq!(read::habits(&text.join("\n")), Ok(habits), "round {round}: {text:?}");
    }
}

/// Words of the format in any order are read or refused, but never more than that.
#[test]
fn no_text_is_too_odd_to_be_read_or_refused() {
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
        match read::habits(&text) {
            Ok(habits) => assert!(habits.0.len() <= text.lines().count()),
            Err(mistakes) => assert!(!mistakes.is_empty()),
        }
    }
}

fn random(rng: &mut Rng) -> Habits {
    let phones = (0..rng.below(4)).map(|index| Phone {
        number: PhoneNumber::parse(&format!("+120255501{index:02}")).expect("a number"),
        first: random_habit(rng),
        then: (0..rng.below(3)).map(|_| random_habit(rng)).collect(),
    });
    Habits(phones.collect())
}

fn random_habit(rng: &mut Rng) -> Habit {
    let after = seconds(rng);
    match rng.below(8) {
        0 => Habit::NeverPicksUp,
        1 => Habit::IsBusy,
        2 => Habit::Fails,
        3 => Habit::GetsLost,
        4 => Habit::Rejects { after },
        5 => Habit::Voicemail { after },
        _ => Habit::PicksUp {
            after,
            deeds: (0..rng.below(4)).map(|_| random_deed(rng)).collect(),
        },
    }
}

fn random_deed(rng: &mut Rng) -> (Deed, When) {
    let keys = rng.pick("1", &["2", "7", "*", "#", "1#", "0123456789"]).to_owned();
    let deed = match rng.below(3) {
        0 => Deed::Press(keys),
        1 => Deed::PressAndHangUp(keys),
        _ => Deed::HangUp,
    };
    let nth = u32::try_from(rng.below(99)).expect("small") + 1;
    let when = match rng.below(5) {
        0 => When::AfterAnswer(Duration::from_secs(seconds(rng).into())),
        1 => When::TicketSay,
        2 => When::OptionsSay(nth),
        3 => When::Pause(nth),
        _ => When::JustBeforeEnd,
    };
    (deed, when)
}

fn seconds(rng: &mut Rng) -> u32 {
    u32::try_from(rng.below(3_601)).expect("small")
}
