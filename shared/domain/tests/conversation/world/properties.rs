//! Properties of random histories.

use patchbay_domain::conversation::{Author, decide};
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::ops::{Op, echo_author, ops};
use super::{Decide, World};

/// Histories in every `cargo test`.
const HISTORIES: u32 = 2_000;
/// Histories in `cargo test -- --ignored`.
const SOAK_HISTORIES: u32 = 50_000;
/// Attempts to shorten a history that breaks a property.
const SHORTENINGS: u32 = 20_000;

/// Kinds of facts that the histories must contain.
const KINDS: [&str; 40] = [
    "answered",
    "bot: Cancelled",
    "bot: GivenBack",
    "bot: Requested",
    "bot: Resolved",
    "bot: Silence",
    "bot: WaitedTooLong",
    "customer wrote to bot",
    "customer wrote to handing_off",
    "customer wrote to human",
    "customer wrote to waiting",
    "done: deliver",
    "done: finish",
    "done: post",
    "done: queue_call",
    "dropped: deliver, NotHeld",
    "dropped: finish, NotHeld",
    "dropped: finish, Overtaken",
    "dropped: finish, TakenOver",
    "dropped: post, NotHeld",
    "dropped: post, TakenOver",
    "dropped: queue_call, NotHeld",
    "handing_off: HandOver(Error)",
    "handing_off: HandOver(Requested)",
    "handing_off: HandOver(Word)",
    "human: Assigned",
    "human: Wrote",
    "not done: deliver",
    "not done: finish",
    "not done: post",
    "not done: queue_call",
    "person wrote",
    "turn dropped: NotHeld",
    "turn dropped: Overtaken",
    "turn dropped: TakenOver",
    "unclear: post",
    "unclear: queue_call",
    "waited too long",
    "waiting: Delivered",
    "waiting: DeliveryRefused",
];

/// Plays a history and lets it settle.
fn play(decide: Decide, author: Option<Author>, ops: &[Op]) -> Result<World, String> {
    let mut world = World::new(decide, author);
    world.play(ops)?;
    world.settle()?;
    Ok(world)
}

/// Searches the same histories every time for one that breaks a property. Returns the property, and the history after
/// this many attempts to shorten it.
pub(super) fn search(decide: Decide, histories: u32, shortenings: u32) -> Result<(), String> {
    let config = Config {
        cases: histories,
        failure_persistence: None,
        max_shrink_iters: shortenings,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let result = runner.run(&(echo_author(), ops()), |(author, ops)| {
        play(decide, author, &ops).map(drop).map_err(TestCaseError::fail)
    });
    result.map_err(|error| error.to_string())
}

#[test]
fn every_property_holds_in_every_history() {
    if let Err(error) = search(decide, HISTORIES, SHORTENINGS) {
        panic!("{error}");
    }
}

#[test]
#[ignore = "takes minutes"]
fn every_property_holds_in_very_many_histories() {
    if let Err(error) = search(decide, SOAK_HISTORIES, SHORTENINGS) {
        panic!("{error}");
    }
}

#[test]
fn the_histories_contain_everything_that_can_happen() {
    let mut runner = TestRunner::deterministic();
    let mut kinds = BTreeSet::new();
    for _ in 0..500 {
        let tree = (echo_author(), ops()).new_tree(&mut runner).expect("a history");
        let (author, ops) = tree.current();
        let world = play(decide, author, &ops).expect("properties");
        kinds.extend(world.audit.kinds().iter().cloned());
    }
    let missing: Vec<&str> = KINDS.into_iter().filter(|kind| !kinds.contains(*kind)).collect();
    assert!(missing.is_empty(), "{missing:#?} of {kinds:#?}");
}
