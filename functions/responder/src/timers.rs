//! What is due after a while.

use patchbay::conversation::{Conversation, Event, Message};
use patchbay::ids::Nonce;

use crate::{Deps, Failure};

/// Finds out whether a step that began was ever finished.
pub(crate) async fn watch(
    deps: &Deps,
    message: &Message,
    conversation: Conversation,
    step: Nonce,
) -> Result<(), Failure> {
    apply(deps, message, conversation, |_| Event::StepWatched { step }).await
}

/// Ends the wait for a person.
pub(crate) async fn end_wait(
    deps: &Deps,
    message: &Message,
    conversation: Conversation,
    hand_over: Nonce,
) -> Result<(), Failure> {
    apply(deps, message, conversation, |_| Event::WaitOver { hand_over }).await
}

/// Returns the conversation to the bot if the person has given no further sign.
pub(crate) async fn give_back(
    deps: &Deps,
    message: &Message,
    conversation: Conversation,
    silence: Nonce,
) -> Result<(), Failure> {
    let tenant = &message.subject.tenant;
    let bot = deps.bots.assigned(tenant, conversation.inbox.as_ref()).await?;
    let make = |conversation: &Conversation| Event::Silence {
        silence,
        settings: bot.settings(&conversation.contact),
    };
    apply(deps, message, conversation, make).await
}

async fn apply(
    deps: &Deps,
    message: &Message,
    conversation: Conversation,
    event: impl Fn(&Conversation) -> Event + Sync,
) -> Result<(), Failure> {
    let applied = deps.conversations.apply_to(conversation, event).await?;
    let (outcome, holder) = (applied.outcome, applied.subject.holder.name());
    tracing::info!(work = message.work.name(), ?outcome, holder, "timer applied");
    deps.settle(message, applied).await.map(drop)
}
