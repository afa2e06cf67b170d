//! When a webhook is delivered again, and when no more.

use std::ops::RangeInclusive;
use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::dispatch::work::Notice;
use patchbay::secret::sha256_hex;
use patchbay::store::Silence;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Seconds from a failed try to the next: 23 h 42 min in all, and then one more at the end of the day.
const DELAYS: [u32; 10] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800];
/// Seconds after the first try was due after which none is made.
const SPAN: u32 = 24 * 3_600;
/// Seconds over which those come back that were put off: as long as the receiver has been silent, within these bounds.
const SPREAD_SECONDS: (u32, u32) = (10, 300);
/// Longest that a receiver may put us off by `Retry-After`, in seconds.
const MAX_RETRY_AFTER: u64 = 3_600;
/// In place of the number of failures: no try is to be made any more. Such a notice is in the dead-letter queue, or was
/// put back from there.
const GIVEN_UP: u8 = u8::MAX;

/// The notice of the next try, after one that failed; a given-up one when it was the last.
pub(crate) fn after_failure(notice: &Notice, id: &str, now: Timestamp, retry_after: Option<Duration>) -> Notice {
    let delay = jittered(delay_of(notice), id, notice.failures, 900..=1_100);
    let asked_for = retry_after.map_or(0, |wait| wait.as_secs().min(MAX_RETRY_AFTER) * 1_000);
    let delay = delay.max(i64::try_from(asked_for).unwrap_or(0));
    next(notice, now, now.plus_millis(delay))
}

/// The notice of the next try, where the receiver answers nobody; a given-up one when its day is over. That is not for this
/// webhook to pay for: it counts no failure, and comes back soon after the next one finds out, as late after that as the
/// receiver has been silent for, at most, so that a thousand that were put off together do not come together. Its last
/// chance may be as late after the end of its day: who has begun to answer just before that, gets it.
pub(crate) fn put_off(notice: &Notice, id: &str, now: Timestamp, silence: &Silence) -> Notice {
    if now >= end_of(notice) {
        return given_up(notice, now);
    }
    let (least, most) = SPREAD_SECONDS;
    let silent = u32::try_from(now.since(silence.since).as_secs()).unwrap_or(most);
    // Those that come back untried come back apart once more.
    let dice = format!("{id} {}", notice.due_at.millis());
    let late = jittered(silent.clamp(least, most), &dice, notice.failures, 0..=1_000);
    Notice {
        due_at: silence.retry_at.max(now).plus_millis(late),
        ..notice.clone()
    }
}

fn end_of(notice: &Notice) -> Timestamp {
    notice.first_at.plus_seconds(SPAN)
}

fn delay_of(notice: &Notice) -> u32 {
    let [.., longest] = DELAYS;
    DELAYS.get(usize::from(notice.failures)).copied().unwrap_or(longest)
}

/// The try at `due_at`, or at the end of the day; none after that.
fn next(notice: &Notice, now: Timestamp, due_at: Timestamp) -> Notice {
    let end = end_of(notice);
    if now >= end {
        return given_up(notice, now);
    }
    Notice {
        due_at: due_at.min(end),
        failures: (notice.failures + 1).min(GIVEN_UP - 1),
        ..notice.clone()
    }
}

/// The notice of a webhook that is not delivered any more.
pub(crate) fn given_up(notice: &Notice, now: Timestamp) -> Notice {
    Notice {
        due_at: now,
        failures: GIVEN_UP,
        ..notice.clone()
    }
}

/// Whether the webhook is not delivered any more.
pub(crate) fn is_given_up(notice: &Notice) -> bool {
    notice.failures == GIVEN_UP
}

/// A given-up notice that somebody has put back from the dead-letter queue, begun anew.
pub(crate) fn redriven(notice: &Notice, now: Timestamp) -> Notice {
    Notice {
        first_at: now,
        due_at: now,
        failures: 0,
        resent: notice.resent.saturating_add(1),
        asked: false,
        ..notice.clone()
    }
}

/// What a `Retry-After` header asks for: seconds, or a date.
pub(crate) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = OffsetDateTime::parse(value, &Rfc2822).ok()?;
    Some(Timestamp::from_millis(date.unix_timestamp().checked_mul(1_000)?).since(now))
}

/// `seconds` in milliseconds, times so many of a thousand out of `per_mille`, so that what failed together is not repeated
/// together. The event's name decides, not chance: a repeated message makes the same decision.
fn jittered(seconds: u32, id: &str, failures: u8, per_mille: RangeInclusive<i64>) -> i64 {
    let digest = sha256_hex(format!("{id} {failures}").as_bytes());
    let dice = digest
        .get(..8)
        .and_then(|digits| i64::from_str_radix(digits, 16).ok())
        .unwrap_or(0);
    let (least, most) = per_mille.into_inner();
    i64::from(seconds) * (least + dice % (most - least + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use patchbay::ids::{DispatchId, DispatchKey};

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn notice(failures: u8) -> Notice {
        Notice {
            dispatch: DispatchKey {
                tenant: "acme".parse().expect("tenant"),
                id: DispatchId::new(7),
            },
            entry: "000001-x".to_owned(),
            first_at: START,
            due_at: START,
            failures,
            resent: 0,
            asked: false,
        }
    }

    #[test]
    fn deliveries_go_on_for_a_day_with_growing_pauses_and_then_stop() {
        let (mut now, mut current) = (START, notice(0));
        let mut pauses = Vec::new();
        loop {
            let next = after_failure(&current, "msg_1", now, None);
            if is_given_up(&next) {
                break;
            }
            assert_eq!(next.failures, current.failures + 1);
            assert_eq!(next.first_at, START);
            pauses.push(next.due_at.since(now).as_secs_f64());
            (now, current) = (next.due_at, next);
        }
        for (pause, planned) in pauses.iter().zip(&DELAYS[..9]) {
            let planned = f64::from(*planned);
            assert!((planned * 0.9..=planned * 1.1).contains(pause), "{planned}: {pauses:?}");
        }
        assert!((10..=11).contains(&pauses.len()), "{pauses:?}");
        assert_eq!(now, START.plus_seconds(SPAN));
    }

    fn silent_for(seconds: u32, retry_at: Timestamp) -> Silence {
        Silence {
            failures: 2,
            since: START.plus_millis(-i64::from(seconds) * 1_000),
            retry_at,
            why: String::new(),
        }
    }

    #[test]
    fn what_is_put_off_together_comes_back_apart_soon_and_untried() {
        let retry_at = START.plus_seconds(30);
        for (silent, spread) in [(0, 10_000), (60, 60_000), (3_600, 300_000)] {
            let put_off = |n| put_off(&notice(2), &format!("msg_{n}"), START, &silent_for(silent, retry_at));
            let due: Vec<i64> = (0..1_000)
                .map(|n| {
                    let next = put_off(n);
                    assert_eq!(next.failures, 2);
                    next.due_at.millis() - retry_at.millis()
                })
                .collect();
            for tenth in 0..10 {
                let here = spread / 10 * tenth..spread / 10 * (tenth + 1);
                let here = due.iter().filter(|due| here.contains(*due)).count();
                assert!((50..=150).contains(&here), "{silent} s, tenth {tenth}: {here}");
            }
        }
        // Late by chance once is not late for ever.
        let silence = silent_for(3_600, retry_at);
        let later = put_off(&notice(2), "msg_1", START, &silence);
        let again = put_off(&later, "msg_1", START, &silence);
        assert_ne!(again.due_at, later.due_at);
    }

    #[test]
    fn what_is_put_off_until_its_day_is_over_has_a_last_chance_soon_after() {
        let end = START.plus_seconds(SPAN);
        let before = end.plus_millis(-1);
        let retry_at = before.plus_seconds(300);
        let last = put_off(&notice(0), "msg_1", before, &silent_for(3_600, retry_at));
        assert!(!is_given_up(&last));
        assert!(last.due_at >= retry_at && last.due_at <= retry_at.plus_seconds(300));
        assert!(is_given_up(&put_off(
            &last,
            "msg_1",
            last.due_at,
            &silent_for(3_600, retry_at)
        )));
    }

    #[test]
    fn a_delivery_that_fails_after_a_day_is_the_last_whatever_its_number() {
        let end = START.plus_seconds(SPAN);
        assert!(is_given_up(&after_failure(&notice(3), "msg_1", end, None)));
        assert_eq!(
            after_failure(&notice(3), "msg_1", end.plus_millis(-1), None).due_at,
            end
        );
    }

    #[test]
    fn a_receiver_may_put_us_off_but_not_hurry_us_and_not_for_long() {
        let pause = |failures, seconds| {
            let next = after_failure(&notice(failures), "msg_1", START, Some(Duration::from_secs(seconds)));
            next.due_at.since(START).as_secs()
        };
        assert_eq!(pause(0, 90), 90);
        assert_eq!(pause(0, u64::MAX), MAX_RETRY_AFTER);
        assert!((540..=660).contains(&pause(3, 1)), "{}", pause(3, 1));
        assert!(pause(8, 10) > 20_000, "{}", pause(8, 10));
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = Timestamp::parse("2015-10-21T07:27:00Z").expect("a time");
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_mins(2)));
        assert_eq!(
            retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now),
            Some(Duration::from_mins(1))
        );
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:26:00 GMT", now), Some(Duration::ZERO));
        for nonsense in ["", "-5", "soon", "1.5", "99999999999999999999999999"] {
            assert_eq!(retry_after(nonsense, now), None, "{nonsense}");
        }
    }

    #[test]
    fn a_given_up_notice_begins_anew_when_somebody_has_put_it_back() {
        let given_up = given_up(&notice(4), START);
        assert!(is_given_up(&given_up));
        let later = START.plus_seconds(7_200);
        let anew = redriven(&given_up, later);
        assert_eq!((anew.failures, anew.first_at, anew.due_at), (0, later, later));
        // What was noted of the deliveries before it does not stand in its way.
        assert_eq!(anew.resent, 1);
        assert_eq!(anew.entry, given_up.entry);
    }

    proptest! {
        #[test]
        fn the_jitter_is_within_its_bounds_and_repeats_itself(seconds in 1_u32..100_000, id: String, failures: u8) {
            let millis = || jittered(seconds, &id, failures, 900..=1_100);
            prop_assert_eq!(millis(), millis());
            let exact = i64::from(seconds) * 1_000;
            prop_assert!((exact * 9 / 10..=exact * 11 / 10).contains(&millis()));
        }

        #[test]
        fn any_retry_after_is_read_without_a_panic(value: String) {
            let _ = retry_after(&value, START);
        }
    }
}
