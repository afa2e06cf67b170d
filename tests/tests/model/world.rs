//! A moment of the modelled world: what is stored, what is under way, who is on the phone.
//!
//! Two moments that differ only in names or in absolute numbers are one: versions count from the stored one, nonces
//! are renamed in the order in which they are met, moments are struck out, and messages that can only be dropped are.

use patchbay::clock::Timestamp;
use patchbay::dispatch::{Dispatch, Ending, Event, Phase, Progress, State};
use patchbay::ids::{AttemptId, Nonce};

/// The version that the stored dispatch always has.
pub(crate) const STORED: u64 = 10;

/// The part of a dispatch that changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kept {
    pub(crate) progress: Progress,
    pub(crate) state: State,
}

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Errand {
    Dial(AttemptId),
    /// `late`: it is due only when no key of the ended call can be on its way any more.
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
pub(crate) struct Letter {
    pub(crate) errand: Errand,
    pub(crate) version: u64,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum End {
    RungOut,
    Completed,
    Unknown,
}

impl End {
    pub(crate) const fn ending(self) -> Ending {
        match self {
            Self::RungOut => Ending::NoAnswer,
            Self::Completed => Ending::Completed,
            Self::Unknown => Ending::Unknown,
        }
    }
}

/// A webhook of the provider on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Hook {
    Key(AttemptId, char),
    Ended(AttemptId, End),
}

/// What makes a function run. Only messages are delivered again when it crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Cause {
    Letter(Letter),
    Hook(Hook),
    Requester,
}

/// What a verdict leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Then {
    Nothing,
    Dial,
    SayAccepted,
    SayTaken,
}

/// How far a running function is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// It has decided and sent its messages, and is about to commit.
    Commit {
        event: Event,
        base: u64,
        next: Box<Kept>,
        then: Then,
        /// Messages that are sent only after the commit: against the rules.
        unsent: Vec<Letter>,
    },
    /// It has claimed the attempt and is about to ask the provider to place the call.
    Call(AttemptId),
    /// It has committed and is about to send: against the rules.
    Send(Vec<Letter>),
}

/// A running function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    pub(crate) cause: Cause,
    pub(crate) step: Step,
}

/// A call as the provider and the person know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Call {
    pub(crate) id: AttemptId,
    /// How it ended; none while it rings or somebody is on the line.
    pub(crate) end: Option<End>,
    /// The key that was pressed last.
    pub(crate) key: Option<char>,
    /// Whether a 2 was pressed: the person hears a last word, and the call ends by itself.
    pub(crate) said_no: bool,
}

/// How often what may still go wrong, or happen from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) crashes: u8,
    pub(crate) copies: u8,
    pub(crate) losses: u8,
    pub(crate) cancels: u8,
    pub(crate) resolves: u8,
    pub(crate) expiries: u8,
    /// Refusals of the provider, busy employees and lookups without an answer.
    pub(crate) hiccups: u8,
    /// Keys beyond the first of a call, keys without a meaning, ends that nobody knows.
    pub(crate) whims: u8,
    /// The sum of all attempts.
    pub(crate) attempts: u32,
}

/// What must never have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that happened or did not"
)]
pub(crate) struct Record {
    pub(crate) dialled_twice: bool,
    pub(crate) cut_off: bool,
    pub(crate) accepted_without_key: bool,
    /// No harm: a second acceptor was told who has the ticket.
    pub(crate) taken: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) kept: Kept,
    pub(crate) mail: Vec<Letter>,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) runs: Vec<Run>,
    pub(crate) calls: Vec<Call>,
    /// Which employees were told that they have the ticket, since it was last opened.
    pub(crate) told: Vec<u8>,
    pub(crate) expired: bool,
    pub(crate) left: Budget,
    pub(crate) record: Record,
}

impl Kept {
    pub(crate) fn of(dispatch: &Dispatch) -> Self {
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

    /// Whether a message to dial this attempt would be heeded.
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

    /// Strikes out the moments: whatever is due may be due now.
    pub(crate) fn strike(&mut self, now: Timestamp) {
        let Progress { busy, put_off, .. } = &mut self.progress;
        for until in busy.values_mut().chain(put_off.values_mut()) {
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

    fn each_nonce(&mut self, see: &mut impl FnMut(&mut Nonce)) {
        match &mut self.state {
            State::Calling(attempt) => see(&mut attempt.id.nonce),
            State::Waiting(wait) => see(&mut wait.id),
            State::Accepted(acceptance)
            | State::Resolved {
                acceptance: Some(acceptance),
                ..
            } => see(&mut acceptance.attempt.nonce),
            State::Exhausted { .. } | State::Cancelled { .. } | State::Expired { .. } | State::Resolved { .. } => {}
        }
    }
}

impl Errand {
    const fn nonce(&mut self) -> &mut Nonce {
        match self {
            Self::Dial(id) | Self::Remind(id) | Self::HangUp(id) | Self::Watch { attempt: id, .. } => &mut id.nonce,
            Self::Resume(wait) => wait,
        }
    }
}

impl Hook {
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
    fn each_nonce(&mut self, see: &mut impl FnMut(&mut Nonce)) {
        self.kept.each_nonce(see);
        for call in &mut self.calls {
            see(&mut call.id.nonce);
        }
        for letter in &mut self.mail {
            see(letter.errand.nonce());
        }
        for hook in &mut self.hooks {
            see(hook.nonce());
        }
        for run in &mut self.runs {
            match &mut run.cause {
                Cause::Letter(letter) => see(letter.errand.nonce()),
                Cause::Hook(hook) => see(hook.nonce()),
                Cause::Requester => {}
            }
            match &mut run.step {
                Step::Call(id) => see(&mut id.nonce),
                Step::Commit {
                    event, next, unsent, ..
                } => {
                    if let Some(nonce) = event_nonce(event) {
                        see(nonce);
                    }
                    next.each_nonce(see);
                    for letter in unsent {
                        see(letter.errand.nonce());
                    }
                }
                Step::Send(letters) => {
                    for letter in letters {
                        see(letter.errand.nonce());
                    }
                }
            }
        }
    }

    /// A nonce that nothing in the world has.
    pub(crate) fn fresh(&mut self) -> Nonce {
        let mut used = Vec::new();
        self.each_nonce(&mut |nonce| used.push(*nonce));
        let mut free = 1;
        while used.contains(&Nonce::new(free)) {
            free += 1;
        }
        Nonce::new(free)
    }

    /// The stored dispatch is one version on. It keeps the version [`STORED`], and everything else moves back.
    pub(crate) fn advance(&mut self) {
        // How far something is behind makes no difference, only that it is.
        let back = |letter: &mut Letter| letter.version = STORED.max(letter.version - 1);
        self.mail.iter_mut().for_each(back);
        for run in &mut self.runs {
            if let Cause::Letter(letter) = &mut run.cause {
                back(letter);
            }
            match &mut run.step {
                Step::Commit { base, unsent, .. } => {
                    *base = STORED - 1;
                    unsent.iter_mut().for_each(back);
                }
                Step::Send(letters) => letters.iter_mut().for_each(back),
                Step::Call(_) => {}
            }
        }
    }

    pub(crate) fn call(&self, id: AttemptId) -> Option<&Call> {
        self.calls.iter().find(|call| call.id == id)
    }

    /// Whether a function is about to place this call.
    pub(crate) fn is_about_to_ring(&self, id: AttemptId) -> bool {
        self.runs.iter().any(|run| run.step == Step::Call(id))
    }

    /// Whether `errand` is in the queue, or being seen to by a function that would be sent again on its way.
    pub(crate) fn is_under_way(&self, errand: Errand) -> bool {
        let seen_to = self.runs.iter().filter_map(|run| match run.cause {
            Cause::Letter(letter) => Some(letter),
            _ => None,
        });
        self.mail
            .iter()
            .copied()
            .chain(seen_to)
            .any(|letter| letter.errand == errand)
    }

    /// Strikes out what makes no difference any more.
    pub(crate) fn tidy(&mut self) {
        self.mail.sort_unstable();
        self.hooks.sort_unstable();
        self.calls.sort_unstable();
        self.runs.sort_by_key(|run| run.cause);
        let mut names = Vec::new();
        self.each_nonce(&mut |nonce| {
            let known = names.iter().position(|name| name == nonce).unwrap_or_else(|| {
                names.push(*nonce);
                names.len() - 1
            });
            *nonce = Nonce::new(known as u64 + 1);
        });
        self.mail.sort_unstable();
        self.hooks.sort_unstable();
        self.calls.sort_unstable();
        self.runs.sort_by_key(|run| run.cause);
    }
}
