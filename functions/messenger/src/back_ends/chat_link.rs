//! Web chat on our own page: the customer gets a message with the link to it. The platform learns of the chat when the
//! customer writes there for the first time, so nothing is left behind by a link that nobody follows.

use patchbay::clock::Timestamp;
use patchbay::interaction::{Content, Interaction, LINK, Leg};
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::widget::{ChatInvitation, VISITOR_SECONDS};

/// The message that carries the link of a leg; the leg itself if it carries none. From here on it is a message like any
/// other.
pub(crate) fn message(callbacks: &CallbackUrls, interaction: &Interaction, leg: Leg, now: Timestamp) -> Leg {
    let Some(carrier) = carrier(&leg) else { return leg };
    let invitation = ChatInvitation {
        interaction: interaction.key.clone(),
        // What arrives in the last minute can be answered for a day.
        expires_at: interaction.plan.latest_at.max(now).plus_seconds(VISITOR_SECONDS),
    };
    let link = callbacks.chat_link(&invitation);
    let content = match carrier.content {
        Content::Text { text } => Content::Text {
            text: text.replacen(LINK, &link, 1),
        },
        Content::Email { subject, text } => Content::Email {
            subject,
            text: text.replacen(LINK, &link, 1),
        },
        other => other,
    };
    Leg { content, ..carrier }
}

/// The leg of the message that carries the link, without the link; `None` if it carries none.
pub(super) fn carrier(leg: &Leg) -> Option<Leg> {
    let Content::ChatLink {
        by,
        over,
        sender,
        subject,
        text,
        ..
    } = &leg.content
    else {
        return None;
    };
    let (subject, text) = (subject.clone(), text.clone());
    let content = if subject.is_empty() {
        Content::Text { text }
    } else {
        Content::Email { subject, text }
    };
    Some(Leg {
        channel: *by,
        back_end: over.clone(),
        from: sender.clone(),
        content,
        ..leg.clone()
    })
}
