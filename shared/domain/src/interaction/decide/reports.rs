//! What a provider says about attempts that it has, or may have.

use super::builder::{Builder, bounded_to, cut, detail, ignored, not_yet};
use super::{Decision, IgnoreReason};
use crate::ids::Nonce;
use crate::interaction::limits::{GRACE_SECONDS, MAX_RECORDING_BYTES, MAX_TRANSCRIPT_CHARS};
use crate::interaction::report::{AttemptOutcome, Progress, Report};
use crate::interaction::state::{CallDetails, PastAttempt, Phase, Transcript};
use crate::interaction::status::{EndReason, State};
use crate::interaction::timeline::Fact;

/// One method for each event.
impl Builder<'_> {
    pub(super) fn reported(mut self, id: Nonce, report: &Report) -> Decision {
        let is_unexpected = self.sent_after_all(id);
        let has_changed = match self.place_of(id) {
            Place::Current => self.apply(id, report),
            Place::Past(index) => self.apply_late(index, report),
            Place::Nowhere => false,
        };
        if is_unexpected || has_changed {
            self.commit()
        } else {
            ignored(IgnoreReason::Stale)
        }
    }

    pub(super) fn polled(mut self, id: Nonce, polls: u16, report: Option<&Report>) -> Decision {
        let current = self.current(id);
        let is_due = current.is_some_and(|(attempt, _)| {
            let is_waiting = matches!(attempt.phase, Phase::Sent { .. } | Phase::Unclear { .. });
            is_waiting && attempt.polls == polls
        });
        if !is_due {
            return ignored(IgnoreReason::Stale);
        }
        self.change(|attempt| attempt.polls = attempt.polls.saturating_add(1));
        if let Some(report) = report {
            self.apply(id, report);
        }
        self.commit()
    }

    pub(super) fn outcome_due(mut self, id: Nonce) -> Decision {
        let now = self.now();
        let Some((attempt, leg)) = self.current(id) else {
            return ignored(IgnoreReason::Stale);
        };
        let (at, is_unclear) = match attempt.phase {
            Phase::Sent { at } => (at, false),
            Phase::Unclear { at } => (at, true),
            Phase::Planned { .. } | Phase::Begun { .. } | Phase::Delivered { .. } | Phase::Over { .. } => {
                return ignored(IgnoreReason::Stale);
            }
        };
        let due_at = at.plus_seconds(leg.outcome_seconds);
        if now < due_at {
            return not_yet(due_at);
        }
        match attempt.progress {
            _ if is_unclear => self.end_attempt(&AttemptOutcome::Unclear),
            Some(Progress::Answered) => self.end_call(),
            Some(Progress::Delivered | Progress::Read) => self.delivered(),
            Some(Progress::Accepted | Progress::Underway) | None => self.end_attempt(&AttemptOutcome::NoReport),
        }
        self.commit()
    }

    pub(super) fn answer_due(mut self, id: Nonce) -> Decision {
        let Some((attempt, _)) = self.current(id) else {
            return ignored(IgnoreReason::Stale);
        };
        let (due_at, is_call) = match attempt.phase {
            Phase::Delivered { answer_by } => (answer_by, false),
            Phase::Over { at } => (at.plus_seconds(GRACE_SECONDS), true),
            Phase::Planned { .. } | Phase::Begun { .. } | Phase::Sent { .. } | Phase::Unclear { .. } => {
                return ignored(IgnoreReason::Stale);
            }
        };
        if self.now() < due_at {
            return not_yet(due_at);
        }
        if is_call {
            self.end_call();
        } else {
            self.end_attempt(&AttemptOutcome::NoAnswer);
        }
        self.commit()
    }
}

/// Where an attempt with a certain id is.
pub(super) enum Place {
    /// In progress.
    Current,
    /// Among those that have ended, at this index.
    Past(usize),
    /// It was never ours, or is forgotten.
    Nowhere,
}

/// Parts of these decisions.
impl Builder<'_> {
    pub(super) fn place_of(&self, id: Nonce) -> Place {
        if self.current(id).is_some() {
            return Place::Current;
        }
        let index = self.next.past.iter().position(|past| past.id == id);
        index.map_or(Place::Nowhere, Place::Past)
    }

    /// Applies a report about the attempt in progress. Returns whether it changed something.
    fn apply(&mut self, id: Nonce, report: &Report) -> bool {
        let mut has_changed = self.note_call(id, report);
        let provider_id = report.provider_id.as_deref();
        match self.phase(id) {
            // A report about something that was never sent is not about us.
            Some(Phase::Planned { .. }) | None => return has_changed,
            // The report is faster than the answer to the request, or the only sign that there was an effect.
            Some(Phase::Begun { .. } | Phase::Unclear { .. }) => {
                self.accept(id, provider_id, None);
                has_changed = true;
            }
            Some(_) if provider_id.is_some() && self.has_no_provider_id(id) => {
                self.accept(id, provider_id, None);
                has_changed = true;
            }
            Some(_) => {}
        }
        has_changed |= self.progressed(id, report.progress);
        match &report.outcome {
            Some(outcome) => self.apply_outcome(id, outcome) || has_changed,
            None => has_changed,
        }
    }

    /// The try that was under way failed, but an earlier one had been sent: that one is the attempt in progress again.
    pub(super) fn resume(&mut self, failed: Nonce, index: usize, reason: String) {
        let now = self.now();
        let past = self.next.past.remove(index);
        self.record(Fact::NotSent {
            attempt: failed,
            next: past.id,
            due_at: now,
            reason,
        });
        self.change(|attempt| {
            attempt.earlier.push(failed);
            attempt.id = past.id;
            attempt.sent_before = None;
            attempt.phase = Phase::Sent { at: now };
            attempt.provider_id = past.provider_id;
            attempt.call = past.call;
        });
        if past.outcome.weight() > 0 {
            self.apply_outcome(past.id, &past.outcome);
        }
    }

    /// Applies how the attempt in progress ended, as its provider says.
    fn apply_outcome(&mut self, id: Nonce, outcome: &AttemptOutcome) -> bool {
        let Some(phase) = self.phase(id) else { return false };
        match (outcome, phase) {
            (AttemptOutcome::Delivered, Phase::Delivered { .. }) => return false,
            (AttemptOutcome::Delivered, _) => self.delivered(),
            (AttemptOutcome::TalkedTo | AttemptOutcome::NoKey | AttemptOutcome::Answered, Phase::Over { .. }) => {
                return false;
            }
            // A key that was pressed in it may come later, and so may the verdict that a machine picked up.
            (AttemptOutcome::TalkedTo | AttemptOutcome::NoKey, _) if !self.is_answered_by_key() => {
                let at = self.now();
                self.change(|attempt| attempt.phase = Phase::Over { at });
            }
            (AttemptOutcome::TalkedTo | AttemptOutcome::NoKey, _) => self.end_call(),
            (AttemptOutcome::OptedOut, _) => self.opt_out(),
            (other, _) => self.end_attempt(&shortened(other)),
        }
        true
    }

    /// Applies a report about an attempt that has ended: recordings come after the end of a call, and what was given up
    /// may turn out to have arrived.
    fn apply_late(&mut self, index: usize, report: &Report) -> bool {
        let Some(id) = self.next.past.get(index).map(|past| past.id) else {
            return false;
        };
        let may_ring = report.outcome.is_none();
        let mut has_changed = self.note_call(id, report);
        has_changed |= self.identify_past(index, report.provider_id.as_deref(), report.progress, may_ring);
        has_changed |= self.progress_in_thread(id, report.progress);
        let Some(outcome) = report.outcome.as_ref().map(shortened) else {
            return has_changed;
        };
        if !self.settle_past(index, &outcome) {
            return has_changed;
        }
        if self.next.state.is_terminal() {
            return true;
        }
        let leg = self.next.past.get(index).map(|past| past.leg);
        let expects_answer = leg.and_then(|leg| self.next.leg(leg)?.answer_seconds).is_some();
        match outcome {
            AttemptOutcome::OptedOut => self.opt_out(),
            _ if outcome.is_success() && !expects_answer => self.reached_late(),
            _ => {}
        }
        true
    }

    /// An attempt that had been given up reached the customer, and that was all that the plan wanted.
    fn reached_late(&mut self) {
        self.next.is_reached = true;
        self.cancel_planned(&AttemptOutcome::Superseded);
        if self.next.attempt.is_none() && self.next.closes.is_none() {
            self.end(EndReason::Completed);
        }
    }

    /// Something shows that a try had an effect although it seemed to have none: from now on it has a place. It takes that
    /// of the next try, which is not made then; one that has begun stays. Returns whether `id` is such a try.
    pub(super) fn sent_after_all(&mut self, id: Nonce) -> bool {
        let now = self.now();
        let current = self.next.attempt.as_mut();
        let leg = if let Some(attempt) = current.filter(|attempt| attempt.earlier.contains(&id)) {
            attempt.earlier.retain(|earlier| *earlier != id);
            if matches!(attempt.phase, Phase::Planned { .. }) {
                attempt.id = id;
                // What shows it settles the rest.
                attempt.phase = Phase::Begun { at: now };
                self.record(Fact::SentAfterAll { attempt: id });
                return true;
            }
            attempt.sent_before = Some(id);
            attempt.leg
        } else {
            let past = self.next.past.iter_mut().find(|past| past.earlier.contains(&id));
            let Some(past) = past else { return false };
            past.earlier.retain(|earlier| *earlier != id);
            past.leg
        };
        self.record(Fact::SentAfterAll { attempt: id });
        // A call that rings although nobody wants it any more is hung up.
        let is_unwanted = self.next.is_reached || self.next.state.is_terminal();
        self.keep(PastAttempt {
            id,
            leg,
            provider_id: None,
            outcome: if is_unwanted {
                AttemptOutcome::Superseded
            } else {
                AttemptOutcome::NoReport
            },
            at: now,
            call: CallDetails::default(),
            earlier: Vec::new(),
        });
        true
    }

    /// The customer does not want to be contacted.
    pub(super) fn opt_out(&mut self) {
        self.take_attempt(&AttemptOutcome::OptedOut);
        self.end(EndReason::OptedOut);
    }

    /// Takes over what a report says about a call. Returns whether it is new.
    fn note_call(&mut self, id: Nonce, report: &Report) -> bool {
        let ordinal = self.ordinal(id);
        let is_transcribed = self.note_transcript(ordinal, id, report);
        let Some(call) = self.call(id) else {
            return is_transcribed;
        };
        let seconds = report.talk_seconds.unwrap_or(0);
        let is_longer = seconds > call.seconds;
        call.seconds = call.seconds.max(seconds);
        let recording = report.recording.as_deref();
        let recording = recording.map(|name| bounded_to(name, MAX_RECORDING_BYTES));
        let Some(recording) = recording.filter(|name| call.recording.is_none() && !name.is_empty()) else {
            return is_transcribed || is_longer;
        };
        call.recording = Some(recording.clone());
        self.record(Fact::Recorded { attempt: id, recording });
        true
    }

    /// A later call replaces the transcript, and a longer one of the same call.
    fn note_transcript(&mut self, ordinal: usize, attempt: Nonce, report: &Report) -> bool {
        let Some(text) = &report.transcript else { return false };
        let text = cut(text, MAX_TRANSCRIPT_CHARS);
        let says_more = match &self.next.transcript {
            None => !text.is_empty(),
            Some(known) => (ordinal, text.len()) > (known.attempt, known.text.len()) && !text.is_empty(),
        };
        if says_more {
            let transcript = Transcript { attempt: ordinal, text };
            self.next.transcript = Some(transcript);
            self.record(Fact::Transcribed { attempt });
        }
        says_more
    }

    /// The position of an attempt among all.
    fn ordinal(&self, id: Nonce) -> usize {
        let past = &self.next.past;
        past.iter().position(|past| past.id == id).unwrap_or(past.len())
    }

    fn call(&mut self, id: Nonce) -> Option<&mut CallDetails> {
        let current = self.next.attempt.as_mut().filter(|attempt| attempt.id == id);
        if let Some(attempt) = current {
            return Some(&mut attempt.call);
        }
        let past = self.next.past.iter_mut().find(|past| past.id == id);
        past.map(|past| &mut past.call)
    }

    /// Notes how far the attempt got, if that is further than was known.
    fn progressed(&mut self, id: Nonce, progress: Option<Progress>) -> bool {
        let Some(progress) = progress else { return false };
        let Some((attempt, leg)) = self.current(id) else {
            return false;
        };
        if attempt.progress >= Some(progress) {
            return false;
        }
        // Where a key is expected, perhaps a machine listens.
        let is_conversation = progress == Progress::Answered && leg.answer_seconds.is_none();
        let channel = Some(leg.channel);
        self.change(|attempt| attempt.progress = Some(progress));
        self.progress_in_thread(id, Some(progress));
        self.record(Fact::Progressed {
            attempt: id,
            channel,
            progress,
        });
        if is_conversation {
            self.advance(State::Open);
        }
        true
    }

    fn progress_in_thread(&mut self, attempt: Nonce, progress: Option<Progress>) -> bool {
        let mut thread = self.next.thread.iter_mut();
        let Some(message) = thread.find(|message| message.attempt == Some(attempt)) else {
            return false;
        };
        let is_further = progress > message.progress;
        message.progress = message.progress.max(progress);
        is_further
    }

    /// The message arrived: now it is the customer's turn, if an answer is expected.
    fn delivered(&mut self) {
        match self.expected_answer() {
            Some(seconds) if !self.next.is_reached => {
                let answer_by = self.now().plus_seconds(seconds);
                self.change(|attempt| attempt.phase = Phase::Delivered { answer_by });
            }
            _ => self.end_attempt(&AttemptOutcome::Delivered),
        }
    }

    /// A call is over in which somebody picked up, and nothing more can arrive about it.
    pub(super) fn end_call(&mut self) {
        let outcome = match self.expected_answer() {
            _ if self.is_answered_by_key() => AttemptOutcome::Answered,
            Some(_) => AttemptOutcome::NoKey,
            None => AttemptOutcome::TalkedTo,
        };
        self.end_attempt(&outcome);
    }

    /// Seconds in which the attempt in progress expects an answer.
    fn expected_answer(&self) -> Option<u32> {
        let attempt = self.next.attempt.as_ref()?;
        self.next.leg(attempt.leg)?.answer_seconds
    }

    /// Whether the customer pressed a key that is an answer in the attempt in progress.
    fn is_answered_by_key(&self) -> bool {
        self.next.attempt.as_ref().is_some_and(|attempt| attempt.is_answered)
    }

    pub(super) fn phase(&self, id: Nonce) -> Option<Phase> {
        self.current(id).map(|(attempt, _)| attempt.phase)
    }

    fn has_no_provider_id(&self, id: Nonce) -> bool {
        self.current(id)
            .is_some_and(|(attempt, _)| attempt.provider_id.is_none())
    }
}

/// The outcome, with a reason that fits.
fn shortened(outcome: &AttemptOutcome) -> AttemptOutcome {
    match outcome {
        AttemptOutcome::Failed { detail: why } => AttemptOutcome::Failed { detail: detail(why) },
        AttemptOutcome::NotAccepted { detail: why } => AttemptOutcome::NotAccepted { detail: detail(why) },
        AttemptOutcome::Refused { detail: why } => AttemptOutcome::Refused { detail: detail(why) },
        AttemptOutcome::OutsideHours { detail: why } => AttemptOutcome::OutsideHours { detail: detail(why) },
        other => other.clone(),
    }
}
