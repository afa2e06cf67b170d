//! Builds a decision: the parts that all events share.

use super::{Decision, EventOutcome, IgnoreReason};
use crate::conversation::event::PlatformEvent;
use crate::conversation::limits::{MAX_LINE_CHARS, MAX_SEEN, MAX_SENT, MAX_TRANSCRIPT};
use crate::conversation::pending::all_pending_work;
use crate::conversation::state::{Conversation, Holder, PlatformId, SentMessage, Speaker, TranscriptLine};
use crate::conversation::texts::{echo_key, shorten};
use crate::conversation::timeline::{ChangeReason, DropReason, Fact, HolderChange};
use crate::ids::Nonce;
use crate::ledger::{self, DecisionContext};
use crate::timestamp::Timestamp;

/// A decision under construction: the next state of the conversation, and the facts to record.
pub(super) struct Builder<'a> {
    pub(super) before: &'a Conversation,
    pub(super) next: Conversation,
    context: DecisionContext,
    ids: u64,
    facts: Vec<Fact>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(conversation: &'a Conversation, context: DecisionContext) -> Self {
        Self {
            before: conversation,
            next: conversation.clone(),
            context,
            ids: 0,
            facts: Vec::new(),
        }
    }

    // Ends of a decision.

    /// Ends the decision with a new version of the conversation.
    pub(super) fn commit(self) -> Decision {
        self.finish(EventOutcome::Applied)
    }

    /// Ends the decision with a new version of the conversation that only remembers something.
    pub(super) fn remember(self, reason: IgnoreReason) -> Decision {
        self.finish(EventOutcome::Ignored(reason))
    }

    fn finish(mut self, outcome: EventOutcome) -> Decision {
        self.next.version = self.before.version.saturating_add(1);
        self.next.updated_at = self.context.now;
        let (version, at) = (self.next.version, self.context.now);
        let (before, needed) = (all_pending_work(self.before), all_pending_work(&self.next));
        Decision {
            entries: ledger::entries(version, at, self.facts),
            messages: ledger::messages(&self.next.key, version, at, &before, needed, Vec::new()),
            next: Some(self.next),
            outcome,
        }
    }

    // Parts of a decision.

    pub(super) fn now(&self) -> Timestamp {
        self.context.now
    }

    /// An id that was never used before.
    pub(super) fn fresh_id(&mut self) -> Nonce {
        let id = self.context.nonce.plus(self.ids);
        self.ids += 1;
        id
    }

    /// Adds an entry to the timeline.
    pub(super) fn record(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// Takes over what the event says about the customer and the inbox.
    pub(super) fn note_details(&mut self, event: &PlatformEvent) {
        self.next.contact.update(&event.contact);
        if event.inbox.is_some() {
            self.next.inbox.clone_from(&event.inbox);
        }
    }

    /// Remembers that the message with this id was handled.
    pub(super) fn note_handled(&mut self, id: PlatformId) {
        self.next.seen.push(id);
        let excess = self.next.seen.len().saturating_sub(MAX_SEEN);
        self.next.seen.drain(..excess);
    }

    /// Remembers a message that the bot posted, or may have posted.
    pub(super) fn note_sent(&mut self, id: Option<PlatformId>, text: &str) {
        self.next.sent.push(SentMessage {
            id,
            at: self.context.now,
            text: echo_key(text),
        });
        let excess = self.next.sent.len().saturating_sub(MAX_SENT);
        let old: Vec<SentMessage> = self.next.sent.drain(..excess).collect();
        for id in old.into_iter().filter_map(|message| message.id) {
            self.note_handled(id);
        }
    }

    /// Adds a line to the transcript.
    pub(super) fn note_line(&mut self, by: Speaker, text: &str) {
        self.next.transcript.push(TranscriptLine {
            at: self.context.now,
            by,
            text: shorten(text.trim(), MAX_LINE_CHARS),
        });
        let excess = self.next.transcript.len().saturating_sub(MAX_TRANSCRIPT);
        self.next.transcript.drain(..excess);
    }

    /// Gives the conversation to another holder, and drops what that one does not want.
    pub(super) fn change_holder(&mut self, to: Holder, reason: ChangeReason, by: Option<String>) {
        let from = self.next.holder;
        self.record(Fact::HolderChanged(HolderChange { from, to, reason, by }));
        self.next.holder = to;
        self.next.holder_since = self.context.now;
        if to != Holder::Bot {
            self.drop_turn();
        }
        self.drop_unwanted_steps();
    }

    /// Drops the messages that wait for an answer, and the turn that would answer them. A turn that runs finds out when
    /// it ends, and is recorded then.
    pub(super) fn drop_turn(&mut self) {
        let reason = self.drop_reason();
        let is_running = self.next.turn.take().is_some_and(|turn| turn.running.is_some());
        if !self.next.pending.is_empty() && !is_running {
            self.record(Fact::TurnDropped { reason });
        }
        self.next.pending.clear();
    }

    /// Why something of the bot is dropped for the sake of the present holder.
    pub(super) fn drop_reason(&self) -> DropReason {
        match self.next.holder {
            Holder::Human => DropReason::TakenOver,
            Holder::Bot | Holder::HandingOff | Holder::Waiting => DropReason::NotHeld,
        }
    }
}

/// A decision that changes nothing.
pub(super) fn ignored(reason: IgnoreReason) -> Decision {
    Decision::unchanged(EventOutcome::Ignored(reason))
}

/// A decision that changes nothing: the event is to be sent again.
pub(super) fn not_yet(at: Timestamp) -> Decision {
    Decision::unchanged(EventOutcome::NotYet(at))
}
