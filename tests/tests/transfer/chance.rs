//! Many callers at once, while functions die and the table fails: nobody pays twice, and no payment is made up or lost
//! without a word.
//!
//! `PATCHBAY_SEED=n cargo test --workspace --test transfer chance` plays a seed again.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use patchbay_simulators::aws::{Rates, Service};
use patchbay_simulators::rng::Rng;
use patchbay_simulators::twilio::{AtPay, CallRecord, Callee, Script};
use patchbay_simulators::world::{Options, World};

use tokio::task::JoinSet;

use crate::seeds::{self, Simulation};
use crate::{CALLER, CARD, call, get, purchase, set};

/// From so many seeds on, their sums say something.
const ENOUGH: u64 = 300;
/// Calls begin within so many seconds of the first one.
const BEGIN_WITHIN: u64 = 240;
/// What whoever paid is told.
const THANKS: &str = "Thank you, that worked.";

fn script(rng: &mut Rng) -> Script {
    let others = [
        AtPay::Declined,
        AtPay::Nothing,
        AtPay::WrongNumber,
        AtPay::Star,
        AtPay::HangsUp,
    ];
    let pays: Vec<AtPay> = (0..=rng.below(2)).map(|_| rng.pick(CARD, &others)).collect();
    Script {
        callee: rng.pick(
            Callee::Answers(20),
            &[Callee::Busy, Callee::NeverPicksUp, Callee::Fails],
        ),
        ..Script::new(CALLER, pays)
    }
}

/// Gives back whether the table fails so often that even many tries may all fail.
fn go_wrong(world: &World, rng: &mut Rng) -> bool {
    world.twilio.change(|twilio| {
        twilio.action_after_failure = rng.flip();
        twilio.action_after_hang_up = rng.flip();
        twilio.status_callback = rng.flip();
        twilio.sends_twice = rng.flip();
    });
    let most = rng.pick(40, &[200]);
    let per_mille = u16::try_from(rng.below(most)).unwrap();
    let rates = Rates {
        throttled: per_mille,
        internal_error: per_mille,
        refused: per_mille,
        lost_request: per_mille,
        lost_answer: per_mille,
        ..Rates::default()
    };
    world.aws.faults().set_rates(Service::DynamoDb, rates);
    world
        .aws
        .faults()
        .set_crash_rate(u16::try_from(rng.below(400)).unwrap(), 1);
    per_mille > 40
}

/// What is left of a run.
struct Played {
    world: World,
    calls: Vec<CallRecord>,
    stormy: bool,
}

/// Several calls of one caller about one purchase.
async fn play(seed: u64) -> Played {
    let mut rng = Rng::new(seed);
    let options = Options {
        seed,
        // No dispatch, nothing to look for.
        sentinel: None,
        ..Options::default()
    };
    let world = Arc::new(World::start(options).await.unwrap());
    set(&world, &purchase()).await;
    let stormy = go_wrong(&world, &mut rng);
    let mut calls = JoinSet::new();
    for _ in 0..2 + rng.below(3) {
        let (script, world) = (script(&mut rng), Arc::clone(&world));
        let begins = Duration::from_secs(rng.below(BEGIN_WITHIN));
        calls.spawn(async move {
            world.clock.sleep(begins).await;
            call(&world, script).await
        });
    }
    let calls = calls.join_all().await;
    world.aws.faults().calm();
    let world = Arc::into_inner(world).unwrap();
    Played { world, calls, stormy }
}

impl Played {
    /// What must not be.
    async fn breaches(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        let charges = self.world.twilio.charges();
        if charges.len() > 1 {
            breaches.push(format!("paid {} times", charges.len()));
        }
        for call in self.calls.iter().filter(|call| call.heard(THANKS)) {
            if !charges.iter().any(|charge| charge.call == call.sid) {
                breaches.push(format!("{} was told of a success, and has not paid", call.sid));
            }
        }
        let context = get(&self.world).await;
        let is_paid = context["status"] == "payment-success";
        let code = context["processor"]["confirmation_code"].as_str();
        match charges.first() {
            None if is_paid => breaches.push("a payment that nobody made".to_owned()),
            Some(charge) if is_paid && code != Some(&charge.code) => {
                breaches.push(format!("{code:?} instead of {}", charge.code));
            }
            _ => {}
        }
        breaches
    }

    /// Whether somebody paid, and nobody who looks at the context hears of it.
    async fn is_lost(&self) -> bool {
        !self.world.twilio.charges().is_empty() && get(&self.world).await["status"] != "payment-success"
    }
}

/// What came of a seed.
struct Outcome {
    breaches: Vec<String>,
    paid: u64,
    lost: bool,
    refused: u64,
}

fn outcome(seed: u64) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let played = play(seed).await;
        let was_refused = |call: &&CallRecord| call.heard("begun in another call");
        Outcome {
            breaches: played.breaches().await,
            paid: played.world.twilio.charges().len() as u64,
            // In a storm its code in an ERROR line may be all that there is.
            lost: !played.stormy && played.is_lost().await,
            refused: played.calls.iter().filter(was_refused).count() as u64,
        }
    })
}

fn play_all(seeds: Range<u64>) {
    let count = seeds.end - seeds.start;
    let (mut failed, mut paid, mut lost, mut refused) = (Vec::new(), 0, 0, 0);
    for (seed, outcome) in seeds::play_all(seeds, outcome) {
        match outcome {
            None => failed.push(format!("PATCHBAY_SEED={seed} panicked")),
            Some(outcome) => {
                if !outcome.breaches.is_empty() {
                    failed.push(format!("PATCHBAY_SEED={seed}: {}", outcome.breaches.join("; ")));
                }
                paid += outcome.paid;
                lost += u64::from(outcome.lost);
                refused += outcome.refused;
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {count} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    if count >= ENOUGH {
        // The test means something only when both have happened.
        assert!(paid * 6 > count && refused * 6 > count, "{paid} {refused} of {count}");
        // Of a function that dies at four tries in a row there is no news; without those tries it would be one in twenty.
        assert!(lost * 100 <= paid, "{lost} of {paid}");
    }
}

#[test]
fn nobody_pays_twice_and_no_payment_is_made_up() {
    play_all(Simulation::Transfer.seeds());
}

#[test]
#[ignore = "hours: .ci/run --soak"]
fn soak() {
    play_all(Simulation::Transfer.soak_seeds());
}
