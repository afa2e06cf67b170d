//! The source of the current time.

use std::time::Duration;

use patchbay_domain::timestamp::LAST_MILLIS;
pub use patchbay_domain::timestamp::Timestamp;

/// The source of the current time.
///
/// Functions use the system clock. `patchbay local` and the tests use tokio's clock, which can be paused and can run
/// at a multiple of real time.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    /// Milliseconds that this clock is ahead of its source.
    ahead: i64,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    Virtual {
        base: Timestamp,
        start: tokio::time::Instant,
        speed: f64,
    },
}

impl Clock {
    /// The system clock.
    pub const fn system() -> Self {
        Self {
            source: Source::System,
            ahead: 0,
        }
    }

    /// A clock that shows `base` now and runs `speed` times as fast as tokio's clock. Must be called inside a tokio
    /// runtime.
    pub fn starting_at(base: Timestamp, speed: f64) -> Self {
        let source = Source::Virtual {
            base,
            start: tokio::time::Instant::now(),
            speed: speed.max(0.001),
        };
        Self { source, ahead: 0 }
    }

    /// The same clock, `millis` ahead (behind, when negative), to simulate machines whose clocks differ.
    #[must_use]
    pub fn ahead_by(&self, millis: i64) -> Self {
        Self {
            source: self.source.clone(),
            ahead: self.ahead.saturating_add(millis),
        }
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        let shown = match &self.source {
            Source::System => {
                let since_epoch = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap_or_default();
                Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(LAST_MILLIS))
            }
            Source::Virtual { base, start, speed } => {
                let elapsed = start.elapsed().mul_f64(*speed);
                base.plus_millis(i64::try_from(elapsed.as_millis()).unwrap_or(LAST_MILLIS))
            }
        };
        shown.plus_millis(self.ahead)
    }

    /// Sleeps for `duration`, as measured by this clock.
    pub async fn sleep(&self, duration: Duration) {
        let real = match &self.source {
            Source::System => duration,
            Source::Virtual { speed, .. } => duration.div_f64(*speed),
        };
        tokio::time::sleep(real).await;
    }

    /// Sleeps until this clock shows `moment`.
    pub async fn sleep_until(&self, moment: Timestamp) {
        // Rounding may wake us slightly early, so check again after each sleep.
        while self.now() < moment {
            self.sleep(moment.since(self.now()).max(Duration::from_millis(1))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_virtual_clock_runs_at_its_speed() {
        let base = Timestamp::from_millis(1_000_000);
        let clock = Clock::starting_at(base, 20.0);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(clock.now(), base.plus_seconds(60));
        clock.sleep_until(base.plus_seconds(100)).await;
        assert!(clock.now() >= base.plus_seconds(100));
    }
}
