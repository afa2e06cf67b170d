//! Consumes the `notifications` queue: tells requesters what happened.
//!
//! A message is a [`Notice`]: one try at telling one event, due at a moment. What becomes of it:
//!
//! - **Delivered** (2xx), or nothing to tell: done.
//! - **Not due yet**: sent again. SQS holds a message back for 15 minutes at most, so long pauses are made of hops.
//! - **Too early**: the commit that it belongs to is not made yet. It is looked for, and sent again; dropped when whoever
//!   was to make it is gone.
//! - **Failed**: sent again with the next pause of the schedule (5 s to 8 h, over 24 h; `Retry-After` is honoured).
//! - **Put off**: the receiver answers nobody ([`receivers`]). Sent again, and no failure is counted.
//! - **Given up**, because the day is over, the receiver said 410 Gone, or the target is not allowed: sent to the
//!   dead-letter queue with the reason, and with a mark, so that the alarm on that queue goes off. Redriven from there, it
//!   begins anew.
//! - **Overtaken**: a call's status that is not how things stand any more when it could be told. Dropped.
//! - **Our own failure** (table, queue, secrets): sent again, as long as it takes; see [`patchbay::outbox`]. What
//!   is no notice of ours goes to the dead-letter queue.
//!
//! How each delivery stands is written down ([`patchbay::dispatch::delivery::Delivery`]), after whatever was to be sent. So a notice
//! that comes again is told once, unless the sandbox died between the post and the note, or two of one were consumed at
//! the same moment; the receiver tells by the header `webhook-id`.

mod deliver;
mod load;
pub mod payload;
pub mod ports;
pub mod receivers;
mod schedule;

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use patchbay::clock::{Clock, Timestamp};
use patchbay::dispatch::delivery::{Delivery, Outcome, event_id};
use patchbay::dispatch::work::Notice;
use patchbay::dispatch::{Dispatch, Entry, Phase};
use patchbay::http::HttpClient;
use patchbay::mail::{self, Failed};
use patchbay::outbox::{NotTaken, Outbox, TakeMessages};
use patchbay::queue::Queue;
use patchbay::store::{NoticeSubject, Store};
use patchbay::telemetry::{self, Unit};
use patchbay::web::standard_webhooks::Signer;
use patchbay::web::target::Targets;
use tracing::Instrument as _;
use url::Url;

use crate::deliver::{CameTo, Reached, Tried, deliver};
use crate::payload::payload;
use crate::ports::Table;
use crate::receivers::{Receiver, Receivers, Way};

/// Longest that a receiver may take to answer with a status.
pub const POST_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest that a record may take, the table and the queue included. The function's own time limit must be longer than
/// this: the records of a batch are consumed side by side.
pub const RECORD_TIMEOUT: Duration = Duration::from_secs(20);
/// What is due within this many milliseconds is due: the queue's delays are whole seconds, and a notice that is sent
/// again for less would come back at once, many times.
const SLACK: i64 = 1_000;
/// For so long after somebody asked for a webhook to be sent again, it is tried although its receiver answers nobody.
const URGENT: Duration = Duration::from_mins(1);

/// What the function works with.
#[derive(Clone, Debug)]
pub struct Deps<S = Store, Q = Queue> {
    /// Dispatches and their timelines, deliveries and receivers.
    pub store: S,
    /// How the `notifications` queue is consumed.
    pub outbox: Outbox<Q>,
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
    /// What this process knows of receivers.
    pub receivers: Receivers,
}

/// Why a notice could not be consumed.
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
    fn store(error: &impl mail::Failure) -> Self {
        Self::Store {
            cause: error.to_string(),
            failed: error.failed(),
        }
    }
}

impl mail::Failure for Failure {
    fn failed(&self) -> Failed {
        match self {
            Self::Store { failed, .. } => *failed,
            // Whatever was to be sent may have been, and the webhook posted.
            Self::Queue(_) | Self::TooSlow => Failed::NotSent,
        }
    }
}

/// Consumes a batch, all of it side by side: a slow receiver holds up nobody in the same batch.
pub async fn handle<S: Table, Q: TakeMessages>(deps: &Deps<S, Q>, event: SqsEvent) -> SqsBatchResponse {
    let work_off = |notice: Notice| async {
        let span = tracing::info_span!(
            "notice",
            tenant = %notice.dispatch.tenant,
            dispatch = %notice.dispatch.id,
            entry = %notice.entry,
            failures = notice.failures,
        );
        let worked_off = Box::pin(deps.work_off(notice).instrument(span));
        let limited = tokio::time::timeout(RECORD_TIMEOUT, worked_off).await;
        limited.unwrap_or(Err(Failure::TooSlow))
    };
    deps.outbox.consume(&event, work_off).await
}

/// One event on its way to its receiver.
struct Event<'a> {
    notice: &'a Notice,
    dispatch: &'a Dispatch,
    entry: &'a Entry,
    /// How it stood before this try.
    before: Option<&'a Delivery>,
    /// Its name, for the receiver.
    id: String,
}

impl Event<'_> {
    /// Whether somebody waits for this, who has asked for it just now.
    fn is_urgent(&self, now: Timestamp) -> bool {
        self.notice.asked && self.notice.failures == 0 && now.since(self.notice.first_at) < URGENT
    }
}

/// What there is to tell of a try.
#[derive(Clone)]
struct Told {
    /// The status, or what was wrong instead.
    why: String,
    /// The receiver's own words.
    said: String,
    posted: bool,
}

impl Told {
    const fn not_posted(why: String) -> Self {
        Self {
            why,
            said: String::new(),
            posted: false,
        }
    }
}

impl<S: Table, Q: TakeMessages> Deps<S, Q> {
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
        let Some((dispatch, entry, before)) = self.fenced(&notice).await? else {
            return Ok(());
        };
        if before.as_ref().is_some_and(|before| before.settles(&notice)) {
            tracing::info!("this is settled already");
            return Ok(());
        }
        let webhook = dispatch.brief.webhook.as_ref();
        let Some(webhook) = webhook.filter(|webhook| entry.is_told(webhook.strategy)) else {
            return Ok(());
        };
        let event = Event {
            notice: &notice,
            dispatch: &dispatch,
            entry: &entry,
            before: before.as_ref(),
            id: event_id(&notice.dispatch, &notice.entry),
        };
        if !notice.asked && self.is_overtaken(&event).await? {
            tracing::info!(webhook = event.id, "the call is further already: not told");
            let told = Told::not_posted(String::new());
            self.note(&event, notice.failures, &told, Outcome::Overtaken).await;
            return Ok(());
        }
        self.tell(&event, &webhook.url).await
    }

    /// The dispatch and the entry that `notice` is about, and how its delivery stands, once the commit that belongs to it is
    /// made. None when there is nothing to do (now).
    async fn fenced(&self, notice: &Notice) -> Result<Option<(Dispatch, Entry, Option<Delivery>)>, Failure> {
        let look = || async {
            let subject = self.store.subject(notice).await;
            let NoticeSubject {
                dispatch,
                entry,
                delivery,
            } = subject.map_err(|error| Failure::store(&error))?;
            // Both: what is read together may be from before and after one commit.
            Ok(dispatch.zip(entry).map(|(dispatch, entry)| (dispatch, entry, delivery)))
        };
        self.outbox.fenced(notice, look).await
    }

    /// Whether this says how far a call is that has got further since.
    async fn is_overtaken(&self, event: &Event<'_>) -> Result<bool, Failure> {
        let (Some(status), Some(attempt)) = (event.entry.fact.call_status(), event.entry.fact.attempt()) else {
            return Ok(false);
        };
        let current = event.dispatch.attempt_called(attempt);
        if current.is_none_or(|attempt| matches!(attempt.phase, Phase::Ended { .. })) {
            return Ok(true);
        }
        let statuses = self.store.statuses(&event.notice.dispatch, attempt).await;
        let statuses = statuses.map_err(|error| Failure::store(&error))?;
        Ok(statuses
            .iter()
            .filter_map(|entry| entry.fact.call_status())
            .any(|other| other > status))
    }

    async fn tell(&self, event: &Event<'_>, url: &str) -> Result<(), Failure> {
        let Some(body) = payload(event.dispatch, event.entry) else {
            return Ok(());
        };
        let url = match Url::parse(url) {
            Ok(url) => url,
            Err(error) => return self.give_up(event, "", &Told::not_posted(error.to_string())).await,
        };
        // The rest of the URL may hold a secret of the receiver's.
        let host = url.host_str().unwrap_or_default();
        let host = url
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let receiver: Receiver = (event.notice.dispatch.tenant.clone(), host);
        let turn = match self.way_to(&receiver, event.is_urgent(self.clock.now())).await {
            Way::Open(turn) => turn,
            Way::Closed(silence) => {
                let next = schedule::put_off(event.notice, &event.id, self.clock.now(), &silence);
                let why = format!("not tried: no answer since {} ({})", silence.since, silence.why);
                return self.again(event, next, &receiver.1, &Told::not_posted(why)).await;
            }
        };
        let posted_at = tokio::time::Instant::now();
        let Tried {
            came_to,
            reached,
            why,
            said,
        } = deliver(self, &url, &event.id, body.to_string()).await;
        let silence = self.learn(&receiver, (reached, &why), posted_at.elapsed(), turn).await;
        let told = Told {
            why,
            said,
            posted: reached != Reached::Nobody,
        };
        match came_to {
            CameTo::Delivered => {
                tracing::info!(webhook = event.id, host = receiver.1, answer = told.why, "delivered");
                self.note(event, event.notice.failures, &told, Outcome::Delivered).await;
                Ok(())
            }
            CameTo::Failed { retry_after } => {
                let now = self.clock.now();
                let next = match &silence {
                    // It has found out for the others, and is not to come later than they do for that.
                    Some(silence) => schedule::put_off(event.notice, &event.id, now, silence),
                    None => schedule::after_failure(event.notice, &event.id, now, retry_after),
                };
                self.again(event, next, &receiver.1, &told).await
            }
            CameTo::Refused => self.give_up(event, &receiver.1, &told).await,
        }
    }

    /// Sends the next try, or gives up when there is none.
    async fn again(&self, event: &Event<'_>, next: Notice, host: &str, told: &Told) -> Result<(), Failure> {
        if schedule::is_given_up(&next) {
            let told = Told {
                why: format!("a day of tries is over: {}", told.why),
                ..told.clone()
            };
            return self.give_up(event, host, &told).await;
        }
        let next_at = next.due_at;
        if told.posted {
            tracing::warn!(webhook = event.id, host, why = told.why, next = %next_at, "not delivered");
        } else {
            // That its receiver does not answer was said once.
            tracing::info!(webhook = event.id, host, why = told.why, next = %next_at, "put off");
        }
        self.send(&next).await?;
        self.note(event, next.failures, told, Outcome::Retrying { next_at })
            .await;
        Ok(())
    }

    /// Makes a dead letter of it, which an alarm waits for. The count names the host, for an alarm of its own.
    async fn give_up(&self, event: &Event<'_>, host: &str, told: &Told) -> Result<(), Failure> {
        let now = self.clock.now();
        tracing::error!(webhook = event.id, host, why = told.why, "given up");
        let given_up = schedule::given_up(event.notice, now);
        self.outbox.give_up(&given_up, &format!("{host}: {}", told.why)).await?;
        let count = [("WebhooksGivenUp", Unit::Count, 1.0)];
        telemetry::emf(
            now,
            &[("Host", if host.is_empty() { "none" } else { host })],
            &count,
            &[],
        );
        self.note(event, event.notice.failures, told, Outcome::GivenUp).await;
        Ok(())
    }

    /// Writes how a delivery stands, for people: what was to be sent is sent, and must not be sent twice for this.
    async fn note(&self, event: &Event<'_>, failures: u8, told: &Told, outcome: Outcome) {
        let posts = event.before.map_or(0, |before| before.posts);
        let answer = match told.said.as_str() {
            "" => told.why.clone(),
            said => format!("{}: {said}", told.why),
        };
        let delivery = Delivery {
            resent: event.notice.resent,
            failures,
            posts: posts.saturating_add(u32::from(told.posted)),
            at: self.clock.now(),
            answer,
            outcome,
        };
        if let Err(error) = self.store.put_delivery(event.notice, &delivery).await {
            tracing::error!(webhook = event.id, %error, "how a delivery stands could not be written");
        }
    }

    async fn send(&self, notice: &Notice) -> Result<(), Failure> {
        Ok(self.outbox.send(notice).await?)
    }
}
