//! Which seeds a simulation plays. `PATCHBAY_SEEDS` is how many all simulations play together, and each has its share;
//! `PATCHBAY_SEED=n` plays one again, `n..m` all from n to m.

#![allow(dead_code, reason = "every test has one simulation")]

use std::env;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

/// Seeds that every `cargo test` plays.
const SEEDS: u64 = 2_000;
/// Seeds that `cargo test -- --ignored soak` plays.
const SOAK_SEEDS: u64 = 100_000;

/// What is simulated.
#[derive(Clone, Copy)]
pub(crate) enum Simulation {
    /// The main job.
    Dispatch,
    /// Callers who are transferred and pay.
    Transfer,
}

impl Simulation {
    /// Its part of a hundred seeds. A night of the main job has the most that can go wrong.
    const fn share(self) -> u64 {
        match self {
            Self::Dispatch => 80,
            Self::Transfer => 20,
        }
    }

    /// The seeds that it plays in every `cargo test`.
    pub(crate) fn seeds(self) -> Range<u64> {
        self.of(SEEDS)
    }

    /// The seeds that it plays when there is time.
    pub(crate) fn soak_seeds(self) -> Range<u64> {
        self.of(SOAK_SEEDS)
    }

    fn of(self, usual: u64) -> Range<u64> {
        if let Ok(seeds) = env::var("PATCHBAY_SEED") {
            let (first, last) = seeds.split_once("..").unwrap_or((&seeds, &seeds));
            let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
            return first..last + 1;
        }
        let total = env::var("PATCHBAY_SEEDS").map_or(usual, |seeds| seeds.parse().unwrap());
        0..(total * self.share() / 100).max(1)
    }
}

/// Plays every seed, on all cores, and gives back what came of each: nothing where it panicked.
pub(crate) fn play_all<T: Send>(seeds: Range<u64>, play: impl Fn(u64) -> T + Sync) -> Vec<(u64, Option<T>)> {
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let (play, seeds) = (&play, &seeds);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|worker| {
                scope.spawn(move || {
                    let mine = seeds.clone().skip(worker).step_by(workers);
                    mine.map(|seed| (seed, panic::catch_unwind(AssertUnwindSafe(|| play(seed))).ok()))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}
