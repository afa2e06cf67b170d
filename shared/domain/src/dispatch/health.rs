//! Health of a provider: whether it takes calls, according to the calls of all dispatches.
//!
//! A provider counts as down after three calls within five minutes that it did not take, or perhaps did not take. Calls
//! then go to another provider, if there is one. From time to time a single call probes whether the provider is back.

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// Failed calls within [`WINDOW_SECONDS`] after which a provider counts as down.
pub const FAILURES: usize = 3;
/// The window in which failed calls count, in seconds.
pub const WINDOW_SECONDS: u32 = 300;
/// Time before the first probe, in seconds; it doubles before each further probe.
pub const PROBE_SECONDS: u32 = 60;
/// Longest time between two probes, in seconds. A probe that finds the provider silent delays its call by two minutes.
pub const LONGEST_PROBE_SECONDS: u32 = 900;

/// Health of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// Times of the last [`FAILURES`] failed calls, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_at: Vec<Timestamp>,
    /// Set while the provider counts as down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<ProviderOutage>,
}

/// State of a provider that counts as down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProviderOutage {
    /// When the provider went down.
    pub since: Timestamp,
    /// When the next call may probe whether the provider is back.
    pub probe_at: Timestamp,
    /// Probes so far.
    pub probes: u8,
}

impl Health {
    /// The health after a call at `now` that the provider did not take, or perhaps did not take.
    #[must_use]
    pub fn with_failure(&self, now: Timestamp) -> Self {
        let recent = |at: &Timestamp| at.plus_seconds(WINDOW_SECONDS) > now;
        let mut failed_at: Vec<Timestamp> = self.failed_at.iter().copied().filter(recent).collect();
        failed_at.push(now);
        let excess = failed_at.len().saturating_sub(FAILURES);
        failed_at.drain(..excess);
        let goes_down = || ProviderOutage {
            since: now,
            probe_at: now.plus_seconds(PROBE_SECONDS),
            probes: 0,
        };
        let down = self.down.or_else(|| (failed_at.len() == FAILURES).then(goes_down));
        Self { failed_at, down }
    }

    /// The health after a call that the provider took, or refused because of the call itself: the provider is up.
    #[must_use]
    pub fn healthy() -> Self {
        Self::default()
    }

    /// Whether the provider is down and a call at `now` may probe whether it is back.
    pub fn is_probe_due(&self, now: Timestamp) -> bool {
        self.down.is_some_and(|down| down.probe_at <= now)
    }

    /// The health after a probe was started at `now`: the next probe is postponed.
    #[must_use]
    pub fn with_probe_started(&self, now: Timestamp) -> Self {
        let probed = |down: ProviderOutage| {
            let probes = down.probes.saturating_add(1);
            let pause = PROBE_SECONDS << probes.min(8);
            ProviderOutage {
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
        let fail = |health: Health, seconds: &i64| health.with_failure(at(*seconds));
        failures.iter().fold(Health::default(), fail)
    }

    #[test]
    fn provider_goes_down_after_three_failures_within_five_minutes() {
        assert_eq!(after(&[0, 10]).down, None);
        assert_eq!(after(&[0, 150, 300]).down, None);
        assert_eq!(after(&[0, 150, 299]).down.map(|down| down.since), Some(at(299)));
        assert_eq!(after(&[0, 400, 420, 450]).down.map(|down| down.since), Some(at(450)));
        assert_eq!(after(&[0, 1, 2, 3, 4]).failed_at, [at(2), at(3), at(4)]);
    }

    #[test]
    fn probes_come_one_at_a_time_with_growing_pauses() {
        let mut health = after(&[0, 1, 2]);
        assert!(!health.is_probe_due(at(61)));
        let mut now = 62;
        for pause in [120, 240, 480, 900, 900] {
            assert!(health.is_probe_due(at(now)), "{now}");
            health = health.with_probe_started(at(now));
            // Failures of other calls and of the probe itself do not bring the next probe forward.
            health = health.with_failure(at(now + 6));
            assert!(!health.is_probe_due(at(now + pause - 1)), "{now}");
            now += pause;
        }
        assert_eq!(health.down.map(|down| (down.since, down.probes)), Some((at(2), 5)));
        assert_eq!(Health::healthy(), Health::default());
    }
}
