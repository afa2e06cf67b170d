//! One round: checks everything of one kind that is due.

use patchbay::clock::Timestamp;
use patchbay::conversation::{self, Conversation};
use patchbay::dispatch::{self, Dispatch};
use patchbay::interaction::{self, Interaction};
use patchbay::message::Envelope;
use patchbay::queue::Queue;
use patchbay::store::{Due, PostponeReason, StoreError, Subject};
use patchbay::voice::Provider;
use serde::Serialize;

use crate::{Deps, Failure};

/// Milliseconds that a message may be late before its subject counts as stuck.
const LATE_MILLIS: i64 = 3 * 60_000;
/// Most subjects that a round checks in each shard of the index.
const CHECKS_PER_SHARD: i32 = 50;
/// Most subjects that a round checks among those whose message was sent again.
const CHECKS_OF_RESENT: i32 = 100;
/// Messages sent in one request: the maximum of SQS.
const BATCH: usize = 10;
/// Seconds from the first resend to the next check; doubled after every further resend.
const FIRST_CHECK_SECONDS: u32 = 600;
/// How many times that interval is doubled.
const DOUBLINGS: u32 = 4;
/// How many times a call may wait for the end of the backlog. A first call has its slot within the first backlog. A
/// retry comes back at the end of it and queues for one more. The third is for a call that missed its slot.
const MAX_HOLDS: u32 = 3;

/// What the sentinel looks after.
pub(crate) trait Watched: Subject {
    /// Its name in the log.
    const NAME: &'static str;

    /// Whether the work may wait for a slot of the pacing, long after it was due.
    fn is_paced(work: &Self::Work) -> bool;
}

impl Watched for Dispatch {
    const NAME: &'static str = "dispatch";

    fn is_paced(work: &dispatch::work::Work) -> bool {
        matches!(work, dispatch::work::Work::Dial { .. })
    }
}

impl Watched for Conversation {
    const NAME: &'static str = "conversation";

    fn is_paced(_: &conversation::Work) -> bool {
        false
    }
}

impl Watched for Interaction {
    const NAME: &'static str = "interaction";

    fn is_paced(_: &interaction::Work) -> bool {
        false
    }
}

/// What a round found, and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Stuck ones found, within the limits of a round.
    pub stuck: u32,
    /// Stuck ones whose message was sent again in this round.
    pub sent_again: u32,
    /// Those whose call may still be waiting for its pacing slot.
    pub held: u32,
}

/// A round in progress.
pub(crate) struct Round<'a, S: Watched> {
    deps: &'a Deps,
    /// The queue that moves them.
    queue: &'a Queue,
    now: Timestamp,
    /// End of the longest backlog of any provider, once it has been read.
    backlog_end: Option<Timestamp>,
    late: Vec<(Due<S>, S::Work)>,
    pub(crate) counts: Counts,
}

impl<'a, S: Watched> Round<'a, S> {
    pub(crate) fn new(deps: &'a Deps, queue: &'a Queue) -> Self {
        Self {
            deps,
            queue,
            now: deps.clock.now(),
            backlog_end: None,
            late: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Checks everything that is due, and sends late messages again. A failed request ends the round: the next one
    /// starts in a minute, and the more of this round it has to repeat, the less it gets done.
    pub(crate) async fn run(&mut self) -> Result<(), Failure> {
        // On the heap: the future of five concurrent requests is large.
        for subject in Box::pin(self.due()).await? {
            self.check(&subject).await?;
            if self.late.len() == BATCH {
                self.send_again().await?;
            }
        }
        self.send_again().await
    }

    /// What to check. A subject whose message was sent again, and whose next check is not due, counts as stuck without
    /// a check: it is still in that part of the index because it has not moved.
    async fn due(&mut self) -> Result<Vec<S::Key>, Failure> {
        let (store, before) = (&self.deps.store, self.now.plus_millis(-LATE_MILLIS));
        let due = |shard| store.due::<S>(shard, before, CHECKS_PER_SHARD);
        let (first, second, third, fourth, again) =
            tokio::try_join!(due(0), due(1), due(2), due(3), store.resent::<S>(CHECKS_OF_RESENT))?;
        let mut all = [first, second, third, fourth].concat();
        for one in again {
            if one.check_at <= self.now {
                all.push(one.subject);
            } else {
                self.counts.stuck += 1;
            }
        }
        Ok(all)
    }

    async fn check(&mut self, key: &S::Key) -> Result<(), Failure> {
        let candidate = match self.deps.store.due_subject::<S>(key).await {
            Ok(Some(candidate)) => candidate,
            Ok(None) => return Ok(()),
            Err(error @ StoreError::Item(_)) => {
                tracing::error!(kind = S::NAME, id = %S::id(key), %error, "cannot read what is due");
                self.counts.stuck += 1;
                // Postponed so that it does not block the checks of the others.
                let check_at = self.now.plus_seconds(check_interval(DOUBLINGS));
                self.deps.store.postpone_unreadable::<S>(key, check_at).await?;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let Some((work, due_at)) = candidate.subject.pending_work() else {
            return Ok(());
        };
        // It has moved, and the index is not up to date yet.
        if due_at.plus_millis(LATE_MILLIS) > self.now {
            return Ok(());
        }
        if S::is_paced(&work) && self.is_held(&candidate).await? {
            self.counts.held += 1;
            return Ok(());
        }
        self.counts.stuck += 1;
        self.late.push((candidate, work));
        Ok(())
    }

    /// End of the longest backlog of any provider.
    async fn longest_backlog_end(&self) -> Result<Timestamp, Failure> {
        let mut last = self.now;
        for provider in Provider::ALL {
            let end = self.deps.store.backlog_end(provider.as_str()).await?;
            last = last.max(end.unwrap_or(last));
        }
        Ok(last)
    }

    /// Whether a call may still be waiting for its pacing slot. Slots are assigned in order, so its slot lies before
    /// the end of the present backlog; at that time it is checked again.
    async fn is_held(&mut self, candidate: &Due<S>) -> Result<bool, Failure> {
        let end = match self.backlog_end {
            Some(end) => end,
            None => self.longest_backlog_end().await?,
        };
        self.backlog_end = Some(end);
        if end <= self.now || candidate.held >= MAX_HOLDS {
            return Ok(false);
        }
        let check_at = end.plus_millis(-LATE_MILLIS);
        let waits = PostponeReason::WaitingForSlot;
        self.deps.store.postpone(candidate, waits, check_at).await?;
        Ok(true)
    }

    /// Sends late messages, then schedules the next check of each subject. In this order: the consumer drops a message
    /// too many, but a message too few would be missed for another ten minutes.
    async fn send_again(&mut self) -> Result<(), Failure> {
        let late = std::mem::take(&mut self.late);
        let messages: Vec<Envelope<S::Key, S::Work>> = late
            .iter()
            .map(|(candidate, work)| self.message(candidate, work))
            .collect();
        self.queue.send(&messages, self.now).await?;
        for (candidate, work) in &late {
            let subject = &candidate.subject;
            tracing::warn!(
                kind = S::NAME,
                id = %S::id(subject.key()),
                tenant = %S::tenant(subject.key()),
                state = subject.state_name(),
                ?work,
                times = candidate.sent_again + 1,
                "stuck: its message was sent again"
            );
            self.counts.sent_again += 1;
            let check_at = self.now.plus_seconds(check_interval(candidate.sent_again));
            let resent = PostponeReason::Resent;
            self.deps.store.postpone(candidate, resent, check_at).await?;
        }
        Ok(())
    }

    fn message(&self, candidate: &Due<S>, work: &S::Work) -> Envelope<S::Key, S::Work> {
        Envelope {
            subject: candidate.subject.key().clone(),
            version: candidate.subject.version(),
            sent_at: self.now,
            due_at: self.now,
            work: work.clone(),
        }
    }
}

/// Seconds until the next check of a subject whose message had been sent again `times` times before.
fn check_interval(times: u32) -> u32 {
    FIRST_CHECK_SECONDS << times.min(DOUBLINGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stuck_is_checked_less_and_less_often() {
        let minutes: Vec<u32> = [0, 1, 2, 3, 4, 5, u32::MAX]
            .into_iter()
            .map(|times| check_interval(times) / 60)
            .collect();
        assert_eq!(minutes, [10, 20, 40, 80, 160, 160, 160]);
    }
}
