//! Whether a provider takes calls, as all dispatches have found out together.
//!
//! After three calls within five minutes that it did not take, or perhaps not, a provider counts as down: calls are placed
//! elsewhere, where there is another one. Now and then a single call finds out whether it is back.

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// So many calls that were not taken make a provider count as down ...
pub const FAILURES: usize = 3;
/// ... when they came within this time, in seconds.
pub const WINDOW_SECONDS: u32 = 300;
/// Before the first probe, in seconds; before each further one twice as long.
pub const PROBE_SECONDS: u32 = 60;
/// The longest time between two probes, in seconds. A call that finds a provider silent is lost for two minutes.
pub const LONGEST_PROBE_SECONDS: u32 = 900;

/// How it goes with a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// When it did not take a call, oldest first: the last [`FAILURES`] of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_at: Vec<Timestamp>,
    /// Since when and how long it counts as down; none when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<Down>,
}

/// A provider that counts as down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Down {
    /// Since when.
    pub since: Timestamp,
    /// From when on a call may find out whether it is back.
    pub probe_at: Timestamp,
    /// Calls that have been sent out for that.
    pub probes: u8,
}

impl Health {
    /// After a call at `now` that it did not take, or perhaps not.
    #[must_use]
    pub fn failed(&self, now: Timestamp) -> Self {
        let recent = |at: &Timestamp| at.plus_seconds(WINDOW_SECONDS) > now;
        let mut failed_at: Vec<Timestamp> = self.failed_at.iter().copied().filter(recent).collect();
        failed_at.push(now);
        let excess = failed_at.len().saturating_sub(FAILURES);
        failed_at.drain(..excess);
        let goes_down = || Down {
            since: now,
            probe_at: now.plus_seconds(PROBE_SECONDS),
            probes: 0,
        };
        let down = self.down.or_else(|| (failed_at.len() == FAILURES).then(goes_down));
        Self { failed_at, down }
    }

    /// After a call that it took, or refused for what the call itself was: it is there.
    #[must_use]
    pub fn answered() -> Self {
        Self::default()
    }

    /// Whether a call at `now` may be the one that finds out whether it is back.
    pub fn wants_probe(&self, now: Timestamp) -> bool {
        self.down.is_some_and(|down| down.probe_at <= now)
    }

    /// With a call under way that finds out whether it is back: no other one does for a while.
    #[must_use]
    pub fn probing(&self, now: Timestamp) -> Self {
        let probed = |down: Down| {
            let probes = down.probes.saturating_add(1);
            let pause = PROBE_SECONDS << probes.min(8);
            Down {
                probes,
                probe_at: now.plus_seconds(pause.min(LONGEST_PROBE_SECONDS)),
                ..down
            }
        };
        Self {
            failed_at: self.failed_at.clone(),
            down: self.down.map(probed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_795_402_800_000 + seconds * 1_000)
    }

    fn after(failures: &[i64]) -> Health {
        let fail = |health: Health, seconds: &i64| health.failed(at(*seconds));
        failures.iter().fold(Health::default(), fail)
    }

    #[test]
    fn three_failures_within_five_minutes_make_it_down_and_fewer_or_slower_ones_do_not() {
        assert_eq!(after(&[0, 10]).down, None);
        assert_eq!(after(&[0, 150, 300]).down, None);
        assert_eq!(after(&[0, 150, 299]).down.map(|down| down.since), Some(at(299)));
        assert_eq!(after(&[0, 400, 420, 450]).down.map(|down| down.since), Some(at(450)));
        assert_eq!(after(&[0, 1, 2, 3, 4]).failed_at, [at(2), at(3), at(4)]);
    }

    #[test]
    fn one_call_at_a_time_finds_out_whether_it_is_back_ever_more_rarely() {
        let mut health = after(&[0, 1, 2]);
        assert!(!health.wants_probe(at(61)));
        let mut now = 62;
        for pause in [120, 240, 480, 900, 900] {
            assert!(health.wants_probe(at(now)), "{now}");
            health = health.probing(at(now));
            // What another dispatch finds meanwhile, and what the probe itself finds, does not hasten the next one.
            health = health.failed(at(now + 6));
            assert!(!health.wants_probe(at(now + pause - 1)), "{now}");
            now += pause;
        }
        assert_eq!(health.down.map(|down| (down.since, down.probes)), Some((at(2), 5)));
        assert_eq!(Health::answered(), Health::default());
    }
}
