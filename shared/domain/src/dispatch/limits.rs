//! Call limits: how often a tenant lets a number be called, across all tickets.

use serde::{Deserialize, Serialize};

use super::event::Limit;
use crate::timestamp::Timestamp;

const HOUR_SECONDS: u32 = 3_600;
const DAY_SECONDS: u32 = 86_400;
/// The highest value of a call limit.
pub const MAX_CALL_LIMIT: u16 = 500;

/// Call limits of a tenant, for each number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallLimits {
    /// Calls within any 60 minutes, 1 to [`MAX_CALL_LIMIT`]; none sets no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<u16>,
    /// Calls within any 24 hours, 1 to [`MAX_CALL_LIMIT`]; none sets no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u16>,
}

impl CallLimits {
    /// Whether neither limit is set.
    pub const fn is_none(&self) -> bool {
        self.per_hour.is_none() && self.per_day.is_none()
    }

    /// The limit that forbids a call at `now`, and until when; none when the call is allowed. `calls` are the times of
    /// earlier calls to the number, oldest first. If both limits forbid the call, the one that lasts longer is
    /// returned.
    pub fn exceeded(&self, calls: &[Timestamp], now: Timestamp) -> Option<(Limit, Timestamp)> {
        let limits = [
            (Limit::Hourly, self.per_hour, HOUR_SECONDS),
            (Limit::Daily, self.per_day, DAY_SECONDS),
        ];
        let forbidden = limits.into_iter().filter_map(|(limit, most, seconds)| {
            // With a limit of n, the n-th last call must be out of the window.
            let first = calls.len().checked_sub(usize::from(most?.max(1)))?;
            let until = calls.get(first)?.plus_seconds(seconds);
            (until > now).then_some((limit, until))
        });
        forbidden.max_by_key(|(_, until)| *until)
    }

    /// The calls of `calls` that may still count toward a limit, and one more at `now`.
    pub fn with_call(calls: &[Timestamp], now: Timestamp) -> Vec<Timestamp> {
        let recent = |at: &&Timestamp| at.plus_seconds(DAY_SECONDS) > now;
        let mut kept: Vec<Timestamp> = calls.iter().filter(recent).copied().collect();
        kept.push(now);
        let excess = kept.len().saturating_sub(usize::from(MAX_CALL_LIMIT));
        kept.drain(..excess);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(1_795_402_800_000 + minutes * 60_000)
    }

    fn limits(per_hour: Option<u16>, per_day: Option<u16>) -> CallLimits {
        CallLimits { per_hour, per_day }
    }

    #[test]
    fn hourly_and_daily_limits_count_calls_in_a_sliding_window() {
        let calls = [at(0), at(30), at(50)];
        let hourly = limits(Some(3), None);
        assert_eq!(hourly.exceeded(&calls[..2], at(50)), None);
        assert_eq!(hourly.exceeded(&calls, at(59)), Some((Limit::Hourly, at(60))));
        assert_eq!(hourly.exceeded(&calls, at(60)), None);
        let daily = limits(None, Some(2));
        assert_eq!(daily.exceeded(&calls, at(60)), Some((Limit::Daily, at(30 + 1_440))));
        assert_eq!(limits(None, None).exceeded(&calls, at(51)), None);
        assert!(limits(None, None).is_none() && !hourly.is_none() && !daily.is_none());
    }

    #[test]
    fn of_two_exceeded_limits_the_longer_one_is_reported() {
        let calls = [at(0), at(1)];
        assert_eq!(
            limits(Some(2), Some(2)).exceeded(&calls, at(2)),
            Some((Limit::Daily, at(1_440)))
        );
        assert_eq!(
            limits(Some(1), Some(9)).exceeded(&calls, at(2)),
            Some((Limit::Hourly, at(61)))
        );
    }

    #[test]
    fn only_calls_that_may_count_are_kept() {
        assert_eq!(CallLimits::with_call(&[at(0), at(1)], at(1_440)), [at(1), at(1_440)]);
        let many: Vec<Timestamp> = (0..600).map(at).collect();
        let kept = CallLimits::with_call(&many, at(600));
        assert_eq!(
            (kept.len(), kept.first(), kept.last()),
            (500, Some(&at(101)), Some(&at(600)))
        );
    }
}
