//! The rules of a dispatch, each told as a story: given people and a policy, when this happens, then that is so.
#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a story that cannot go on is a failed test"
)]

mod acceptance;
mod attempts;
mod availability;
mod ends;
mod keys;
mod limits;
mod outlook;
mod policy;
mod provider;
mod requester;
mod rounds;
mod skips;
mod story;
mod watch;
