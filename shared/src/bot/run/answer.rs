//! Answers a message: by the rules, the FAQ, or with a question.

use super::hand_over::HandOverRequest;
use super::turn::Turn;
use crate::bot::built_in;
use crate::bot::document::CallKind;
use crate::bot::matcher::Match;
use crate::bot::reply::{RenderedHandOver, RenderedReply};
use crate::bot::words::words;
use crate::conversation::{HandOverReason, Offer, TurnAction};
use crate::flow::source::{element, field};
use crate::flow::{EvalError, Renderer, RuleError};

/// How similar a message must be to a question of the FAQ.
const DEFAULT_THRESHOLD: f64 = 0.75;
/// A question is suggested from this part of the threshold on.
const SUGGESTION_PART: f64 = 0.5;
const DEFAULT_SUGGESTIONS: u8 = 3;
/// Messages in a row that the bot did not understand, at which it hands over.
const DEFAULT_MISSES: u16 = 2;
/// Maximum number of sentences of a message that are searched for one by one.
const MAX_SENTENCES: usize = 4;
/// Maximum number of words of such a sentence: questions are short.
const MAX_SENTENCE_WORDS: usize = 20;
/// Maximum size of the variables of a session, in bytes of JSON.
const MAX_VARIABLES: usize = 16 * 1024;

impl Turn<'_> {
    /// Answers the message.
    ///
    /// # Errors
    /// When a request must be sent first, or the turn fails.
    pub(super) fn answer(&mut self) -> Result<(), EvalError> {
        let matches = self.prepared().index.matches(&self.message.words);
        let best = matches.first();
        self.best_match =
            best.and_then(|best| Some((self.document().faq.entries.get(best.entry)?.name.as_str(), best.score)));
        self.prepare_scope();
        if self.is_mere_greeting() && self.greet()? {
            return Ok(());
        }
        let rules = &self.document().rules;
        if !rules.is_empty() {
            let evaluated = self.evaluator.eval_rules(rules, "rules".into(), self.scope.clone())?;
            if !evaluated.reply.pass {
                return Ok(self.apply(evaluated.reply, evaluated.path, HandOverReason::Rule)?);
            }
            self.change_variables(&evaluated.reply, &evaluated.path)?;
            self.prepare_scope();
        }
        if self.answer_questions(&matches)? {
            return Ok(());
        }
        if self.is_mere_greeting() {
            self.posts
                .push(self.languages.pick_built_in(built_in::HELLO).to_owned());
            self.answered_by = "greeting".into();
            return Ok(());
        }
        Ok(self.miss(&matches)?)
    }

    /// Answers with the entry of the FAQ that the message asks for, or with those that its sentences ask for. False if
    /// there is none.
    fn answer_questions(&mut self, matches: &[Match]) -> Result<bool, RuleError> {
        let of_sentences = self.entries_of_sentences();
        let entries = match self.answering(matches) {
            Some(best) if of_sentences.len() < 2 => vec![best.entry],
            _ => of_sentences,
        };
        let mut paths: Vec<String> = Vec::new();
        for entry in entries {
            self.answer_from_faq(entry)?;
            paths.push(std::mem::take(&mut self.answered_by));
            if self.action != TurnAction::Continue || self.session.form.is_some() {
                break;
            }
        }
        self.answered_by = paths.join(", ");
        Ok(!paths.is_empty())
    }

    /// The entries of the FAQ that the sentences of the message ask for, in order. None for a single sentence.
    fn entries_of_sentences(&self) -> Vec<usize> {
        let sentences = self.message.text.split(['.', '?', '!', '\n', '？', '！', '。']);
        let sentences: Vec<Vec<String>> = sentences.map(words).filter(|words| !words.is_empty()).collect();
        let mut entries = Vec::new();
        if sentences.len() < 2 {
            return entries;
        }
        let short = sentences.iter().filter(|words| words.len() <= MAX_SENTENCE_WORDS);
        for sentence in short.take(MAX_SENTENCES) {
            let matches = self.prepared().index.matches(sentence);
            if let Some(found) = self.answering(&matches)
                && !entries.contains(&found.entry)
            {
                entries.push(found.entry);
            }
        }
        entries
    }

    /// The best match, if it is similar enough.
    pub(super) fn answering(&self, matches: &[Match]) -> Option<Match> {
        let threshold = self.document().faq.threshold.unwrap_or(DEFAULT_THRESHOLD);
        matches.first().copied().filter(|best| best.score >= threshold)
    }

    /// Answers with an entry of the FAQ.
    pub(super) fn answer_from_faq(&mut self, index: usize) -> Result<(), RuleError> {
        let path = element("faq.entries", index);
        let Some(entry) = self.document().faq.entries.get(index) else {
            return Err(RuleError::new(path, "does not exist"));
        };
        let renderer = Renderer::new(self.bot.templates(), &self.scope, &path);
        let mut reply = entry.parts().render(&renderer)?;
        if self.document().hand_over.topics.contains(&entry.name) {
            reply.hand_over.get_or_insert_with(RenderedHandOver::default);
        }
        self.apply(reply, path, HandOverReason::Topic)
    }

    /// The message was not understood: asks for other words, and hands over when that happens again.
    fn miss(&mut self, matches: &[Match]) -> Result<(), RuleError> {
        self.session.misses = self.session.misses.saturating_add(1);
        if self.session.misses >= self.document().hand_over.after_misses.unwrap_or(DEFAULT_MISSES) {
            self.answered_by = "hand_over.after_misses".into();
            return self.hand_over(HandOverRequest::new(HandOverReason::Misses));
        }
        let mut text = self.phrase(self.document().unknown.text.as_ref(), "unknown.text", built_in::UNKNOWN)?;
        let suggestions = self.suggestions(matches);
        if !suggestions.is_empty() {
            let introduction = self.document().texts.did_you_mean.as_ref();
            text.push('\n');
            text.push_str(&self.phrase(introduction, "texts.did_you_mean", built_in::DID_YOU_MEAN)?);
        }
        self.say(vec![text], suggestions);
        self.answered_by = "unknown".into();
        Ok(())
    }

    /// Questions of the FAQ that the customer may have meant.
    fn suggestions(&self, matches: &[Match]) -> Vec<Offer> {
        let document = self.document();
        let least = document.faq.threshold.unwrap_or(DEFAULT_THRESHOLD) * SUGGESTION_PART;
        let most = document.unknown.suggestions.unwrap_or(DEFAULT_SUGGESTIONS);
        let entries = matches.iter().filter(|found| found.score >= least);
        let questions = entries.filter_map(|found| document.faq.entries.get(found.entry)?.questions.first());
        let offers = questions.map(|question| Offer {
            title: question.clone(),
            text: question.clone(),
        });
        offers.take(usize::from(most)).collect()
    }

    /// Says and does what a reply wants.
    pub(super) fn apply(
        &mut self,
        reply: RenderedReply,
        path: String,
        hand_over_reason: HandOverReason,
    ) -> Result<(), RuleError> {
        self.session.misses = 0;
        self.change_variables(&reply, &path)?;
        self.prepare_scope();
        let says = !reply.posts.is_empty();
        self.say(reply.posts, reply.offers);
        // A customer who chose from a list may choose from it again. After anything else the list is out of date.
        if !self.has_offered && !self.has_chosen {
            self.session.offers.clear();
        }
        self.answered_by = path;
        if let Some(texts) = reply.hand_over {
            return self.hand_over(HandOverRequest {
                reason: hand_over_reason,
                texts,
                call: reply.call,
            });
        }
        if let Some(kind) = reply.call {
            return self.call_me(kind, says);
        }
        if let Some(form) = reply.form {
            return self.begin_form(&form);
        }
        if reply.finish {
            self.session.form = None;
            self.action = TurnAction::Finish;
        }
        Ok(())
    }

    /// Begins a call, or asks for the number that it needs.
    fn call_me(&mut self, kind: CallKind, says: bool) -> Result<(), RuleError> {
        let Some(plan) = self.call_plan(kind, None)? else {
            return self.begin_form(super::form::CALL_FORM);
        };
        if !says {
            self.announce_call(kind)?;
        }
        self.action = TurnAction::Call(plan);
        Ok(())
    }

    /// Says that a call begins.
    pub(super) fn announce_call(&mut self, kind: CallKind) -> Result<(), RuleError> {
        let texts = &self.document().texts;
        let text = match kind {
            CallKind::Queue => self.phrase(texts.calling_you.as_ref(), "texts.calling_you", built_in::CALLING_YOU),
            CallKind::Dispatch => self.phrase(
                texts.calling_team.as_ref(),
                "texts.calling_team",
                built_in::CALLING_TEAM,
            ),
        };
        self.posts.push(text?);
        Ok(())
    }

    /// Sets variables.
    pub(super) fn change_variables(&mut self, reply: &RenderedReply, path: &str) -> Result<(), RuleError> {
        if reply.changes.is_empty() {
            return Ok(());
        }
        self.session.variables.extend(reply.changes.clone());
        // Names that an earlier version of the document declared.
        let declared = &self.document().variables;
        self.session.variables.retain(|name, _| declared.contains_key(name));
        let size = serde_json::to_string(&self.session.variables).map_or(usize::MAX, |text| text.len());
        if size > MAX_VARIABLES {
            return Err(RuleError::new(
                field(path, "set"),
                "makes the variables larger than 16 KB",
            ));
        }
        Ok(())
    }
}
