//! What is computed once for each document.

use jiff::tz::TimeZone;

use super::built_in::word;
use super::document::{Command, Document};
use super::hours::OpeningTimes;
use super::matcher::Index;
use super::words::Phrases;
use crate::flow::Issue;
use crate::phone::CallingCode;

/// What is computed once for each document.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) zone: TimeZone,
    /// None if the document states no hours: people are always there.
    pub(super) hours: Option<OpeningTimes>,
    pub(super) country: Option<CallingCode>,
    pub(super) index: Index,
    pub(super) phrases: CommandPhrases,
}

/// Phrases with a meaning, from the document and built in.
#[derive(Clone, Debug)]
pub(super) struct CommandPhrases {
    pub(super) stop: Phrases,
    pub(super) restart: Phrases,
    pub(super) hand_over: Phrases,
    pub(super) cancel_wait: Phrases,
    /// In lower case, with their punctuation.
    pub(super) give_back: Vec<String>,
    pub(super) yes: Phrases,
    pub(super) no: Phrases,
    pub(super) back: Phrases,
    pub(super) cancel: Phrases,
    pub(super) repeat: Phrases,
    pub(super) skip: Phrases,
}

impl Prepared {
    /// Prepares a document that passed the check. What a stored document has wrong is as if it were left out.
    pub(super) fn new(document: &Document) -> Self {
        let zone = document.time_zone.as_deref().and_then(|name| TimeZone::get(name).ok());
        let ignored: &mut Vec<Issue> = &mut Vec::new();
        let hours = document.hours.as_ref();
        Self {
            zone: zone.unwrap_or(TimeZone::UTC),
            hours: hours.map(|hours| OpeningTimes::parse(hours, "hours", ignored)),
            country: document.country.as_deref().and_then(|code| code.parse().ok()),
            index: Index::new(&document.faq),
            phrases: CommandPhrases::new(document),
        }
    }
}

impl CommandPhrases {
    fn new(document: &Document) -> Self {
        let command = |command: &Option<Command>, built_in: &[&str]| match command {
            Some(command) => Phrases::new(&command.words),
            None => Phrases::new(built_in),
        };
        let or_built_in = |words: &Option<Vec<String>>, built_in: &[&str]| match words {
            Some(words) => Phrases::new(words),
            None => Phrases::new(built_in),
        };
        let with_built_in = |words: &[String], built_in: &[&str]| {
            Phrases::new(words.iter().map(String::as_str).chain(built_in.iter().copied()))
        };
        let (words, hand_over) = (&document.words, &document.hand_over);
        let give_back = hand_over.give_back_words.as_ref();
        Self {
            stop: command(&document.stop, word::STOP),
            restart: command(&document.restart, word::RESTART),
            hand_over: or_built_in(&hand_over.words, word::HAND_OVER),
            cancel_wait: or_built_in(&hand_over.cancel_words, word::CANCEL_WAIT),
            give_back: give_back.map_or_else(
                || word::GIVE_BACK.iter().map(|word| normal(word)).collect(),
                |words| {
                    words
                        .iter()
                        .map(|word| normal(word))
                        .filter(|word| !word.is_empty())
                        .collect()
                },
            ),
            yes: with_built_in(&words.yes, word::YES),
            no: with_built_in(&words.no, word::NO),
            back: with_built_in(&words.back, word::BACK),
            cancel: with_built_in(&words.cancel, word::CANCEL),
            repeat: with_built_in(&words.repeat, word::REPEAT),
            skip: with_built_in(&words.skip, word::SKIP),
        }
    }

    /// Whether a message of a person returns the conversation to the bot.
    pub(super) fn gives_back(&self, text: &str) -> bool {
        let text = normal(text);
        self.give_back.contains(&text)
    }
}

/// A text in lower case, without white space around it. Its punctuation counts: `/bot` is not `bot`.
fn normal(text: &str) -> String {
    text.trim().to_lowercase()
}
