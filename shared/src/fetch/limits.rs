//! Back ends that asked not to be called for a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderMap;

use crate::clock::Timestamp;
use crate::http::Response;

/// Seconds for which a back end that said 429, and not for how long, is left alone.
const DEFAULT_PAUSE: u32 = 1;
/// Longest time for which a back end is left alone because it said so.
const LONGEST_PAUSE: u32 = 3_600;
/// Most back ends that are kept in mind.
const MOST: usize = 256;

/// Back ends that asked not to be called for a while, as far as this sandbox knows. Clones share it.
#[derive(Clone, Default)]
pub struct Limits(Arc<Mutex<HashMap<String, Timestamp>>>);

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limits")
    }
}

impl Limits {
    /// Seconds for which a back end must still be left alone.
    pub(super) fn pause(&self, whose: &str, now: Timestamp) -> Option<u32> {
        let until = *self.lock().get(whose)?;
        let left = until.since(now);
        if left.is_zero() {
            return None;
        }
        u32::try_from(left.as_millis().div_ceil(1_000)).ok()
    }

    pub(super) fn leave_alone(&self, whose: String, until: Timestamp, now: Timestamp) {
        let mut limits = self.lock();
        if limits.len() >= MOST {
            limits.retain(|_, until| *until > now);
        }
        limits.insert(whose, until);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Headers that say in how many seconds a limit is gone, the standard one first.
const RESETS: [&str; 2] = ["retry-after", "x-rate-limit-reset"];

/// For how long the back end wants to be left alone: it says 429, or that this was the last request of its window.
pub(super) fn pause_after(response: &Response) -> Option<Duration> {
    let headers = response.headers();
    let is_last = seconds(headers, &["x-rate-limit-remaining"]) == Some(0);
    let is_limited = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let pause = match (is_limited, is_last) {
        (true, _) => reset(headers).unwrap_or(DEFAULT_PAUSE),
        (false, true) => reset(headers)?,
        (false, false) => return None,
    };
    Some(Duration::from_secs(pause.min(LONGEST_PAUSE).into()))
}

/// In how many seconds a limit is gone. More than a day is none: some back ends say when, in seconds since 1970.
pub(super) fn reset(headers: &HeaderMap) -> Option<u32> {
    seconds(headers, &RESETS).filter(|seconds| *seconds <= 86_400)
}

fn seconds(headers: &HeaderMap, names: &[&str]) -> Option<u32> {
    let value = |name: &&str| headers.get(*name)?.to_str().ok()?.trim().parse().ok();
    names.iter().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_a_number_of_seconds_and_a_moment_is_none() {
        let told = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a value"));
            reset(&headers)
        };
        assert_eq!(told("retry-after", "30"), Some(30));
        assert_eq!(told("x-rate-limit-reset", "86400"), Some(86_400));
        for moment in ["1763712000", "86401", "Wed, 21 Oct 2015 07:28:00 GMT", "-1"] {
            assert_eq!(told("x-rate-limit-reset", moment), None, "{moment}");
        }
    }
}
