//! The `calls` and `notifications` queues: what is in their messages, and how they are sent.

mod message;
mod sqs;

pub use message::{Message, Notice, Work};
pub use sqs::{MAX_DELAY, Queue, QueueError};
