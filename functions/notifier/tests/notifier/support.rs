//! A table, a queue and a receiver in memory.

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
use patchbay::dispatch::Urgency;
use patchbay::dispatch::delivery::Delivery;
use patchbay::dispatch::state::{Strategy, Webhook};
use patchbay::dispatch::work::Notice;
use patchbay::dispatch::{CallStatus, Dispatch, Employee, Entry, Fact, NewDispatch, Policy, Progress, State, Ticket};
use patchbay::http::{HttpClient, Request, Response, SendError, SendHttp, Sending};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce, ProviderName, Tenant};
use patchbay::mail::{Failed, Failure};
use patchbay::outbox::{NotTaken, Outbox, TakeMessages, Tried};
use patchbay::phone::PhoneNumber;
use patchbay::secret::Secret;
use patchbay::store::{NoticeSubject, Probe, Silence};
use patchbay::web::standard_webhooks::{Signer, SigningKey};
use patchbay::web::target::Targets;

/// Where a test begins in time.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Where the requester wants to hear.
pub(crate) const URL: &str = "https://example.org/hook?key=hidden";

/// Who places the calls.
pub(crate) const PROVIDER: ProviderName = ProviderName::known("voice");

/// The status of that name, or one that nobody explains.
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
        brief: NewDispatch {
            priority: Urgency::Normal,
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

/// One dispatch and the entries of its timeline, and what the notifier writes.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) dispatch: Dispatch,
    pub(crate) entries: Mutex<Vec<Entry>>,
    pub(crate) deliveries: Mutex<BTreeMap<String, Delivery>>,
    /// By host.
    pub(crate) silences: Mutex<BTreeMap<String, Silence>>,
    /// Until when somebody finds out whether a receiver answers again.
    pub(crate) turn: Mutex<Option<Timestamp>>,
    /// How often it was asked for a silence.
    pub(crate) looks: AtomicUsize,
    /// It does not answer at all.
    pub(crate) hangs: bool,
    /// Nothing of receivers can be read or written.
    pub(crate) forgets: bool,
    pub(crate) broken: Option<Failed>,
}

/// The table is out of order: for now, or for good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutOfOrder(pub(crate) Failed);

impl Failure for OutOfOrder {
    fn failed(&self) -> Failed {
        self.0
    }
}

impl std::fmt::Display for OutOfOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("out of order")
    }
}

impl Table {
    fn works(&self) -> Result<(), OutOfOrder> {
        self.broken.map_or(Ok(()), |failed| Err(OutOfOrder(failed)))
    }

    fn silence_of(&self, host: &str) -> Option<Silence> {
        self.silences.lock().expect("not poisoned").get(host).cloned()
    }
}

impl ports::Table for Table {
    type Error = OutOfOrder;

    async fn subject(&self, notice: &Notice) -> Result<NoticeSubject, OutOfOrder> {
        self.works()?;
        if self.hangs {
            tokio::time::sleep(Duration::from_hours(1)).await;
        }
        let entries = self.entries.lock().expect("not poisoned");
        let deliveries = self.deliveries.lock().expect("not poisoned");
        Ok(NoticeSubject {
            dispatch: Some(self.dispatch.clone()).filter(|found| found.key == notice.dispatch),
            entry: entries.iter().find(|entry| entry.id == notice.entry).cloned(),
            delivery: deliveries.get(&notice.entry).cloned(),
        })
    }

    async fn statuses(&self, _: &DispatchKey, attempt: AttemptId) -> Result<Vec<Entry>, OutOfOrder> {
        let entries = self.entries.lock().expect("not poisoned");
        let of_attempt = |entry: &&Entry| entry.id.starts_with(&Entry::status_prefix(attempt));
        Ok(entries.iter().filter(of_attempt).cloned().collect())
    }

    async fn put_delivery(&self, notice: &Notice, delivery: &Delivery) -> Result<(), OutOfOrder> {
        self.works()?;
        let mut deliveries = self.deliveries.lock().expect("not poisoned");
        drop(deliveries.insert(notice.entry.clone(), delivery.clone()));
        Ok(())
    }

    async fn silence(&self, _: &Tenant, host: &str) -> Result<Option<Silence>, OutOfOrder> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        // Others get a turn, as they do while a request is on its way.
        tokio::task::yield_now().await;
        if self.forgets {
            return Err(OutOfOrder(Failed::ForNow));
        }
        Ok(self.silence_of(host))
    }

    async fn note_silence(
        &self,
        _: &Tenant,
        host: &str,
        why: &str,
        now: Timestamp,
        retry_at: Timestamp,
    ) -> Result<Silence, OutOfOrder> {
        let before = self.silence_of(host);
        let silence = Silence {
            failures: before.as_ref().map_or(0, |before| before.failures) + 1,
            since: before.map_or(now, |before| before.since),
            retry_at,
            why: why.to_owned(),
        };
        let mut silences = self.silences.lock().expect("not poisoned");
        drop(silences.insert(host.to_owned(), silence.clone()));
        Ok(silence)
    }

    async fn take_probe(
        &self,
        _: &Tenant,
        host: &str,
        seen: &Silence,
        retry_at: Timestamp,
    ) -> Result<Probe, OutOfOrder> {
        let mut silences = self.silences.lock().expect("not poisoned");
        match silences.get_mut(host) {
            None => Ok(Probe::Over),
            Some(silence) if silence.retry_at != seen.retry_at => Ok(Probe::Theirs(silence.clone())),
            Some(silence) => {
                silence.retry_at = retry_at;
                Ok(Probe::Ours)
            }
        }
    }

    async fn take_turn(&self, now: Timestamp, until: Timestamp) -> Result<Option<Timestamp>, OutOfOrder> {
        let mut turn = self.turn.lock().expect("not poisoned");
        if let Some(taken) = turn.filter(|taken| *taken > now) {
            return Ok(Some(taken));
        }
        *turn = Some(until);
        Ok(None)
    }

    async fn give_back_turn(&self, until: Timestamp, now: Timestamp) -> Result<(), OutOfOrder> {
        let mut turn = self.turn.lock().expect("not poisoned");
        if *turn == Some(until) {
            *turn = Some(now);
        }
        Ok(())
    }

    async fn end_silence(&self, _: &Tenant, host: &str) -> Result<(), OutOfOrder> {
        drop(self.silences.lock().expect("not poisoned").remove(host));
        Ok(())
    }
}

/// What was sent: notices with how often they failed, and dead letters with their reasons.
#[derive(Debug, Default)]
pub(crate) struct SentMail {
    pub(crate) sent: Mutex<Vec<String>>,
    pub(crate) dead: Mutex<Vec<(String, String)>>,
    pub(crate) broken: bool,
}

fn out_of_order() -> NotTaken {
    NotTaken {
        passes: true,
        why: "out of order".to_owned(),
    }
}

impl TakeMessages for SentMail {
    async fn take(&self, body: String, _: Timestamp, _: Timestamp) -> Result<(), NotTaken> {
        if self.broken {
            return Err(out_of_order());
        }
        self.sent.lock().expect("not poisoned").push(body);
        Ok(())
    }

    async fn bury(&self, body: &str, reason: &str) -> Result<(), NotTaken> {
        if self.broken {
            return Err(out_of_order());
        }
        let letter = (body.to_owned(), reason.to_owned());
        self.dead.lock().expect("not poisoned").push(letter);
        Ok(())
    }
}

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Status(u16),
    RetryAfter(u16, &'static str),
    Says(u16, &'static str),
    Silence,
    Lost,
    Forbidden,
}

/// A receiver that follows a script (and answers 200 after its end), and keeps what it got.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receiver {
    pub(crate) script: Arc<Mutex<VecDeque<Answer>>>,
    pub(crate) got: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    /// What it answers once more, after all that it is told already.
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
    fn send(&self, request: Request) -> Sending<'_> {
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
                Answer::Lost => return Err(SendError::NoAnswer("connection lost".to_owned())),
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

/// A notifier, and what is around it.
pub(crate) struct World {
    pub(crate) deps: Deps<Table, SentMail>,
    pub(crate) receiver: Receiver,
}

pub(crate) fn signer() -> Signer {
    let key = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    Signer::new(SigningKey::parse(&key).expect("a key"), None)
}

/// A world with [`dispatch`], the given entries, and a receiver that answers by the script. Its clock is tokio's.
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
                deliveries: Mutex::default(),
                silences: Mutex::default(),
                turn: Mutex::default(),
                looks: AtomicUsize::new(0),
                hangs: false,
                forgets: false,
                broken: None,
            },
            outbox: Outbox {
                queue: SentMail::default(),
                dead_letters: SentMail::default(),
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
    /// Hands the notifier a batch; gives the ids that it reports as failed.
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

    /// How the delivery of an entry stands.
    pub(crate) fn delivery(&self, entry: &Entry) -> Delivery {
        let deliveries = self.deps.store.deliveries.lock().expect("not poisoned");
        deliveries.get(&entry.id).cloned().expect("a delivery")
    }

    /// Takes what was sent because of its receiver.
    pub(crate) fn sent(&self) -> Vec<Notice> {
        let sent = self.tried();
        assert!(sent.iter().all(|tried| tried.again == 0), "{sent:?}");
        sent.into_iter().map(|tried| tried.message).collect()
    }

    /// Takes what was sent, with how often it could not be consumed.
    pub(crate) fn tried(&self) -> Vec<Tried<Notice>> {
        let bodies = self.bodies().into_iter();
        bodies
            .map(|body| serde_json::from_str(&body).expect("a notice"))
            .collect()
    }

    /// Takes what was sent, as it is.
    pub(crate) fn bodies(&self) -> Vec<String> {
        std::mem::take(&mut *self.deps.outbox.queue.sent.lock().expect("not poisoned"))
    }

    /// Takes what was given up, with the reasons.
    pub(crate) fn dead(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.deps.outbox.dead_letters.dead.lock().expect("not poisoned"))
    }
}

/// The first notice of an entry.
pub(crate) fn notice(entry: &Entry) -> Notice {
    Notice::first(dispatch().key, entry.id.clone(), START)
}

pub(crate) fn record(id: &str, body: &str) -> SqsMessage {
    let mut record = SqsMessage::default();
    record.message_id = Some(id.to_owned());
    record.body = Some(body.to_owned());
    record
}

/// `notice` as the queue hands it over.
pub(crate) fn message(id: &str, notice: &Notice) -> SqsMessage {
    record(id, &serde_json::to_string(notice).expect("JSON"))
}
