//! An in-memory store, queue and receiver.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use bytes::Bytes;
use notifier::Deps;
use notifier::ports;
use notifier::receivers::Receivers;
use patchbay::clock::{Clock, Timestamp};
use patchbay::dispatch::DispatchPriority;
use patchbay::dispatch::{CallStatus, Dispatch, Employee, Entry, Fact, NewDispatch, Policy, Progress, State, Ticket};
use patchbay::http::{HttpClient, Request, Response, ResponseFuture, SendError, SendHttp};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce, ProviderName, Tenant};
use patchbay::interaction::{self, Interaction};
use patchbay::message::{Failure, FailureKind};
use patchbay::outbox::{EnqueueError, MessageQueue, Outbox, QueuedMessage};
use patchbay::phone::PhoneNumber;
use patchbay::secret::Secret;
use patchbay::store::{NoticeSubject, NoticedEntry, ProbeClaim, UnresponsiveReceiver};
use patchbay::web::standard_webhooks::{Signer, SigningKey};
use patchbay::web::target::Targets;
use patchbay::webhook::{Delivery, Notice, Strategy, SubjectKey, Webhook};

/// Time at which every test starts.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Webhook URL of the requester.
pub(crate) const URL: &str = "https://example.org/hook?key=hidden";

/// The voice provider.
pub(crate) const PROVIDER: ProviderName = ProviderName::known("voice");

/// The call status of that name; `Other` if it is unknown.
pub(crate) fn called(name: &str) -> CallStatus {
    serde_json::from_value(name.into()).unwrap_or(CallStatus::Other)
}

pub(crate) fn attempt() -> AttemptId {
    AttemptId {
        ordinal: 7,
        employee: 1,
        nonce: Nonce::new(42),
    }
}

fn employee(id: &str, name: &str) -> Employee {
    Employee {
        id: id.to_owned(),
        name: name.to_owned(),
        phone: PhoneNumber::parse("+12025550123").expect("a number"),
        language: None,
        voice: None,
        on_duty: Vec::new(),
        quiet_hours: None,
        opted_out: false,
        unverified: false,
    }
}

pub(crate) fn dispatch() -> Dispatch {
    Dispatch {
        key: DispatchKey {
            tenant: "acme".parse().expect("tenant"),
            id: DispatchId::new(0x2a),
        },
        version: 3,
        decision: Nonce::new(1),
        created_at: START,
        status_since: START,
        expires_at: START.plus_seconds(86_400),
        fingerprint: String::new(),
        spec: NewDispatch {
            priority: DispatchPriority::Normal,
            ticket: Ticket {
                reference: Some("INC-4711".to_owned()),
                text: "The server room is hot".to_owned(),
            },
            employees: vec![employee("e-1", "Ben"), employee("e-2", "Anna")],
            policy: Policy::default(),
            webhook: Some(Webhook {
                url: URL.to_owned(),
                strategy: Strategy::OnChange,
            }),
        },
        progress: Progress::default(),
        state: State::Cancelled { at: START },
    }
}

/// The first entry of the commit that made version 3.
pub(crate) fn entry(fact: Fact) -> Entry {
    Entry {
        sequence: Some(300),
        ..Entry::decided(7, START, Nonce::new(42), 0, fact)
    }
}

pub(crate) fn accepted() -> Entry {
    entry(Fact::Accepted {
        attempt: attempt(),
        late: false,
        resolve_by: None,
    })
}

/// Store with one dispatch and perhaps one interaction, their timeline entries, and what the notifier writes.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) dispatch: Dispatch,
    pub(crate) entries: Mutex<Vec<Entry>>,
    pub(crate) interaction: Option<Interaction>,
    pub(crate) interaction_entries: Vec<interaction::Entry>,
    pub(crate) deliveries: Mutex<BTreeMap<String, Delivery>>,
    /// Keyed by host.
    pub(crate) unresponsive: Mutex<BTreeMap<String, UnresponsiveReceiver>>,
    /// When the probe lock expires.
    pub(crate) probe_lock: Mutex<Option<Timestamp>>,
    /// How often the state of a receiver was read.
    pub(crate) reads: AtomicUsize,
    /// Reads of subjects hang.
    pub(crate) hangs: bool,
    /// Reads of receivers fail.
    pub(crate) receiver_reads_fail: bool,
    pub(crate) broken: Option<FailureKind>,
}

/// The store or a queue fails, temporarily or permanently.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unavailable(pub(crate) FailureKind);

impl Failure for Unavailable {
    fn kind(&self) -> FailureKind {
        self.0
    }
}

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unavailable")
    }
}

impl Table {
    fn check(&self) -> Result<(), Unavailable> {
        self.broken.map_or(Ok(()), |kind| Err(Unavailable(kind)))
    }

    fn of_interaction(&self, notice: &Notice) -> Option<NoticedEntry> {
        let interaction = self.interaction.as_ref()?;
        let SubjectKey::Interaction(key) = &notice.subject else {
            return None;
        };
        let entry = self.interaction_entries.iter().find(|entry| entry.id == notice.entry)?;
        let found = Some(interaction).filter(|found| found.key == *key)?;
        Some(NoticedEntry::Interaction(Box::new(found.clone()), entry.clone()))
    }

    fn receiver_state(&self, host: &str) -> Option<UnresponsiveReceiver> {
        self.unresponsive.lock().expect("not poisoned").get(host).cloned()
    }
}

impl ports::Table for Table {
    type Error = Unavailable;

    async fn subject(&self, notice: &Notice) -> Result<NoticeSubject, Unavailable> {
        self.check()?;
        if self.hangs {
            tokio::time::sleep(Duration::from_hours(1)).await;
        }
        let entries = self.entries.lock().expect("not poisoned");
        let deliveries = self.deliveries.lock().expect("not poisoned");
        let dispatch = Some(&self.dispatch).filter(|found| SubjectKey::Dispatch(found.key.clone()) == notice.subject);
        let entry = entries.iter().find(|entry| entry.id == notice.entry);
        let of_dispatch = dispatch.zip(entry);
        let of_dispatch =
            of_dispatch.map(|(dispatch, entry)| NoticedEntry::Dispatch(Box::new(dispatch.clone()), entry.clone()));
        Ok(NoticeSubject {
            entry: of_dispatch.or_else(|| self.of_interaction(notice)),
            delivery: deliveries.get(&notice.entry).cloned(),
        })
    }

    async fn statuses(&self, _: &DispatchKey, attempt: AttemptId) -> Result<Vec<Entry>, Unavailable> {
        let entries = self.entries.lock().expect("not poisoned");
        let of_attempt = |entry: &&Entry| entry.id.starts_with(&Entry::status_prefix(attempt));
        Ok(entries.iter().filter(of_attempt).cloned().collect())
    }

    async fn put_delivery(&self, notice: &Notice, delivery: &Delivery) -> Result<(), Unavailable> {
        self.check()?;
        let mut deliveries = self.deliveries.lock().expect("not poisoned");
        drop(deliveries.insert(notice.entry.clone(), delivery.clone()));
        Ok(())
    }

    async fn unresponsive_receiver(&self, _: &Tenant, host: &str) -> Result<Option<UnresponsiveReceiver>, Unavailable> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        // Lets other tasks run, as a real request would.
        tokio::task::yield_now().await;
        if self.receiver_reads_fail {
            return Err(Unavailable(FailureKind::Transient));
        }
        Ok(self.receiver_state(host))
    }

    async fn record_no_answer(
        &self,
        _: &Tenant,
        host: &str,
        reason: &str,
        now: Timestamp,
        retry_at: Timestamp,
    ) -> Result<UnresponsiveReceiver, Unavailable> {
        let before = self.receiver_state(host);
        let receiver = UnresponsiveReceiver {
            failures: before.as_ref().map_or(0, |before| before.failures) + 1,
            since: before.map_or(now, |before| before.since),
            retry_at,
            reason: reason.to_owned(),
        };
        let mut unresponsive = self.unresponsive.lock().expect("not poisoned");
        drop(unresponsive.insert(host.to_owned(), receiver.clone()));
        Ok(receiver)
    }

    async fn claim_probe(
        &self,
        _: &Tenant,
        host: &str,
        seen: &UnresponsiveReceiver,
        retry_at: Timestamp,
    ) -> Result<ProbeClaim, Unavailable> {
        let mut unresponsive = self.unresponsive.lock().expect("not poisoned");
        match unresponsive.get_mut(host) {
            None => Ok(ProbeClaim::Recovered),
            Some(receiver) if receiver.retry_at != seen.retry_at => Ok(ProbeClaim::ClaimedByOther(receiver.clone())),
            Some(receiver) => {
                receiver.retry_at = retry_at;
                Ok(ProbeClaim::Claimed)
            }
        }
    }

    async fn acquire_probe_lock(&self, now: Timestamp, until: Timestamp) -> Result<Option<Timestamp>, Unavailable> {
        let mut lock = self.probe_lock.lock().expect("not poisoned");
        if let Some(taken) = lock.filter(|taken| *taken > now) {
            return Ok(Some(taken));
        }
        *lock = Some(until);
        Ok(None)
    }

    async fn release_probe_lock(&self, until: Timestamp, now: Timestamp) -> Result<(), Unavailable> {
        let mut lock = self.probe_lock.lock().expect("not poisoned");
        if *lock == Some(until) {
            *lock = Some(now);
        }
        Ok(())
    }

    async fn clear_unresponsive(&self, _: &Tenant, host: &str) -> Result<(), Unavailable> {
        drop(self.unresponsive.lock().expect("not poisoned").remove(host));
        Ok(())
    }
}

/// In-memory queues: the messages sent, and the dead letters with their reasons.
#[derive(Debug, Default)]
pub(crate) struct SentMessages {
    pub(crate) sent: Mutex<Vec<String>>,
    pub(crate) dead: Mutex<Vec<(String, String)>>,
    pub(crate) broken: bool,
}

fn unavailable() -> EnqueueError {
    EnqueueError {
        is_transient: true,
        reason: "unavailable".to_owned(),
    }
}

impl MessageQueue for SentMessages {
    async fn enqueue(&self, body: String, _: Timestamp, _: Timestamp) -> Result<(), EnqueueError> {
        if self.broken {
            return Err(unavailable());
        }
        self.sent.lock().expect("not poisoned").push(body);
        Ok(())
    }

    async fn dead_letter(&self, body: &str, reason: &str) -> Result<(), EnqueueError> {
        if self.broken {
            return Err(unavailable());
        }
        let letter = (body.to_owned(), reason.to_owned());
        self.dead.lock().expect("not poisoned").push(letter);
        Ok(())
    }
}

/// Reaction of a receiver to a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Status(u16),
    RetryAfter(u16, &'static str),
    Says(u16, &'static str),
    Silence,
    Lost,
    Forbidden,
}

/// A receiver that follows a script, answers 200 after its end, and records the requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receiver {
    pub(crate) script: Arc<Mutex<VecDeque<Answer>>>,
    pub(crate) got: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    /// Appends an answer to the script.
    pub(crate) fn then(&self, answer: Answer) {
        self.script.lock().expect("not poisoned").push_back(answer);
    }
}

impl Receiver {
    pub(crate) fn visits(&self) -> usize {
        self.got.lock().expect("not poisoned").len()
    }
}

impl SendHttp for Receiver {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        self.got.lock().expect("not poisoned").push(request);
        let answer = self.script.lock().expect("not poisoned").pop_front();
        Box::pin(async move {
            let mut body = Bytes::new();
            let (status, retry_after) = match answer.unwrap_or(Answer::Status(200)) {
                Answer::Status(status) => (status, None),
                Answer::RetryAfter(status, after) => (status, Some(after)),
                Answer::Says(status, text) => {
                    body = Bytes::from_static(text.as_bytes());
                    (status, None)
                }
                Answer::Lost => return Err(SendError::NoResponse("connection lost".to_owned())),
                Answer::Forbidden => return Err(SendError::Forbidden("not a public address".to_owned())),
                Answer::Silence => {
                    tokio::time::sleep(Duration::from_hours(1)).await;
                    (200, None)
                }
            };
            let mut response = Response::new(body);
            *response.status_mut() = status.try_into().expect("a status");
            if let Some(after) = retry_after {
                response
                    .headers_mut()
                    .insert("retry-after", after.parse().expect("a header"));
            }
            Ok(response)
        })
    }
}

/// A notifier and its environment.
pub(crate) struct World {
    pub(crate) deps: Deps<Table, SentMessages>,
    pub(crate) receiver: Receiver,
}

pub(crate) fn signer() -> Signer {
    let key = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    Signer::new(SigningKey::parse(&key).expect("a key"), None)
}

/// A world with [`dispatch`], `entries`, and a receiver that follows `script`. Its clock is tokio's.
pub(crate) fn world(entries: Vec<Entry>, script: &[Answer]) -> World {
    let receiver = Receiver::default();
    receiver
        .script
        .lock()
        .expect("not poisoned")
        .extend(script.iter().cloned());
    World {
        deps: Deps {
            store: Table {
                dispatch: dispatch(),
                entries: Mutex::new(entries),
                interaction: None,
                interaction_entries: Vec::new(),
                deliveries: Mutex::default(),
                unresponsive: Mutex::default(),
                probe_lock: Mutex::default(),
                reads: AtomicUsize::new(0),
                hangs: false,
                receiver_reads_fail: false,
                broken: None,
            },
            outbox: Outbox {
                queue: SentMessages::default(),
                dead_letters: SentMessages::default(),
                clock: Clock::starting_at(START, 1.0),
            },
            http: HttpClient::new(receiver.clone()),
            clock: Clock::starting_at(START, 1.0),
            signing_clock: Clock::starting_at(START, 1.0),
            signer: signer(),
            targets: Targets::public_only(),
            receivers: Receivers::default(),
        },
        receiver,
    }
}

impl World {
    /// Passes a batch to the notifier. Returns the ids of the records that it reports as failed.
    pub(crate) async fn handle(&self, records: Vec<SqsMessage>) -> Vec<String> {
        let mut event = SqsEvent::default();
        event.records = records;
        let response = notifier::handle(&self.deps, event).await;
        response
            .batch_item_failures
            .into_iter()
            .map(|failure| failure.item_identifier)
            .collect()
    }

    /// State of the delivery of an entry.
    pub(crate) fn delivery(&self, entry: &Entry) -> Delivery {
        let deliveries = self.deps.store.deliveries.lock().expect("not poisoned");
        deliveries.get(&entry.id).cloned().expect("a delivery")
    }

    /// Takes the notices sent because of their receiver, and not because of a failure on our side.
    pub(crate) fn sent(&self) -> Vec<Notice> {
        let sent = self.queued();
        assert!(sent.iter().all(|queued| queued.retries == 0), "{sent:?}");
        sent.into_iter().map(|queued| queued.message).collect()
    }

    /// Takes the notices sent, with the number of failures on our side.
    pub(crate) fn queued(&self) -> Vec<QueuedMessage<Notice>> {
        let bodies = self.bodies().into_iter();
        bodies
            .map(|body| serde_json::from_str(&body).expect("a notice"))
            .collect()
    }

    /// Takes the bodies of the messages sent.
    pub(crate) fn bodies(&self) -> Vec<String> {
        std::mem::take(&mut *self.deps.outbox.queue.sent.lock().expect("not poisoned"))
    }

    /// Takes the dead letters, with the reasons.
    pub(crate) fn dead(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.deps.outbox.dead_letters.dead.lock().expect("not poisoned"))
    }
}

/// The first notice of an entry.
pub(crate) fn notice(entry: &Entry) -> Notice {
    Notice::first(dispatch().key.into(), entry.id.clone(), START)
}

pub(crate) fn record(id: &str, body: &str) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = Some(id.to_owned());
    record.body = Some(body.to_owned());
    record
}

/// The queue's record of `notice`.
pub(crate) fn message(id: &str, notice: &Notice) -> SqsMessage {
    record(id, &serde_json::to_string(notice).expect("JSON"))
}
