//! Events of the platform.

use super::builder::{Builder, ignored};
use super::{Decision, IgnoreReason};
use crate::conversation::event::{Direction, EventKind, PlatformEvent, PlatformMessage, PlatformStatus};
use crate::conversation::limits::{FINISH_ECHO_SECONDS, RETURN_SECONDS};
use crate::conversation::session::Session;
use crate::conversation::state::{Conversation, Holder, PlatformId};
use crate::conversation::timeline::ChangeReason;
use crate::conversation::turn::{Heard, Settings};

impl Builder<'_> {
    pub(super) fn platform(self, event: &PlatformEvent, heard: Heard, settings: &Settings) -> Decision {
        // Without a bot, signs of people still count: the document may come back.
        if !settings.has_bot && (self.before.version == 0 || !is_sign_of_people(event)) {
            return ignored(IgnoreReason::NoBot);
        }
        match event.kind {
            EventKind::Message | EventKind::Choice => match &event.message {
                Some(message) => self.message(event, message, heard, settings),
                None => ignored(IgnoreReason::Irrelevant),
            },
            EventKind::Created => self.created(event, settings),
            EventKind::Updated => self.updated(event, settings),
            EventKind::Resolved => self.resolved(),
        }
    }

    fn message(
        mut self,
        event: &PlatformEvent,
        message: &PlatformMessage,
        heard: Heard,
        settings: &Settings,
    ) -> Decision {
        let id = handled_id(event.kind, &message.id);
        if self.before.seen.contains(&id) {
            return ignored(IgnoreReason::Duplicate);
        }
        self.note_details(event);
        match (event.kind, message.direction, message.private) {
            (EventKind::Choice, _, false) | (_, Direction::Incoming, false) => {
                self.note_handled(id);
                self.customer_wrote(message, heard, settings)
            }
            (_, Direction::Outgoing, false) => self.outgoing(message, heard, settings),
            (_, Direction::Outgoing, true) => self.private_note(message, heard, settings),
            (_, Direction::Incoming, true) | (_, Direction::Template, _) => ignored(IgnoreReason::Irrelevant),
        }
    }

    /// The message that the conversation begins with is reported separately.
    fn created(mut self, event: &PlatformEvent, settings: &Settings) -> Decision {
        self.note_details(event);
        if let Some(text) = &event.initial_message {
            self.note_initial_message(text, settings);
        }
        if self.next == *self.before {
            return ignored(IgnoreReason::Irrelevant);
        }
        self.commit()
    }

    /// A status says nothing, except that a person took an open conversation.
    fn updated(mut self, event: &PlatformEvent, settings: &Settings) -> Decision {
        if event.status != Some(PlatformStatus::Open) || !event.is_human_assigned {
            return ignored(IgnoreReason::Irrelevant);
        }
        match self.before.holder {
            Holder::Bot if !self.returned_just_now() => {
                self.note_details(event);
                self.take_over(ChangeReason::Assigned, None, settings);
                self.commit()
            }
            // Many platforms assign somebody as soon as a conversation is handed over, whether they are there or not.
            // The customer waits until a person writes.
            Holder::Bot | Holder::HandingOff | Holder::Waiting | Holder::Human => ignored(IgnoreReason::Irrelevant),
        }
    }

    fn returned_just_now(&self) -> bool {
        let Conversation {
            holder_since,
            created_at,
            ..
        } = *self.before;
        // A new conversation has not returned from anybody.
        holder_since > created_at && self.now() < holder_since.plus_seconds(RETURN_SECONDS)
    }

    fn resolved(mut self) -> Decision {
        let finished_at = self.before.finished_at;
        if finished_at.is_some_and(|at| self.now() < at.plus_seconds(FINISH_ECHO_SECONDS)) {
            // What the customer wrote since then is still to be answered.
            return ignored(IgnoreReason::Own);
        }
        match self.before.holder {
            // A report can come late, after a new message: what the customer wrote is answered in any case.
            Holder::Bot => self.drop_steps(|action| !action.is_reply() && !action.is_cleanup()),
            Holder::HandingOff | Holder::Waiting | Holder::Human => {
                self.change_holder(Holder::Bot, ChangeReason::Resolved, None);
                self.drop_steps(|action| !action.is_cleanup());
                self.end_hand_over();
            }
        }
        if self.next.pending.is_empty() {
            self.next.session = Session::default();
        }
        if self.next == *self.before {
            return ignored(IgnoreReason::Irrelevant);
        }
        self.commit()
    }
}

/// Whether the event is about people of the team, not about the customer.
fn is_sign_of_people(event: &PlatformEvent) -> bool {
    match event.kind {
        EventKind::Message => {
            let message = event.message.as_ref();
            message.is_some_and(|message| message.direction == Direction::Outgoing)
        }
        EventKind::Updated | EventKind::Resolved => true,
        EventKind::Choice | EventKind::Created => false,
    }
}

/// The id under which a message counts as handled. A click among quick replies is reported under the id of the message
/// that offered them.
fn handled_id(kind: EventKind, id: &PlatformId) -> PlatformId {
    match kind {
        EventKind::Choice => format!("{id}:choice").parse().unwrap_or_else(|_| id.clone()),
        EventKind::Message | EventKind::Created | EventKind::Updated | EventKind::Resolved => id.clone(),
    }
}
