//! The rules of a conversation, one test for each rule, and properties of random histories. Every test of a rule is a
//! story: when a customer, a person and the platform do something, then the conversation is in a certain state.
#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a story that cannot continue is a failed test"
)]

mod bounds;
mod customer;
mod echoes;
mod hand_over;
mod invariants;
mod pending;
mod people;
mod platform;
mod steps;
mod story;
mod turns;
mod waits;
mod world;
