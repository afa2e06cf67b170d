//! Circuit breaker for unresponsive receivers.
//!
//! A receiver that hangs costs a notifier [`crate::POST_TIMEOUT`] for each webhook, and there are few notifiers. After
//! [`UNRESPONSIVE_AFTER`] slow failures without an answer in between, the webhooks of a receiver are postponed without
//! an attempt. One at a time is posted as a probe, to find out whether the receiver answers again. Any response closes
//! the breaker, an error status too; so does a failure that is fast. One lock covers the probes of all such receivers,
//! so at most one notifier waits for them. The lock is released as soon as the probe is done.
//!
//! The state of a receiver is stored in DynamoDB, separately for each tenant. A process reads it at most once a second,
//! and writes it when it changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::ids::Tenant;
use patchbay::store::{ProbeClaim, UnresponsiveReceiver};
use tokio::sync::Mutex as AsyncMutex;

use crate::Deps;
use crate::deliver::Contact;
use crate::ports::Table;

/// Slow failures in a row after which a receiver counts as unresponsive.
pub const UNRESPONSIVE_AFTER: u32 = 2;
/// A failure faster than this does not count as slow.
const SLOW_FAILURE: Duration = Duration::from_secs(1);
/// Milliseconds for which a process trusts the state that it has read.
const FRESH_MILLIS: i64 = 1_000;
/// Bounds for the seconds between two probes, which is half the time since the first failure.
const PROBE_SECONDS: (u32, u32) = (5, 300);
/// Milliseconds after which the probe lock expires: as long as a POST may take. A sandbox that dies while it holds the
/// lock delays the other probes by this.
const PROBE_LOCK_MILLIS: i64 = 6_000;
/// Time-out for reading or writing the state of a receiver in DynamoDB.
const STATE_TIMEOUT: Duration = Duration::from_millis(700);
/// Most receivers that a process caches.
const MAX_CACHED: usize = 1_000;

/// A receiver of webhooks: the tenant, and the host with its port if the URL has one.
pub(crate) type Receiver = (Tenant, String);

/// State of receivers, as cached by this process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Receivers {
    /// Each state has an async lock: of a batch one reads it, and the others for the same receiver wait for the result.
    cached: Arc<Mutex<HashMap<Receiver, Arc<AsyncMutex<CachedState>>>>>,
    /// When the probe lock expires, as far as this process knows; none if it is free.
    held_until: Arc<Mutex<Option<Timestamp>>>,
}

#[derive(Debug, Default)]
struct CachedState {
    /// When the state was read; none if it must be read again before it is used.
    read_at: Option<Timestamp>,
    unresponsive: Option<UnresponsiveReceiver>,
}

impl CachedState {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.read_at
            .is_some_and(|read_at| now.millis() - read_at.millis() < FRESH_MILLIS)
    }
}

impl Receivers {
    fn state(&self, receiver: &Receiver) -> Arc<AsyncMutex<CachedState>> {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= MAX_CACHED && !cached.contains_key(receiver) {
            cached.clear();
        }
        Arc::clone(cached.entry(receiver.clone()).or_default())
    }

    fn lock_held_until(&self, now: Timestamp) -> Option<Timestamp> {
        let held_until = self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        held_until.filter(|until| *until > now)
    }

    fn set_lock(&self, until: Option<Timestamp>) {
        *self.held_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// The lock for probing an unresponsive receiver, one for all receivers. Holds the time at which it expires.
#[derive(Debug)]
pub(crate) struct ProbeLock(Timestamp);

/// Whether a webhook may be posted.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It may. With the lock it is a probe, and no other webhook probes until the lock is released.
    Allowed(Option<ProbeLock>),
    /// The receiver is unresponsive. The next probe is allowed at `retry_at`.
    Postponed(UnresponsiveReceiver),
}

impl Admission {
    fn postponed(unresponsive: &UnresponsiveReceiver, retry_at: Timestamp) -> Self {
        Self::Postponed(UnresponsiveReceiver {
            retry_at,
            ..unresponsive.clone()
        })
    }
}

/// If DynamoDB is unavailable, the webhook is posted: the worst case is one more wait for a slow receiver.
impl<S: Table, Q> Deps<S, Q> {
    /// Decides whether a webhook may be posted to `receiver`. An `urgent` webhook probes before the next probe is due,
    /// if no other one is probing.
    pub(crate) async fn admit(&self, receiver: &Receiver, urgent: bool) -> Admission {
        let cached = self.receivers.state(receiver);
        let mut cached = cached.lock().await;
        let now = self.clock.now();
        if !cached.is_fresh(now) {
            self.refresh(receiver, &mut cached, now).await;
        }
        let unresponsive = cached.unresponsive.clone();
        let Some(unresponsive) = unresponsive.filter(|unresponsive| unresponsive.failures >= UNRESPONSIVE_AFTER) else {
            return Admission::Allowed(None);
        };
        if now < unresponsive.retry_at && !urgent {
            return Admission::Postponed(unresponsive);
        }
        match self.acquire_probe_lock(&receiver.1, now).await {
            Ok(lock) => self.claim_probe(receiver, &mut cached, unresponsive, lock).await,
            Err(held_until) => Admission::postponed(&unresponsive, held_until),
        }
    }

    /// Reads the state of a receiver. A failed read counts as a read: the next one follows after a second.
    async fn refresh(&self, (tenant, host): &Receiver, cached: &mut CachedState, now: Timestamp) {
        let unresponsive = bounded(host, self.store.unresponsive_receiver(tenant, host))
            .await
            .flatten();
        *cached = CachedState {
            read_at: Some(now),
            unresponsive,
        };
    }

    /// Acquires the probe lock. Fails with the time at which it expires if it is held. `None` when DynamoDB is
    /// unavailable.
    async fn acquire_probe_lock(&self, host: &str, now: Timestamp) -> Result<Option<ProbeLock>, Timestamp> {
        if let Some(held_until) = self.receivers.lock_held_until(now) {
            return Err(held_until);
        }
        let until = now.plus_millis(PROBE_LOCK_MILLIS);
        let Some(other) = bounded(host, self.store.acquire_probe_lock(now, until)).await else {
            return Ok(None);
        };
        self.receivers.set_lock(Some(other.unwrap_or(until)));
        other.map_or(Ok(Some(ProbeLock(until))), Err)
    }

    /// Claims the probe that is due: exactly one of several concurrent webhooks may post.
    async fn claim_probe(
        &self,
        receiver: &Receiver,
        cached: &mut CachedState,
        unresponsive: UnresponsiveReceiver,
        lock: Option<ProbeLock>,
    ) -> Admission {
        let (tenant, host) = receiver;
        let now = self.clock.now();
        let retry_at = probe_at(unresponsive.since, now);
        let probe = bounded(host, self.store.claim_probe(tenant, host, &unresponsive, retry_at)).await;
        let Some(probe) = probe else {
            return Admission::Allowed(lock);
        };
        cached.read_at = Some(now);
        match probe {
            ProbeClaim::Claimed => {
                cached.unresponsive = Some(UnresponsiveReceiver {
                    retry_at,
                    ..unresponsive
                });
                Admission::Allowed(lock)
            }
            ProbeClaim::Recovered => {
                cached.unresponsive = None;
                Admission::Allowed(lock)
            }
            ProbeClaim::ClaimedByOther(other) => {
                cached.unresponsive = Some(other.clone());
                self.release(host, lock).await;
                Admission::Postponed(other)
            }
        }
    }

    /// Releases the probe lock.
    async fn release(&self, host: &str, lock: Option<ProbeLock>) {
        let Some(ProbeLock(until)) = lock else { return };
        self.receivers.set_lock(None);
        bounded(host, self.store.release_probe_lock(until, self.clock.now())).await;
    }

    /// Records how far an attempt got that took the time `waited`, and releases the probe lock. Some when the receiver
    /// is unresponsive now.
    pub(crate) async fn record_contact(
        &self,
        receiver: &Receiver,
        (contact, reason): (Contact, &str),
        waited: Duration,
        lock: Option<ProbeLock>,
    ) -> Option<UnresponsiveReceiver> {
        let unresponsive = match contact {
            Contact::NoAnswer if waited >= SLOW_FAILURE => self.record_no_answer(receiver, reason).await,
            Contact::NoAnswer | Contact::Answered => {
                self.record_responsive(receiver).await;
                None
            }
            Contact::NotPosted => None,
        };
        self.release(&receiver.1, lock).await;
        unresponsive
    }

    /// Records that a receiver is responsive.
    async fn record_responsive(&self, receiver: &Receiver) {
        let cached = self.receivers.state(receiver);
        let mut cached = cached.lock().await;
        if cached.unresponsive.is_none() {
            return;
        }
        *cached = CachedState {
            read_at: Some(self.clock.now()),
            unresponsive: None,
        };
        let (tenant, host) = receiver;
        tracing::info!(host, "a receiver responds again");
        bounded(host, self.store.clear_unresponsive(tenant, host)).await;
    }

    /// Records that a receiver gave no answer. Some when it is unresponsive now.
    async fn record_no_answer(&self, receiver: &Receiver, reason: &str) -> Option<UnresponsiveReceiver> {
        let cached = self.receivers.state(receiver);
        let mut cached = cached.lock().await;
        let now = self.clock.now();
        let since = cached
            .unresponsive
            .as_ref()
            .map_or(now, |unresponsive| unresponsive.since);
        let (tenant, host) = receiver;
        let noted = self
            .store
            .record_no_answer(tenant, host, reason, now, probe_at(since, now));
        let unresponsive = bounded(host, noted).await?;
        if unresponsive.failures == UNRESPONSIVE_AFTER {
            tracing::warn!(host, reason, "a receiver is unresponsive: its webhooks are postponed");
        }
        let is_unresponsive = unresponsive.failures >= UNRESPONSIVE_AFTER;
        *cached = CachedState {
            // Below the threshold the next webhook reads the state again: another process may have counted a failure as
            // well.
            read_at: is_unresponsive.then_some(now),
            unresponsive: Some(unresponsive.clone()),
        };
        is_unresponsive.then_some(unresponsive)
    }
}

/// Result of a request to DynamoDB about the receiver at `host`; none when it fails or takes too long.
async fn bounded<T, E: std::fmt::Display>(host: &str, request: impl Future<Output = Result<T, E>>) -> Option<T> {
    let reason = match tokio::time::timeout(STATE_TIMEOUT, request).await {
        Ok(Ok(result)) => return Some(result),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "DynamoDB did not answer in time".to_owned(),
    };
    tracing::warn!(host, reason, "cannot read or write the state of a receiver");
    None
}

/// When the next probe of a receiver is due that has been unresponsive since `since`.
fn probe_at(since: Timestamp, now: Timestamp) -> Timestamp {
    let (least, most) = PROBE_SECONDS;
    let half = u32::try_from(now.since(since).as_secs() / 2).unwrap_or(most);
    now.plus_seconds(half.clamp(least, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_of_an_unresponsive_receiver_become_rarer_down_to_one_every_five_minutes() {
        let since = Timestamp::from_millis(1_800_000_000_000);
        for (silent, pause) in [(0, 5), (10, 5), (60, 30), (599, 299), (600, 300), (86_400, 300)] {
            let now = since.plus_seconds(silent);
            assert_eq!(probe_at(since, now), now.plus_seconds(pause), "{silent}");
        }
    }
}
