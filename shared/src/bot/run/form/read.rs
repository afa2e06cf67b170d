//! Finds out what an answer to a form's question means.

use serde_json::{Value, json};

use super::{CANCEL, TRY_AGAIN, asked};
use crate::bot::document::{FieldKind, Form};
use crate::bot::form::value::{Reading, chosen, yes_or_no};
use crate::bot::hours::local_time;
use crate::bot::run::turn::Turn;
use crate::conversation::FormProgress;
use crate::flow::RuleError;

/// What an answer means.
pub(super) enum Reaction {
    /// A value of the field.
    Store(Value),
    /// Everything is right.
    Confirmed,
    /// Something is wrong, but the customer does not say what.
    NotConfirmed,
    /// The value of this field is wrong.
    Correct(String),
    /// The customer leaves the form.
    Cancel,
    /// The customer wants the previous question.
    Back,
    /// The customer wants to read the question again.
    AskAgain,
    /// The customer asks for this entry of the FAQ.
    Digress(usize),
    /// The customer wants a person.
    Person,
    /// None of these.
    Invalid,
}

impl Turn<'_> {
    /// What the message means as an answer to the form's question.
    pub(super) fn reaction(&self, form: &Form, progress: &FormProgress) -> Result<Reaction, RuleError> {
        let phrases = &self.prepared().phrases;
        let (text, words) = (self.message.text.as_str(), &self.message.words);
        match text {
            CANCEL => return Ok(Reaction::Cancel),
            TRY_AGAIN => return Ok(Reaction::AskAgain),
            _ => {}
        }
        for (commands, reaction) in [
            (&phrases.cancel, Reaction::Cancel),
            (&phrases.back, Reaction::Back),
            (&phrases.repeat, Reaction::AskAgain),
        ] {
            if commands.are_all_of(words) {
                return Ok(reaction);
            }
        }
        let understood = match progress.field {
            None => self.confirmation(form, progress)?,
            Some(_) => self.value(form, progress)?.map(Reaction::Store),
        };
        let matches = self.prepared().index.matches(words);
        let digression = self.answering(&matches).map(|found| Reaction::Digress(found.entry));
        Ok(match understood {
            // Any text is an answer to such a question, unless it asks one itself.
            Some(answer) if is_free_text(form, progress) && is_question(text) => digression.unwrap_or(answer),
            Some(answer) => answer,
            None if phrases.hand_over.occur_in(words) => Reaction::Person,
            None => digression.unwrap_or(Reaction::Invalid),
        })
    }

    /// What the answer to "is that right?" means; none if it is unclear.
    fn confirmation(&self, form: &Form, progress: &FormProgress) -> Result<Option<Reaction>, RuleError> {
        let titles = self.field_titles(form, progress)?;
        let by_name = titles.iter().position(|(name, _)| self.message.text == *name);
        let by_title = || chosen(&self.message.text, titles.iter().map(|(_, title)| title.as_str()));
        let answer = yes_or_no(&self.message.text, &self.prepared().phrases);
        let named = by_name.or_else(by_title).and_then(|index| titles.get(index));
        Ok(match (answer, named, titles.as_slice()) {
            (Some(true), _, _) => Some(Reaction::Confirmed),
            (_, Some((name, _)), _) | (Some(false), None, [(name, _)]) => Some(Reaction::Correct(name.clone())),
            (Some(false), None, _) => Some(Reaction::NotConfirmed),
            (None, None, _) => None,
        })
    }

    /// The value that the answer gives to the field; none if it is not valid. Of several messages the last one may be
    /// the answer.
    fn value(&self, form: &Form, progress: &FormProgress) -> Result<Option<Value>, RuleError> {
        let Some((index, field)) = asked(form, progress) else {
            return Ok(None);
        };
        let prepared = self.prepared();
        if field.required == Some(false) && prepared.phrases.skip.are_all_of(&self.message.words) {
            return Ok(Some(Value::Null));
        }
        let last = self.message.parts.last().filter(|_| self.message.parts.len() > 1);
        let mut texts = [Some(&self.message.text), last].into_iter().flatten();
        if field.kind == FieldKind::Choice {
            let offers = self.choices(form, progress, index)?;
            let choice = texts.find_map(|text| {
                let by_meaning = offers.iter().position(|offer| offer.text == *text);
                let by_title = || chosen(text, offers.iter().map(|offer| offer.title.as_str()));
                offers.get(by_meaning.or_else(by_title)?)
            });
            return Ok(choice.map(|offer| json!(offer.text)));
        }
        let reading = Reading {
            phrases: &prepared.phrases,
            country: prepared.country.as_ref(),
            language: self.languages.tag(),
            today: local_time(&prepared.zone, self.context.now).date(),
        };
        Ok(texts.find_map(|text| reading.value(field, text)))
    }
}

/// Whether any text is a valid answer.
fn is_free_text(form: &Form, progress: &FormProgress) -> bool {
    asked(form, progress).is_some_and(|(_, field)| field.kind == FieldKind::Text && field.pattern.is_none())
}

/// Whether the customer asks a question.
fn is_question(text: &str) -> bool {
    text.trim_end().ends_with(['?', '？', '؟', '\u{37e}'])
}
