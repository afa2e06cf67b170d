//! The result of a turn that failed.

use super::hand_over::{self, HandOverRequest};
use super::turn::begin_session;
use super::{TurnContext, posts, render};
use crate::bot::Bot;
use crate::bot::built_in;
use crate::bot::language::Languages;
use crate::conversation::{HandOverReason, TurnAction, TurnResult};

/// Errors in a row at which the bot hands over.
const MAX_ERRORS: u16 = 2;
/// Maximum length of the reason, in characters.
const MAX_REASON_CHARS: usize = 300;

/// The result of a turn that failed for this reason.
pub(super) fn result(bot: Option<&Bot>, context: &TurnContext<'_>, reason: &str) -> TurnResult {
    let document = bot.map(Bot::document);
    let mut session = begin_session(document, context);
    session.started_at.get_or_insert(context.now);
    session.last_at = Some(context.now);
    session.errors = session.errors.saturating_add(1);
    let on_error = document.is_none_or(|document| document.hand_over.on_error.unwrap_or(true));
    let (mut texts, mut action) = (Vec::new(), TurnAction::Continue);
    if session.errors < MAX_ERRORS {
        texts.push(fallback_text(bot, context));
    } else if on_error {
        (texts, action) = hand_over::outcome(bot, context, HandOverRequest::new(HandOverReason::Error));
    }
    if matches!(action, TurnAction::HandOver { .. }) {
        session.form = None;
        session.offers.clear();
    }
    let is_silent = texts.is_empty() && action == TurnAction::Continue;
    if !is_silent {
        session.answered_at.push(context.now);
    }
    TurnResult {
        answered: context.conversation.pending.len(),
        session,
        posts: posts::bounded(texts),
        action,
        answered_by: "fallback".to_owned(),
        error: Some(posts::shortened(reason, MAX_REASON_CHARS)),
    }
}

fn fallback_text(bot: Option<&Bot>, context: &TurnContext<'_>) -> String {
    let contact = &context.conversation.contact;
    let own = bot.and_then(|bot| {
        let text = bot.document().fallback.as_ref()?;
        render(bot, text, "fallback", &hand_over::scope_of(bot, context, ""))
    });
    own.unwrap_or_else(|| {
        let languages = Languages::new(bot.map(Bot::document), contact);
        languages.pick_built_in(built_in::FALLBACK).to_owned()
    })
}
