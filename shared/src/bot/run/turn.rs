//! The course of a turn.

use serde_json::json;

use super::TurnContext;
use super::command::Command;
use super::hand_over::HandOverRequest;
use super::posts;
use crate::bot::Bot;
use crate::bot::built_in::{self, BuiltIn};
use crate::bot::document::{Document, Greeting, Text};
use crate::bot::language::Languages;
use crate::bot::prepared::Prepared;
use crate::bot::reply::render_text;
use crate::bot::scope::{MessageValues, turn_scope};
use crate::bot::words::words;
use crate::conversation::{HandOverReason, Offer, Session, TurnAction, TurnResult};
use crate::flow::template::Scope;
use crate::flow::{EvalError, Evaluator, FetchResults, Renderer, RuleError};

/// Seconds of silence after which a new session begins.
const DEFAULT_SESSION_SECONDS: u32 = 3_600;
/// Answers within [`RATE_SECONDS`] above which the bot hands over.
const DEFAULT_ANSWERS: u16 = 10;
const RATE_SECONDS: u32 = 60;

/// What the customer wrote since the last turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    /// The messages, oldest first.
    pub(super) parts: Vec<String>,
    /// All messages, or the quick reply that they mean.
    pub(super) text: String,
    /// Words of `text`.
    pub(super) words: Vec<String>,
    /// Number of attachments.
    pub(super) attachments: usize,
}

/// A turn that is being run.
pub(super) struct Turn<'a> {
    pub(super) bot: &'a Bot,
    pub(super) context: &'a TurnContext<'a>,
    pub(super) evaluator: Evaluator<'a>,
    pub(super) languages: Languages<'a>,
    pub(super) message: Message,
    pub(super) session: Session,
    /// Name and score of the FAQ's best match, once it is known.
    pub(super) best_match: Option<(&'a str, f64)>,
    pub(super) scope: Scope,
    pub(super) posts: Vec<String>,
    pub(super) action: TurnAction,
    pub(super) answered_by: String,
    /// An error that did not keep the bot from answering.
    pub(super) error: Option<RuleError>,
    /// Whether the customer chose a quick reply.
    pub(super) has_chosen: bool,
    /// Whether this turn offers quick replies.
    pub(super) has_offered: bool,
    /// Whether the bot says nothing because the customer wants it so.
    is_silent: bool,
}

impl<'a> Turn<'a> {
    pub(super) fn new(bot: &'a Bot, context: &'a TurnContext<'a>, fetched: &'a FetchResults) -> Self {
        let conversation = context.conversation;
        let session = begin_session(Some(bot.document()), context);
        let mut turn = Self {
            bot,
            context,
            evaluator: Evaluator {
                templates: bot.templates(),
                fetched,
            },
            languages: Languages::new(Some(bot.document()), &conversation.contact),
            message: Message::default(),
            session,
            best_match: None,
            scope: Scope::default(),
            posts: Vec::new(),
            action: TurnAction::Continue,
            answered_by: String::new(),
            error: None,
            has_chosen: false,
            has_offered: false,
            is_silent: false,
        };
        turn.listen(0);
        turn
    }

    pub(super) fn document(&self) -> &'a Document {
        self.bot.document()
    }

    pub(super) fn prepared(&self) -> &'a Prepared {
        self.bot.prepared()
    }

    /// Takes in the pending messages from this one on, and prepares the variables.
    pub(super) fn listen(&mut self, first: usize) {
        let pending = self.context.conversation.pending.get(first..).unwrap_or_default();
        let parts = pending.iter().map(|message| message.text.trim().to_owned());
        let parts: Vec<String> = parts.filter(|text| !text.is_empty()).collect();
        let chosen = self.resolve_offer(&parts);
        self.has_chosen = chosen.is_some();
        let text = chosen.unwrap_or_else(|| parts.join("\n"));
        self.message = Message {
            words: words(&text),
            text,
            parts,
            attachments: pending.iter().map(|message| usize::from(message.attachments)).sum(),
        };
        self.prepare_scope();
    }

    /// Sets the variables of templates from the message and the session.
    pub(super) fn prepare_scope(&mut self) {
        let message = MessageValues {
            text: &self.message.text,
            words: &self.message.words,
            attachments: self.message.attachments,
        };
        let (conversation, now) = (self.context.conversation, self.context.now);
        self.scope = turn_scope(self.bot, conversation, &self.session, message, now);
        if let Some((name, score)) = self.best_match {
            self.scope.set("faq", json!({ "name": name, "score": score }));
        }
    }

    /// Runs the turn.
    ///
    /// # Errors
    /// When a request must be sent first, or the turn fails.
    pub(super) fn run(&mut self) -> Result<(), EvalError> {
        let is_stopped = self.session.is_stopped;
        match self.command() {
            Some(Command::HandOver) => {
                self.answered_by = "hand_over.words".into();
                return Ok(self.hand_over(HandOverRequest::new(HandOverReason::Word))?);
            }
            Some(Command::Restart(index)) => return self.restart(index),
            _ if is_stopped => {
                self.answered_by = "stop".into();
                self.is_silent = true;
                return Ok(());
            }
            Some(Command::Stop) => return Ok(self.stop()?),
            None => {}
        }
        if self.is_over_rate() {
            self.answered_by = "max_answers_per_minute".into();
            return Ok(self.hand_over(HandOverRequest::new(HandOverReason::RateCap))?);
        }
        self.go_on()
    }

    /// Greets in a new session, then answers.
    pub(super) fn go_on(&mut self) -> Result<(), EvalError> {
        if self.session.started_at.is_none() {
            self.session.started_at = Some(self.context.now);
            let is_greeted = self.greet()?;
            if is_greeted && self.is_mere_greeting() {
                return Ok(());
            }
        }
        if self.message.text.is_empty() && self.message.attachments > 0 {
            return Ok(self.answer_attachment()?);
        }
        if self.session.form.is_some() && self.continue_form()? {
            return Ok(());
        }
        self.answer()
    }

    /// Says the greeting. Returns whether there is one.
    pub(super) fn greet(&mut self) -> Result<bool, EvalError> {
        match &self.document().greeting {
            None => Ok(false),
            Some(Greeting::Text(text)) => {
                let renderer = Renderer::new(self.bot.templates(), &self.scope, "greeting");
                let greeting = render_text(text, "greeting", &renderer)?;
                if greeting.is_empty() {
                    return Ok(false);
                }
                self.posts.push(greeting);
                self.answered_by = "greeting".into();
                Ok(true)
            }
            Some(Greeting::Rules(rules)) => {
                let evaluated = self
                    .evaluator
                    .eval_rules(rules, "greeting".into(), self.scope.clone())?;
                let is_greeted = !evaluated.reply.pass;
                self.change_variables(&evaluated.reply, &evaluated.path)?;
                self.prepare_scope();
                self.say(evaluated.reply.posts, evaluated.reply.offers);
                if is_greeted {
                    self.answered_by = evaluated.path;
                }
                Ok(is_greeted)
            }
        }
    }

    fn answer_attachment(&mut self) -> Result<(), RuleError> {
        let text = self.phrase(
            self.document().attachments.as_ref(),
            "attachments",
            built_in::ATTACHMENTS,
        )?;
        self.posts.push(text);
        self.answered_by = "attachments".into();
        if self.session.form.is_some() {
            self.ask_again()?;
        }
        Ok(())
    }

    /// A text of the document, else the built-in one.
    pub(super) fn phrase(&self, text: Option<&Text>, path: &str, built_in: BuiltIn) -> Result<String, RuleError> {
        let Some(text) = text else {
            return Ok(self.languages.pick_built_in(built_in).to_owned());
        };
        let text = render_text(text, path, &Renderer::new(self.bot.templates(), &self.scope, path))?;
        if text.is_empty() {
            return Err(RuleError::new(path, "has no text for this message"));
        }
        Ok(text)
    }

    /// Adds texts to post, the last one with a numbered list of quick replies.
    pub(super) fn say(&mut self, mut texts: Vec<String>, offers: Vec<Offer>) {
        if !offers.is_empty() {
            let list = posts::numbered(&offers);
            match texts.last_mut() {
                Some(text) => {
                    text.push_str("\n\n");
                    text.push_str(&list);
                }
                None => texts.push(list),
            }
            self.session.offers = offers;
            self.has_offered = true;
        }
        self.posts.extend(texts);
    }

    /// Whether the rate cap is reached.
    fn is_over_rate(&self) -> bool {
        let limit = self.document().max_answers_per_minute.unwrap_or(DEFAULT_ANSWERS);
        self.session.answered_at.len() >= usize::from(limit)
    }

    /// The result of the turn.
    ///
    /// # Errors
    /// When there is nothing to post and nothing to do: the bot is never silent without a reason.
    pub(super) fn finish(mut self) -> Result<TurnResult, RuleError> {
        let posts = posts::bounded(self.posts);
        if posts.is_empty() && self.action == TurnAction::Continue && !self.is_silent {
            return Err(RuleError::new(self.answered_by, "has nothing to say"));
        }
        self.session.last_at = Some(self.context.now);
        self.session.errors = 0;
        if !self.is_silent {
            self.session.answered_at.push(self.context.now);
        }
        Ok(TurnResult {
            answered: self.context.conversation.pending.len(),
            session: self.session,
            posts,
            action: self.action,
            answered_by: self.answered_by,
            error: self.error.map(|error| error.to_string()),
        })
    }
}

/// The session of a turn: the conversation's, or a new one after a pause. Only the answers of the last minute are kept.
pub(super) fn begin_session(document: Option<&Document>, context: &TurnContext<'_>) -> Session {
    let now = context.now;
    let mut session = context.conversation.session.clone();
    let limit = document.and_then(|document| document.session_seconds);
    let limit = limit.unwrap_or(DEFAULT_SESSION_SECONDS);
    let is_over = session.last_at.is_some_and(|last| now > last.plus_seconds(limit));
    if is_over {
        session = Session::default();
    }
    session.answered_at.retain(|at| now < at.plus_seconds(RATE_SECONDS));
    session
}
