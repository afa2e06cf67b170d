//! Works off the `notifications` queue: tells requesters what happened.
//!
//! A message is a [`Notice`]: one delivery of one webhook, due at a moment. What becomes of it:
//!
//! - **Delivered** (2xx), or nothing to tell: done.
//! - **Not due yet**: sent again. SQS holds a message back for 15 minutes at most, so long pauses are made of hops.
//! - **Failed**: sent again with the next pause of the schedule (5 s to 8 h, over 24 h; `Retry-After` is honoured).
//! - **Given up**, because the schedule is over, the receiver said 410 Gone, or the target is not allowed: sent to the
//!   dead-letter queue with the reason, and with a mark, so that the alarm on that queue goes off. Redriven from there, it
//!   begins anew.
//! - **Our own failure** (table, queue, secrets): sent again, as long as it takes; see [`patchbay::queue::Returns`]. What
//!   is no notice of ours goes to the dead-letter queue.
//!
//! A delivery may be made twice (when the next notice was not sent before the sandbox died); the receiver tells by the
//! header `webhook-id`.

mod deliver;
mod load;
pub mod payload;
pub mod ports;
mod schedule;

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use patchbay::clock::Clock;
use patchbay::dispatch::state::Strategy;
use patchbay::http::HttpClient;
use patchbay::queue::{self, Failed, NotTaken, Notice, Queue, Read, Returns, TakeMessages};
use patchbay::store::Store;
use patchbay::web::standard_webhooks::Signer;
use patchbay::web::target::Targets;
use tracing::Instrument as _;
use url::Url;

use crate::deliver::{Outcome, deliver};
use crate::payload::payload;
use crate::ports::ReadDispatch;

/// Longest that a receiver may take to answer.
pub const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest that a record may take, the table and the queue included. The function's own time limit must be longer than
/// this times the size of a batch.
pub const RECORD_TIMEOUT: Duration = Duration::from_secs(25);
/// What is due within this many milliseconds is due: the queue's delays are whole seconds, and a notice that is sent
/// again for less would come back at once, many times.
const SLACK: i64 = 1_000;

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Deps<S = Store, Q = Queue> {
    /// Dispatches and their timelines.
    pub store: S,
    /// The `notifications` queue, and its dead-letter queue.
    pub returns: Returns<Q>,
    /// The way to the receivers.
    pub http: HttpClient,
    /// The time.
    pub clock: Clock,
    /// The time that signatures bear, which receivers compare with their own: a clock of its own only where `clock` runs
    /// faster than theirs.
    pub signing_clock: Clock,
    /// Signs the webhooks.
    pub signer: Signer,
    /// Where webhooks may go.
    pub targets: Targets,
}

/// Why a notice could not be worked off.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the table cannot be read: {cause}")]
    Store { cause: String, failed: Failed },
    #[error("the queue does not take it: {0}")]
    Queue(#[from] NotTaken),
    #[error("it took too long")]
    TooSlow,
}

impl Failure {
    fn store(error: &impl queue::Failure) -> Self {
        Self::Store {
            cause: error.to_string(),
            failed: error.failed(),
        }
    }
}

impl queue::Failure for Failure {
    fn failed(&self) -> Failed {
        match self {
            Self::Store { failed, .. } => *failed,
            Self::Queue(_) => Failed::NotSent,
            Self::TooSlow => Failed::ForNow,
        }
    }
}

/// Works off a batch, one record after another. What fails is sent again, and stops nothing else.
pub async fn handle<S: ReadDispatch, Q: TakeMessages>(deps: &Deps<S, Q>, event: SqsEvent) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        let taken = match queue::read::<Notice>(&record) {
            Read::Unread(unread) => deps.returns.unread(&record, &unread).await,
            Read::Message(tried) => match work_off(deps, &tried.message).await {
                Ok(()) => Ok(()),
                Err(failure) => deps.returns.again_or_dead(&tried, &failure).await,
            },
        };
        queue::reported(&mut response, &record, taken);
    }
    response
}

async fn work_off<S: ReadDispatch, Q: TakeMessages>(deps: &Deps<S, Q>, notice: &Notice) -> Result<(), Failure> {
    let span = tracing::info_span!(
        "notice",
        tenant = %notice.dispatch.tenant,
        dispatch = %notice.dispatch.id,
        entry = %notice.entry,
        failures = notice.failures,
    );
    // In a box: what a delivery awaits is nested as deeply as the compiler follows.
    let worked_off = Box::pin(deps.work_off(notice.clone()).instrument(span));
    let limited = tokio::time::timeout(RECORD_TIMEOUT, worked_off).await;
    limited.unwrap_or(Err(Failure::TooSlow))
}

impl<S: ReadDispatch, Q: TakeMessages> Deps<S, Q> {
    async fn work_off(&self, notice: Notice) -> Result<(), Failure> {
        let now = self.clock.now();
        let notice = if schedule::is_given_up(&notice) {
            // It was sent to the dead-letter queue, so somebody has put it back.
            tracing::info!("redriven: deliveries begin anew");
            schedule::redriven(&notice, now)
        } else {
            notice
        };
        if notice.due_at > now.plus_millis(SLACK) {
            return self.send(&notice).await;
        }
        let store_failure = |error: S::Error| Failure::store(&error);
        let Some(dispatch) = self.store.load(&notice.dispatch).await.map_err(store_failure)? else {
            tracing::warn!("there is no such dispatch (any more)");
            return Ok(());
        };
        let Some(webhook) = &dispatch.brief.webhook else {
            return Ok(());
        };
        let found = self
            .store
            .entry(&notice.dispatch, &notice.entry)
            .await
            .map_err(store_failure)?;
        let Some(entry) = found else {
            tracing::warn!("there is no such entry (any more)");
            return Ok(());
        };
        if webhook.strategy == Strategy::OnCompletion && !entry.fact.is_about_the_whole() {
            return Ok(());
        }
        let Some(payload) = payload(&dispatch, &entry) else {
            return Ok(());
        };
        let id = schedule::webhook_id(&notice.dispatch, &notice.entry);
        // The host only: the rest of the URL may hold a secret of the receiver's.
        let host = Url::parse(&webhook.url)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned));
        let host = host.unwrap_or_default();
        match deliver(self, &webhook.url, &id, payload.to_string()).await {
            Outcome::Delivered => {
                tracing::info!(webhook = id, host, "delivered");
                Ok(())
            }
            Outcome::Failed { why, retry_after } => {
                let next = schedule::after_failure(&notice, &id, self.clock.now(), retry_after);
                if schedule::is_given_up(&next) {
                    tracing::error!(webhook = id, host, why, "given up: the last delivery failed");
                    let why = format!("the last of all deliveries to {host} failed: {why}");
                    return Ok(self.returns.give_up(&next, &why).await?);
                }
                tracing::warn!(webhook = id, host, why, next = %next.due_at, "not delivered");
                self.send(&next).await
            }
            Outcome::Refused { why } => {
                tracing::error!(webhook = id, host, why, "given up: it will never be delivered");
                let given_up = schedule::given_up(&notice, self.clock.now());
                let why = format!("{host} will never take it: {why}");
                Ok(self.returns.give_up(&given_up, &why).await?)
            }
        }
    }

    async fn send(&self, notice: &Notice) -> Result<(), Failure> {
        Ok(self.returns.send(notice, notice.due_at).await?)
    }
}
