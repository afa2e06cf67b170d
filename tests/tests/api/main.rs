//! What a requester asks for and is told, from end to end.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

#[path = "../common/mod.rs"]
mod common;
mod ends;
mod lists;
mod mapping;
mod notices;
mod provider;
mod second_thoughts;
mod skips;
mod story;
mod webhooks;
