//! Checks a bot document.

mod contactless;
mod faq;
mod form;
mod hand_over;
mod reply;

use std::ops::RangeInclusive;

use jiff::tz::TimeZone;

use super::document::{Command, Document, Greeting, Reply, Text, Texts};
use super::hours::OpeningTimes;
use super::language;
use super::prepared::Prepared;
use super::scope;
use crate::flow::source::{element, field};
use crate::flow::template::{Kind, Templates, is_literal};
use crate::flow::{self, Issue, Names};
use crate::phone::CallingCode;
pub(super) use reply::parts;

/// Maximum number of variables.
const MAX_VARIABLES: usize = 50;
/// Maximum number of forms.
const MAX_FORMS: usize = 50;
/// Maximum number of words or phrases of one list.
const MAX_PHRASES: usize = 50;
/// Maximum length of a word or phrase, in characters.
const MAX_PHRASE_CHARS: usize = 100;
/// Maximum length of a name, in characters.
const MAX_NAME_CHARS: usize = 64;

type Checker<'a> = flow::Checker<'a, Reply>;

/// Scratch data while a bot is checked.
#[derive(Debug)]
pub struct Scratch<'a> {
    document: &'a Document,
    /// Whether the replies being checked are those of the greeting, which only says something.
    in_greeting: bool,
}

impl flow::Document for Document {
    type Reply = Reply;
    type Prepared = Prepared;

    fn scratch(&self) -> Scratch<'_> {
        Scratch {
            document: self,
            in_greeting: false,
        }
    }

    fn check<'a>(&'a self, checker: &mut Checker<'a>) {
        check_settings(self, checker);
        check_variables(self, checker);
        let names = scope::names(self);
        match &self.greeting {
            None => {}
            Some(Greeting::Text(greeting)) => text(greeting, "greeting", &names, checker),
            Some(Greeting::Rules(rules)) => {
                checker.scratch.in_greeting = true;
                checker.rules(rules, "greeting", &names);
                checker.scratch.in_greeting = false;
            }
        }
        for (command, path) in [(&self.stop, "stop"), (&self.restart, "restart")] {
            if let Some(command) = command {
                check_command(command, path, &names, checker);
            }
        }
        optional_text(self.attachments.as_ref(), "attachments", &names, checker);
        if !self.rules.is_empty() {
            checker.rules(&self.rules, "rules", &names);
        }
        faq::check(self, &names, checker);
        form::check(self, &names, checker);
        check_texts(&self.texts, &names, checker);
        hand_over::check(self, &names, checker);
        optional_text(self.fallback.as_ref(), "fallback", &names, checker);
        checker.count_rules("rules");
    }

    fn prepare(&self, templates: &Templates, is_stored: bool, issues: &mut Vec<Issue>) -> Prepared {
        if !is_stored {
            contactless::check(self, templates, issues);
        }
        Prepared::new(self)
    }
}

fn check_settings(document: &Document, checker: &mut Checker<'_>) {
    if let Some(tag) = &document.language
        && !language::is_tag(tag)
    {
        checker.report("language", "must be a language tag, such as en or pt-BR");
    }
    if let Some(zone) = &document.time_zone
        && TimeZone::get(zone).is_err()
    {
        checker.report("time_zone", "is not the name of a time zone, such as Europe/Berlin");
    }
    if let Some(code) = &document.country
        && code.parse::<CallingCode>().is_err()
    {
        checker.report("country", "must be a country's calling code, such as 1 or 49");
    }
    if let Some(hours) = &document.hours {
        let mut issues = Vec::new();
        OpeningTimes::parse(hours, "hours", &mut issues);
        for issue in issues {
            checker.report(issue.path, issue.detail);
        }
        if document.time_zone.is_none() {
            checker.report("hours", "need a `time_zone`");
        }
    }
    range(document.session_seconds, 60..=604_800, "session_seconds", checker);
    range(document.debounce_ms, 0..=10_000, "debounce_ms", checker);
    range(
        document.max_answers_per_minute,
        1..=60,
        "max_answers_per_minute",
        checker,
    );
    for (words, name) in [
        (&document.words.yes, "yes"),
        (&document.words.no, "no"),
        (&document.words.back, "back"),
        (&document.words.cancel, "cancel"),
        (&document.words.repeat, "repeat"),
        (&document.words.skip, "skip"),
    ] {
        check_phrases(words, &field("words", name), checker);
    }
}

fn check_variables(document: &Document, checker: &mut Checker<'_>) {
    if document.variables.len() > MAX_VARIABLES {
        checker.report("variables", format!("a bot has at most {MAX_VARIABLES} variables"));
    }
    for name in document.variables.keys() {
        checker.name(&field("variables", name), name);
    }
}

fn check_command<'a>(command: &'a Command, path: &str, names: &Names, checker: &mut Checker<'a>) {
    check_phrases(&command.words, &field(path, "words"), checker);
    optional_text(command.text.as_ref(), &field(path, "text"), names, checker);
}

fn check_texts<'a>(texts: &'a Texts, names: &Names, checker: &mut Checker<'a>) {
    for (replacement, name) in texts.named() {
        optional_text(replacement, &field("texts", name), names, checker);
    }
}

/// Checks words or phrases that are looked for in messages.
fn check_phrases(phrases: &[String], path: &str, checker: &mut Checker<'_>) {
    if phrases.len() > MAX_PHRASES {
        checker.report(path, format!("has more than {MAX_PHRASES} entries"));
    }
    for (index, phrase) in phrases.iter().enumerate() {
        if super::words::words(phrase).is_empty() || phrase.chars().count() > MAX_PHRASE_CHARS {
            let reason = format!("must have letters or digits, and at most {MAX_PHRASE_CHARS} characters");
            checker.report(element(path, index), reason);
        }
    }
}

/// Checks a text: each variant, and that there is one in the document's language.
fn text<'a>(text: &'a Text, path: &str, names: &Names, checker: &mut Checker<'a>) {
    text_of_kind(Kind::Message, text, path, names, checker);
}

fn text_of_kind<'a>(kind: Kind, text: &'a Text, path: &str, names: &Names, checker: &mut Checker<'a>) {
    match text {
        Text::One(source) => template(kind, source, path, names, checker),
        Text::ByLanguage(variants) => {
            let default = language::default_language(checker.scratch.document);
            if !variants.keys().any(|tag| language::same_tag(tag, default)) {
                let reason = format!("has no text in the bot's language, `{default}`");
                checker.report(path, reason);
            }
            for (tag, source) in variants {
                let path = field(path, tag);
                if !language::is_tag(tag) {
                    checker.report(&path, "is not a language tag, such as en or pt-BR");
                }
                template(kind, source, &path, names, checker);
            }
        }
    }
}

fn template(kind: Kind, source: &str, path: &str, names: &Names, checker: &mut Checker<'_>) {
    if is_literal(source) && source.trim().is_empty() {
        checker.report(path, "must not be blank");
    }
    checker.template(kind, source, path, names);
}

fn optional_text<'a>(optional: Option<&'a Text>, path: &str, names: &Names, checker: &mut Checker<'a>) {
    if let Some(given) = optional {
        text(given, path, names, checker);
    }
}

/// Checks that a number is in its range.
fn range<N: PartialOrd + std::fmt::Display>(
    number: Option<N>,
    range: RangeInclusive<N>,
    path: &str,
    checker: &mut Checker<'_>,
) {
    if number.is_some_and(|number| !range.contains(&number)) {
        let reason = format!("must be from {} to {}", range.start(), range.end());
        checker.report(path, reason);
    }
}

/// Whether the text may be a name: 1 to 64 characters, none of them a control character.
fn is_printable_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= MAX_NAME_CHARS && !name.chars().any(char::is_control)
}
