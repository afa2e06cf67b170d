//! What was asked of whom, when, and by which invocation.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use patchbay::clock::Timestamp;

use super::faults::Fault;

/// The newest entries that are kept. Enough for any test; a bound for a `patchbay local` that runs for weeks.
const KEPT: usize = 65_536;

/// Whom a request is addressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// DynamoDB.
    DynamoDb,
    /// SQS.
    Sqs,
    /// A provider or a requester, over HTTP.
    Http,
}

/// A request as the log shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was made.
    pub at: Timestamp,
    /// The invocation that made it, if one did: see [`Run::number`].
    pub run: Option<u64>,
    /// The function that made it; empty outside an invocation.
    pub function: Arc<str>,
    /// Whom it is addressed to.
    pub service: Service,
    /// The operation (`PutItem`, `SendMessage`) or, for HTTP, the method.
    pub operation: String,
    /// The table, the index of a table (`table/index/name`), the queue or, for HTTP, the URL without its query.
    pub target: String,
    /// The operations that a transaction consists of, each of which needs its own right; empty otherwise.
    pub parts: Vec<&'static str>,
    /// The items of a table that it names: each action that needs a right, and the partition key that the right may be
    /// tied to (`dynamodb:LeadingKeys`).
    pub keys: Vec<(&'static str, String)>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Under way, or its sender died before it took effect.
    Open,
    /// It took effect, but its sender has not heard so (yet).
    TookEffect,
    /// Its sender got the answer.
    Answered,
    /// Its sender got this fault instead.
    Faulted(Fault),
}

/// One invocation of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which, counted from 0.
    pub number: u64,
    /// The function's name.
    pub function: Arc<str>,
    /// When it started.
    pub started: Timestamp,
    /// Requests to DynamoDB so far, retries included.
    pub dynamodb: u32,
    /// Requests to SQS so far, retries included.
    pub sqs: u32,
    /// Requests over HTTP so far.
    pub http: u32,
    /// How it ended; nothing while it runs.
    pub end: Option<End>,
}

impl Run {
    /// All requests so far: how many crash points of each kind it has passed.
    pub const fn requests(&self) -> u32 {
        self.dynamodb + self.sqs + self.http
    }
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The handler returned, well or badly.
    Done,
    /// An injected crash killed it.
    Crashed,
    /// Whoever awaited it gave up on it, as Lambda does at the function's time-out.
    Dropped,
}

/// The log of requests and invocations.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    entries: Numbered<Entry>,
    runs: Numbered<Run>,
}

impl Recorder {
    /// The newest requests, oldest first.
    pub fn log(&self) -> Vec<Entry> {
        self.lock().entries.kept.iter().cloned().collect()
    }

    /// The newest invocations, oldest first.
    pub fn runs(&self) -> Vec<Run> {
        self.lock().runs.kept.iter().cloned().collect()
    }

    /// The newest invocation of `function`.
    pub fn last(&self, function: &str) -> Option<Run> {
        self.lock()
            .runs
            .kept
            .iter()
            .rev()
            .find(|run| &*run.function == function)
            .cloned()
    }

    /// How many of the requests in the log are such.
    pub fn count(&self, such: impl Fn(&Entry) -> bool) -> usize {
        self.lock().entries.kept.iter().filter(|entry| such(entry)).count()
    }

    /// Forgets the requests and invocations so far; numbers go on.
    pub fn clear(&self) {
        let mut log = self.lock();
        log.entries.clear();
        log.runs.clear();
    }

    pub(super) fn begin(&self, function: Arc<str>, started: Timestamp) -> u64 {
        let mut log = self.lock();
        let number = log.runs.next_number();
        let (dynamodb, sqs, http) = (0, 0, 0);
        log.runs.push(Run {
            number,
            function,
            started,
            dynamodb,
            sqs,
            http,
            end: None,
        })
    }

    pub(super) fn end(&self, number: u64, end: End) {
        if let Some(run) = self.lock().runs.get(number) {
            run.end = Some(end);
        }
    }

    pub(super) fn request(&self, entry: Entry) -> u64 {
        let mut log = self.lock();
        if let Some(run) = entry.run.and_then(|number| log.runs.get(number)) {
            match entry.service {
                Service::DynamoDb => run.dynamodb += 1,
                Service::Sqs => run.sqs += 1,
                Service::Http => run.http += 1,
            }
        }
        log.entries.push(entry)
    }

    pub(super) fn fate(&self, number: u64, fate: Fate) {
        if let Some(entry) = self.lock().entries.get(number) {
            entry.fate = fate;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest of a growing row, each found by its number.
#[derive(Debug)]
struct Numbered<T> {
    dropped: u64,
    kept: VecDeque<T>,
}

// By hand, because a derived one would ask for `T: Default`.
impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            dropped: 0,
            kept: VecDeque::new(),
        }
    }
}

impl<T> Numbered<T> {
    fn next_number(&self) -> u64 {
        self.dropped + self.kept.len() as u64
    }

    fn push(&mut self, item: T) -> u64 {
        let number = self.next_number();
        if self.kept.len() == KEPT {
            self.kept.pop_front();
            self.dropped += 1;
        }
        self.kept.push_back(item);
        number
    }

    fn get(&mut self, number: u64) -> Option<&mut T> {
        let index = usize::try_from(number.checked_sub(self.dropped)?).ok()?;
        self.kept.get_mut(index)
    }

    fn clear(&mut self) {
        self.dropped += self.kept.len() as u64;
        self.kept.clear();
    }
}
