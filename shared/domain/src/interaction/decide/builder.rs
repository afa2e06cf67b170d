//! Builds a decision: the parts that all events share.

use super::{Decision, EventOutcome, IgnoreReason};
use crate::ids::Nonce;
use crate::interaction::limits::{
    MAX_ATTEMPTS, MAX_DETAIL_CHARS, MAX_NAME_BYTES, MAX_PAST, MAX_TEXT_CHARS, MAX_THREAD,
};
use crate::interaction::memory::remembered;
use crate::interaction::pending::all_pending_work;
use crate::interaction::plan::{Content, Leg};
use crate::interaction::report::AttemptOutcome;
use crate::interaction::state::{Attempt, Interaction, PastAttempt, Phase, ThreadMessage};
use crate::interaction::status::{Channel, EndReason, State};
use crate::interaction::timeline::Fact;
use crate::interaction::work::Work;
use crate::ledger::{self, DecisionContext};
use crate::secret::sha256_hex;
use crate::timestamp::Timestamp;

/// A decision under construction: the next state of the interaction, and the facts to record.
pub(super) struct Builder<'a> {
    before: &'a Interaction,
    pub(super) next: Interaction,
    context: DecisionContext,
    ids: u64,
    facts: Vec<Fact>,
    /// Work besides what the state needs.
    extra: Vec<Work>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(interaction: &'a Interaction, context: DecisionContext) -> Self {
        Self {
            before: interaction,
            next: interaction.clone(),
            context,
            // The first one is for the creation.
            ids: 1,
            facts: Vec::new(),
            extra: Vec::new(),
        }
    }

    // Ends of a decision.

    /// Ends the decision with a new version of the interaction.
    pub(super) fn commit(self) -> Decision {
        self.finish(EventOutcome::Applied)
    }

    /// Ends the decision, and lets the function send.
    pub(super) fn send(self) -> Decision {
        self.finish(EventOutcome::Send)
    }

    fn finish(mut self, outcome: EventOutcome) -> Decision {
        self.next.version = self.before.version.saturating_add(1);
        self.next.updated_at = self.context.now;
        if self.next.state != self.before.state {
            self.next.state_since = self.context.now;
            self.facts.push(Fact::StateChanged {
                from: self.before.state,
                to: self.next.state,
            });
        }
        if self.is_worth_remembering() {
            self.extra.push(Work::Remember);
        }
        let (version, at) = (self.next.version, self.context.now);
        let (before, needed) = (all_pending_work(self.before), all_pending_work(&self.next));
        Decision {
            entries: ledger::entries(version, at, self.facts),
            messages: ledger::messages(&self.next.key, version, at, &before, needed, self.extra),
            next: Some(self.next),
            outcome,
        }
    }

    /// Whether the next agent should know more than before: the customer answered, or it has ended.
    fn is_worth_remembering(&self) -> bool {
        let has_answered = self.facts.iter().any(|fact| matches!(fact, Fact::Received { .. }));
        let has_ended = self.next.state.is_terminal() && !self.before.state.is_terminal();
        (has_answered || has_ended) && remembered(&self.next).is_some()
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

    /// The attempt in progress, if it has this id, and its leg.
    pub(super) fn current(&self, id: Nonce) -> Option<(&Attempt, &Leg)> {
        let attempt = self.next.attempt.as_ref().filter(|attempt| attempt.id == id)?;
        Some((attempt, self.next.leg(attempt.leg)?))
    }

    /// Changes the attempt in progress.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Attempt)) {
        if let Some(attempt) = &mut self.next.attempt {
            change(attempt);
        }
    }

    /// Moves the state forward; an earlier one is no change.
    pub(super) fn advance(&mut self, to: State) {
        if rank(to) > rank(self.next.state) {
            self.next.state = to;
        }
    }

    /// Ends the interaction: nothing is due any more.
    pub(super) fn end(&mut self, reason: EndReason) {
        self.advance(State::ended(reason));
        self.next.closes = None;
    }

    /// Ends the attempt in progress, and plans what follows: the same leg again, the next one, or the end.
    pub(super) fn end_attempt(&mut self, outcome: &AttemptOutcome) {
        let Some(attempt) = self.take_attempt(outcome) else {
            return;
        };
        if self.next.state.is_terminal() {
            return;
        }
        if outcome.is_success() {
            self.next.is_reached = true;
        }
        if self.next.is_reached {
            // A conversation in writing goes on until nobody writes for long.
            if self.next.closes.is_none() {
                self.end(EndReason::Completed);
            }
            return;
        }
        match self.following(&attempt, outcome) {
            Some((leg, due_at)) => self.plan_attempt(leg, due_at),
            None => self.end(self.end_reason(outcome)),
        }
    }

    /// Moves the attempt in progress to those that have ended. A call that we end, not the customer, is hung up.
    pub(super) fn take_attempt(&mut self, outcome: &AttemptOutcome) -> Option<Attempt> {
        let attempt = self.next.attempt.take()?;
        let channel = self.next.leg(attempt.leg)?.channel;
        self.record(Fact::AttemptEnded {
            attempt: attempt.id,
            channel,
            outcome: outcome.clone(),
        });
        self.keep(PastAttempt {
            id: attempt.id,
            leg: attempt.leg,
            provider_id: attempt.provider_id.clone(),
            outcome: outcome.clone(),
            at: self.context.now,
            call: attempt.call.clone(),
            earlier: attempt.earlier.clone(),
        });
        if is_ended_by_us(outcome) && !matches!(attempt.phase, Phase::Over { .. }) {
            self.hang_up(attempt.leg, attempt.provider_id.as_deref());
        }
        Some(attempt)
    }

    /// Keeps an attempt that is not in progress any more.
    pub(super) fn keep(&mut self, past: PastAttempt) {
        self.next.past.push(past);
        let excess = self.next.past.len().saturating_sub(MAX_PAST);
        self.next.past.drain(..excess);
    }

    /// Ends a call, or a conversation that the back end's own agent leads, if it is one and its id is known. Otherwise it
    /// is ended as soon as its id is known.
    pub(super) fn hang_up(&mut self, leg: usize, provider_id: Option<&str>) {
        let goes_on = |leg: &Leg| leg.channel == Channel::Call || matches!(leg.content, Content::Conversation { .. });
        let goes_on = self.next.leg(leg).is_some_and(goes_on);
        if let Some(provider_id) = provider_id.filter(|_| goes_on) {
            self.extra.push(Work::HangUp {
                leg,
                provider_id: provider_id.to_owned(),
            });
        }
    }

    /// Why the interaction ends after its last attempt.
    fn end_reason(&self, last: &AttemptOutcome) -> EndReason {
        let past = self.next.past.iter().map(|past| &past.outcome);
        let decisive = past.max_by_key(|outcome| outcome.concern());
        match last {
            AttemptOutcome::OptedOut | AttemptOutcome::Canceled => last.end_reason(),
            _ => decisive.unwrap_or(last).end_reason(),
        }
    }

    /// The leg of the next attempt, and when it is due; none if nothing follows in time.
    fn following(&self, attempt: &Attempt, outcome: &AttemptOutcome) -> Option<(usize, Timestamp)> {
        let leg = self.next.leg(attempt.leg)?;
        let tries = self.next.attempts_over(attempt.leg);
        let (now, latest_at) = (self.context.now, self.next.plan.latest_at);
        // Only a call is tried again: a message that was delivered is there, and waits for the customer.
        let is_repeated = leg.channel == Channel::Call
            && outcome.is_repeatable()
            && tries < usize::from(leg.attempts.min(MAX_ATTEMPTS));
        let again_at = now.plus_seconds(leg.retry_seconds);
        if is_repeated && again_at < latest_at {
            return Some((attempt.leg, again_at));
        }
        let next = attempt.leg + 1;
        let goes_on = outcome.goes_on() && self.next.leg(next).is_some();
        (goes_on && now < latest_at).then_some((next, now))
    }

    fn plan_attempt(&mut self, leg: usize, due_at: Timestamp) {
        let id = self.fresh_id();
        let Some(channel) = self.next.leg(leg).map(|leg| leg.channel) else {
            return;
        };
        self.record(Fact::Planned {
            attempt: id,
            channel,
            due_at,
        });
        self.next.attempt = Some(Attempt::planned(id, leg, due_at));
    }

    /// The customer has answered: nothing is planned any more.
    pub(super) fn answered(&mut self) {
        self.next.is_reached = true;
        self.advance(State::Open);
    }

    /// An ended attempt really ended in another way. Returns whether that says more than what was known.
    pub(super) fn settle_past(&mut self, index: usize, outcome: &AttemptOutcome) -> bool {
        let Some(past) = self.next.past.get_mut(index) else {
            return false;
        };
        if outcome.weight() <= past.outcome.weight() {
            return false;
        }
        past.outcome = outcome.clone();
        let (attempt, leg) = (past.id, past.leg);
        let channel = self.next.leg(leg).map(|leg| leg.channel);
        self.record(Fact::SettledLate {
            attempt,
            channel,
            outcome: outcome.clone(),
        });
        true
    }

    /// What was planned is not wanted any more. What is being sent, or rings, ends in its own way.
    pub(super) fn cancel_planned(&mut self, outcome: &AttemptOutcome) {
        let phase = self.next.attempt.as_ref().map(|attempt| attempt.phase);
        if matches!(phase, Some(Phase::Planned { .. })) {
            self.take_attempt(outcome);
        }
    }

    /// Adds a message to the thread.
    pub(super) fn add_to_thread(&mut self, message: ThreadMessage) {
        let text = cut(&message.text, MAX_TEXT_CHARS);
        self.next.thread.push(ThreadMessage { text, ..message });
        let excess = self.next.thread.len().saturating_sub(MAX_THREAD);
        self.next.thread.drain(..excess);
    }
}

/// Whether a call that ended so may still ring, or be going on.
pub(super) const fn is_ended_by_us(outcome: &AttemptOutcome) -> bool {
    matches!(
        outcome,
        AttemptOutcome::Canceled | AttemptOutcome::Superseded | AttemptOutcome::OptedOut
    )
}

/// An id or name of a provider, bounded: a longer one is replaced by its hash.
pub(super) fn bounded(name: &str) -> String {
    bounded_to(name, MAX_NAME_BYTES)
}

/// The same, with another bound.
pub(super) fn bounded_to(name: &str, bytes: usize) -> String {
    if name.len() <= bytes {
        return name.to_owned();
    }
    sha256_hex(name.as_bytes())
}

/// How far a state is. An unclear one lies before one that is known to be sent.
const fn rank(state: State) -> u8 {
    match state {
        State::Scheduled => 0,
        State::Sending => 1,
        State::Unknown => 2,
        State::Sent => 3,
        State::Open => 4,
        State::Ended { .. } => 5,
    }
}

/// At most this many characters.
pub(in crate::interaction) fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// A reason as it is kept.
pub(super) fn detail(text: &str) -> String {
    cut(text, MAX_DETAIL_CHARS)
}

/// A decision that changes nothing.
pub(super) fn ignored(reason: IgnoreReason) -> Decision {
    Decision::unchanged(EventOutcome::Ignored(reason))
}

/// A decision that changes nothing: the event is to be sent again.
pub(super) fn not_yet(at: Timestamp) -> Decision {
    Decision::unchanged(EventOutcome::NotYet(at))
}
