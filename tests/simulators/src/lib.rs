//! Everything around patchbay, in process: DynamoDB, SQS, Routee and the phones, on one clock.

pub mod aws;
