//! Runs a turn of a bot.
//!
//! [`advance`] returns either the next request to a back end or the result of the turn. It is pure: the caller sends the
//! request and calls again with the results. The same turn with the same results always has the same result.

mod answer;
mod command;
mod failure;
mod form;
mod hand_over;
mod posts;
mod turn;

use super::Bot;
use super::document::Text;
use super::reply::render_text;
use super::scope::contact_scope;
use crate::clock::Timestamp;
use crate::conversation::{
    Contact, Conversation, Direction, HandOverPlan, Heard, PlatformMessage, Settings, TurnResult,
};
use crate::flow::template::Scope;
use crate::flow::{EvalError, FetchRequest, FetchResults, Renderer};
use turn::Turn;

/// Milliseconds without a further message after which a burst is answered.
const DEFAULT_DEBOUNCE_MILLIS: u32 = 1_500;

/// A turn.
#[derive(Clone, Copy, Debug)]
pub struct TurnContext<'a> {
    /// The conversation: the messages to answer are its pending ones.
    pub conversation: &'a Conversation,
    /// When the turn began. The same for every call of one turn.
    pub now: Timestamp,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Send this request and call again with its result under its `path`.
    Fetch(Box<FetchRequest>),
    /// The turn is done.
    Done(Box<TurnResult>),
}

/// Returns what to do next for a turn, with the results so far.
pub fn advance(bot: &Bot, context: &TurnContext<'_>, fetched: &FetchResults) -> Step {
    let mut turn = Turn::new(bot, context, fetched);
    let reason = match turn.run() {
        Ok(()) => match turn.finish() {
            Ok(result) => return Step::Done(Box::new(result)),
            Err(error) => error.to_string(),
        },
        Err(EvalError::FetchNeeded(fetch)) => return Step::Fetch(fetch),
        Err(EvalError::Failed(error)) => error.to_string(),
    };
    Step::Done(Box::new(fallback(Some(bot), context, &reason)))
}

/// The result when the document fails, cannot be loaded, or the time is up: the fallback of the bot, else the built-in
/// one. At the second error in a row a hand-over, or silence if the document does not want one. The reason is in the
/// result.
pub fn fallback(bot: Option<&Bot>, context: &TurnContext<'_>, reason: &str) -> TurnResult {
    failure::result(bot, context, reason)
}

/// What the document sets for a conversation with this customer.
pub fn settings(bot: &Bot, contact: &Contact) -> Settings {
    let document = bot.document();
    let scope = contact_scope(document, contact);
    let say = |text: &Option<Text>, path: &str| render(bot, text.as_ref()?, path, &scope);
    Settings {
        has_bot: true,
        debounce_millis: document.debounce_ms.unwrap_or(DEFAULT_DEBOUNCE_MILLIS),
        joined: say(&document.hand_over.joined, "hand_over.joined"),
        ended: say(&document.hand_over.ended, "hand_over.ended"),
        give_back_after: document.hand_over.give_back_after_seconds,
    }
}

/// What the document says about a message: whether a waiting customer no longer wants a person, and whether a person
/// returns the conversation.
pub fn heard(bot: &Bot, message: &PlatformMessage) -> Heard {
    let phrases = &bot.prepared().phrases;
    let is_customers = message.direction == Direction::Incoming && !message.private;
    Heard {
        cancels_wait: is_customers && phrases.cancel_wait.are_all_of(&super::words::words(&message.text)),
        gives_back: message.direction == Direction::Outgoing && phrases.gives_back(&message.text),
    }
}

/// The plan of a hand-over that was requested from outside, or that follows an error.
pub fn hand_over_plan(bot: Option<&Bot>, context: &TurnContext<'_>) -> HandOverPlan {
    hand_over::requested(bot, context)
}

/// Renders a text; none if that fails, or the text is empty for this customer.
fn render(bot: &Bot, text: &Text, path: &str, scope: &Scope) -> Option<String> {
    let renderer = Renderer::new(bot.templates(), scope, path);
    render_text(text, path, &renderer).ok().filter(|text| !text.is_empty())
}
