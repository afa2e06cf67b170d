//! The `calls` and `notifications` queues: what is in their messages, and how they are sent.

mod returns;
mod sqs;

pub use patchbay_domain::dispatch::work::{Message, Notice, Work};
pub use returns::{Failed, Failure, NotTaken, Read, Returns, TakeMessages, Tried, Unread, read, reported};
pub use sqs::{MAX_DELAY, Queue, QueueError, REASON, Sqs};
