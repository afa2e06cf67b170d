//! The simulators, tested through the SDK's own clients.

mod crashes;
mod dynamodb;
mod mapping;
mod speed;
mod sqs;

use patchbay::clock::{Clock, Timestamp};

use super::{Aws, clients, retries};

struct World {
    aws: Aws,
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    start: Timestamp,
}

fn world(seed: u64) -> World {
    let start = Timestamp::parse("2026-11-21T08:00:00Z").unwrap();
    let aws = Aws::in_memory(Clock::starting_at(start, 1.0), seed).unwrap();
    let (dynamodb, sqs) = clients(&aws, &retries());
    World {
        aws,
        dynamodb,
        sqs,
        start,
    }
}
