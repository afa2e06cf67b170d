//! One look at everything that is due.

use patchbay::clock::Timestamp;
use patchbay::dispatch::pending_work;
use patchbay::dispatch::work::{Message, Work};
use patchbay::ids::DispatchKey;
use patchbay::store::{Postponed, StoreError, Unmoved};
use patchbay::voice::Provider;

use crate::{Deps, Failure, Report};

/// How late a message may be before its dispatch is taken for stuck, in milliseconds.
const LATE_MILLIS: i64 = 3 * 60_000;
/// Most dispatches of each part of the index that a round looks at.
const LOOKS_PER_SHARD: i32 = 50;
/// Most of those whose messages were sent again.
const LOOKS_AGAIN: i32 = 100;
/// Messages that are sent together: as many as SQS takes in one request.
const BATCH: usize = 10;
/// After how long what was sent again is looked at again, in seconds; doubled every time.
const FIRST_LOOK_SECONDS: u32 = 600;
/// How often that is doubled.
const DOUBLINGS: u32 = 4;
/// How often a call is left to wait for the end of the backlog. A first call has its slot within the first backlog, a
/// retry comes back at its end and queues for one more; the third is for a call that came too late for its slot.
const HOLDS: u32 = 3;

/// A round under way.
pub(crate) struct Round<'a> {
    deps: &'a Deps,
    now: Timestamp,
    /// The end of the provider's backlog, once it has been asked for.
    backlog_end: Option<Timestamp>,
    late: Vec<(Unmoved, Work)>,
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

    /// Looks at everything that is due, and sends again what is late. A request that fails ends it: the next round is
    /// in a minute, and the more it repeats of this one the less it may do.
    pub(crate) async fn go(&mut self) -> Result<(), Failure> {
        // On the heap: five requests at once are large.
        for dispatch in Box::pin(self.due()).await? {
            self.look(&dispatch).await?;
            if self.late.len() == BATCH {
                self.send_again().await?;
            }
        }
        self.send_again().await
    }

    /// What is to be looked at. What was sent again and is not to be looked at yet counts as stuck without a look: the
    /// index has it there because it has not moved.
    async fn due(&mut self) -> Result<Vec<DispatchKey>, Failure> {
        let (store, before) = (&self.deps.store, self.now.plus_millis(-LATE_MILLIS));
        let due = |shard| store.due(shard, before, LOOKS_PER_SHARD);
        let (first, second, third, fourth, again) =
            tokio::try_join!(due(0), due(1), due(2), due(3), store.sent_again(LOOKS_AGAIN))?;
        let mut all = [first, second, third, fourth].concat();
        for one in again {
            if one.look_at <= self.now {
                all.push(one.dispatch);
            } else {
                self.report.stuck += 1;
            }
        }
        Ok(all)
    }

    async fn look(&mut self, dispatch: &DispatchKey) -> Result<(), Failure> {
        let unmoved = match self.deps.store.unmoved(dispatch).await {
            Ok(Some(unmoved)) => unmoved,
            Ok(None) => return Ok(()),
            Err(error @ StoreError::Item(_)) => {
                tracing::error!(dispatch = %dispatch.id, %error, "a dispatch that is due cannot be read");
                self.report.stuck += 1;
                // It must not keep the others from being looked at.
                let look_at = self.now.plus_seconds(pause(DOUBLINGS));
                self.deps.store.postpone_unread(dispatch, look_at).await?;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let Some((work, due_at)) = pending_work(&unmoved.dispatch) else {
            return Ok(());
        };
        // It has moved, and the index has not followed yet.
        if due_at.plus_millis(LATE_MILLIS) > self.now {
            return Ok(());
        }
        if matches!(work, Work::Dial { .. }) && self.is_held(&unmoved).await? {
            self.report.held += 1;
            return Ok(());
        }
        self.report.stuck += 1;
        self.late.push((unmoved, work));
        Ok(())
    }

    /// The end of the longest backlog that a provider has.
    async fn last_slot(&self) -> Result<Timestamp, Failure> {
        let mut last = self.now;
        for provider in Provider::ALL {
            let end = self.deps.store.backlog_end(provider.as_str()).await?;
            last = last.max(end.unwrap_or(last));
        }
        Ok(last)
    }

    /// Whether a call may still have a slot before it. Slots are taken in turn, so whatever it has is before the end of
    /// the present backlog: then it is looked at again.
    async fn is_held(&mut self, unmoved: &Unmoved) -> Result<bool, Failure> {
        let end = match self.backlog_end {
            Some(end) => end,
            None => self.last_slot().await?,
        };
        self.backlog_end = Some(end);
        if end <= self.now || unmoved.held >= HOLDS {
            return Ok(false);
        }
        let look_at = end.plus_millis(-LATE_MILLIS);
        self.deps.store.postpone(unmoved, Postponed::Held, look_at).await?;
        Ok(true)
    }

    /// Sends the messages of what is late, then has each looked at later. In this order: one message too many is dropped
    /// by its consumer, one too few would be missed for another ten minutes.
    async fn send_again(&mut self) -> Result<(), Failure> {
        let late = std::mem::take(&mut self.late);
        let messages: Vec<Message> = late.iter().map(|(unmoved, work)| self.message(unmoved, work)).collect();
        self.deps.dialing.send(&messages, self.now).await?;
        for (unmoved, work) in &late {
            let dispatch = &unmoved.dispatch;
            tracing::warn!(
                dispatch = %dispatch.key.id,
                tenant = %dispatch.key.tenant,
                state = dispatch.state.name(),
                ?work,
                times = unmoved.sent_again + 1,
                "nothing has moved a dispatch: its message was sent again"
            );
            self.report.sent_again += 1;
            let look_at = self.now.plus_seconds(pause(unmoved.sent_again));
            self.deps.store.postpone(unmoved, Postponed::SentAgain, look_at).await?;
        }
        Ok(())
    }

    fn message(&self, unmoved: &Unmoved, work: &Work) -> Message {
        Message {
            subject: unmoved.dispatch.key.clone(),
            version: unmoved.dispatch.version,
            sent_at: self.now,
            due_at: self.now,
            work: work.clone(),
        }
    }
}

/// Seconds until a dispatch is looked at again whose message was sent again `times` times before.
fn pause(times: u32) -> u32 {
    FIRST_LOOK_SECONDS << times.min(DOUBLINGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_move_is_looked_at_less_and_less_often() {
        let minutes: Vec<u32> = [0, 1, 2, 3, 4, 5, u32::MAX]
            .into_iter()
            .map(|times| pause(times) / 60)
            .collect();
        assert_eq!(minutes, [10, 20, 40, 80, 160, 160, 160]);
    }
}
