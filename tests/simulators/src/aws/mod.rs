//! AWS in process: a DynamoDB and an SQS behind the SDK's own clients.
//!
//! The deployed functions use `aws_sdk_dynamodb::Client` and `aws_sdk_sqs::Client` unchanged. Here the same clients
//! have a connector instead of sockets. It parses the requests that they serialize, executes them, and answers in the
//! services' own format. So a whole day runs in milliseconds on tokio's paused clock. Every request passes one gate,
//! which records it and may let it fail or let the invocation that makes it crash.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
//! use patchbay::clock::{Clock, Timestamp};
//! use patchbay_simulators::aws::{Aws, CrashPoint, InvocationOutcome, Side, clients, retries};
//!
//! let clock = Clock::starting_at(Timestamp::parse("2026-11-21T08:00:00Z").unwrap(), 1.0);
//! let aws = Aws::in_memory(clock, 7).unwrap();
//! let (dynamodb, _sqs) = clients(&aws, &retries());
//! aws.faults().crash("dialer", CrashPoint { request: 1, side: Side::After });
//! let outcome = aws.invoke("dialer", async { dynamodb.list_tables().send().await.is_ok() }).await;
//! assert_eq!(outcome, InvocationOutcome::Crashed);
//! assert_eq!(aws.recorder().last("dialer").unwrap().dynamodb, 1);
//! # });
//! ```

pub mod dynamodb;
mod faults;
mod gate;
mod http;
mod invocation;
mod recorder;
mod sdk;
pub mod sqs;
#[cfg(test)]
mod tests;

use std::future::Future;

use dynoxide::DynoxideError;
use patchbay::clock::Clock;
use patchbay::http::HttpClient;

pub use faults::{CrashPoint, Fault, Faults, Rates, Rule, Side};
pub use http::CrashableHttp;
pub use invocation::InvocationOutcome;
pub use recorder::{InvocationEnd, InvocationRecord, Recorder, RequestRecord, RequestStatus, Service};
pub use sdk::{answer, clients, function_clients, retries};

use dynamodb::DynamoDb;
use gate::Gate;
use sqs::Sqs;

use crate::journal::Journal;

/// The region of all resources.
pub const REGION: &str = "eu-west-1";

/// The account id in ARNs and queue URLs.
pub const ACCOUNT: &str = "000000000000";

/// One account's DynamoDB and SQS. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct Aws {
    gate: Gate,
    dynamodb: DynamoDb,
    sqs: Sqs,
}

impl Aws {
    /// An empty account with its tables in memory. Everything random depends on `seed`.
    ///
    /// Also seeds this thread's generator for the SDK (jitter of retries, idempotency tokens): create the account on
    /// the thread on which the simulation runs.
    pub fn in_memory(clock: Clock, seed: u64) -> Result<Self, DynoxideError> {
        let dynamodb = DynamoDb::in_memory(clock.clone())?;
        Ok(Self::with(dynamodb, clock, seed, Journal::default()))
    }

    /// An account with the tables of `dynamodb` and queues that are stored in `journal`; see [`Sqs::restore`]. Seeds
    /// this thread's generator like [`Self::in_memory`].
    pub fn persistent(dynamodb: DynamoDb, journal: Journal, clock: Clock, seed: u64) -> Self {
        Self::with(dynamodb, clock, seed, journal)
    }

    fn with(dynamodb: DynamoDb, clock: Clock, seed: u64, journal: Journal) -> Self {
        fastrand::seed(seed);
        let gate = Gate {
            clock: clock.clone(),
            faults: Faults::seeded(seed),
            recorder: Recorder::default(),
        };
        let sqs = Sqs::new(clock, gate.faults.fork_rng(), journal);
        Self { gate, dynamodb, sqs }
    }

    /// The clock of the services.
    pub const fn clock(&self) -> &Clock {
        &self.gate.clock
    }

    /// The faults and crashes to inject.
    pub const fn faults(&self) -> &Faults {
        &self.gate.faults
    }

    /// The log of requests and invocations.
    pub const fn recorder(&self) -> &Recorder {
        &self.gate.recorder
    }

    /// DynamoDB.
    pub const fn dynamodb(&self) -> &DynamoDb {
        &self.dynamodb
    }

    /// SQS.
    pub const fn sqs(&self) -> &Sqs {
        &self.sqs
    }

    /// Wraps `client`, so that its requests are recorded and have the same faults and crash points.
    pub fn http(&self, client: HttpClient) -> HttpClient {
        HttpClient::new(CrashableHttp::new(self.gate.clone(), client))
    }

    /// Runs `handler` as one invocation of `function`.
    ///
    /// Its requests are counted. If a crash is due, the handler is dropped at that request. Requests of tasks that it
    /// spawns belong to no invocation: on Lambda, too, such tasks are not part of the invocation.
    pub fn invoke<'a, T: 'a>(
        &'a self,
        function: &'a str,
        handler: impl Future<Output = T> + 'a,
    ) -> impl Future<Output = InvocationOutcome<T>> + 'a {
        // Boxed, because the futures of handlers and of the SDK's calls are large.
        invocation::invoke(&self.gate, function, Box::pin(handler))
    }
}
