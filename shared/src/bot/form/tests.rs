//! Tests of how answers are read.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::value::{Limit, Reading, chosen};
use crate::bot::document::{Field, FieldKind};
use crate::bot::{Bot, hours};

/// Reads an answer to a field, with the language tag of the customer.
fn read_in(language: &str, field: &Field, text: &str) -> Option<Value> {
    let bot = Bot::read("country: '1'").expect("a bot");
    let prepared = bot.prepared();
    let reading = Reading {
        phrases: &prepared.phrases,
        country: prepared.country.as_ref(),
        language,
        today: Date::new(2026, 11, 20).expect("a date"),
    };
    reading.value(field, text)
}

fn read(field: &Field, text: &str) -> Option<Value> {
    read_in("en", field, text)
}

fn field(kind: FieldKind) -> Field {
    Field {
        kind,
        ..Field::default()
    }
}

#[track_caller]
fn assert_read(field: &Field, cases: &[(&str, Option<Value>)]) {
    for (text, expected) in cases {
        assert_eq!(read(field, text), *expected, "{text}");
    }
}

#[test]
fn number_has_a_decimal_point_or_comma() {
    assert_read(
        &field(FieldKind::Number),
        &[
            ("3", Some(json!(3))),
            ("-2.50", Some(json!(-2.5))),
            ("2,5", Some(json!(2.5))),
            ("about 7.5 kg", Some(json!(7.5))),
            ("1,000", None),
            ("3 or 4", None),
            ("three", None),
            ("1e5", None),
            ("NaN", None),
            ("", None),
        ],
    );
}

#[test]
fn integer_may_have_groups_of_digits() {
    let mut integer = field(FieldKind::Integer);
    assert_read(
        &integer,
        &[
            ("3", Some(json!(3))),
            ("+12", Some(json!(12))),
            ("1,000", Some(json!(1_000))),
            ("1.000.000", Some(json!(1_000_000))),
            ("we are 4!", Some(json!(4))),
            ("2.5", None),
            ("1,00", None),
            ("12345678901234567890", None),
        ],
    );
    integer.min = Some(json!(1));
    integer.max = Some(json!(12));
    assert_read(
        &integer,
        &[
            ("0", None),
            ("1", Some(json!(1))),
            ("12", Some(json!(12))),
            ("13", None),
            ("-4", None),
        ],
    );
}

#[test]
fn date_is_read_in_the_notation_of_the_customer() {
    let date = field(FieldKind::Date);
    assert_read(
        &date,
        &[
            ("2026-12-01", Some(json!("2026-12-01"))),
            ("1.12.2026", Some(json!("2026-12-01"))),
            ("01.12.26", Some(json!("2026-12-01"))),
            ("on 24.12.2026, please", Some(json!("2026-12-24"))),
            ("12/24/2026", Some(json!("2026-12-24"))),
            ("24/12/2026", Some(json!("2026-12-24"))),
            // The first of December, or the twelfth of January?
            ("12/01/2026", None),
            ("today", Some(json!("2026-11-20"))),
            ("Tomorrow!", Some(json!("2026-11-21"))),
            ("2026-02-30", None),
            ("soon", None),
            ("1.12.", None),
            ("", None),
        ],
    );
    assert_eq!(read_in("en-US", &date, "12/01/2026"), Some(json!("2026-12-01")));
    assert_eq!(read_in("en-GB", &date, "12/01/2026"), Some(json!("2026-01-12")));
    assert_eq!(read_in("fr", &date, "12/01/2026"), Some(json!("2026-01-12")));
    let future = Field {
        min: Some(json!("today")),
        max: Some(json!("2026-12-31")),
        ..date
    };
    assert_read(
        &future,
        &[
            ("2026-11-19", None),
            ("heute", Some(json!("2026-11-20"))),
            ("2027-01-01", None),
        ],
    );
}

#[test]
fn address_and_number_are_found_in_a_sentence() {
    assert_read(
        &field(FieldKind::Email),
        &[
            ("ann@example.org", Some(json!("ann@example.org"))),
            ("It is ann@example.org.", Some(json!("ann@example.org"))),
            ("<mailto:ann@example.org>", None),
            ("ann@example.org or ben@example.org", None),
            ("ann@localhost", None),
        ],
    );
    assert_read(
        &field(FieldKind::Phone),
        &[
            ("+1 202 555 0143", Some(json!("+12025550143"))),
            ("my number is (202) 555-0143", Some(json!("+12025550143"))),
            ("555-0143", None),
            ("none", None),
        ],
    );
}

#[test]
fn text_has_a_length_and_a_pattern() {
    let text = field(FieldKind::Text);
    assert_eq!(read(&text, " a\nb "), Some(json!("a\nb")));
    assert_eq!(read(&text, "  "), None);
    assert_eq!(read(&text, &"a".repeat(1_001)), None);
    let short = Field {
        pattern: Some("[A-Z]{2}|x".into()),
        max: Some(json!(3)),
        ..text
    };
    assert_read(
        &short,
        &[
            ("AB", Some(json!("AB"))),
            ("x", Some(json!("x"))),
            ("ABC", None),
            ("ab", None),
        ],
    );
}

#[test]
fn yes_and_no_are_understood_among_other_words() {
    assert_read(
        &field(FieldKind::YesNo),
        &[
            ("Yes", Some(json!(true))),
            ("yes please", Some(json!(true))),
            ("ja, bitte", Some(json!(true))),
            ("that's right", Some(json!(true))),
            ("No!", Some(json!(false))),
            ("no, not that", Some(json!(false))),
            ("nein danke", Some(json!(false))),
            ("night", None),
            ("yes and no", None),
            ("perhaps", None),
            ("", None),
        ],
    );
}

#[test]
fn title_is_chosen_only_if_it_is_the_only_one() {
    let titles = ["Red shoes", "Blue shoes", "Blue hat"];
    let choose = |text: &str| chosen(text, titles.into_iter());
    assert_eq!(choose("red SHOES"), Some(0));
    assert_eq!(choose("the blue hat please"), Some(2));
    assert_eq!(choose("hat"), Some(2));
    assert_eq!(choose("rde shoes"), None);
    assert_eq!(choose("bleu shoes"), Some(1));
    assert_eq!(choose("shoes"), None);
    assert_eq!(choose("blue"), None);
    assert_eq!(choose(""), None);
}

#[test]
fn limit_belongs_to_the_type() {
    for (kind, limit, is_valid) in [
        (FieldKind::Integer, json!(3), true),
        (FieldKind::Number, json!("3"), false),
        (FieldKind::Text, json!(3), true),
        (FieldKind::Text, json!(0), false),
        (FieldKind::Date, json!("today"), true),
        (FieldKind::Date, json!("2026-02-29"), false),
        (FieldKind::Date, json!(3), false),
        (FieldKind::YesNo, json!(3), false),
    ] {
        assert_eq!(Limit::parse(kind, &limit).is_ok(), is_valid, "{kind:?} {limit}");
    }
    assert!(hours::parse_date("2024-02-29").is_some());
}
