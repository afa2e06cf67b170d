//! A state of the modeled world: what is stored, what is under way, and which calls are live.
//!
//! States that differ only in nonces or absolute numbers are the same state. So versions are relative to the stored
//! one, nonces are renumbered in the order in which they occur, times are erased, and messages that every consumer
//! would drop are removed.

use patchbay::clock::Timestamp;
use patchbay::dispatch::{Dispatch, Ending, Event, Phase, Progress, State};
use patchbay::ids::{AttemptId, Nonce};

/// The version of the stored dispatch, which is always the same.
pub(crate) const STORED_VERSION: u64 = 10;

/// The part of a dispatch that changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StoredDispatch {
    pub(crate) progress: Progress,
    pub(crate) state: State,
}

/// The work of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum QueuedWork {
    Dial(AttemptId),
    /// `late`: it is due only when no key of the ended call can arrive any more.
    Watch {
        attempt: AttemptId,
        late: bool,
    },
    Resume(Nonce),
    Remind(AttemptId),
    HangUp(AttemptId),
}

/// A message in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QueuedMessage {
    pub(crate) work: QueuedWork,
    pub(crate) version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum CallEnd {
    RungOut,
    Completed,
    Unknown,
}

impl CallEnd {
    pub(crate) const fn ending(self) -> Ending {
        match self {
            Self::RungOut => Ending::NoAnswer,
            Self::Completed => Ending::Completed,
            Self::Unknown => Ending::Unknown,
        }
    }
}

/// A webhook that the provider has sent and we have not yet received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Webhook {
    Key(AttemptId, char),
    Ended(AttemptId, CallEnd),
}

/// What invoked a function. When it crashes, only messages are delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Cause {
    Message(QueuedMessage),
    Webhook(Webhook),
    Requester,
}

/// What a function does after the commit of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FollowUp {
    Nothing,
    Dial,
    SayAccepted,
    SayTaken,
}

/// The next step of a running function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// It has decided and sent its messages. Next it commits.
    Commit {
        event: Event,
        base: u64,
        next: Box<StoredDispatch>,
        follow_up: FollowUp,
        /// Messages that are sent only after the commit, against the rules.
        unsent: Vec<QueuedMessage>,
    },
    /// It has claimed the attempt. Next it asks the provider to place the call.
    Call(AttemptId),
    /// It has committed. Next it sends, against the rules.
    Send(Vec<QueuedMessage>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Invocation {
    pub(crate) cause: Cause,
    pub(crate) step: Step,
}

/// A call as the provider and the employee see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Call {
    pub(crate) id: AttemptId,
    /// None while the call rings or is connected.
    pub(crate) end: Option<CallEnd>,
    /// The last key.
    pub(crate) key: Option<char>,
    /// Whether 2 was pressed. The employee then hears a last sentence, and the call ends without a hang-up.
    pub(crate) rejected: bool,
}

/// How many more times each fault or outside event may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) crashes: u8,
    pub(crate) duplicates: u8,
    pub(crate) losses: u8,
    pub(crate) cancels: u8,
    pub(crate) resolves: u8,
    pub(crate) expiries: u8,
    /// Refusals by the provider, busy employees, and lookups without a result.
    pub(crate) faults: u8,
    /// Keys after the first of a call, keys without a meaning, and calls whose end is unknown.
    pub(crate) odd_events: u8,
    /// Attempts in total, not per employee.
    pub(crate) attempts: u32,
}

/// What has happened so far. Everything but `taken_announced` must never happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact")]
pub(crate) struct Record {
    pub(crate) dialed_twice: bool,
    pub(crate) cut_off: bool,
    pub(crate) accepted_without_key: bool,
    /// A second acceptor heard that the ticket is taken.
    pub(crate) taken_announced: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) stored: StoredDispatch,
    pub(crate) queue: Vec<QueuedMessage>,
    pub(crate) webhooks: Vec<Webhook>,
    pub(crate) invocations: Vec<Invocation>,
    pub(crate) calls: Vec<Call>,
    /// The employees who heard that they have accepted, since the dispatch was last opened.
    pub(crate) announced: Vec<u8>,
    pub(crate) expired: bool,
    pub(crate) budget: Budget,
    pub(crate) record: Record,
}

impl StoredDispatch {
    pub(crate) fn new(dispatch: &Dispatch) -> Self {
        Self {
            progress: dispatch.progress.clone(),
            state: dispatch.state.clone(),
        }
    }

    pub(crate) const fn attempt(&self) -> Option<(AttemptId, &Phase)> {
        match &self.state {
            State::Calling(attempt) => Some((attempt.id, &attempt.phase)),
            _ => None,
        }
    }

    /// Whether a message to dial this attempt would have an effect. `once`: a claimed attempt is not dialed again.
    pub(crate) fn may_dial(&self, id: AttemptId, once: bool) -> bool {
        match self.attempt() {
            Some((current, Phase::Planned)) => current == id,
            Some((current, Phase::Claimed { .. })) => current == id && !once,
            _ => false,
        }
    }

    pub(crate) fn is_current(&self, id: AttemptId) -> bool {
        self.attempt().is_some_and(|(current, _)| current == id)
    }

    /// Replaces all times with `now`: everything that is due may be due now.
    pub(crate) fn erase_times(&mut self, now: Timestamp) {
        let Progress { busy, postponed, .. } = &mut self.progress;
        for until in busy.values_mut().chain(postponed.values_mut()) {
            *until = now;
        }
        match &mut self.state {
            State::Calling(attempt) => {
                attempt.due_at = now;
                match &mut attempt.phase {
                    Phase::Planned => {}
                    Phase::Claimed { at } | Phase::Placed { at, .. } | Phase::Ended { at, .. } => *at = now,
                }
            }
            State::Waiting(wait) => wait.until = now,
            State::Accepted(acceptance)
            | State::Resolved {
                acceptance: Some(acceptance),
                ..
            } => {
                acceptance.at = now;
                acceptance.resolve_by = acceptance.resolve_by.map(|_| now);
            }
            State::Exhausted { .. } | State::Cancelled { .. } | State::Expired { .. } | State::Resolved { .. } => {}
        }
        if let State::Exhausted { at } | State::Cancelled { at } | State::Expired { at } | State::Resolved { at, .. } =
            &mut self.state
        {
            *at = now;
        }
    }

    fn each_nonce(&mut self, visit: &mut impl FnMut(&mut Nonce)) {
        match &mut self.state {
            State::Calling(attempt) => visit(&mut attempt.id.nonce),
            State::Waiting(wait) => visit(&mut wait.id),
            State::Accepted(acceptance)
            | State::Resolved {
                acceptance: Some(acceptance),
                ..
            } => visit(&mut acceptance.attempt.nonce),
            State::Exhausted { .. } | State::Cancelled { .. } | State::Expired { .. } | State::Resolved { .. } => {}
        }
    }
}

impl QueuedWork {
    const fn nonce(&mut self) -> &mut Nonce {
        match self {
            Self::Dial(id) | Self::Remind(id) | Self::HangUp(id) | Self::Watch { attempt: id, .. } => &mut id.nonce,
            Self::Resume(wait) => wait,
        }
    }
}

impl Webhook {
    const fn nonce(&mut self) -> &mut Nonce {
        match self {
            Self::Key(id, _) | Self::Ended(id, _) => &mut id.nonce,
        }
    }
}

/// The attempt or wait that an event is about.
const fn event_nonce(event: &mut Event) -> Option<&mut Nonce> {
    match event {
        Event::Claim { attempt, .. }
        | Event::EmployeeBusy { attempt, .. }
        | Event::OverLimit { attempt, .. }
        | Event::Machine { attempt }
        | Event::Placed { attempt, .. }
        | Event::NotPlaced { attempt, .. }
        | Event::Unclear { attempt }
        | Event::Key { attempt, .. }
        | Event::CallEnded { attempt, .. }
        | Event::Watched { attempt, .. }
        | Event::Overdue { attempt } => Some(&mut attempt.nonce),
        Event::Resume { wait } => Some(wait),
        Event::Cancel | Event::Resolve => None,
    }
}

impl World {
    fn each_nonce(&mut self, visit: &mut impl FnMut(&mut Nonce)) {
        self.stored.each_nonce(visit);
        for call in &mut self.calls {
            visit(&mut call.id.nonce);
        }
        for message in &mut self.queue {
            visit(message.work.nonce());
        }
        for webhook in &mut self.webhooks {
            visit(webhook.nonce());
        }
        for invocation in &mut self.invocations {
            match &mut invocation.cause {
                Cause::Message(message) => visit(message.work.nonce()),
                Cause::Webhook(webhook) => visit(webhook.nonce()),
                Cause::Requester => {}
            }
            match &mut invocation.step {
                Step::Call(id) => visit(&mut id.nonce),
                Step::Commit {
                    event, next, unsent, ..
                } => {
                    if let Some(nonce) = event_nonce(event) {
                        visit(nonce);
                    }
                    next.each_nonce(visit);
                    for message in unsent {
                        visit(message.work.nonce());
                    }
                }
                Step::Send(messages) => {
                    for message in messages {
                        visit(message.work.nonce());
                    }
                }
            }
        }
    }

    /// A nonce that does not occur in the world.
    pub(crate) fn unused_nonce(&mut self) -> Nonce {
        let mut used = Vec::new();
        self.each_nonce(&mut |nonce| used.push(*nonce));
        let mut free = 1;
        while used.contains(&Nonce::new(free)) {
            free += 1;
        }
        Nonce::new(free)
    }

    /// Increases the version of the stored dispatch by one: it keeps [`STORED_VERSION`], and all others decrease.
    pub(crate) fn advance(&mut self) {
        // How far a version is behind makes no difference, only that it is.
        let decrease = |message: &mut QueuedMessage| message.version = STORED_VERSION.max(message.version - 1);
        self.queue.iter_mut().for_each(decrease);
        for invocation in &mut self.invocations {
            if let Cause::Message(message) = &mut invocation.cause {
                decrease(message);
            }
            match &mut invocation.step {
                Step::Commit { base, unsent, .. } => {
                    *base = STORED_VERSION - 1;
                    unsent.iter_mut().for_each(decrease);
                }
                Step::Send(messages) => messages.iter_mut().for_each(decrease),
                Step::Call(_) => {}
            }
        }
    }

    pub(crate) fn call(&self, id: AttemptId) -> Option<&Call> {
        self.calls.iter().find(|call| call.id == id)
    }

    /// Whether the next step of a function places this call.
    pub(crate) fn is_about_to_call(&self, id: AttemptId) -> bool {
        self.invocations
            .iter()
            .any(|invocation| invocation.step == Step::Call(id))
    }

    /// Whether a message with this work is queued, or is being consumed by a function and would be redelivered after a
    /// crash.
    pub(crate) fn is_under_way(&self, work: QueuedWork) -> bool {
        let consumed = self.invocations.iter().filter_map(|invocation| match invocation.cause {
            Cause::Message(message) => Some(message),
            _ => None,
        });
        self.queue
            .iter()
            .copied()
            .chain(consumed)
            .any(|message| message.work == work)
    }

    /// Sorts everything and renumbers the nonces, so that equivalent states are equal.
    pub(crate) fn normalize(&mut self) {
        self.queue.sort_unstable();
        self.webhooks.sort_unstable();
        self.calls.sort_unstable();
        self.invocations.sort_by_key(|invocation| invocation.cause);
        let mut nonces = Vec::new();
        self.each_nonce(&mut |nonce| {
            let index = nonces.iter().position(|seen| seen == nonce).unwrap_or_else(|| {
                nonces.push(*nonce);
                nonces.len() - 1
            });
            *nonce = Nonce::new(index as u64 + 1);
        });
        self.queue.sort_unstable();
        self.webhooks.sort_unstable();
        self.calls.sort_unstable();
        self.invocations.sort_by_key(|invocation| invocation.cause);
    }
}
