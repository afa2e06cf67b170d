//! Reads the customer's answer to a question of a form.

use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::date;
use crate::bot::call;
use crate::bot::document::{Field, FieldKind};
use crate::bot::hours::parse_date;
use crate::bot::prepared::CommandPhrases;
use crate::bot::words::{is_main_part, similarity, words};
use crate::flow::addresses::is_email;
use crate::flow::schema;
use crate::json_number::as_integer;
use crate::phone::CallingCode;

/// Maximum length of a text, in characters, if the field sets none.
const MAX_TEXT_CHARS: usize = 1_000;

/// Maximum number of words that choose a title of which they are a part.
const MAX_PART_WORDS: usize = 3;

/// A limit of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::bot) enum Limit {
    Number(f64),
    Length(usize),
    Today,
    Date(Date),
}

impl Limit {
    /// Reads a limit of a field of this kind.
    ///
    /// # Errors
    /// What is expected.
    pub(in crate::bot) fn parse(kind: FieldKind, value: &Value) -> Result<Self, &'static str> {
        match kind {
            FieldKind::Number | FieldKind::Integer => value.as_f64().map(Self::Number).ok_or("must be a number"),
            FieldKind::Text => {
                let length = value.as_u64().and_then(|length| usize::try_from(length).ok());
                length
                    .filter(|length| (1..=MAX_TEXT_CHARS).contains(length))
                    .map(Self::Length)
                    .ok_or("must be a number of characters, from 1 to 1000")
            }
            FieldKind::Date => match value.as_str() {
                Some("today") => Ok(Self::Today),
                Some(text) => parse_date(text)
                    .map(Self::Date)
                    .ok_or("must be `today` or a date such as 2026-11-20"),
                None => Err("must be `today` or a date such as 2026-11-20"),
            },
            FieldKind::Email | FieldKind::Phone | FieldKind::Choice | FieldKind::YesNo => {
                Err("a field of this type has no limits")
            }
        }
    }
}

/// What reading an answer needs besides the field.
#[derive(Clone, Copy, Debug)]
pub(in crate::bot) struct Reading<'a> {
    pub(in crate::bot) phrases: &'a CommandPhrases,
    pub(in crate::bot) country: Option<&'a CallingCode>,
    /// The tag of the customer's language.
    pub(in crate::bot) language: &'a str,
    /// Today in the bot's time zone.
    pub(in crate::bot) today: Date,
}

impl Reading<'_> {
    /// The value of an answer; none if it is not valid. A choice is read elsewhere: its titles are templates.
    pub(in crate::bot) fn value(&self, field: &Field, text: &str) -> Option<Value> {
        let text = text.trim();
        match field.kind {
            FieldKind::Text => read_text(field, text),
            FieldKind::Number => {
                let number = single(text, decimal)?;
                is_within(field, number).then(|| to_number(number))?
            }
            FieldKind::Integer => {
                let number = single(text, whole)?;
                is_within(field, number).then(|| to_number(number))?
            }
            FieldKind::Date => {
                let date = date::read(text, self)?;
                self.is_date_within(field, date).then(|| json!(date.to_string()))
            }
            FieldKind::Email => single(text, email).map(Value::String),
            FieldKind::Phone => {
                let number = call::number(text, self.country).or_else(|| call::number(digits(text)?, self.country));
                number.map(|number| json!(number.as_str()))
            }
            FieldKind::YesNo => yes_or_no(text, self.phrases).map(Value::Bool),
            FieldKind::Choice => None,
        }
    }

    fn is_date_within(&self, field: &Field, date: Date) -> bool {
        let limit = |limit: &Option<Value>| match Limit::parse(field.kind, limit.as_ref()?) {
            Ok(Limit::Today) => Some(self.today),
            Ok(Limit::Date(limit)) => Some(limit),
            _ => None,
        };
        limit(&field.min).is_none_or(|least| date >= least) && limit(&field.max).is_none_or(|most| date <= most)
    }
}

/// Whether the text means yes or no; none if neither or both.
pub(in crate::bot) fn yes_or_no(text: &str, phrases: &CommandPhrases) -> Option<bool> {
    let words = words(text);
    if phrases.no.are_all_of(&words) {
        return Some(false);
    }
    if phrases.yes.are_all_of(&words) {
        return Some(true);
    }
    match (
        phrases.yes.are_main_part_of(&words, 0),
        phrases.no.are_main_part_of(&words, 0),
    ) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// The index of the title that the customer wrote: all of it, it among words that say little, or a few words that only
/// this title has. None if it may be several.
pub(in crate::bot) fn chosen<'t>(text: &str, titles: impl Iterator<Item = &'t str>) -> Option<usize> {
    let written = words(text);
    let titles: Vec<Vec<String>> = titles.map(words).collect();
    if written.is_empty() {
        return None;
    }
    if let Some(index) = titles.iter().position(|title| *title == written) {
        return Some(index);
    }
    let only = |is_meant: &dyn Fn(&[String]) -> bool| {
        let mut meant = titles.iter().enumerate().filter(|(_, title)| is_meant(title));
        let (index, _) = meant.next()?;
        meant.next().is_none().then_some(index)
    };
    let is_part = |title: &[String]| {
        let occurs = |word: &String| title.iter().any(|known| similarity(known, word, 1).is_some());
        written.len() <= MAX_PART_WORDS && written.iter().all(occurs)
    };
    only(&|title| is_main_part(title, &written, 1)).or_else(|| only(&is_part))
}

/// The pattern, for a whole text.
pub(in crate::bot) fn whole_pattern(pattern: &str) -> Value {
    let pattern = format!("^(?:{pattern})$");
    json!({ "properties": { "value": { "type": "string", "pattern": pattern } }, "required": ["value"] })
}

fn read_text(field: &Field, text: &str) -> Option<Value> {
    let limit = |limit: &Option<Value>| match Limit::parse(field.kind, limit.as_ref()?) {
        Ok(Limit::Length(length)) => Some(length),
        _ => None,
    };
    let length = text.chars().count();
    let (least, most) = (
        limit(&field.min).unwrap_or(1),
        limit(&field.max).unwrap_or(MAX_TEXT_CHARS),
    );
    if !(least..=most).contains(&length) {
        return None;
    }
    let value = json!(text);
    let Some(pattern) = &field.pattern else {
        return Some(value);
    };
    let arguments = Map::from_iter([("value".to_owned(), value.clone())]);
    schema::coerce(&whole_pattern(pattern), &arguments).ok().map(|_| value)
}

/// Reads the whole text, or the only word of it that can be read: `about 3 weeks`.
fn single<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    if let Some(value) = read(text) {
        return Some(value);
    }
    let mut values = text
        .split_whitespace()
        .filter_map(|word| read(word.trim_matches(['.', ',', ';', ':', '!', '?'])));
    let value = values.next();
    value.filter(|_| values.next().is_none())
}

/// A number with a decimal point or comma. A comma before three digits may be either, so it is refused.
fn decimal(text: &str) -> Option<f64> {
    let (before, after) = match text.split_once(['.', ',']) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    };
    let digits = before.strip_prefix(['-', '+']).unwrap_or(before);
    let is_number = |text: &str| !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(digits) || !after.is_none_or(is_number) || text.contains(',') && after.map(str::len) == Some(3) {
        return None;
    }
    text.replace(',', ".").parse().ok()
}

/// A whole number, perhaps in groups of three digits.
fn whole(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut groups = digits.split(['.', ',', '\'', '\u{a0}', '\u{202f}']);
    let first = groups.next().unwrap_or_default();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let has_groups = digits.len() > first.len();
    let is_valid = is_number(first)
        && (!has_groups || first.len() <= 3)
        && groups.all(|group| group.len() == 3 && is_number(group));
    if !is_valid || digits.len() > 15 {
        return None;
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    let plain: String = digits.chars().filter(char::is_ascii_digit).collect();
    format!("{sign}{plain}").parse().ok()
}

fn is_within(field: &Field, number: f64) -> bool {
    let limit = |limit: &Option<Value>| limit.as_ref().and_then(Value::as_f64);
    limit(&field.min).is_none_or(|least| number >= least) && limit(&field.max).is_none_or(|most| number <= most)
}

/// A number as JSON: `3.0` is written as 3.
fn to_number(number: f64) -> Option<Value> {
    let number = serde_json::Number::from_f64(number)?;
    Some(Value::Number(as_integer(&number).unwrap_or(number)))
}

fn email(text: &str) -> Option<String> {
    let address = text.strip_prefix("mailto:").unwrap_or(text).trim_matches(['<', '>']);
    is_email(address).then(|| address.to_owned())
}

/// The part of a text that may be a phone number: up to the last digit.
fn digits(text: &str) -> Option<&str> {
    let start = text.find(|c: char| matches!(c, '+' | '(') || c.is_ascii_digit())?;
    let end = text.rfind(|c: char| c.is_ascii_digit())?;
    text.get(start..=end)
}
