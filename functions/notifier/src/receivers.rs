//! Receivers that do not answer.
//!
//! A receiver that hangs costs a notifier [`crate::POST_TIMEOUT`] for each webhook, and there are few notifiers. So when it
//! has kept them waiting [`OPEN_AFTER`] times without an answer in between, its webhooks are put off untried, but for one
//! at a time that finds out whether it answers again. Any answer will do, a refusal too, and so will a failure that keeps
//! nobody waiting. Of all such receivers one is tried at a time, so that one notifier at most waits for them: whoever finds
//! out has the turn to do so, and gives it back at once.
//!
//! What is known of a receiver stands in the table, for each tenant apart; a process looks there once a second at most,
//! and writes when something changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::ids::Tenant;
use patchbay::store::{Probe, Silence};
use tokio::sync::Mutex as AsyncMutex;

use crate::Deps;
use crate::deliver::Reached;
use crate::ports::Table;

/// So often without an answer, and it is left alone.
pub const OPEN_AFTER: u32 = 2;
/// A failure that took less time than this has kept nobody waiting.
const SLOW: Duration = Duration::from_secs(1);
/// How long a process trusts what it has read, in milliseconds.
const TRUSTED_MILLIS: i64 = 1_000;
/// Seconds from one that finds out to the next: half the time since the first failure, within these bounds.
const PROBE_SECONDS: (u32, u32) = (5, 300);
/// How long one that finds out may take, in milliseconds: as long as a receiver may be waited for. A sandbox that dies with
/// the turn holds up the others for so long.
const TURN_MILLIS: i64 = 6_000;
/// Longest that a webhook waits for what the table says of its receiver.
const LOOK_LIMIT: Duration = Duration::from_millis(700);
/// Receivers that a process remembers.
const REMEMBERED: usize = 1_000;

/// Whose webhook goes where: the tenant, and the host with its port, if it has one.
pub(crate) type Receiver = (Tenant, String);

/// What this process knows of receivers. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Receivers {
    /// One looks, and the others of a batch that go to the same receiver wait for what it finds.
    known: Arc<Mutex<HashMap<Receiver, Arc<AsyncMutex<Known>>>>>,
    /// Until when somebody has the turn to find out, as this process heard last.
    taken: Arc<Mutex<Option<Timestamp>>>,
}

#[derive(Debug, Default)]
struct Known {
    /// None when it must be read before it is trusted.
    read_at: Option<Timestamp>,
    silence: Option<Silence>,
}

impl Known {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.read_at
            .is_some_and(|read_at| now.millis() - read_at.millis() < TRUSTED_MILLIS)
    }
}

impl Receivers {
    fn of(&self, receiver: &Receiver) -> Arc<AsyncMutex<Known>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED && !known.contains_key(receiver) {
            known.clear();
        }
        Arc::clone(known.entry(receiver.clone()).or_default())
    }

    fn taken_until(&self, now: Timestamp) -> Option<Timestamp> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.filter(|until| *until > now)
    }

    fn note_taken(&self, until: Option<Timestamp>) {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// The right to find out whether a receiver answers again, of which there is one for all of them. Until then it is ours.
#[derive(Debug)]
pub(crate) struct Turn(Timestamp);

/// Whether a webhook may be posted.
#[derive(Debug)]
pub(crate) enum Way {
    /// It may; by one that has the turn, others are kept from finding out until it is given back.
    Open(Option<Turn>),
    /// The receiver does not answer, and the next one may find out at its `retry_at`, or when the turn is free.
    Closed(Silence),
}

impl Way {
    fn closed(silence: &Silence, retry_at: Timestamp) -> Self {
        Self::Closed(Silence {
            retry_at,
            ..silence.clone()
        })
    }
}

/// A table that cannot be had decides nothing here: the webhook is posted then, and the worst is a slow receiver more.
impl<S: Table, Q> Deps<S, Q> {
    /// Whether a webhook may be posted to `receiver`. One that is `urgent` finds out even when it is not time to, if nobody
    /// else does.
    pub(crate) async fn way_to(&self, receiver: &Receiver, urgent: bool) -> Way {
        let known = self.receivers.of(receiver);
        let mut known = known.lock().await;
        let now = self.clock.now();
        if !known.is_fresh(now) {
            self.look(receiver, &mut known, now).await;
        }
        let silence = known.silence.clone();
        let Some(silence) = silence.filter(|silence| silence.failures >= OPEN_AFTER) else {
            return Way::Open(None);
        };
        if now < silence.retry_at && !urgent {
            return Way::Closed(silence);
        }
        match self.take_turn(&receiver.1, now).await {
            Ok(turn) => self.find_out(receiver, &mut known, silence, turn).await,
            Err(taken) => Way::closed(&silence, taken),
        }
    }

    /// Reads what is known. A look that fails is one, too: nobody looks again for a second.
    async fn look(&self, (tenant, host): &Receiver, known: &mut Known, now: Timestamp) {
        let silence = limited(host, self.store.silence(tenant, host)).await.flatten();
        *known = Known {
            read_at: Some(now),
            silence,
        };
    }

    /// The turn, if it is free; else until when it is not. None when the table cannot be asked.
    async fn take_turn(&self, host: &str, now: Timestamp) -> Result<Option<Turn>, Timestamp> {
        if let Some(taken) = self.receivers.taken_until(now) {
            return Err(taken);
        }
        let until = now.plus_millis(TURN_MILLIS);
        let Some(theirs) = limited(host, self.store.take_turn(now, until)).await else {
            return Ok(None);
        };
        self.receivers.note_taken(Some(theirs.unwrap_or(until)));
        theirs.map_or(Ok(Some(Turn(until))), Err)
    }

    /// Open for one of all who find that it is time to find out.
    async fn find_out(&self, receiver: &Receiver, known: &mut Known, silence: Silence, turn: Option<Turn>) -> Way {
        let (tenant, host) = receiver;
        let now = self.clock.now();
        let retry_at = probe_at(silence.since, now);
        let probe = limited(host, self.store.take_probe(tenant, host, &silence, retry_at)).await;
        let Some(probe) = probe else {
            return Way::Open(turn);
        };
        known.read_at = Some(now);
        match probe {
            Probe::Ours => {
                known.silence = Some(Silence { retry_at, ..silence });
                Way::Open(turn)
            }
            Probe::Over => {
                known.silence = None;
                Way::Open(turn)
            }
            Probe::Theirs(theirs) => {
                known.silence = Some(theirs.clone());
                self.give_back(host, turn).await;
                Way::Closed(theirs)
            }
        }
    }

    /// Lets the next one find out.
    async fn give_back(&self, host: &str, turn: Option<Turn>) {
        let Some(Turn(until)) = turn else { return };
        self.receivers.note_taken(None);
        limited(host, self.store.give_back_turn(until, self.clock.now())).await;
    }

    /// Notes how a webhook was received that was posted for so long, and gives back the turn. Some when the receiver is
    /// left alone now.
    pub(crate) async fn learn(
        &self,
        receiver: &Receiver,
        (reached, why): (Reached, &str),
        waited: Duration,
        turn: Option<Turn>,
    ) -> Option<Silence> {
        let silence = match reached {
            Reached::NoAnswer if waited >= SLOW => self.did_not_answer(receiver, why).await,
            Reached::NoAnswer | Reached::Answered => {
                self.answered(receiver).await;
                None
            }
            Reached::Nobody => None,
        };
        self.give_back(&receiver.1, turn).await;
        silence
    }

    /// Notes that a receiver keeps nobody waiting.
    async fn answered(&self, receiver: &Receiver) {
        let known = self.receivers.of(receiver);
        let mut known = known.lock().await;
        if known.silence.is_none() {
            return;
        }
        *known = Known {
            read_at: Some(self.clock.now()),
            silence: None,
        };
        let (tenant, host) = receiver;
        tracing::info!(host, "a receiver answers again");
        limited(host, self.store.end_silence(tenant, host)).await;
    }

    /// Notes that a receiver gave no answer. Some when it is left alone now.
    async fn did_not_answer(&self, receiver: &Receiver, why: &str) -> Option<Silence> {
        let known = self.receivers.of(receiver);
        let mut known = known.lock().await;
        let now = self.clock.now();
        let since = known.silence.as_ref().map_or(now, |silence| silence.since);
        let (tenant, host) = receiver;
        let noted = self.store.note_silence(tenant, host, why, now, probe_at(since, now));
        let silence = limited(host, noted).await?;
        if silence.failures == OPEN_AFTER {
            tracing::warn!(host, why, "a receiver does not answer: its webhooks are put off");
        }
        let is_left_alone = silence.failures >= OPEN_AFTER;
        *known = Known {
            // As long as it is not left alone, the next one looks: another process may have waited for it as well.
            read_at: is_left_alone.then_some(now),
            silence: Some(silence.clone()),
        };
        is_left_alone.then_some(silence)
    }
}

/// What the table says about the receiver at `host`; none when it says nothing in time.
async fn limited<T, E: std::fmt::Display>(host: &str, asked: impl Future<Output = Result<T, E>>) -> Option<T> {
    let why = match tokio::time::timeout(LOOK_LIMIT, asked).await {
        Ok(Ok(said)) => return Some(said),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it took too long".to_owned(),
    };
    tracing::warn!(host, why, "what is known of a receiver cannot be read or written");
    None
}

/// When the next one may find out, of a receiver that has not answered since then.
fn probe_at(since: Timestamp, now: Timestamp) -> Timestamp {
    let (least, most) = PROBE_SECONDS;
    let half = u32::try_from(now.since(since).as_secs() / 2).unwrap_or(most);
    now.plus_seconds(half.clamp(least, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_been_silent_for_long_is_asked_less_and_less_but_never_less_than_every_five_minutes() {
        let since = Timestamp::from_millis(1_800_000_000_000);
        for (silent, pause) in [(0, 5), (10, 5), (60, 30), (599, 299), (600, 300), (86_400, 300)] {
            let now = since.plus_seconds(silent);
            assert_eq!(probe_at(since, now), now.plus_seconds(pause), "{silent}");
        }
    }
}
