//! A table, a queue and a receiver in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use bytes::Bytes;
use notifier::Deps;
use notifier::ports::ReadDispatch;
use patchbay::clock::{Clock, Timestamp};
use patchbay::dispatch::state::{Strategy, Webhook};
use patchbay::dispatch::{Dispatch, Employee, Entry, Fact, NewDispatch, Policy, Progress, State, Ticket};
use patchbay::http::{HttpClient, Request, Response, SendError, SendHttp, Sending};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce};
use patchbay::phone::PhoneNumber;
use patchbay::queue::{Failed, Failure, Notice, Returns, TakeMessages, Tried};
use patchbay::secret::Secret;
use patchbay::web::standard_webhooks::{Signer, SigningKey};
use patchbay::web::target::Targets;

/// Where a test begins in time.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Where the requester wants to hear.
pub(crate) const URL: &str = "https://example.org/hook?key=hidden";

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

pub(crate) fn entry(fact: Fact) -> Entry {
    Entry::decided(7, START, Nonce::new(42), 0, fact)
}

pub(crate) fn accepted() -> Entry {
    entry(Fact::Accepted {
        attempt: attempt(),
        late: false,
        resolve_by: None,
    })
}

/// One dispatch and the entries of its timeline.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) dispatch: Dispatch,
    pub(crate) entries: Vec<Entry>,
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

impl ReadDispatch for Table {
    type Error = OutOfOrder;

    async fn load(&self, dispatch: &DispatchKey) -> Result<Option<Dispatch>, Self::Error> {
        if let Some(failed) = self.broken {
            return Err(OutOfOrder(failed));
        }
        Ok(Some(self.dispatch.clone()).filter(|found| found.key == *dispatch))
    }

    async fn entry(&self, _: &DispatchKey, id: &str) -> Result<Option<Entry>, Self::Error> {
        Ok(self.entries.iter().find(|entry| entry.id == id).cloned())
    }
}

/// What was sent: notices with how often they failed, and dead letters with their reasons.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) sent: Mutex<Vec<String>>,
    pub(crate) dead: Mutex<Vec<(String, String)>>,
    pub(crate) broken: bool,
}

impl TakeMessages for Outbox {
    type Error = &'static str;

    async fn take(&self, body: String, _: Timestamp, _: Timestamp) -> Result<(), Self::Error> {
        if self.broken {
            return Err("out of order");
        }
        self.sent.lock().expect("not poisoned").push(body);
        Ok(())
    }

    async fn bury(&self, body: &str, reason: &str) -> Result<(), Self::Error> {
        if self.broken {
            return Err("out of order");
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
    pub(crate) fn visits(&self) -> usize {
        self.got.lock().expect("not poisoned").len()
    }
}

impl SendHttp for Receiver {
    fn send(&self, request: Request) -> Sending<'_> {
        self.got.lock().expect("not poisoned").push(request);
        let answer = self.script.lock().expect("not poisoned").pop_front();
        Box::pin(async move {
            let (status, retry_after) = match answer.unwrap_or(Answer::Status(200)) {
                Answer::Status(status) => (status, None),
                Answer::RetryAfter(status, after) => (status, Some(after)),
                Answer::Lost => return Err(SendError::NoAnswer("connection lost".to_owned())),
                Answer::Forbidden => return Err(SendError::Forbidden("not a public address".to_owned())),
                Answer::Silence => {
                    tokio::time::sleep(Duration::from_hours(1)).await;
                    (200, None)
                }
            };
            let mut response = Response::new(Bytes::new());
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
    pub(crate) deps: Deps<Table, Outbox>,
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
                entries,
                broken: None,
            },
            returns: Returns {
                queue: Outbox::default(),
                dead_letters: Outbox::default(),
                clock: Clock::starting_at(START, 1.0),
            },
            http: HttpClient::new(receiver.clone()),
            clock: Clock::starting_at(START, 1.0),
            signing_clock: Clock::starting_at(START, 1.0),
            signer: signer(),
            targets: Targets::public_only(),
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

    /// Takes what was sent because of its receiver.
    pub(crate) fn sent(&self) -> Vec<Notice> {
        let sent = self.tried();
        assert!(sent.iter().all(|tried| tried.again == 0), "{sent:?}");
        sent.into_iter().map(|tried| tried.message).collect()
    }

    /// Takes what was sent, with how often it could not be worked off.
    pub(crate) fn tried(&self) -> Vec<Tried<Notice>> {
        let bodies = self.bodies().into_iter();
        bodies
            .map(|body| serde_json::from_str(&body).expect("a notice"))
            .collect()
    }

    /// Takes what was sent, as it is.
    pub(crate) fn bodies(&self) -> Vec<String> {
        std::mem::take(&mut *self.deps.returns.queue.sent.lock().expect("not poisoned"))
    }

    /// Takes what was given up, with the reasons.
    pub(crate) fn dead(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.deps.returns.dead_letters.dead.lock().expect("not poisoned"))
    }
}

/// The first notice of an entry.
pub(crate) fn notice(entry: &Entry) -> Notice {
    Notice {
        dispatch: dispatch().key,
        entry: entry.id.clone(),
        first_at: START,
        due_at: START,
        failures: 0,
    }
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
