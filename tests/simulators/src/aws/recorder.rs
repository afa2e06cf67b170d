//! Records every request to a service and every invocation of a function.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use patchbay::clock::Timestamp;

use super::faults::Fault;

/// How many of the newest records are kept: enough for any test, and a bound for a `patchbay local` that runs for
/// weeks.
const MAX_RECORDS: usize = 65_536;

/// The receiver of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// DynamoDB.
    DynamoDb,
    /// SQS.
    Sqs,
    /// A provider or a requester, over HTTP.
    Http,
}

/// A recorded request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// When it was made.
    pub at: Timestamp,
    /// The [`InvocationRecord::number`] of the invocation that made it; `None` outside an invocation.
    pub run: Option<u64>,
    /// The function that made it; empty outside an invocation.
    pub function: Arc<str>,
    /// The receiver.
    pub service: Service,
    /// The operation (`PutItem`, `SendMessage`) or, for HTTP, the method.
    pub operation: String,
    /// The table, the index of a table (`table/index/name`), the queue or, for HTTP, the URL without its query.
    pub target: String,
    /// The operations of a transaction, each of which needs its own permission; empty for other requests.
    pub parts: Vec<&'static str>,
    /// For each item that it names, the action that needs a permission and the partition key to which that permission
    /// may be restricted (`dynamodb:LeadingKeys`).
    pub keys: Vec<(&'static str, String)>,
    /// Its status so far.
    pub status: RequestStatus,
}

/// The status of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestStatus {
    /// In progress, or its sender crashed before it took effect.
    Pending,
    /// It took effect, but its sender has not received the answer.
    TookEffect,
    /// Its sender received the answer.
    Answered,
    /// Its sender received this fault instead.
    Faulted(Fault),
}

/// One invocation of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvocationRecord {
    /// Its number, counted from 0.
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
    /// How it ended; `None` while it runs.
    pub end: Option<InvocationEnd>,
}

impl InvocationRecord {
    /// All requests so far. It has passed as many crash points on each side of a request's effect.
    pub const fn requests(&self) -> u32 {
        self.dynamodb + self.sqs + self.http
    }
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvocationEnd {
    /// The handler returned, with a result or an error.
    Done,
    /// An injected crash killed it.
    Crashed,
    /// The caller dropped its future, as Lambda ends an invocation at the function's time-out.
    Dropped,
}

/// The log of requests and invocations.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    entries: Numbered<RequestRecord>,
    runs: Numbered<InvocationRecord>,
}

impl Recorder {
    /// The newest requests, oldest first.
    pub fn log(&self) -> Vec<RequestRecord> {
        self.lock().entries.items.iter().cloned().collect()
    }

    /// The newest invocations, oldest first.
    pub fn runs(&self) -> Vec<InvocationRecord> {
        self.lock().runs.items.iter().cloned().collect()
    }

    /// The newest invocation of `function`.
    pub fn last(&self, function: &str) -> Option<InvocationRecord> {
        self.lock()
            .runs
            .items
            .iter()
            .rev()
            .find(|run| &*run.function == function)
            .cloned()
    }

    /// How many of the requests in the log match `predicate`.
    pub fn count(&self, predicate: impl Fn(&RequestRecord) -> bool) -> usize {
        self.lock()
            .entries
            .items
            .iter()
            .filter(|entry| predicate(entry))
            .count()
    }

    /// Removes all records. Numbers continue.
    pub fn clear(&self) {
        let mut log = self.lock();
        log.entries.clear();
        log.runs.clear();
    }

    pub(super) fn begin(&self, function: Arc<str>, started: Timestamp) -> u64 {
        let mut log = self.lock();
        let number = log.runs.next_number();
        let (dynamodb, sqs, http) = (0, 0, 0);
        log.runs.push(InvocationRecord {
            number,
            function,
            started,
            dynamodb,
            sqs,
            http,
            end: None,
        })
    }

    pub(super) fn end(&self, number: u64, end: InvocationEnd) {
        if let Some(run) = self.lock().runs.get(number) {
            run.end = Some(end);
        }
    }

    pub(super) fn request(&self, entry: RequestRecord) -> u64 {
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

    pub(super) fn set_status(&self, number: u64, status: RequestStatus) {
        if let Some(entry) = self.lock().entries.get(number) {
            entry.status = status;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest items of a growing list, each with a number that never changes.
#[derive(Debug)]
struct Numbered<T> {
    dropped: u64,
    items: VecDeque<T>,
}

// Not derived: that would require `T: Default`.
impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            dropped: 0,
            items: VecDeque::new(),
        }
    }
}

impl<T> Numbered<T> {
    fn next_number(&self) -> u64 {
        self.dropped + self.items.len() as u64
    }

    fn push(&mut self, item: T) -> u64 {
        let number = self.next_number();
        if self.items.len() == MAX_RECORDS {
            self.items.pop_front();
            self.dropped += 1;
        }
        self.items.push_back(item);
        number
    }

    fn get(&mut self, number: u64) -> Option<&mut T> {
        let index = usize::try_from(number.checked_sub(self.dropped)?).ok()?;
        self.items.get_mut(index)
    }

    fn clear(&mut self) {
        self.dropped += self.items.len() as u64;
        self.items.clear();
    }
}
