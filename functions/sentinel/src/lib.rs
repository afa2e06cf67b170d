//! Looks once a minute for stuck dispatches, chats and interactions, and gets them moving again.
//!
//! A dispatch that is not over always has one message in flight that will move it on, and so have a conversation in which
//! the bot still has something to do, and an interaction that is not over. If that message is lost (a purged queue, a
//! consumer that was off for longer than the queue keeps messages), they stop without an error. So an index holds the
//! time at which each one's message is due. If it is three minutes late, the sentinel derives the message from the state
//! ([`patchbay::store::Subject`]) and sends it once more, fenced like every message.
//!
//! - **Found within ten minutes.** The index rounds the due time up to five minutes. Three minutes allow for messages
//!   that are merely late, one for the schedule.
//! - **No flood.** After a resend a dispatch is looked at again after 10 minutes, then after 20, 40, 80 and 160, and
//!   every 160 minutes from there on, until it moves. A round looks at 300 of each kind at most, the longest overdue
//!   first: of 10,000 stuck dispatches each has its message within an hour.
//! - **A backlog is not a loss.** A call that waits for its pacing slot is left alone until the present backlog has
//!   passed, at most three times: under steady load there is always a backlog, and a lost call must not wait for its
//!   end.
//! - **Reported.** The metrics `StuckDispatches`, `StuckConversations` and `StuckInteractions` count them every minute
//!   until they move. The heartbeat is called only when there are none and every request of the round succeeded.
//!
//! The README lists under "Operate" what the sentinel does not cover.

mod heartbeat;
mod load;
mod round;

use patchbay::clock::Clock;
use patchbay::conversation::Conversation;
use patchbay::dispatch::Dispatch;
use patchbay::interaction::Interaction;
use patchbay::queue::{Queue, QueueError};
use patchbay::store::{Store, StoreError};
use patchbay::telemetry::{self, Unit};
use serde::Serialize;

pub use heartbeat::Heartbeat;
pub use round::Counts;

use crate::round::{Round, Watched};

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Dispatches, conversations and interactions, and the index of due ones.
    pub store: Store,
    /// The `dialing` queue.
    pub dialing: Queue,
    /// The `conversations` queue, if the stack has a chat bot.
    pub conversations: Option<Queue>,
    /// The `interactions` queue, if the stack has the API for calls.
    pub interactions: Option<Queue>,
    /// Current time.
    pub clock: Clock,
    /// Heartbeat to call while all is well, if one is configured.
    pub heartbeat: Option<Heartbeat>,
}

/// Result of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether every request succeeded and nothing is stuck.
    pub well: bool,
    /// Dispatches.
    pub dispatches: Counts,
    /// Conversations.
    pub conversations: Counts,
    /// Interactions.
    pub interactions: Counts,
}

/// Why a round is incomplete.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Runs one round for each kind. The content of the schedule's event does not matter.
pub async fn handle(deps: &Deps, _: serde_json::Value) -> Report {
    // Phones first.
    let (dispatches, mut is_complete) = look::<Dispatch>(deps, &deps.dialing, "StuckDispatches").await;
    let mut conversations = Counts::default();
    if let Some(queue) = &deps.conversations {
        let (counts, complete) = look::<Conversation>(deps, queue, "StuckConversations").await;
        conversations = counts;
        is_complete &= complete;
    }
    let mut interactions = Counts::default();
    if let Some(queue) = &deps.interactions {
        let (counts, complete) = look::<Interaction>(deps, queue, "StuckInteractions").await;
        interactions = counts;
        is_complete &= complete;
    }
    let stuck = dispatches.stuck + conversations.stuck + interactions.stuck;
    let report = Report {
        well: is_complete && stuck == 0,
        dispatches,
        conversations,
        interactions,
    };
    if report.well
        && let Some(heartbeat) = &deps.heartbeat
    {
        heartbeat.beat().await;
    }
    report
}

/// Runs a round. Returns what it found, and whether it is complete.
async fn look<S: Watched>(deps: &Deps, queue: &Queue, metric: &'static str) -> (Counts, bool) {
    let mut round = Round::<S>::new(deps, queue);
    let is_complete = match round.run().await {
        Ok(()) => true,
        Err(error) => {
            let kind = S::NAME;
            tracing::error!(kind, %error, "cannot complete a round: some were not checked");
            false
        }
    };
    let stuck = round.counts.stuck;
    // An incomplete round that found nothing emits no metric: alarms fire when it is missing.
    if is_complete || stuck > 0 {
        let metrics = [(metric, Unit::Count, f64::from(stuck))];
        telemetry::emf(deps.clock.now(), &[], &metrics, &[]);
    }
    (round.counts, is_complete)
}
