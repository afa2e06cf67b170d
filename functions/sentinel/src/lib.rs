//! Somebody who watches the watcher: looks once a minute for dispatches that nothing moves any more, and moves them.
//!
//! At every moment a dispatch that is not over has a message in flight that will move it on. Should that message be lost
//! after all (a purged queue, a dialer that was off for longer than the queue keeps messages), nothing would move and
//! nothing would say so. So every dispatch carries the moment at which its message is due, in an index; one that is late
//! by three minutes has its message sent once more, as its state tells it ([`patchbay::dispatch::pending_work`]), fenced as all messages are.
//!
//! - **Found within ten minutes.** The index rounds the moment up to five minutes; three are for messages that are merely
//!   late, one for the schedule.
//! - **No flood.** What was sent again is looked at again after 10 minutes, then after 20, 40, 80 and 160, and after every
//!   160 from there on, until the dispatch moves. A round looks at 300 dispatches at most, the longest due first: of
//!   10,000 stuck ones each has its message within an hour.
//! - **A storm is no loss.** A call that waits for its pacing slot is left alone until the backlog that there is has
//!   passed, three times at most: under steady load there always is one, and a lost call must not wait for its end.
//! - **It says so.** `Stuck` counts them, every minute, until they move. All is well when there are none and every request
//!   was answered: only then is the heartbeat called.
//!
//! What it does not cover is in README, under Operate.

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

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Dispatches.
    pub store: Store,
    /// The `dialing` queue.
    pub dialing: Queue,
    /// The time.
    pub clock: Clock,
    /// Whom to tell that all is well, if anybody.
    pub heartbeat: Option<Heartbeat>,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether every request was answered and nothing is stuck.
    pub well: bool,
    /// Dispatches that nothing has moved although it was time. As far as a round looks.
    pub stuck: u32,
    /// Those of them whose message was sent again in this round.
    pub sent_again: u32,
    /// Dispatches whose call waits for its slot.
    pub held: u32,
}

/// Why a round is not complete.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// One round. Nothing in the event of the schedule matters.
pub async fn handle(deps: &Deps, _: serde_json::Value) -> Report {
    let mut round = Round::new(deps);
    let complete = match round.go().await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "a round of the sentinel was not completed");
            false
        }
    };
    let report = Report {
        well: complete && round.report.stuck == 0,
        ..round.report
    };
    // A round that saw nothing says nothing: an alarm listens for the silence.
    if complete || report.stuck > 0 {
        let stuck = f64::from(report.stuck);
        telemetry::emf(deps.clock.now(), &[], &[("Stuck", Unit::Count, stuck)], &[]);
    }
    if report.well
        && let Some(heartbeat) = &deps.heartbeat
    {
        heartbeat.beat().await;
    }
    report
}
