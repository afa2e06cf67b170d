//! What people of the team do: they write to the customer, take the conversation over, and give it back.

use super::builder::{Builder, ignored, not_yet};
use super::echo::Origin;
use super::{Decision, IgnoreReason};
use crate::conversation::event::{Author, MAX_TEXT_CHARS, PlatformMessage};
use crate::conversation::limits::ECHO_RETRY_SECONDS;
use crate::conversation::state::{Holder, Speaker};
use crate::conversation::step::PostKind;
use crate::conversation::texts::{detail, shorten};
use crate::conversation::timeline::{ChangeReason, Fact};
use crate::conversation::turn::{Heard, Settings};

impl Builder<'_> {
    /// A public message to the customer, by the bot or a person.
    pub(super) fn outgoing(mut self, message: &PlatformMessage, heard: Heard, settings: &Settings) -> Decision {
        match Origin::of(message, self.before, self.now()) {
            Origin::Known => ignored(IgnoreReason::Own),
            Origin::BeingPosted => {
                self.note_echo(message);
                self.remember(IgnoreReason::Own)
            }
            Origin::Posted(index) => {
                self.note_id(index, message);
                self.remember(IgnoreReason::Own)
            }
            Origin::Perhaps => {
                let at = self.now().plus_seconds(ECHO_RETRY_SECONDS);
                not_yet(at)
            }
            Origin::OtherBot => ignored(IgnoreReason::Irrelevant),
            Origin::Person => self.person_wrote(message, heard, settings),
        }
    }

    fn person_wrote(mut self, message: &PlatformMessage, heard: Heard, settings: &Settings) -> Decision {
        let by = name(&message.author);
        self.note_handled(message.id.clone());
        self.note_line(Speaker::Human, &message.text);
        self.record(Fact::PersonWrote {
            message: message.id.clone(),
            by: by.clone(),
            text: shorten(&message.text, MAX_TEXT_CHARS),
        });
        match self.before.holder {
            // They give back what the bot has.
            Holder::Bot if heard.gives_back => {}
            Holder::HandingOff | Holder::Waiting | Holder::Human if heard.gives_back => {
                self.give_back(ChangeReason::GivenBack, by, settings);
            }
            Holder::Human => self.note_sign(settings),
            Holder::Bot | Holder::HandingOff | Holder::Waiting => self.take_over(ChangeReason::Wrote, by, settings),
        }
        self.commit()
    }

    /// A note that only people of the team see.
    pub(super) fn private_note(mut self, message: &PlatformMessage, heard: Heard, settings: &Settings) -> Decision {
        let is_by_person = matches!(message.author, Author::Human(_));
        match self.before.holder {
            Holder::HandingOff | Holder::Waiting | Holder::Human if heard.gives_back && is_by_person => {
                self.note_handled(message.id.clone());
                self.give_back(ChangeReason::GivenBack, name(&message.author), settings);
                self.commit()
            }
            Holder::Bot | Holder::HandingOff | Holder::Waiting | Holder::Human => ignored(IgnoreReason::Irrelevant),
        }
    }

    /// A person holds the conversation from now on.
    pub(super) fn take_over(&mut self, reason: ChangeReason, by: Option<String>, settings: &Settings) {
        let was_waiting = matches!(self.next.holder, Holder::HandingOff | Holder::Waiting);
        self.change_holder(Holder::Human, reason, by);
        self.resolve_dispatches();
        if was_waiting {
            self.post(settings.joined.as_deref(), PostKind::Joined);
        }
        self.note_sign(settings);
    }

    /// The person gave a sign: the time until the conversation returns begins again.
    fn note_sign(&mut self, settings: &Settings) {
        let give_back_after = settings.give_back_after;
        self.next.silence = give_back_after.map(|_| self.fresh_id());
        self.next.gives_back_at = give_back_after.map(|seconds| self.now().plus_seconds(seconds));
    }

    /// The bot holds the conversation again. What was planned for people and has not begun is dropped.
    pub(super) fn give_back(&mut self, reason: ChangeReason, by: Option<String>, settings: &Settings) {
        self.return_to_bot(reason, by);
        self.post(settings.ended.as_deref(), PostKind::Ended);
    }
}

fn name(author: &Author) -> Option<String> {
    match author {
        Author::Human(name) => name.as_deref().map(detail),
        Author::Unknown | Author::Customer | Author::Bot => None,
    }
}
