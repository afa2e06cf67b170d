//! The rules of a dispatch, one test for each rule. Every test is a story: given employees and a policy, when events
//! happen, then the dispatch is in a certain state.
#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a story that cannot continue is a failed test"
)]

mod acceptance;
mod attempts;
mod availability;
mod ends;
mod keys;
mod limits;
mod plan;
mod policy;
mod provider;
mod requester;
mod rounds;
mod skips;
mod story;
mod watch;
