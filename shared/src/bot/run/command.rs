//! Commands in the customer's messages: a person, stop and restart. And quick replies.

use super::turn::Turn;
use crate::bot::built_in;
use crate::bot::document::FieldKind;
use crate::bot::form::value::chosen;
use crate::bot::words::{is_salutation, is_stop_word, words};
use crate::conversation::{FormProgress, Offer, Session};
use crate::flow::{EvalError, RuleError};

/// Words around the number of a quick reply, as in `number 2`.
const NUMBER_WORDS: [&str; 5] = ["answer", "nr", "number", "nummer", "option"];
/// The score of a message that is a question of the FAQ, but for small differences.
const LITERAL_SCORE: f64 = 0.95;
/// What the quick reply for a person means.
pub(super) const PERSON: &str = "/person";

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// The customer asks for a person.
    HandOver,
    /// The customer wants the bot to be silent.
    Stop,
    /// The customer begins again, with the pending message of this index.
    Restart(usize),
}

impl Turn<'_> {
    /// The command in the messages. A person comes first, then silence, then the last restart.
    pub(super) fn command(&self) -> Option<Command> {
        let phrases = &self.prepared().phrases;
        let parts: Vec<Vec<String>> = self.message.parts.iter().map(|text| words(text)).collect();
        let is_hand_over = |message: &Vec<String>| match self.asked_kind() {
            None => phrases.hand_over.occur_in(message),
            // Anything may be the answer to this question, such as the name of an agent.
            Some(FieldKind::Text) => phrases.hand_over.are_main_part_of(message, 1),
            // If it is no valid answer, the form looks for the words.
            Some(_) => false,
        };
        let is_wanted = parts.iter().chain([&self.message.words]).any(is_hand_over);
        if self.message.text == PERSON || is_wanted && !self.is_question_of_faq() {
            return Some(Command::HandOver);
        }
        if parts.iter().any(|message| phrases.stop.are_all_of(message)) {
            return Some(Command::Stop);
        }
        // Indexes of pending messages: blank ones are not among the parts.
        let pending = self.context.conversation.pending.iter();
        let restart = pending.map(|message| words(&message.text));
        restart
            .collect::<Vec<_>>()
            .iter()
            .rposition(|message| phrases.restart.are_all_of(message))
            .map(Command::Restart)
    }

    /// Whether the message is one of the questions of the FAQ, as its author wrote it: `Are you a human?`
    fn is_question_of_faq(&self) -> bool {
        let matches = self.prepared().index.matches(&self.message.words);
        matches.first().is_some_and(|best| best.score >= LITERAL_SCORE)
    }

    /// The kind of the field that was asked; none outside forms and when a form is to be confirmed.
    fn asked_kind(&self) -> Option<FieldKind> {
        let FormProgress { form, field, .. } = self.session.form.as_ref()?;
        let field = field.as_ref()?;
        let form = self.form(form)?;
        form.fields
            .iter()
            .find(|known| known.name == *field)
            .map(|field| field.kind)
    }

    pub(super) fn stop(&mut self) -> Result<(), RuleError> {
        let text = self.document().stop.as_ref().and_then(|stop| stop.text.as_ref());
        let text = self.phrase(text, "stop.text", built_in::STOPPED)?;
        self.posts.push(text);
        self.answered_by = "stop".into();
        self.session.started_at.get_or_insert(self.context.now);
        self.session.form = None;
        self.session.offers.clear();
        self.session.is_stopped = true;
        Ok(())
    }

    /// Begins a new session, and answers what the customer wrote after that.
    pub(super) fn restart(&mut self, index: usize) -> Result<(), EvalError> {
        self.session = Session {
            answered_at: std::mem::take(&mut self.session.answered_at),
            ..Session::default()
        };
        self.listen(index + 1);
        let text = self
            .document()
            .restart
            .as_ref()
            .and_then(|restart| restart.text.as_ref());
        let text = self.phrase(text, "restart.text", built_in::RESTARTED)?;
        self.posts.push(text);
        if self.message.text.is_empty() && self.message.attachments == 0 {
            self.session.started_at = Some(self.context.now);
            self.greet()?;
            self.answered_by = "restart".into();
            return Ok(());
        }
        self.go_on()
    }

    /// Whether the customer only says hello.
    pub(super) fn is_mere_greeting(&self) -> bool {
        is_salutation(&self.message.words)
    }

    /// What the quick reply means that the messages choose: all of them, or the last one.
    pub(super) fn resolve_offer(&self, parts: &[String]) -> Option<String> {
        let offers = &self.session.offers;
        let whole = choose(offers, &parts.join("\n"));
        let offer = whole.or_else(|| choose(offers, parts.last().filter(|_| parts.len() > 1)?));
        offer.map(|offer| offer.text.clone())
    }
}

/// The offer that a text chooses: by its number or its title.
fn choose<'o>(offers: &'o [Offer], text: &str) -> Option<&'o Offer> {
    let words = words(text);
    let mut telling = words
        .iter()
        .filter(|word| !is_stop_word(word) && !NUMBER_WORDS.contains(&word.as_str()));
    if let (Some(number), None) = (telling.next(), telling.next())
        && let Ok(number) = number.parse::<usize>()
    {
        return offers.get(number.checked_sub(1)?);
    }
    offers.get(chosen(text, offers.iter().map(|offer| offer.title.as_str()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_reply_is_chosen_by_number_or_title() {
        let offers = ["Opening hours", "My order", "Other"].map(|title| Offer {
            title: title.into(),
            text: format!("means {title}"),
        });
        for (text, expected) in [
            ("1", Some("means Opening hours")),
            (" #2. ", Some("means My order")),
            ("3)", Some("means Other")),
            ("number 3 please", Some("means Other")),
            ("opening HOURS!", Some("means Opening hours")),
            ("oepning hours please", Some("means Opening hours")),
            ("0", None),
            ("4", None),
            ("1 2", None),
            ("opening", Some("means Opening hours")),
            ("my", Some("means My order")),
            ("where is my order now", Some("means My order")),
            ("opening hours, and my order", None),
            ("", None),
        ] {
            assert_eq!(
                choose(&offers, text).map(|offer| offer.text.as_str()),
                expected,
                "{text}"
            );
        }
    }
}
