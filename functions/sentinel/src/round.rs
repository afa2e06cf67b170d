//! One round: checks every dispatch that is due.

use patchbay::clock::Timestamp;
use patchbay::dispatch::pending_work;
use patchbay::dispatch::work::{Message, Work};
use patchbay::ids::DispatchKey;
use patchbay::store::{DueDispatch, PostponeReason, StoreError};
use patchbay::voice::Provider;

use crate::{Deps, Failure, Report};

/// Milliseconds that a message may be late before its dispatch counts as stuck.
const LATE_MILLIS: i64 = 3 * 60_000;
/// Most dispatches that a round checks in each shard of the index.
const CHECKS_PER_SHARD: i32 = 50;
/// Most dispatches that a round checks among those whose message was sent again.
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

/// A round in progress.
pub(crate) struct Round<'a> {
    deps: &'a Deps,
    now: Timestamp,
    /// End of the longest backlog of any provider, once it has been read.
    backlog_end: Option<Timestamp>,
    late: Vec<(DueDispatch, Work)>,
    pub(crate) report: Report,
}

impl<'a> Round<'a> {
    pub(crate) fn new(deps: &'a Deps) -> Self {
        Self {
            deps,
            now: deps.clock.now(),
            backlog_end: None,
            late: Vec::new(),
            report: Report::default(),
        }
    }

    /// Checks every dispatch that is due, and sends the messages of late ones again. A failed request ends the round:
    /// the next one starts in a minute, and the more of this round it has to repeat, the less it gets done.
    pub(crate) async fn run(&mut self) -> Result<(), Failure> {
        // On the heap: the future of five concurrent requests is large.
        for dispatch in Box::pin(self.due()).await? {
            self.check(&dispatch).await?;
            if self.late.len() == BATCH {
                self.send_again().await?;
            }
        }
        self.send_again().await
    }

    /// The dispatches to check. One whose message was sent again, and whose next check is not due, counts as stuck
    /// without a check: it is still in that part of the index because it has not moved.
    async fn due(&mut self) -> Result<Vec<DispatchKey>, Failure> {
        let (store, before) = (&self.deps.store, self.now.plus_millis(-LATE_MILLIS));
        let due = |shard| store.due(shard, before, CHECKS_PER_SHARD);
        let (first, second, third, fourth, again) =
            tokio::try_join!(due(0), due(1), due(2), due(3), store.resent(CHECKS_OF_RESENT))?;
        let mut all = [first, second, third, fourth].concat();
        for one in again {
            if one.check_at <= self.now {
                all.push(one.dispatch);
            } else {
                self.report.stuck += 1;
            }
        }
        Ok(all)
    }

    async fn check(&mut self, dispatch: &DispatchKey) -> Result<(), Failure> {
        let candidate = match self.deps.store.due_dispatch(dispatch).await {
            Ok(Some(candidate)) => candidate,
            Ok(None) => return Ok(()),
            Err(error @ StoreError::Item(_)) => {
                tracing::error!(dispatch = %dispatch.id, %error, "cannot read a dispatch that is due");
                self.report.stuck += 1;
                // Postponed so that it does not block the checks of the others.
                let check_at = self.now.plus_seconds(check_interval(DOUBLINGS));
                self.deps.store.postpone_unreadable(dispatch, check_at).await?;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let Some((work, due_at)) = pending_work(&candidate.dispatch) else {
            return Ok(());
        };
        // The dispatch has moved, and the index is not up to date yet.
        if due_at.plus_millis(LATE_MILLIS) > self.now {
            return Ok(());
        }
        if matches!(work, Work::Dial { .. }) && self.is_held(&candidate).await? {
            self.report.held += 1;
            return Ok(());
        }
        self.report.stuck += 1;
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
    async fn is_held(&mut self, candidate: &DueDispatch) -> Result<bool, Failure> {
        let end = match self.backlog_end {
            Some(end) => end,
            None => self.longest_backlog_end().await?,
        };
        self.backlog_end = Some(end);
        if end <= self.now || candidate.held >= MAX_HOLDS {
            return Ok(false);
        }
        let check_at = end.plus_millis(-LATE_MILLIS);
        self.deps
            .store
            .postpone(candidate, PostponeReason::WaitingForSlot, check_at)
            .await?;
        Ok(true)
    }

    /// Sends the messages of late dispatches, then schedules the next check of each. In this order: the consumer drops
    /// a message too many, but a message too few would be missed for another ten minutes.
    async fn send_again(&mut self) -> Result<(), Failure> {
        let late = std::mem::take(&mut self.late);
        let messages: Vec<Message> = late
            .iter()
            .map(|(candidate, work)| self.message(candidate, work))
            .collect();
        self.deps.dialing.send(&messages, self.now).await?;
        for (candidate, work) in &late {
            let dispatch = &candidate.dispatch;
            tracing::warn!(
                dispatch = %dispatch.key.id,
                tenant = %dispatch.key.tenant,
                state = dispatch.state.name(),
                ?work,
                times = candidate.sent_again + 1,
                "a dispatch is stuck: its message was sent again"
            );
            self.report.sent_again += 1;
            let check_at = self.now.plus_seconds(check_interval(candidate.sent_again));
            self.deps
                .store
                .postpone(candidate, PostponeReason::Resent, check_at)
                .await?;
        }
        Ok(())
    }

    fn message(&self, candidate: &DueDispatch, work: &Work) -> Message {
        Message {
            subject: candidate.dispatch.key.clone(),
            version: candidate.dispatch.version,
            sent_at: self.now,
            due_at: self.now,
            work: work.clone(),
        }
    }
}

/// Seconds until the next check of a dispatch whose message had been sent again `times` times before.
fn check_interval(times: u32) -> u32 {
    FIRST_CHECK_SECONDS << times.min(DOUBLINGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_dispatch_is_checked_less_and_less_often() {
        let minutes: Vec<u32> = [0, 1, 2, 3, 4, 5, u32::MAX]
            .into_iter()
            .map(|times| check_interval(times) / 60)
            .collect();
        assert_eq!(minutes, [10, 20, 40, 80, 160, 160, 160]);
    }
}
