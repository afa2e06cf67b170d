//! Retry schedule of webhooks: when the next attempt is due, and when to give up.

use std::ops::RangeInclusive;
use std::time::Duration;

use patchbay::clock::Timestamp;
use patchbay::secret::sha256_hex;
use patchbay::store::UnresponsiveReceiver;
use patchbay::webhook::Notice;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Seconds from a failed attempt to the next: 23 h 42 min in all, then a last one at the end of the 24 h.
const DELAYS: [u32; 10] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800];
/// Seconds from the due time of the first attempt until attempts end.
const RETRY_SECONDS: u32 = 24 * 3_600;
/// Bounds for the seconds over which postponed webhooks are spread, which is the time since the receiver's first
/// failure.
const SPREAD_SECONDS: (u32, u32) = (10, 300);
/// Longest `Retry-After` that is honored, in seconds.
const MAX_RETRY_AFTER: u64 = 3_600;
/// Marks a given-up notice, in place of the number of failures. Such a notice is in the dead-letter queue, or has been
/// redriven from there.
const GIVEN_UP: u8 = u8::MAX;

/// The notice of the next attempt after a failed one; a given-up notice if that was the last.
pub(crate) fn after_failure(notice: &Notice, id: &str, now: Timestamp, retry_after: Option<Duration>) -> Notice {
    let delay = jittered(base_delay(notice), id, notice.failures, 900..=1_100);
    let requested = retry_after.map_or(0, |wait| wait.as_secs().min(MAX_RETRY_AFTER) * 1_000);
    let delay = delay.max(i64::try_from(requested).unwrap_or(0));
    next(notice, now, now.plus_millis(delay))
}

/// The notice of the next attempt while the receiver is unresponsive; a given-up notice once its 24 h are over.
///
/// It counts no failure, because this webhook was not attempted. It is due soon after the next probe of the receiver:
/// later by a part of the time that the receiver has been unresponsive, so that a thousand webhooks postponed together
/// are not due together. By the same delay its last attempt may come after the end of the 24 h, so a receiver that
/// recovers just before that still gets it.
pub(crate) fn postponed(notice: &Notice, id: &str, now: Timestamp, unresponsive: &UnresponsiveReceiver) -> Notice {
    if now >= end_of_retries(notice) {
        return given_up(notice, now);
    }
    let (least, most) = SPREAD_SECONDS;
    let outage = u32::try_from(now.since(unresponsive.since).as_secs()).unwrap_or(most);
    // The due time is hashed too, so that webhooks postponed again are spread again.
    let hash = format!("{id} {}", notice.due_at.millis());
    let late = jittered(outage.clamp(least, most), &hash, notice.failures, 0..=1_000);
    Notice {
        due_at: unresponsive.retry_at.max(now).plus_millis(late),
        ..notice.clone()
    }
}

fn end_of_retries(notice: &Notice) -> Timestamp {
    notice.first_at.plus_seconds(RETRY_SECONDS)
}

fn base_delay(notice: &Notice) -> u32 {
    let [.., longest] = DELAYS;
    DELAYS.get(usize::from(notice.failures)).copied().unwrap_or(longest)
}

/// The attempt at `due_at`, at the latest at the end of the 24 h; a given-up notice after that.
fn next(notice: &Notice, now: Timestamp, due_at: Timestamp) -> Notice {
    let end = end_of_retries(notice);
    if now >= end {
        return given_up(notice, now);
    }
    Notice {
        due_at: due_at.min(end),
        failures: (notice.failures + 1).min(GIVEN_UP - 1),
        ..notice.clone()
    }
}

/// The given-up notice of a webhook.
pub(crate) fn given_up(notice: &Notice, now: Timestamp) -> Notice {
    Notice {
        due_at: now,
        failures: GIVEN_UP,
        ..notice.clone()
    }
}

/// Whether the webhook was given up.
pub(crate) fn is_given_up(notice: &Notice) -> bool {
    notice.failures == GIVEN_UP
}

/// The first notice of a new series of attempts, for a given-up notice redriven from the dead-letter queue.
pub(crate) fn redriven(notice: &Notice, now: Timestamp) -> Notice {
    Notice {
        first_at: now,
        due_at: now,
        failures: 0,
        resent: notice.resent.saturating_add(1),
        manual: false,
        ..notice.clone()
    }
}

/// Parses a `Retry-After` header: seconds, or a date.
pub(crate) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = OffsetDateTime::parse(value, &Rfc2822).ok()?;
    Some(Timestamp::from_millis(date.unix_timestamp().checked_mul(1_000)?).since(now))
}

/// `seconds` in milliseconds, scaled by a factor from `per_mille` (thousandths), so that webhooks that failed together
/// are not retried together. The factor is a hash of the event id, not random: a duplicate message makes the same
/// decision.
fn jittered(seconds: u32, id: &str, failures: u8, per_mille: RangeInclusive<i64>) -> i64 {
    let digest = sha256_hex(format!("{id} {failures}").as_bytes());
    let hash = digest
        .get(..8)
        .and_then(|digits| i64::from_str_radix(digits, 16).ok())
        .unwrap_or(0);
    let (least, most) = per_mille.into_inner();
    i64::from(seconds) * (least + hash % (most - least + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use patchbay::ids::{DispatchId, DispatchKey};
    use patchbay::webhook::SubjectKey;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn notice(failures: u8) -> Notice {
        Notice {
            subject: SubjectKey::Dispatch(DispatchKey {
                tenant: "acme".parse().expect("tenant"),
                id: DispatchId::new(7),
            }),
            entry: "000001-x".to_owned(),
            first_at: START,
            due_at: START,
            failures,
            resent: 0,
            manual: false,
        }
    }

    #[test]
    fn attempts_continue_for_a_day_with_growing_pauses_and_then_stop() {
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
        assert_eq!(now, START.plus_seconds(RETRY_SECONDS));
    }

    fn unresponsive_for(seconds: u32, retry_at: Timestamp) -> UnresponsiveReceiver {
        UnresponsiveReceiver {
            failures: 2,
            since: START.plus_millis(-i64::from(seconds) * 1_000),
            retry_at,
            reason: String::new(),
        }
    }

    #[test]
    fn webhooks_postponed_together_are_spread_and_count_no_failure() {
        let retry_at = START.plus_seconds(30);
        for (outage, spread) in [(0, 10_000), (60, 60_000), (3_600, 300_000)] {
            let postponed = |n| {
                postponed(
                    &notice(2),
                    &format!("msg_{n}"),
                    START,
                    &unresponsive_for(outage, retry_at),
                )
            };
            let due: Vec<i64> = (0..1_000)
                .map(|n| {
                    let next = postponed(n);
                    assert_eq!(next.failures, 2);
                    next.due_at.millis() - retry_at.millis()
                })
                .collect();
            for tenth in 0..10 {
                let here = spread / 10 * tenth..spread / 10 * (tenth + 1);
                let here = due.iter().filter(|due| here.contains(*due)).count();
                assert!((50..=150).contains(&here), "{outage} s, tenth {tenth}: {here}");
            }
        }
        // A webhook that was late once is not late every time.
        let unresponsive = unresponsive_for(3_600, retry_at);
        let later = postponed(&notice(2), "msg_1", START, &unresponsive);
        let again = postponed(&later, "msg_1", START, &unresponsive);
        assert_ne!(again.due_at, later.due_at);
    }

    #[test]
    fn a_webhook_postponed_past_its_24_hours_gets_one_last_attempt_soon_after() {
        let end = START.plus_seconds(RETRY_SECONDS);
        let before = end.plus_millis(-1);
        let retry_at = before.plus_seconds(300);
        let last = postponed(&notice(0), "msg_1", before, &unresponsive_for(3_600, retry_at));
        assert!(!is_given_up(&last));
        assert!(last.due_at >= retry_at && last.due_at <= retry_at.plus_seconds(300));
        assert!(is_given_up(&postponed(
            &last,
            "msg_1",
            last.due_at,
            &unresponsive_for(3_600, retry_at)
        )));
    }

    #[test]
    fn an_attempt_that_fails_after_24_hours_is_the_last_whatever_its_number() {
        let end = START.plus_seconds(RETRY_SECONDS);
        assert!(is_given_up(&after_failure(&notice(3), "msg_1", end, None)));
        assert_eq!(
            after_failure(&notice(3), "msg_1", end.plus_millis(-1), None).due_at,
            end
        );
    }

    #[test]
    fn retry_after_may_lengthen_a_pause_up_to_its_limit_but_not_shorten_it() {
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
    fn a_given_up_notice_starts_over_when_it_is_redriven() {
        let given_up = given_up(&notice(4), START);
        assert!(is_given_up(&given_up));
        let later = START.plus_seconds(7_200);
        let redriven_notice = redriven(&given_up, later);
        assert_eq!(
            (
                redriven_notice.failures,
                redriven_notice.first_at,
                redriven_notice.due_at
            ),
            (0, later, later)
        );
        // So the record of the earlier delivery does not make it a duplicate.
        assert_eq!(redriven_notice.resent, 1);
        assert_eq!(redriven_notice.entry, given_up.entry);
    }

    proptest! {
        #[test]
        fn jitter_is_within_its_bounds_and_deterministic(seconds in 1_u32..100_000, id: String, failures: u8) {
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
