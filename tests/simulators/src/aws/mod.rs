//! AWS in process: the SDK's own clients, speaking to a DynamoDB and an SQS that live in this program.
//!
//! The deployed functions use `aws_sdk_dynamodb::Client` and `aws_sdk_sqs::Client` as they are. Here the same clients
//! get a connector instead of sockets: what they serialise is read, acted upon and answered in the services' own
//! words. So a whole day runs in milliseconds on tokio's paused clock, and every request passes one gate where it is
//! logged, where it may fail, and where the invocation that makes it may die.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
//! use patchbay::clock::{Clock, Timestamp};
//! use patchbay_simulators::aws::{Aws, CrashPoint, Outcome, Side, clients, retries};
//!
//! let clock = Clock::starting_at(Timestamp::parse("2026-11-21T08:00:00Z").unwrap(), 1.0);
//! let aws = Aws::in_memory(clock, 7).unwrap();
//! let (dynamodb, _sqs) = clients(&aws, &retries());
//! aws.faults().crash("dialer", CrashPoint { request: 1, side: Side::After });
//! let outcome = aws.invoke("dialer", async { dynamodb.list_tables().send().await.is_ok() }).await;
//! assert_eq!(outcome, Outcome::Crashed);
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
pub use invocation::Outcome;
pub use recorder::{End, Entry, Fate, Recorder, Run, Service};
pub use sdk::{answer, clients, clients_of_functions, retries};

use dynamodb::DynamoDb;
use gate::Gate;
use sqs::Sqs;

use crate::journal::Journal;

/// The region in which everything lives.
pub const REGION: &str = "eu-west-1";

/// The account to which everything belongs.
pub const ACCOUNT: &str = "000000000000";

/// One account's DynamoDB and SQS. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct Aws {
    gate: Gate,
    dynamodb: DynamoDb,
    sqs: Sqs,
}

impl Aws {
    /// An empty account whose tables live in memory. Whatever happens by chance follows from `seed`.
    ///
    /// Seeds this thread's generator for the SDK as well (jitter of retries, idempotency tokens): make the account on
    /// the thread on which the run takes place.
    pub fn in_memory(clock: Clock, seed: u64) -> Result<Self, DynoxideError> {
        let dynamodb = DynamoDb::in_memory(clock.clone())?;
        Ok(Self::with(dynamodb, clock, seed, Journal::default()))
    }

    /// An account whose tables are `dynamodb` and whose queues are in `journal`; see [`Sqs::go_on`].
    pub fn kept(dynamodb: DynamoDb, journal: Journal, clock: Clock, seed: u64) -> Self {
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

    /// The clock on which everything happens.
    pub const fn clock(&self) -> &Clock {
        &self.gate.clock
    }

    /// What goes wrong.
    pub const fn faults(&self) -> &Faults {
        &self.gate.faults
    }

    /// What was asked of whom.
    pub const fn recorder(&self) -> &Recorder {
        &self.gate.recorder
    }

    /// The tables.
    pub const fn dynamodb(&self) -> &DynamoDb {
        &self.dynamodb
    }

    /// The queues.
    pub const fn sqs(&self) -> &Sqs {
        &self.sqs
    }

    /// Puts `client` behind the same log, faults and crash points.
    pub fn http(&self, client: HttpClient) -> HttpClient {
        HttpClient::new(CrashableHttp::new(self.gate.clone(), client))
    }

    /// Runs `handler` as one invocation of `function`.
    ///
    /// Its requests are counted. If a crash is due, it is dropped at that request and nothing of it goes on. Requests
    /// of tasks that it spawns are nobody's: on Lambda, too, such tasks are not part of the invocation.
    pub fn invoke<'a, T: 'a>(
        &'a self,
        function: &'a str,
        handler: impl Future<Output = T> + 'a,
    ) -> impl Future<Output = Outcome<T>> + 'a {
        // On the heap at once: the futures of the SDK's calls are big, and so are those of handlers.
        invocation::invoke(&self.gate, function, Box::pin(handler))
    }
}
