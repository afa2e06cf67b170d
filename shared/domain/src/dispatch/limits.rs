//! How often a tenant lets a number be called, whatever tickets there are.

use serde::{Deserialize, Serialize};

use super::event::Limit;
use crate::timestamp::Timestamp;

const HOUR_SECONDS: u32 = 3_600;
const DAY_SECONDS: u32 = 86_400;
/// The highest limit.
pub const MOST_CALLS: u16 = 500;

/// How often a number may be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallLimits {
    /// Calls within any 60 minutes, 1 to [`MOST_CALLS`]; none sets no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<u16>,
    /// Calls within any 24 hours, 1 to [`MOST_CALLS`]; none sets no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u16>,
}

impl CallLimits {
    /// Whether there is none.
    pub const fn is_none(&self) -> bool {
        self.per_hour.is_none() && self.per_day.is_none()
    }

    /// Which limit forbids a call at `now` to a number that has been called at the moments `calls`, oldest first, and
    /// until when; none when it may be called.
    pub fn forbid(&self, calls: &[Timestamp], now: Timestamp) -> Option<(Limit, Timestamp)> {
        let limits = [
            (Limit::Hourly, self.per_hour, HOUR_SECONDS),
            (Limit::Daily, self.per_day, DAY_SECONDS),
        ];
        let forbidden = limits.into_iter().filter_map(|(limit, most, seconds)| {
            // Of the last so many calls the first one must be out of the window.
            let first = calls.len().checked_sub(usize::from(most?.max(1)))?;
            let until = calls.get(first)?.plus_seconds(seconds);
            (until > now).then_some((limit, until))
        });
        forbidden.max_by_key(|(_, until)| *until)
    }

    /// Those of `calls`, and one more at `now`, that may matter to a limit.
    pub fn with_call(calls: &[Timestamp], now: Timestamp) -> Vec<Timestamp> {
        let recent = |at: &&Timestamp| at.plus_seconds(DAY_SECONDS) > now;
        let mut kept: Vec<Timestamp> = calls.iter().filter(recent).copied().collect();
        kept.push(now);
        let excess = kept.len().saturating_sub(usize::from(MOST_CALLS));
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
    fn a_number_is_called_so_often_in_an_hour_and_in_a_day_and_no_oftener() {
        let calls = [at(0), at(30), at(50)];
        let hourly = limits(Some(3), None);
        assert_eq!(hourly.forbid(&calls[..2], at(50)), None);
        assert_eq!(hourly.forbid(&calls, at(59)), Some((Limit::Hourly, at(60))));
        assert_eq!(hourly.forbid(&calls, at(60)), None);
        let daily = limits(None, Some(2));
        assert_eq!(daily.forbid(&calls, at(60)), Some((Limit::Daily, at(30 + 1_440))));
        assert_eq!(limits(None, None).forbid(&calls, at(51)), None);
        assert!(limits(None, None).is_none() && !hourly.is_none() && !daily.is_none());
    }

    #[test]
    fn of_two_limits_the_longer_one_is_told() {
        let calls = [at(0), at(1)];
        assert_eq!(
            limits(Some(2), Some(2)).forbid(&calls, at(2)),
            Some((Limit::Daily, at(1_440)))
        );
        assert_eq!(
            limits(Some(1), Some(9)).forbid(&calls, at(2)),
            Some((Limit::Hourly, at(61)))
        );
    }

    #[test]
    fn only_what_may_matter_is_kept() {
        assert_eq!(CallLimits::with_call(&[at(0), at(1)], at(1_440)), [at(1), at(1_440)]);
        let many: Vec<Timestamp> = (0..600).map(at).collect();
        let kept = CallLimits::with_call(&many, at(600));
        assert_eq!(
            (kept.len(), kept.first(), kept.last()),
            (500, Some(&at(101)), Some(&at(600)))
        );
    }
}
