//! Rate limits of back ends: pauses that they asked for.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderMap;

use crate::clock::Timestamp;
use crate::http::Response;

/// Pause in seconds after a 429 that states none.
const DEFAULT_PAUSE: u32 = 1;
/// Maximum pause in seconds, whatever the back end asks for.
const MAX_PAUSE: u32 = 3_600;
/// Maximum number of remembered pauses.
const MAX_BACK_ENDS: usize = 256;

/// Pauses that back ends asked for, as far as this sandbox knows. Clones share them.
#[derive(Clone, Default)]
pub struct RateLimits(Arc<Mutex<HashMap<String, Timestamp>>>);

impl fmt::Debug for RateLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RateLimits")
    }
}

impl RateLimits {
    /// Remaining seconds of the pause of a back end, rounded up. None when there is no pause.
    pub(super) fn remaining_pause(&self, key: &str, now: Timestamp) -> Option<u32> {
        let until = *self.lock().get(key)?;
        let remaining = until.since(now);
        if remaining.is_zero() {
            return None;
        }
        u32::try_from(remaining.as_millis().div_ceil(1_000)).ok()
    }

    pub(super) fn pause_until(&self, key: String, until: Timestamp, now: Timestamp) {
        let mut limits = self.lock();
        if limits.len() >= MAX_BACK_ENDS {
            limits.retain(|_, until| *until > now);
        }
        limits.insert(key, until);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Headers that state after how many seconds a limit resets, the standard one first.
const RESET_HEADERS: [&str; 2] = ["retry-after", "x-rate-limit-reset"];

/// The pause that a response asks for: with status 429, or because it was the last request of its rate-limit window.
pub(super) fn pause_after(response: &Response) -> Option<Duration> {
    let headers = response.headers();
    let is_last = seconds(headers, &["x-rate-limit-remaining"]) == Some(0);
    let is_limited = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let pause = match (is_limited, is_last) {
        (true, _) => reset(headers).unwrap_or(DEFAULT_PAUSE),
        (false, true) => reset(headers)?,
        (false, false) => return None,
    };
    Some(Duration::from_secs(pause.min(MAX_PAUSE).into()))
}

/// After how many seconds a limit resets. Values of more than a day are ignored: some back ends send the time of the
/// reset, in seconds since 1970.
pub(super) fn reset(headers: &HeaderMap) -> Option<u32> {
    seconds(headers, &RESET_HEADERS).filter(|seconds| *seconds <= 86_400)
}

fn seconds(headers: &HeaderMap, names: &[&str]) -> Option<u32> {
    let value = |name: &&str| headers.get(*name)?.to_str().ok()?.trim().parse().ok();
    names.iter().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_is_in_seconds_and_a_timestamp_is_ignored() {
        let reset_of = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a value"));
            reset(&headers)
        };
        assert_eq!(reset_of("retry-after", "30"), Some(30));
        assert_eq!(reset_of("x-rate-limit-reset", "86400"), Some(86_400));
        for timestamp in ["1763712000", "86401", "Wed, 21 Oct 2015 07:28:00 GMT", "-1"] {
            assert_eq!(reset_of("x-rate-limit-reset", timestamp), None, "{timestamp}");
        }
    }
}
