//! The rules of an interaction, one test for each rule, and properties of random histories. Every test of a rule is a
//! story: when a provider, a customer or a person does something, then the interaction is in a certain state.
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a story that cannot continue is a failed test"
)]

mod bounds;
mod events;
mod invariants;
mod plan;
mod replies;
mod reports;
mod requests;
mod sending;
mod story;
mod world;
