//! Plans hand-overs and calls.

use std::fmt::Write;

use serde_json::Value;

use super::turn::{Turn, begin_session};
use super::{TurnContext, posts, render};
use crate::bot::Bot;
use crate::bot::built_in::{self, BuiltIn, reason};
use crate::bot::call::{self, check_request};
use crate::bot::document::{AfterWait, CallKind, OutsideAction, Text};
use crate::bot::language::Languages;
use crate::bot::reply::RenderedHandOver;
use crate::bot::scope::{MessageValues, is_open, turn_scope};
use crate::bot::words::words;
use crate::conversation::limits::{MAX_POST_CHARS, MAX_REQUEST_BYTES};
use crate::conversation::{
    CallPlan, HandOverPlan, HandOverReason, Session, Speaker, TranscriptLine, TurnAction, WaitAction,
};
use crate::flow::template::{Kind, Scope};
use crate::flow::{Renderer, RuleError};

/// Lines of the transcript in a built-in summary.
const SUMMARY_LINES: usize = 10;
/// Maximum length of a summary, and of a line in it, in characters.
const MAX_SUMMARY_CHARS: usize = 2_000;
const MAX_LINE_CHARS: usize = 200;

/// A wish to hand over.
#[derive(Clone, Debug)]
pub(super) struct HandOverRequest {
    pub(super) reason: HandOverReason,
    /// Texts of the reply that hands over.
    pub(super) texts: RenderedHandOver,
    /// The call that begins with it, if the reply wants one.
    pub(super) call: Option<CallKind>,
}

impl HandOverRequest {
    pub(super) fn new(reason: HandOverReason) -> Self {
        Self {
            reason,
            texts: RenderedHandOver::default(),
            call: None,
        }
    }
}

impl Turn<'_> {
    /// Hands over, or says why not outside the hours, and goes on with a form.
    pub(super) fn hand_over(&mut self, request: HandOverRequest) -> Result<(), RuleError> {
        self.session.started_at.get_or_insert(self.context.now);
        self.session.misses = 0;
        let mut planner = Planner::new(Some(self.bot), self.context, self.scope.clone(), &request);
        let (texts, action) = planner.outcome(request);
        self.error = planner.error.take();
        self.posts.extend(texts);
        self.action = action;
        if self.action == TurnAction::Continue {
            return self.ask_again();
        }
        self.session.form = None;
        self.session.offers.clear();
        self.session.is_stopped = false;
        Ok(())
    }

    /// The plan of a call; none if the customer's number is needed and unknown.
    pub(super) fn call_plan(&self, kind: CallKind, number: Option<&str>) -> Result<Option<CallPlan>, RuleError> {
        let mut scope = self.scope.clone();
        scope.set("reason", self.languages.pick_built_in(reason::CALL));
        call_plan(self.bot, self.context, &scope, kind, number)
    }
}

/// What a hand-over outside a turn of the document posts and does.
pub(super) fn outcome(
    bot: Option<&Bot>,
    context: &TurnContext<'_>,
    request: HandOverRequest,
) -> (Vec<String>, TurnAction) {
    let scope = bot.map(|bot| scope_of(bot, context, "")).unwrap_or_default();
    Planner::new(bot, context, scope, &request).outcome(request)
}

/// The plan of a hand-over that was requested from outside.
pub(super) fn requested(bot: Option<&Bot>, context: &TurnContext<'_>) -> HandOverPlan {
    let scope = bot.map(|bot| scope_of(bot, context, "")).unwrap_or_default();
    let request = HandOverRequest::new(HandOverReason::Requested);
    Planner::new(bot, context, scope, &request).plan(request)
}

/// The variables of texts of a conversation, outside a turn of the document.
pub(super) fn scope_of(bot: &Bot, context: &TurnContext<'_>, reason: &str) -> Scope {
    let pending = &context.conversation.pending;
    let text = pending
        .iter()
        .map(|message| message.text.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    let attachments = pending.iter().map(|message| usize::from(message.attachments));
    let message = MessageValues {
        text: &text,
        words: &words(&text),
        attachments: attachments.sum(),
    };
    let session: Session = begin_session(Some(bot.document()), context);
    let mut scope = turn_scope(bot, context.conversation, &session, message, context.now);
    scope.set("reason", reason);
    scope
}

/// Plans a hand-over. A text that cannot be rendered is replaced by the built-in one: a hand-over does not fail.
struct Planner<'a> {
    bot: Option<&'a Bot>,
    context: &'a TurnContext<'a>,
    languages: Languages<'a>,
    scope: Scope,
    /// Why people should take over, in words.
    reason: String,
    error: Option<RuleError>,
}

impl<'a> Planner<'a> {
    fn new(bot: Option<&'a Bot>, context: &'a TurnContext<'a>, mut scope: Scope, request: &HandOverRequest) -> Self {
        let languages = Languages::new(bot.map(Bot::document), &context.conversation.contact);
        let built_in = || languages.pick_built_in(reason::in_words(request.reason)).to_owned();
        let reason = request.texts.reason.clone().filter(|reason| !reason.trim().is_empty());
        let reason = reason.unwrap_or_else(built_in);
        scope.set("reason", &reason);
        Self {
            bot,
            context,
            languages,
            scope,
            reason,
            error: None,
        }
    }

    /// What is posted and done: a hand-over, or only a text where the document keeps the conversation outside the
    /// hours. The rate cap hands over at any time, since nothing else ends the talk of two bots.
    fn outcome(&mut self, request: HandOverRequest) -> (Vec<String>, TurnAction) {
        let outside = self.outside_hours().filter(|(_, and)| *and == OutsideAction::Stay);
        if let Some((text, _)) = outside
            && request.reason != HandOverReason::RateCap
        {
            let text = self.text(Some(text), "hand_over.outside_hours.text", built_in::WAITED);
            return (vec![text], TurnAction::Continue);
        }
        let reason = request.reason;
        let plan = Box::new(self.plan(request));
        (Vec::new(), TurnAction::HandOver { reason, plan })
    }

    /// The text outside the hours, if the document has one and it is closed now.
    fn outside_hours(&self) -> Option<(&'a Text, OutsideAction)> {
        let bot = self.bot?;
        let outside = bot.document().hand_over.outside_hours.as_ref()?;
        (!is_open(bot, self.context.now)).then_some((&outside.text, outside.and))
    }

    fn plan(&mut self, request: HandOverRequest) -> HandOverPlan {
        let document = self.bot.map(Bot::document);
        let settings = document.map(|document| &document.hand_over);
        let message = match (self.outside_hours(), request.texts.text) {
            (Some((text, _)), _) => self.text(Some(text), "hand_over.outside_hours.text", built_in::HAND_OVER),
            (None, Some(text)) if !text.trim().is_empty() => text,
            (None, _) => {
                let text = settings.and_then(|settings| settings.text.as_ref());
                self.text(text, "hand_over.text", built_in::HAND_OVER)
            }
        };
        let call = request.call.or_else(|| settings?.call);
        let wait_seconds = settings.and_then(|settings| settings.wait_seconds);
        let wait_text = settings.and_then(|settings| settings.wait_text.as_ref());
        HandOverPlan {
            message: posts::shortened(&message, MAX_POST_CHARS),
            summary: self.has_number().then(|| self.summary()),
            call: call.and_then(|kind| self.call(kind)),
            wait_seconds,
            wait_message: wait_seconds.map(|_| {
                let text = self.text(wait_text, "hand_over.wait_text", built_in::WAITED);
                posts::shortened(&text, MAX_POST_CHARS)
            }),
            then: self.after_wait(settings.map_or(AfterWait::KeepWaiting, |settings| settings.then)),
        }
    }

    fn after_wait(&mut self, then: AfterWait) -> WaitAction {
        match then {
            AfterWait::KeepWaiting => WaitAction::KeepWaiting,
            AfterWait::GiveBack => WaitAction::GiveBack,
            AfterWait::Call => {
                let has_dispatch = self.bot.is_some_and(|bot| bot.document().call.dispatch.is_some());
                let kind = if has_dispatch {
                    CallKind::Dispatch
                } else {
                    CallKind::Queue
                };
                self.call(kind).map_or(WaitAction::KeepWaiting, WaitAction::Call)
            }
        }
    }

    fn call(&mut self, kind: CallKind) -> Option<CallPlan> {
        match call_plan(self.bot?, self.context, &self.scope, kind, None) {
            Ok(plan) => plan,
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }

    /// A text of the document, else the built-in one.
    fn text(&mut self, text: Option<&Text>, path: &str, built_in: BuiltIn) -> String {
        let rendered = text.zip(self.bot).and_then(|(text, bot)| {
            let rendered = render(bot, text, path, &self.scope);
            if rendered.is_none() {
                self.error
                    .get_or_insert_with(|| RuleError::new(path, "has no text for this customer"));
            }
            rendered
        });
        rendered.unwrap_or_else(|| self.languages.pick_built_in(built_in).to_owned())
    }

    /// Whether the customer's phone number is known: the summary is stored under it.
    fn has_number(&self) -> bool {
        let country = self.bot.and_then(|bot| bot.prepared().country.as_ref());
        let phone = self.context.conversation.contact.phone.as_deref();
        phone.is_some_and(|phone| call::number(phone, country).is_some())
    }

    fn summary(&mut self) -> String {
        let own = self.bot.and_then(|bot| {
            let source = bot.document().hand_over.summary.as_ref()?;
            let path = "hand_over.summary";
            match Renderer::new(bot.templates(), &self.scope, path).render(Kind::Message, source) {
                Ok(summary) => Some(summary).filter(|summary| !summary.trim().is_empty()),
                Err(error) => {
                    self.error.get_or_insert_with(|| RuleError::new(path, &error));
                    None
                }
            }
        });
        let summary = own.unwrap_or_else(|| self.built_in_summary());
        posts::shortened(summary.trim(), MAX_SUMMARY_CHARS)
    }

    /// The customer's name, the reason and the last lines.
    fn built_in_summary(&self) -> String {
        let conversation = self.context.conversation;
        let mut summary = String::new();
        if let Some(name) = conversation
            .contact
            .name
            .as_deref()
            .filter(|name| !name.trim().is_empty())
        {
            summary.push_str(&posts::shortened(name.trim(), MAX_LINE_CHARS));
            summary.push_str(": ");
        }
        summary.push_str(&self.reason);
        let lines = &conversation.transcript;
        for TranscriptLine { by, text, .. } in lines.iter().skip(lines.len().saturating_sub(SUMMARY_LINES)) {
            let speaker = self.languages.pick_built_in(match by {
                Speaker::Customer => ["Customer", "Kunde"],
                Speaker::Bot => ["Bot", "Bot"],
                Speaker::Human => ["Team", "Team"],
            });
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            // Writing to a string never fails.
            let _ = write!(summary, "\n{speaker}: {}", posts::shortened(&line, MAX_LINE_CHARS));
        }
        summary
    }
}

/// The plan of a call; none if the document has no such call, or the customer's number is needed and unknown.
fn call_plan(
    bot: &Bot,
    context: &TurnContext<'_>,
    scope: &Scope,
    kind: CallKind,
    number: Option<&str>,
) -> Result<Option<CallPlan>, RuleError> {
    let call = &bot.document().call;
    match kind {
        CallKind::Queue => {
            let Some(queue) = &call.queue else { return Ok(None) };
            let own = call.number.as_ref().map(|source| {
                let path = "call.number";
                let number = Renderer::new(bot.templates(), scope, path).render(Kind::Line, source);
                number.map_err(|error| RuleError::new(path, &error))
            });
            let own = own.transpose()?.filter(|number| !number.is_empty());
            let phone = number
                .or(own.as_deref())
                .or(context.conversation.contact.phone.as_deref());
            let number = phone.and_then(|phone| call::number(phone, bot.prepared().country.as_ref()));
            Ok(number.map(|number| CallPlan::Queue {
                queue: queue.clone(),
                destination: number.as_str().to_owned(),
            }))
        }
        CallKind::Dispatch => {
            let Some(dispatch) = &call.dispatch else {
                return Ok(None);
            };
            let path = "call.dispatch.text";
            let text = Renderer::new(bot.templates(), scope, path).render(Kind::Speech, &dispatch.text);
            let text = text.map_err(|error| RuleError::new(path, &error))?;
            let request: Value = dispatch.request(&posts::shortened(&text, call::MAX_TEXT_CHARS));
            match check_request(&request, MAX_REQUEST_BYTES).into_iter().next() {
                None => Ok(Some(CallPlan::Dispatch {
                    request: Box::new(request),
                })),
                Some((field, detail)) => Err(RuleError::new(format!("call.dispatch.{field}"), &detail)),
            }
        }
    }
}
