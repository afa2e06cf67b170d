//! What the customer writes, and the end of a conversation in writing.

use super::builder::{Builder, bounded, cut, ignored, not_yet};
use super::reports::Place;
use super::{Decision, IgnoreReason};
use crate::ids::Nonce;
use crate::interaction::limits::{IDLE_SECONDS, MAX_RECEIVED_CHARS, MAX_SEEN};
use crate::interaction::report::{AttemptOutcome, Progress, Reply};
use crate::interaction::state::{Closing, Phase, Sender, ThreadMessage};
use crate::interaction::status::{Channel, EndReason};
use crate::interaction::timeline::Fact;

/// One method for each event.
impl Builder<'_> {
    pub(super) fn replied(mut self, reply: &Reply) -> Decision {
        let id = bounded(&reply.id);
        if self.next.seen.contains(&id) {
            return ignored(IgnoreReason::Duplicate);
        }
        if self.next.state.is_terminal() && self.next.parties.customer.id.is_empty() {
            // The customer was forgotten: nothing about them is kept again.
            return ignored(IgnoreReason::Ended);
        }
        self.note_reply(&id, reply);
        if self.next.state.is_terminal() {
            // The thread is complete, but nothing begins again.
            return self.commit();
        }
        let attempt = reply.attempt.or_else(|| self.newest_over(reply.channel));
        if let Some(id) = attempt {
            self.sent_after_all(id);
        }
        if reply.is_opt_out {
            let is_key_of_this_call =
                reply.channel == Channel::Call && attempt.is_some_and(|id| matches!(self.place_of(id), Place::Current));
            if is_key_of_this_call {
                // The call says goodbye by itself.
                let at = self.now();
                self.change(|attempt| attempt.phase = Phase::Over { at });
            }
            self.opt_out();
            return self.commit();
        }
        self.answered();
        if reply.channel == Channel::Call {
            self.answered_by_key(attempt);
        } else {
            self.answered_in_writing(attempt);
        }
        self.commit()
    }

    pub(super) fn closed(mut self, id: Nonce) -> Decision {
        let Some(closing) = self.next.closes.filter(|closing| closing.id == id) else {
            return ignored(IgnoreReason::Stale);
        };
        if self.now() < closing.at {
            return not_yet(closing.at);
        }
        self.take_attempt(&AttemptOutcome::NoReport);
        self.end(EndReason::Completed);
        self.commit()
    }
}

/// Parts of these decisions.
impl Builder<'_> {
    fn note_reply(&mut self, id: &str, reply: &Reply) {
        self.next.seen.push(id.to_owned());
        let excess = self.next.seen.len().saturating_sub(MAX_SEEN);
        self.next.seen.drain(..excess);
        let text = cut(&reply.text, MAX_RECEIVED_CHARS);
        self.record(Fact::Received {
            message: id.to_owned(),
            channel: reply.channel,
            is_cut: text.len() < reply.text.len(),
            text: text.clone(),
            is_opt_out: reply.is_opt_out,
        });
        self.add_to_thread(ThreadMessage {
            id: id.to_owned(),
            at: reply.at,
            channel: reply.channel,
            by: Sender::Customer,
            text,
            progress: None,
            attempt: None,
        });
    }

    /// The newest attempt over a channel that can have been answered. A message that is just being sent cannot: the
    /// customer wrote by themselves. A key can only have been pressed in a call.
    fn newest_over(&self, channel: Channel) -> Option<Nonce> {
        let is_over = |leg: usize| self.next.leg(leg).is_some_and(|leg| leg.channel == channel);
        let current = self.next.attempt.as_ref().filter(|attempt| {
            let is_sent = match attempt.phase {
                Phase::Planned { .. } => false,
                Phase::Begun { .. } => channel == Channel::Call,
                _ => true,
            };
            is_sent && is_over(attempt.leg)
        });
        let past = self.next.past.iter().rev().find(|past| is_over(past.leg));
        current.map(|attempt| attempt.id).or(past.map(|past| past.id))
    }

    /// A key was pressed. The call it was pressed in goes on, and its end ends the interaction.
    fn answered_by_key(&mut self, attempt: Option<Nonce>) {
        let Some(id) = attempt else { return self.end_others() };
        match self.place_of(id) {
            Place::Current => {
                self.prove_sent(id);
                self.change(|attempt| {
                    attempt.progress = Some(Progress::Answered);
                    attempt.is_answered = true;
                });
                if matches!(self.phase(id), Some(Phase::Over { .. })) {
                    self.end_call();
                }
            }
            Place::Past(index) => {
                self.settle_past(index, &AttemptOutcome::Answered);
                self.end_others();
            }
            Place::Nowhere => self.end_others(),
        }
    }

    /// The customer wrote: a conversation goes on until nobody writes for long.
    fn answered_in_writing(&mut self, attempt: Option<Nonce>) {
        match attempt.map_or(Place::Nowhere, |id| self.place_of(id)) {
            Place::Current => {
                if let Some(id) = attempt {
                    self.prove_sent(id);
                }
                self.take_attempt(&AttemptOutcome::Answered);
            }
            Place::Past(index) => {
                self.settle_past(index, &AttemptOutcome::Answered);
                self.supersede();
            }
            Place::Nowhere => self.supersede(),
        }
        self.await_more();
    }

    /// A customer who answers an attempt has got it.
    fn prove_sent(&mut self, id: Nonce) {
        if matches!(self.phase(id), Some(Phase::Begun { .. } | Phase::Unclear { .. })) {
            self.accept_answered(id);
        }
    }

    /// Ends what is under way, after a key of an earlier call.
    fn end_others(&mut self) {
        self.supersede();
        if self.next.attempt.is_none() && self.next.closes.is_none() {
            self.end(EndReason::Completed);
        }
    }

    /// The customer answered something else than the attempt in progress. It is not sent, or it is hung up; a person who
    /// is already talking is not cut off, and what is being sent ends when its result is known.
    fn supersede(&mut self) {
        let Some(attempt) = &self.next.attempt else { return };
        let is_talking = attempt.progress == Some(Progress::Answered);
        if is_talking || matches!(attempt.phase, Phase::Begun { .. }) {
            return;
        }
        self.take_attempt(&AttemptOutcome::Superseded);
    }

    /// Closes the conversation when nobody has written for long.
    fn await_more(&mut self) {
        let at = self.now().plus_seconds(IDLE_SECONDS);
        let id = self.fresh_id();
        self.next.closes = Some(Closing { id, at });
    }
}
