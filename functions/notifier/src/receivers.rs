//! Receivers that do not answer.
//!
//! A receiver that hangs costs a notifier [`crate::POST_TIMEOUT`] for each webhook, and there are few notifiers. So when it
//! has kept them waiting [`OPEN_AFTER`] times without an answer in between, its webhooks are put off untried, but for one
//! at a time that finds out whether it answers again. Any answer will do, a refusal too, and so will a failure that keeps
//! nobody waiting. Of all such receivers one is tried at a time, so that one notifier at most waits for them.
//!
//! What is known of a receiver stands in the table, for each tenant apart; a process looks there once a second at most,
//! and writes when something changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::ids::Tenant;
use patchbay::store::{Probe, Silence};

use crate::Deps;
use crate::ports::Table;

/// So often without an answer, and it is left alone.
pub const OPEN_AFTER: u32 = 2;
/// A failure that took less time than this has kept nobody waiting.
const SLOW: Duration = Duration::from_secs(1);
/// How long a process trusts what it has read, in milliseconds.
const TRUSTED_MILLIS: i64 = 1_000;
/// Seconds from one that finds out to the next: half the time since the first failure, within these bounds.
const PROBE_SECONDS: (u32, u32) = (5, 300);
/// How long one that finds out may take, in milliseconds: as long as a receiver may be waited for.
const TURN_MILLIS: i64 = 6_000;
/// Receivers that a process remembers.
const REMEMBERED: usize = 1_000;

/// Whose webhook goes where: the tenant, and the host with its port, if it has one.
pub(crate) type Receiver = (Tenant, String);

/// What this process knows of receivers. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Receivers {
    known: Arc<Mutex<HashMap<Receiver, Known>>>,
    /// One looks, and the others of a batch wait for what it finds: until when somebody has the turn to find out.
    looking: Arc<tokio::sync::Mutex<Option<Timestamp>>>,
}

#[derive(Clone, Debug)]
struct Known {
    read_at: Timestamp,
    silence: Option<Silence>,
}

impl Receivers {
    fn lock(&self) -> MutexGuard<'_, HashMap<Receiver, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known, if it was read within the last second.
    fn fresh(&self, receiver: &Receiver, now: Timestamp) -> Option<Known> {
        let fresh = |known: &&Known| now.millis() - known.read_at.millis() < TRUSTED_MILLIS;
        self.lock().get(receiver).filter(fresh).cloned()
    }

    /// What was known last.
    fn last(&self, receiver: &Receiver) -> Option<Silence> {
        self.lock().get(receiver).and_then(|known| known.silence.clone())
    }

    fn learn(&self, receiver: &Receiver, silence: Option<Silence>, now: Timestamp) {
        let mut known = self.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(receiver.clone(), Known { read_at: now, silence });
    }
}

/// Whether a webhook may be posted.
#[derive(Debug)]
pub(crate) enum Way {
    /// It may.
    Open,
    /// The receiver does not answer.
    Closed(Silence),
}

/// A table that cannot be had decides nothing here: the webhook is posted then, and the worst is a slow receiver more.
impl<S: Table, Q> Deps<S, Q> {
    pub(crate) async fn way_to(&self, receiver: &Receiver) -> Way {
        let mut turn = self.receivers.looking.lock().await;
        let now = self.clock.now();
        let Some(silence) = self.silence_of(receiver, now).await else {
            return Way::Open;
        };
        if silence.failures < OPEN_AFTER {
            return Way::Open;
        }
        if now < silence.retry_at {
            return Way::Closed(silence);
        }
        if let Some(taken) = turn.filter(|taken| *taken > now) {
            return Way::Closed(Silence {
                retry_at: taken,
                ..silence
            });
        }
        self.find_out(receiver, silence, now, &mut turn).await
    }

    /// Open for one of all who find that it is time to find out.
    async fn find_out(
        &self,
        receiver: &Receiver,
        silence: Silence,
        now: Timestamp,
        turn: &mut Option<Timestamp>,
    ) -> Way {
        let (tenant, host) = receiver;
        let ours = now.plus_millis(TURN_MILLIS);
        match self.store.take_turn(now, ours).await {
            Ok(None) => *turn = Some(ours),
            Ok(Some(theirs)) => {
                *turn = Some(theirs);
                return Way::Closed(Silence {
                    retry_at: theirs,
                    ..silence
                });
            }
            Err(error) => {
                tracing::warn!(host, %error, "whether a receiver answers cannot be asked");
                return Way::Open;
            }
        }
        let retry_at = probe_at(silence.since, now);
        let (known, way) = match self.store.take_probe(tenant, host, &silence, retry_at).await {
            Ok(Probe::Ours) => (Some(Silence { retry_at, ..silence }), Way::Open),
            Ok(Probe::Theirs(theirs)) => (Some(theirs.clone()), Way::Closed(theirs)),
            Ok(Probe::Over) => (None, Way::Open),
            Err(error) => {
                tracing::warn!(host, %error, "whether a receiver answers cannot be asked");
                return Way::Open;
            }
        };
        self.receivers.learn(receiver, known, now);
        way
    }

    async fn silence_of(&self, receiver: &Receiver, now: Timestamp) -> Option<Silence> {
        if let Some(known) = self.receivers.fresh(receiver, now) {
            return known.silence;
        }
        let (tenant, host) = receiver;
        match self.store.silence(tenant, host).await {
            Ok(silence) => {
                self.receivers.learn(receiver, silence.clone(), now);
                silence
            }
            Err(error) => {
                tracing::warn!(host, %error, "whether a receiver answers cannot be read");
                None
            }
        }
    }

    /// Notes that a receiver keeps nobody waiting.
    pub(crate) async fn answered(&self, receiver: &Receiver) {
        if self.receivers.last(receiver).is_none() {
            return;
        }
        self.receivers.learn(receiver, None, self.clock.now());
        let (tenant, host) = receiver;
        tracing::info!(host, "a receiver answers again");
        if let Err(error) = self.store.end_silence(tenant, host).await {
            tracing::warn!(host, %error, "that a receiver answers again cannot be written");
        }
    }

    /// Notes that a receiver gave no answer for so long.
    pub(crate) async fn did_not_answer(&self, receiver: &Receiver, why: &str, waited: Duration) {
        if waited < SLOW {
            return self.answered(receiver).await;
        }
        let now = self.clock.now();
        let since = self.receivers.last(receiver).map_or(now, |silence| silence.since);
        let (tenant, host) = receiver;
        let noted = self
            .store
            .note_silence(tenant, host, why, now, probe_at(since, now))
            .await;
        match noted {
            Ok(silence) => {
                if silence.failures == OPEN_AFTER {
                    tracing::warn!(host, why, "a receiver does not answer: its webhooks are put off");
                }
                // As long as it is not left alone, the next one looks: another process may have waited for it as well.
                let is_trusted = silence.failures >= OPEN_AFTER;
                let read_at = if is_trusted { now } else { Timestamp::from_millis(0) };
                self.receivers.learn(receiver, Some(silence), read_at);
            }
            Err(error) => tracing::warn!(host, %error, "that a receiver does not answer cannot be written"),
        }
    }
}

/// When the next one may find out, of a receiver that has not answered since then.
fn probe_at(since: Timestamp, now: Timestamp) -> Timestamp {
    let (least, most) = PROBE_SECONDS;
    let half = u32::try_from(now.since(since).as_secs() / 2).unwrap_or(most);
    now.plus_seconds(half.clamp(least, most))
}
