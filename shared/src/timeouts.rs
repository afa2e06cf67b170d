//! Time-outs and retries of requests to AWS: all of these settings.
//!
//! A provider waits two or three seconds for the response to a webhook, and a decision takes three requests to AWS in a
//! row. So a failed request must cost little time: it is retried after about 10 ms, not after the one second with which
//! the SDK's `RetryConfig::standard()` begins, and a request without a response is abandoned early, because the next
//! attempt is likely to succeed. This also covers connections that died while the sandbox was frozen: the first request
//! on such a connection is reset or lost, and the retry uses a new connection.
//!
//! The simulators' clients use the same settings, so a simulation on virtual time waits exactly as long as a function.

use std::time::Duration;

use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

/// Attempts per request, including the first.
pub const MAX_ATTEMPTS: u32 = 5;
/// Maximum of the first backoff. The maximum doubles with each attempt, and each backoff is jittered.
const FIRST_BACKOFF: Duration = Duration::from_millis(25);
/// Maximum of any backoff, including one that the service requests (`x-amz-retry-after`; the SDK would wait up to 20
/// s).
const MAX_BACKOFF: Duration = Duration::from_millis(200);

/// Time-out for connecting. Inside a region a TCP connection takes a millisecond, and TLS a few more on a small
/// function's CPU. The kernel retransmits a lost SYN only after a whole second.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(300);
/// Time-out of one attempt at DynamoDB. Long enough to read a page of 1 MB with the CPU share of a 256 MB function, and
/// short enough that a second attempt fits into a webhook's time.
const TABLE_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(500);
/// Time-out of one attempt at SQS. Two attempts fit into the time that a webhook handler has left to put its event on
/// the queue (500 ms and more).
const QUEUE_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(350);
/// Time-out of all attempts at a request together. Below every function's time-out, and reached only if every attempt
/// hangs.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(3);

/// Attempts per request for secrets. Every cold start makes one such request, and SSM allows 40 a second for the whole
/// account and region. Throttled functions have to retry over the following seconds, spread by jitter.
const SECRETS_MAX_ATTEMPTS: u32 = 7;
const SECRETS_FIRST_BACKOFF: Duration = Duration::from_millis(100);
const SECRETS_MAX_BACKOFF: Duration = Duration::from_millis(800);
/// Time-out of one attempt at SSM, which calls KMS to decrypt.
const SECRETS_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// Time-out of all attempts to read secrets together, for a function that has none yet.
pub(crate) const SECRETS_OPERATION_TIMEOUT: Duration = Duration::from_secs(3);

/// Retries of requests to DynamoDB and SQS.
pub fn retries() -> RetryConfig {
    retry_config(MAX_ATTEMPTS, FIRST_BACKOFF, MAX_BACKOFF)
}

/// Time-outs of requests to DynamoDB.
pub fn table() -> TimeoutConfig {
    timeout_config(TABLE_ATTEMPT_TIMEOUT, OPERATION_TIMEOUT)
}

/// Time-outs of requests to SQS.
pub fn queues() -> TimeoutConfig {
    timeout_config(QUEUE_ATTEMPT_TIMEOUT, OPERATION_TIMEOUT)
}

/// Retries of requests for secrets.
pub(crate) fn secrets_retries() -> RetryConfig {
    retry_config(SECRETS_MAX_ATTEMPTS, SECRETS_FIRST_BACKOFF, SECRETS_MAX_BACKOFF)
}

/// Time-outs of requests for secrets.
pub(crate) fn secrets() -> TimeoutConfig {
    timeout_config(SECRETS_ATTEMPT_TIMEOUT, SECRETS_OPERATION_TIMEOUT)
}

/// The SDK waits a random part of each backoff ("full jitter"), so clients that failed together do not retry together.
fn retry_config(max_attempts: u32, first: Duration, max: Duration) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(max_attempts)
        .with_initial_backoff(first)
        .with_max_backoff(max)
}

fn timeout_config(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}
