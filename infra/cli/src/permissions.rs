//! Checks that README lists exactly the IAM actions that each operator command requests.

use std::collections::BTreeSet;
use std::time::Duration;

use patchbay_simulators::aws::Service;
use patchbay_simulators::world::World;

use crate::bot::connect;
use crate::testing::{Account, world};
use crate::{dispatch, dlq, doctor, limits, opt_out, token};

const README: &str = include_str!("../../README.md");
/// `kms:Decrypt` is requested by SSM on behalf of the caller, not by the command.
const DECRYPT: &str = "Decrypt";
/// README lists this action once for all commands.
const COMMON: &str = "GetFunctionConfiguration";

/// The IAM actions that README lists for a command.
fn documented(command: &str) -> BTreeSet<String> {
    let start = README.find(&format!("\n  - `{command}`: ")).expect(command) + 1;
    let rest = &README[start..];
    let ends = ["\n  - ", "\n- ", "\n\n"].map(|end| rest.find(end));
    let end = ends.into_iter().flatten().min().expect("an end");
    let words = rest[..end].split('`').skip(3).step_by(2);
    words
        .map(|word| word.rsplit(':').next().unwrap_or(word).to_owned())
        .filter(|action| action != DECRYPT)
        .collect()
}

/// The actions requested since the recorder was cleared, except those of deployed functions.
fn requested(world: &World) -> BTreeSet<String> {
    let mut actions = BTreeSet::new();
    for entry in world.aws.recorder().log() {
        if entry.service == Service::Http || !entry.function.is_empty() {
            continue;
        }
        if entry.parts.is_empty() {
            // A batch needs the permission of the single action.
            actions.insert(entry.operation.trim_end_matches("Batch").to_owned());
        }
        actions.extend(entry.parts.iter().map(|&part| part.to_owned()));
    }
    actions
}

#[tokio::test(start_paused = true)]
async fn readme_lists_the_permissions_of_token() {
    let world = world().await;
    world.aws.recorder().clear();
    token::tests::run_all(&world).await;
    assert_eq!(requested(&world), documented("token"));
}

#[tokio::test(start_paused = true)]
async fn readme_lists_the_permissions_of_limits() {
    let world = world().await;
    world.aws.recorder().clear();
    limits::tests::run_all(&world).await;
    assert_eq!(requested(&world), documented("limits"));
}

#[tokio::test(start_paused = true)]
async fn readme_lists_the_permissions_of_opt_out() {
    let world = world().await;
    world.aws.recorder().clear();
    opt_out::tests::run_all(&world).await;
    assert_eq!(requested(&world), documented("opt-out"));
}

#[tokio::test(start_paused = true)]
async fn readme_lists_the_permissions_of_bot() {
    let world = world().await;
    let account = Account::default();
    connect::tests::run_all(&world, &account).await;
    let mut requested = requested(&world);
    requested.extend(account.requested_actions());
    assert!(requested.remove(COMMON));
    assert_eq!(requested, documented("bot"));
}

#[tokio::test(start_paused = true)]
async fn readme_lists_the_permissions_of_dispatch() {
    let world = world().await;
    let key = dispatch::tests::ticket(&world, "INC-1").await;
    world.clock.sleep(Duration::from_secs(10)).await;
    world.aws.recorder().clear();
    dispatch::tests::run_all(&world, &key).await;
    assert_eq!(requested(&world), documented("dispatch"));
}

#[tokio::test(start_paused = true)]
async fn readme_lists_the_permissions_of_dlq() {
    let world = world().await;
    dlq::tests::run_all(&world).await;
    assert_eq!(requested(&world), documented("dlq"));
}

#[tokio::test(start_paused = true)]
async fn readme_lists_the_permissions_of_doctor() {
    let world = world().await;
    world.aws.recorder().clear();
    let account = Account::default();
    doctor::tests::run_all(&world, &account).await;
    let mut requested = requested(&world);
    requested.extend(account.requested_actions());
    assert!(requested.remove(COMMON));
    assert_eq!(requested, documented("doctor"));
}

#[tokio::test(start_paused = true)]
async fn readme_lists_the_additional_permissions_of_doctor_smoke() {
    let world = world().await;
    world.aws.recorder().clear();
    let account = Account::default();
    doctor::tests::run_all_with_smoke(&world, &account).await;
    let mut requested = requested(&world);
    requested.extend(account.requested_actions());
    assert!(requested.remove(COMMON));
    let mut listed_both = documented("doctor");
    listed_both.extend(documented("doctor --smoke"));
    assert_eq!(requested, listed_both);
}
