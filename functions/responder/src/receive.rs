//! Applies an event of the platform.

use patchbay::conversation::{Conversation, Event, Message, PlatformEvent};

use crate::{Deps, Failure};

pub(crate) async fn receive(deps: &Deps, message: &Message, event: &PlatformEvent) -> Result<(), Failure> {
    let key = &message.subject;
    let stored = deps.conversations.load(key).await?;
    let conversation = stored.unwrap_or_else(|| Conversation::new(key.clone(), deps.conversations.clock.now()));
    let inbox = event.inbox.as_ref().or(conversation.inbox.as_ref());
    let bot = deps.bots.assigned(&key.tenant, inbox).await?;
    let heard = bot.heard(event.message.as_ref());
    let make = |conversation: &Conversation| {
        let mut contact = conversation.contact.clone();
        contact.update(&event.contact);
        Event::Platform {
            event: Box::new(event.clone()),
            heard,
            settings: bot.settings(&contact),
        }
    };
    let applied = deps.conversations.apply_to(conversation, make).await?;
    let kind = event.kind.name();
    let holder = applied.subject.holder.name();
    tracing::info!(event = kind, outcome = ?applied.outcome, holder, "event applied");
    deps.settle(message, applied).await.map(drop)
}
