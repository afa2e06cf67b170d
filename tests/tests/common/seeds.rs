//! Seeds of the simulations. `PATCHBAY_SEEDS` is the total of all simulations, of which each plays its share;
//! `PATCHBAY_SEED=n` replays one seed, `n..m` every seed from n to m inclusive.

#![allow(dead_code, reason = "every test has one simulation")]

use std::env;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

/// Total of the seeds that every `cargo test` plays.
const SEEDS: u64 = 2_000;
/// Total of the seeds that `cargo test -- --ignored soak` plays.
const SOAK_SEEDS: u64 = 100_000;

#[derive(Clone, Copy)]
pub(crate) enum Simulation {
    /// Dispatches to employees.
    Dispatch,
    /// Callers who are transferred and pay.
    Transfer,
    /// Customers who chat with a bot and with people.
    Conversation,
    /// Customers who are contacted over one channel after the other.
    Interaction,
}

impl Simulation {
    /// Percentage of the total. Dispatches have the most ways to fail.
    const fn share(self) -> u64 {
        match self {
            Self::Dispatch => 70,
            Self::Transfer | Self::Conversation => 12,
            Self::Interaction => 6,
        }
    }

    /// Seeds of this simulation in every `cargo test`.
    pub(crate) fn seeds(self) -> Range<u64> {
        self.range(SEEDS)
    }

    /// Seeds of this simulation in `cargo test -- --ignored soak`.
    pub(crate) fn soak_seeds(self) -> Range<u64> {
        self.range(SOAK_SEEDS)
    }

    fn range(self, default_total: u64) -> Range<u64> {
        if let Ok(seeds) = env::var("PATCHBAY_SEED") {
            let (first, last) = seeds.split_once("..").unwrap_or((&seeds, &seeds));
            let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
            return first..last + 1;
        }
        let total = env::var("PATCHBAY_SEEDS").map_or(default_total, |seeds| seeds.parse().unwrap());
        0..(total * self.share() / 100).max(1)
    }
}

/// Plays every seed, on all cores. Returns the result of each seed, or `None` if it panicked.
pub(crate) fn play_all<T: Send>(seeds: Range<u64>, play: impl Fn(u64) -> T + Sync) -> Vec<(u64, Option<T>)> {
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let (play, seeds) = (&play, &seeds);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|worker| {
                scope.spawn(move || {
                    let share = seeds.clone().skip(worker).step_by(workers);
                    share
                        .map(|seed| (seed, panic::catch_unwind(AssertUnwindSafe(|| play(seed))).ok()))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// Fails with a list of the seeds that panicked or violated an invariant. Returns the audits of all seeds.
pub(crate) fn assert_kept<T>(results: Vec<(u64, Option<T>)>, breaches: impl Fn(&T) -> Vec<String>) -> Vec<T> {
    let failure = |(seed, audit): &(u64, Option<T>)| match audit.as_ref().map(&breaches) {
        None => Some(format!("PATCHBAY_SEED={seed} panicked")),
        Some(breaches) if breaches.is_empty() => None,
        Some(breaches) => Some(format!("PATCHBAY_SEED={seed}: {}", breaches.join("; "))),
    };
    let failed: Vec<String> = results.iter().filter_map(failure).collect();
    assert!(
        failed.is_empty(),
        "{} of {} seeds failed:\n{}",
        failed.len(),
        results.len(),
        failed.join("\n")
    );
    results.into_iter().filter_map(|(_, audit)| audit).collect()
}

/// Runs a simulation on a clock of its own that waits for nobody.
pub(crate) fn on_virtual_time<T>(simulation: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(simulation)
}
