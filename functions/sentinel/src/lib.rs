//! Looks once a minute for stuck dispatches, and gets them moving again.
//!
//! A dispatch that is not over always has one message in flight that will move it on. If that message is lost (a purged
//! queue, a dialer that was off for longer than the queue keeps messages), the dispatch stops without an error. So an
//! index holds the time at which each dispatch's message is due. If a dispatch is three minutes late, the sentinel
//! derives its message from its state ([`patchbay::dispatch::pending_work`]) and sends it once more, fenced like every
//! message.
//!
//! - **Found within ten minutes.** The index rounds the due time up to five minutes. Three minutes allow for messages
//!   that are merely late, one for the schedule.
//! - **No flood.** After a resend a dispatch is looked at again after 10 minutes, then after 20, 40, 80 and 160, and
//!   every 160 minutes from there on, until it moves. A round looks at 300 dispatches at most, the longest overdue
//!   first: of 10,000 stuck dispatches each has its message within an hour.
//! - **A backlog is not a loss.** A call that waits for its pacing slot is left alone until the present backlog has
//!   passed, at most three times: under steady load there is always a backlog, and a lost call must not wait for its
//!   end.
//! - **Reported.** The metric `StuckDispatches` counts them every minute until they move. The heartbeat is called only
//!   when there are none and every request of the round succeeded.
//!
//! The README lists under "Operate" what the sentinel does not cover.

mod heartbeat;
mod load;
mod round;

use patchbay::clock::Clock;
use patchbay::queue::{Queue, QueueError};
use patchbay::store::{Store, StoreError};
use patchbay::telemetry::{self, Unit};
use serde::Serialize;

pub use heartbeat::Heartbeat;

use crate::round::Round;

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Dispatches, and the index of due ones.
    pub store: Store,
    /// The `dialing` queue.
    pub dialing: Queue,
    /// Current time.
    pub clock: Clock,
    /// Heartbeat to call while all is well, if one is configured.
    pub heartbeat: Option<Heartbeat>,
}

/// Result of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether every request succeeded and no dispatch is stuck.
    pub well: bool,
    /// Stuck dispatches found, within the limits of a round.
    pub stuck: u32,
    /// Stuck dispatches whose message was sent again in this round.
    pub sent_again: u32,
    /// Dispatches whose call may still be waiting for its pacing slot.
    pub held: u32,
}

/// Why a round is incomplete.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Runs one round. The content of the schedule's event does not matter.
pub async fn handle(deps: &Deps, _: serde_json::Value) -> Report {
    let mut round = Round::new(deps);
    let complete = match round.run().await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "cannot complete a round: some dispatches were not checked");
            false
        }
    };
    let report = Report {
        well: complete && round.report.stuck == 0,
        ..round.report
    };
    // An incomplete round that found nothing emits no metric: an alarm fires when the metric is missing.
    if complete || report.stuck > 0 {
        let stuck = f64::from(report.stuck);
        telemetry::emf(deps.clock.now(), &[], &[("StuckDispatches", Unit::Count, stuck)], &[]);
    }
    if report.well
        && let Some(heartbeat) = &deps.heartbeat
    {
        heartbeat.beat().await;
    }
    report
}
