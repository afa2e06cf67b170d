//! The requester's API end to end: dispatches, lists, webhooks.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

#[path = "../common/mod.rs"]
mod common;
mod ends;
mod late_keys;
mod lists;
mod mapping;
mod notices;
mod provider;
mod skips;
mod story;
mod webhooks;
