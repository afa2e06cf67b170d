//! The rights that README tells an operator to have are those that the commands ask for.

use std::collections::BTreeSet;
use std::time::Duration;

use patchbay_simulators::aws::Service;
use patchbay_simulators::world::World;

use crate::testing::{Account, world};
use crate::{dispatch, dlq, doctor, limits, token};

const README: &str = include_str!("../../../README.md");
/// Asked for by SSM, in the name of whoever asks it.
const ELSEWHERE: &str = "Decrypt";
/// Listed before the commands: all of them ask for it.
const COMMON: &str = "GetFunctionConfiguration";

/// The actions that README lists for a command.
fn listed(command: &str) -> BTreeSet<String> {
    let start = README.find(&format!("\n  - `{command}`: ")).expect(command) + 1;
    let rest = &README[start..];
    let ends = ["\n  - ", "\n- ", "\n\n"].map(|end| rest.find(end));
    let end = ends.into_iter().flatten().min().expect("an end");
    let words = rest[..end].split('`').skip(3).step_by(2);
    words
        .map(|word| word.rsplit(':').next().unwrap_or(word).to_owned())
        .filter(|action| action != ELSEWHERE)
        .collect()
}

/// The actions that were asked for by nobody's function since the recorder was cleared.
fn asked(world: &World) -> BTreeSet<String> {
    let mut actions = BTreeSet::new();
    for entry in world.aws.recorder().log() {
        if entry.service == Service::Http || !entry.function.is_empty() {
            continue;
        }
        if entry.parts.is_empty() {
            // A batch needs the right to the single action.
            actions.insert(entry.operation.trim_end_matches("Batch").to_owned());
        }
        actions.extend(entry.parts.iter().map(|&part| part.to_owned()));
    }
    actions
}

#[tokio::test(start_paused = true)]
async fn readme_lists_what_token_asks_for() {
    let world = world().await;
    world.aws.recorder().clear();
    token::tests::everything(&world).await;
    assert_eq!(asked(&world), listed("token"));
}

#[tokio::test(start_paused = true)]
async fn readme_lists_what_limits_asks_for() {
    let world = world().await;
    world.aws.recorder().clear();
    limits::tests::everything(&world).await;
    assert_eq!(asked(&world), listed("limits"));
}

#[tokio::test(start_paused = true)]
async fn readme_lists_what_dispatch_asks_for() {
    let world = world().await;
    let key = dispatch::tests::ticket(&world, "INC-1").await;
    world.clock.sleep(Duration::from_secs(10)).await;
    world.aws.recorder().clear();
    dispatch::tests::everything(&world, &key).await;
    assert_eq!(asked(&world), listed("dispatch"));
}

#[tokio::test(start_paused = true)]
async fn readme_lists_what_dlq_asks_for() {
    let world = world().await;
    dlq::tests::everything(&world).await;
    assert_eq!(asked(&world), listed("dlq"));
}

#[tokio::test(start_paused = true)]
async fn readme_lists_what_doctor_asks_for() {
    let world = world().await;
    world.aws.recorder().clear();
    let account = Account::default();
    doctor::tests::everything(&world, &account).await;
    let mut asked = asked(&world);
    asked.extend(account.asked());
    assert!(asked.remove(COMMON));
    assert_eq!(asked, listed("doctor"));
}

#[tokio::test(start_paused = true)]
async fn readme_lists_what_a_smoke_test_asks_for_beside_that() {
    let world = world().await;
    world.aws.recorder().clear();
    let account = Account::default();
    doctor::tests::everything_and_smoke(&world, &account).await;
    let mut asked = asked(&world);
    asked.extend(account.asked());
    assert!(asked.remove(COMMON));
    let mut listed_both = listed("doctor");
    listed_both.extend(listed("doctor --smoke"));
    assert_eq!(asked, listed_both);
}
