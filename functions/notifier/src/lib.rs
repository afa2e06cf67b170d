//! Consumes the `notifications` queue: delivers webhooks to requesters.
//!
//! A message is a [`Notice`]: one attempt to deliver one event, due at a given time. Its possible outcomes:
//!
//! - **Delivered** (2xx), or nothing to deliver: done.
//! - **Not due yet**: sent again. SQS delays a message by 15 minutes at most, so a long pause consists of several hops.
//! - **Too early**: the commit that it belongs to has not been made yet. The commit is looked for, and the notice is
//!   sent again. It is dropped once no running function could still make the commit.
//! - **Failed**: sent again with the next pause of the schedule (5 s to 8 h, over 24 h; `Retry-After` is honored).
//! - **Postponed**: the receiver is unresponsive ([`receivers`]). Sent again, and no failure is counted.
//! - **Given up**: 24 h are over, the receiver answered 410 Gone, or the target is not allowed. Sent to the dead-letter
//!   queue, whose alarm fires, with the reason and marked as given up. After a redrive the delivery starts over.
//! - **Superseded**: a status of an attempt that is out of date by the time it could be delivered. Dropped.
//! - **Our own failure** (DynamoDB, SQS, secrets): sent again for as long as it takes; see [`patchbay::outbox`]. A
//!   message that is not a notice goes to the dead-letter queue.
//!
//! The state of each delivery ([`Delivery`]) is written after everything that had to be
//! sent. So a duplicate notice is delivered once, with two exceptions: the sandbox died between the POST and the write,
//! or two copies were consumed at the same moment. The receiver detects those duplicates by the header `webhook-id`.

mod deliver;
mod load;
pub mod payload;
pub mod ports;
pub mod receivers;
mod schedule;

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use patchbay::clock::{Clock, Timestamp};
use patchbay::dispatch::{self, Dispatch, Phase};
use patchbay::http::HttpClient;
use patchbay::message::{self, FailureKind};
use patchbay::outbox::{EnqueueError, MessageQueue, Outbox};
use patchbay::queue::Queue;
use patchbay::store::{NoticedEntry, Store};
use patchbay::telemetry::{self, Unit};
use patchbay::web::standard_webhooks::Signer;
use patchbay::web::target::Targets;
use patchbay::webhook::{Delivery, DeliveryStatus, Notice, SubjectKey, event_id};
use tracing::Instrument as _;
use url::Url;

use crate::deliver::{AttemptResult, Contact, DeliveryAttempt, deliver};
use crate::payload::payload;
use crate::ports::Table;
use crate::receivers::{Admission, Receiver, Receivers};

/// Time-out for the status of the receiver's response.
pub const POST_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for one record, DynamoDB and SQS included. The function's own time-out must be longer, because the
/// records of a batch are consumed concurrently.
pub const RECORD_TIMEOUT: Duration = Duration::from_secs(20);
/// Milliseconds before its time at which a notice already counts as due. SQS delays are whole seconds, so a notice sent
/// again for less than one would come back at once, many times.
const SLACK: i64 = 1_000;
/// For this long after a person asked to resend a webhook, it is attempted even if its receiver is unresponsive.
const URGENT: Duration = Duration::from_mins(1);

/// Dependencies of the function.
#[derive(Clone, Debug)]
pub struct Deps<S = Store, Q = Queue> {
    /// Loads dispatches, interactions and timelines; stores deliveries and unresponsive receivers.
    pub store: S,
    /// Consumes the `notifications` queue.
    pub outbox: Outbox<Q>,
    /// Posts to the receivers.
    pub http: HttpClient,
    /// Current time.
    pub clock: Clock,
    /// Clock for the timestamps of signatures, which receivers compare with their own clocks. It differs from `clock`
    /// only where `clock` runs faster than real time.
    pub signing_clock: Clock,
    /// Signs the webhooks.
    pub signer: Signer,
    /// Which webhook URLs are allowed.
    pub targets: Targets,
    /// Unresponsive receivers, as cached by this process.
    pub receivers: Receivers,
}

/// Why a notice could not be processed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot read from DynamoDB: {cause}")]
    Store { cause: String, kind: FailureKind },
    #[error("cannot send the notice to SQS: {0}")]
    Queue(#[from] EnqueueError),
    #[error("the notice was not processed within {} s", RECORD_TIMEOUT.as_secs())]
    TooSlow,
}

impl Failure {
    fn store(error: &impl message::Failure) -> Self {
        Self::Store {
            cause: error.to_string(),
            kind: error.kind(),
        }
    }
}

impl message::Failure for Failure {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Store { kind, .. } => *kind,
            // The notice may have been sent, and the webhook posted.
            Self::Queue(_) | Self::TooSlow => FailureKind::NotSent,
        }
    }
}

/// Consumes a batch, all records concurrently: a slow receiver does not delay the others.
pub async fn handle<S: Table, Q: MessageQueue>(deps: &Deps<S, Q>, event: SqsEvent) -> SqsBatchResponse {
    let work = |notice: Notice| async {
        let span = tracing::info_span!(
            "notice",
            tenant = %notice.subject.tenant(),
            subject = %notice.subject.id(),
            entry = %notice.entry,
            failures = notice.failures,
        );
        let processing = Box::pin(deps.process(notice).instrument(span));
        let limited = tokio::time::timeout(RECORD_TIMEOUT, processing).await;
        limited.unwrap_or(Err(Failure::TooSlow))
    };
    deps.outbox.consume(&event, work).await
}

/// An event to deliver.
struct PendingDelivery<'a> {
    notice: &'a Notice,
    noticed: &'a NoticedEntry,
    /// State of its delivery before this attempt; none before the first.
    before: Option<&'a Delivery>,
    /// The `webhook-id` that the receiver sees.
    id: String,
}

impl PendingDelivery<'_> {
    /// Whether a person has just asked for this delivery, and it has not failed since.
    fn is_urgent(&self, now: Timestamp) -> bool {
        self.notice.manual && self.notice.failures == 0 && now.since(self.notice.first_at) < URGENT
    }
}

/// What is recorded of an attempt.
#[derive(Clone)]
struct AttemptReport {
    /// The HTTP status, or why there is none.
    reason: String,
    /// Beginning of the response body.
    excerpt: String,
    posted: bool,
}

impl AttemptReport {
    const fn not_posted(reason: String) -> Self {
        Self {
            reason,
            excerpt: String::new(),
            posted: false,
        }
    }
}

impl<S: Table, Q: MessageQueue> Deps<S, Q> {
    async fn process(&self, notice: Notice) -> Result<(), Failure> {
        let now = self.clock.now();
        let notice = if schedule::is_given_up(&notice) {
            // A given-up notice is only in the dead-letter queue, so it has been redriven from there.
            tracing::info!("redriven from the dead-letter queue: delivery starts over");
            schedule::redriven(&notice, now)
        } else {
            notice
        };
        if notice.due_at > now.plus_millis(SLACK) {
            return self.send(&notice).await;
        }
        let Some((noticed, before)) = self.load_subject(&notice).await? else {
            return Ok(());
        };
        if before.as_ref().is_some_and(|before| before.settles(&notice)) {
            tracing::info!("dropped a duplicate notice: this attempt was already made");
            return Ok(());
        }
        let Some(webhook) = noticed.webhook() else {
            return Ok(());
        };
        let event = PendingDelivery {
            notice: &notice,
            noticed: &noticed,
            before: before.as_ref(),
            id: event_id(&notice.subject, &notice.entry),
        };
        if !notice.manual && self.is_superseded(&event).await? {
            tracing::info!(webhook = event.id, "status superseded: not delivered");
            let report = AttemptReport::not_posted(String::new());
            self.record_delivery(&event, notice.failures, &report, DeliveryStatus::Superseded)
                .await;
            return Ok(());
        }
        self.attempt_delivery(&event, &webhook.url).await
    }

    /// Loads the entry that `notice` is about, and the state of its delivery, once the commit that it belongs to has been
    /// made. None when there is nothing to do (yet).
    async fn load_subject(&self, notice: &Notice) -> Result<Option<(NoticedEntry, Option<Delivery>)>, Failure> {
        let load = || async {
            let subject = self.store.subject(notice).await;
            let subject = subject.map_err(|error| Failure::store(&error))?;
            Ok(subject.entry.map(|entry| (entry, subject.delivery)))
        };
        self.outbox.await_commit(notice, load).await
    }

    /// Whether the event is a status of an attempt, and the attempt has got further since.
    async fn is_superseded(&self, event: &PendingDelivery<'_>) -> Result<bool, Failure> {
        match event.noticed {
            NoticedEntry::Dispatch(dispatch, entry) => self.is_superseded_call(dispatch, entry).await,
            NoticedEntry::Interaction(interaction, entry) => Ok(interaction.has_superseded(entry)),
        }
    }

    async fn is_superseded_call(&self, dispatch: &Dispatch, entry: &dispatch::Entry) -> Result<bool, Failure> {
        let (Some(status), Some(attempt)) = (entry.fact.call_status(), entry.fact.attempt()) else {
            return Ok(false);
        };
        let current = dispatch.attempt_with_id(attempt);
        if current.is_none_or(|attempt| matches!(attempt.phase, Phase::Ended { .. })) {
            return Ok(true);
        }
        let statuses = self.store.statuses(&dispatch.key, attempt).await;
        let statuses = statuses.map_err(|error| Failure::store(&error))?;
        Ok(statuses
            .iter()
            .filter_map(|entry| entry.fact.call_status())
            .any(|other| other > status))
    }

    async fn attempt_delivery(&self, event: &PendingDelivery<'_>, url: &str) -> Result<(), Failure> {
        let Some(body) = payload(event.noticed) else {
            return Ok(());
        };
        let url = match Url::parse(url) {
            Ok(url) => url,
            Err(error) => {
                return self
                    .give_up(event, "", &AttemptReport::not_posted(error.to_string()))
                    .await;
            }
        };
        // Only the host is logged: the rest of the URL may hold a secret of the receiver.
        let host = url.host_str().unwrap_or_default();
        let host = url
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let receiver: Receiver = (event.notice.subject.tenant().clone(), host);
        let probe_lock = match self.admit(&receiver, event.is_urgent(self.clock.now())).await {
            Admission::Allowed(probe_lock) => probe_lock,
            Admission::Postponed(unresponsive) => {
                let next = schedule::postponed(event.notice, &event.id, self.clock.now(), &unresponsive);
                let reason = format!(
                    "not attempted: receiver unresponsive since {} ({})",
                    unresponsive.since, unresponsive.reason
                );
                return self
                    .schedule_retry(event, next, &receiver.1, &AttemptReport::not_posted(reason))
                    .await;
            }
        };
        let posted_at = tokio::time::Instant::now();
        let DeliveryAttempt {
            result,
            contact,
            reason,
            excerpt,
        } = deliver(self, &url, &event.id, body.to_string()).await;
        let unresponsive = self
            .record_contact(&receiver, (contact, &reason), posted_at.elapsed(), probe_lock)
            .await;
        let report = AttemptReport {
            reason,
            excerpt,
            posted: contact != Contact::NotPosted,
        };
        match result {
            AttemptResult::Delivered => {
                tracing::info!(
                    webhook = event.id,
                    host = receiver.1,
                    answer = report.reason,
                    "webhook delivered"
                );
                self.record_delivery(event, event.notice.failures, &report, DeliveryStatus::Delivered)
                    .await;
                Ok(())
            }
            AttemptResult::Retryable { retry_after } => {
                let now = self.clock.now();
                let next = match &unresponsive {
                    // This attempt was the probe for the others. It must not be retried later than they are because of
                    // it.
                    Some(unresponsive) => schedule::postponed(event.notice, &event.id, now, unresponsive),
                    None => schedule::after_failure(event.notice, &event.id, now, retry_after),
                };
                self.schedule_retry(event, next, &receiver.1, &report).await
            }
            AttemptResult::Permanent => self.give_up(event, &receiver.1, &report).await,
        }
    }

    /// Sends the notice of the next attempt, or gives up if there is none.
    async fn schedule_retry(
        &self,
        event: &PendingDelivery<'_>,
        next: Notice,
        host: &str,
        report: &AttemptReport,
    ) -> Result<(), Failure> {
        if schedule::is_given_up(&next) {
            let report = AttemptReport {
                reason: format!("gave up after 24 h: {}", report.reason),
                ..report.clone()
            };
            return self.give_up(event, host, &report).await;
        }
        let next_at = next.due_at;
        if report.posted {
            tracing::warn!(webhook = event.id, host, reason = report.reason, next = %next_at, "webhook not delivered: will be retried");
        } else {
            // Only info: that the receiver is unresponsive has been logged once.
            tracing::info!(webhook = event.id, host, reason = report.reason, next = %next_at, "webhook postponed");
        }
        self.send(&next).await?;
        self.record_delivery(event, next.failures, report, DeliveryStatus::Retrying { next_at })
            .await;
        Ok(())
    }

    /// Sends the notice to the dead-letter queue, which has an alarm. The metric has the host as a dimension, for an
    /// alarm for each host.
    async fn give_up(&self, event: &PendingDelivery<'_>, host: &str, report: &AttemptReport) -> Result<(), Failure> {
        let now = self.clock.now();
        tracing::error!(
            webhook = event.id,
            host,
            reason = report.reason,
            "gave up delivering a webhook: sending it to the dead-letter queue"
        );
        let given_up = schedule::given_up(event.notice, now);
        self.outbox
            .dead_letter(&given_up, &format!("{host}: {}", report.reason))
            .await?;
        let count = [("FailedWebhooks", Unit::Count, 1.0)];
        telemetry::emf(
            now,
            &[("Host", if host.is_empty() { "none" } else { host })],
            &count,
            &[],
        );
        self.record_delivery(event, event.notice.failures, report, DeliveryStatus::Failed)
            .await;
        Ok(())
    }

    /// Writes the state of a delivery. A failure is only logged: everything has been sent by now, and must not be sent
    /// twice.
    async fn record_delivery(
        &self,
        event: &PendingDelivery<'_>,
        failures: u8,
        report: &AttemptReport,
        outcome: DeliveryStatus,
    ) {
        let posts = event.before.map_or(0, |before| before.posts);
        let answer = match (&event.notice.subject, report.excerpt.as_str()) {
            // The receiver may repeat what the customer wrote, which has to go when they are forgotten: it is not kept.
            (SubjectKey::Interaction(_), _) | (_, "") => report.reason.clone(),
            (SubjectKey::Dispatch(_), excerpt) => format!("{}: {excerpt}", report.reason),
        };
        let delivery = Delivery {
            resent: event.notice.resent,
            failures,
            posts: posts.saturating_add(u32::from(report.posted)),
            at: self.clock.now(),
            answer,
            outcome,
        };
        if let Err(error) = self.store.put_delivery(event.notice, &delivery).await {
            tracing::error!(webhook = event.id, %error, "cannot write the state of a delivery");
        }
    }

    async fn send(&self, notice: &Notice) -> Result<(), Failure> {
        Ok(self.outbox.send(notice).await?)
    }
}
