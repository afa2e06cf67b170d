//! How long a function waits for AWS, and when it asks once more: the one place that says so.
//!
//! Whoever waits for a webhook's answer hangs up after two or three seconds, and a decision takes three requests in a row
//! of them. So one that fails must cost little: it is repeated after some 10 ms, not after the second with which the
//! SDK's `RetryConfig::standard()` begins, and one that gets no answer is given up soon, because the next may well get
//! one. That also covers connections that died while the sandbox was frozen: the first request on one is reset, or
//! vanishes, and the next is sent on a new one.
//!
//! The simulators' clients are made with the same settings, so a run on virtual time waits exactly as a function does.

use std::time::Duration;

use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

/// Tries of one request, the first included.
pub const TRIES: u32 = 5;
/// Most that the first pause takes; each further one may be twice as long, and chance takes a part off each.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// Most that a pause takes, also one that a service asks for (`x-amz-retry-after`; the SDK would wait up to 20 s).
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// To connect takes a millisecond inside a region, and TLS some more of a small function's CPU. A packet that begins a
/// connection and is lost is sent again by the kernel after a whole second.
const CONNECT_LIMIT: Duration = Duration::from_millis(300);
/// A try at the table. Long enough for a page of a megabyte that 256 MB of memory's share of a CPU reads; a webhook
/// still has time for another one.
const TABLE_LIMIT: Duration = Duration::from_millis(500);
/// A try at a queue. Two fit into what a webhook leaves for keeping its event on the queue (500 ms and more).
const QUEUE_LIMIT: Duration = Duration::from_millis(350);
/// All tries of a request together: below every function's time limit, and not reached unless every try hangs.
const OPERATION_LIMIT: Duration = Duration::from_secs(3);

/// Tries of a request for secrets. Every cold start makes one, SSM allows 40 a second for a whole account and region,
/// and whoever is refused has to come again in one of the seconds that follow, each at another moment.
const SECRETS_TRIES: u32 = 7;
const SECRETS_FIRST_PAUSE: Duration = Duration::from_millis(100);
const SECRETS_LONGEST_PAUSE: Duration = Duration::from_millis(800);
/// A try at SSM, which asks KMS in turn.
const SECRETS_LIMIT: Duration = Duration::from_secs(1);
/// What a function that has no secrets yet gives all tries together.
pub(crate) const SECRETS_OPERATION_LIMIT: Duration = Duration::from_secs(3);

/// How requests to DynamoDB and SQS are repeated.
pub fn retries() -> RetryConfig {
    backing_off(TRIES, FIRST_PAUSE, LONGEST_PAUSE)
}

/// How long a request to the table may take.
pub fn of_table() -> TimeoutConfig {
    limits(TABLE_LIMIT, OPERATION_LIMIT)
}

/// How long a request to a queue may take.
pub fn of_queues() -> TimeoutConfig {
    limits(QUEUE_LIMIT, OPERATION_LIMIT)
}

/// How a request for secrets is repeated.
pub(crate) fn retries_for_secrets() -> RetryConfig {
    backing_off(SECRETS_TRIES, SECRETS_FIRST_PAUSE, SECRETS_LONGEST_PAUSE)
}

/// How long a request for secrets may take.
pub(crate) fn of_secrets() -> TimeoutConfig {
    limits(SECRETS_LIMIT, SECRETS_OPERATION_LIMIT)
}

/// The SDK takes a random part of each pause ("full jitter"), so that those who failed together do not come again
/// together.
fn backing_off(tries: u32, first: Duration, longest: Duration) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(tries)
        .with_initial_backoff(first)
        .with_max_backoff(longest)
}

fn limits(one_try: Duration, all: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_LIMIT)
        .operation_attempt_timeout(one_try)
        .operation_timeout(all)
        .build()
}
