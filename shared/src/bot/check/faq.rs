//! Checks the FAQ.

use std::collections::BTreeSet;

use super::{Checker, is_printable_name, optional_text, range};
use crate::bot::document::{Document, FaqEntry};
use crate::bot::words::words;
use crate::flow::Names;
use crate::flow::source::{element, field};

/// Maximum number of entries.
const MAX_ENTRIES: usize = 1_000;
/// Maximum number of questions, and of groups of words, of one entry.
const MAX_QUESTIONS: usize = 40;
/// Maximum number of questions and groups of words of all entries.
const MAX_ALL_QUESTIONS: usize = 4_000;
/// Maximum length of a question, in characters.
const MAX_QUESTION_CHARS: usize = 200;

pub(super) fn check<'a>(document: &'a Document, names: &Names, checker: &mut Checker<'a>) {
    let faq = &document.faq;
    range(faq.threshold, 0.3..=1.0, "faq.threshold", checker);
    range(document.unknown.suggestions, 0..=5, "unknown.suggestions", checker);
    optional_text(document.unknown.text.as_ref(), "unknown.text", names, checker);
    if faq.entries.len() > MAX_ENTRIES {
        checker.report("faq.entries", format!("the FAQ has at most {MAX_ENTRIES} entries"));
    }
    let questions = faq
        .entries
        .iter()
        .map(|entry| entry.questions.len() + entry.words.len());
    if questions.sum::<usize>() > MAX_ALL_QUESTIONS {
        let reason = format!("the FAQ has at most {MAX_ALL_QUESTIONS} questions and groups of words");
        checker.report("faq.entries", reason);
    }
    let mut seen = BTreeSet::new();
    for (index, entry) in faq.entries.iter().enumerate() {
        let path = element("faq.entries", index);
        if !is_printable_name(&entry.name) {
            checker.report(
                field(&path, "name"),
                "must have 1 to 64 characters, and no control characters",
            );
        }
        if !seen.insert(entry.name.as_str()) {
            checker.report(field(&path, "name"), "is already the name of an earlier entry");
        }
        check_questions(entry, &path, checker);
        // A topic for people needs no answer: the hand-over is the answer.
        if document.hand_over.topics.contains(&entry.name) && entry.says_nothing() {
            continue;
        }
        super::parts(entry.parts(), &path, names, checker);
    }
}

fn check_questions(entry: &FaqEntry, path: &str, checker: &mut Checker<'_>) {
    if entry.questions.is_empty() && entry.words.is_empty() {
        checker.report(path, "needs `questions` or `words`: nothing leads to it");
    }
    for (texts, name) in [(&entry.questions, "questions"), (&entry.words, "words")] {
        let path = field(path, name);
        if texts.len() > MAX_QUESTIONS {
            checker.report(&path, format!("has more than {MAX_QUESTIONS} entries"));
        }
        for (index, text) in texts.iter().enumerate() {
            if words(text).is_empty() || text.chars().count() > MAX_QUESTION_CHARS {
                let reason = format!("must have letters or digits, and at most {MAX_QUESTION_CHARS} characters");
                checker.report(element(&path, index), reason);
            }
        }
    }
}
