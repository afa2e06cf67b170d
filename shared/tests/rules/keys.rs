//! Keys: what each key does, on time or late.

use patchbay::dispatch::{Ending, Event, EventOutcome, Fact, Policy};
use patchbay::ids::{AttemptId, Nonce};

use crate::story::Story;

#[test]
fn key_1_accepts() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let (attempt, outcome) = story.answers("Anna", "1");
    assert_eq!(outcome, EventOutcome::Accepted);
    assert_eq!(story.acceptor(), "Anna");
    let expected = Fact::Accepted {
        attempt,
        late: false,
        resolve_by: None,
    };
    assert_eq!(story.facts(), [&expected]);
    assert!(story.dispatch.state.is_over() && story.sent().is_empty());
}

#[test]
fn key_2_rejects_and_the_next_employee_is_phoned_at_once() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let (attempt, outcome) = story.answers("Anna", "2");
    assert_eq!(outcome, EventOutcome::Rejected);
    assert_eq!(story.facts()[0], &Fact::Rejected { attempt });
    assert_eq!((story.turn(), story.due_in()), (("Ben", 1), 0));
    assert_eq!(story.last.release, Some(attempt), "others may phone Anna");
}

#[test]
fn any_other_key_repeats_the_options_and_changes_nothing() {
    for keys in ["3", "0", "9", "*", "#", "13", "é"] {
        let mut story = Story::new(&["Anna"]);
        let (attempt, outcome) = story.answers("Anna", keys);
        assert_eq!(outcome, EventOutcome::RepeatOptions, "{keys}");
        let key = keys.chars().last().expect("a key");
        assert_eq!(story.facts(), [&Fact::Key { attempt, key }]);
        assert_eq!(story.last.next, None);
    }
}

#[test]
fn last_key_of_an_event_counts() {
    for (keys, outcome) in [
        ("21", EventOutcome::Accepted),
        ("12", EventOutcome::Rejected),
        ("771", EventOutcome::Accepted),
    ] {
        let mut story = Story::new(&["Anna", "Ben"]);
        assert_eq!(story.answers("Anna", keys).1, outcome, "{keys}");
    }
}

#[test]
fn event_without_keys_has_no_effect() {
    let mut story = Story::new(&["Anna"]);
    assert_eq!(story.answers("Anna", "").1, EventOutcome::Noted);
    assert!(story.nothing_happened());
}

#[test]
fn empty_or_repeated_event_does_not_undo_an_acceptance() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let (call, _) = story.answers("Anna", "1");
    let accepted = story.dispatch.clone();
    for (keys, outcome) in [
        ("", EventOutcome::Noted),
        ("1", EventOutcome::Accepted),
        ("2", EventOutcome::Accepted),
        ("7", EventOutcome::Accepted),
    ] {
        assert_eq!(story.presses(call, keys), outcome, "{keys:?}");
        assert!(story.nothing_happened(), "{keys:?}");
    }
    story.ends(call, Ending::Completed);
    assert_eq!(story.dispatch, accepted);
}

#[test]
fn repeated_reject_does_not_reject_for_the_next_employee() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let (call, _) = story.answers("Anna", "2");
    story.rings("Ben");
    assert_eq!(story.presses(call, "2"), EventOutcome::Rejected);
    assert_eq!(story.turn(), ("Ben", 1));
    assert_eq!(story.last.next, None);
}

#[test]
fn accept_after_a_reject_in_the_same_call_is_valid() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let (annas, _) = story.answers("Anna", "2");
    let bens = story.rings("Ben");
    assert_eq!(story.presses(annas, "1"), EventOutcome::Accepted);
    assert_eq!(story.acceptor(), "Anna");
    assert_eq!(story.hung_up(), [bens]);
}

#[test]
fn late_reject_is_recorded_and_does_not_affect_the_current_call() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let annas: Vec<_> = (0..3).map(|_| story.rings_out("Anna")).collect();
    let bens = story.rings("Ben");
    assert_eq!(story.presses(annas[2], "2"), EventOutcome::Rejected);
    assert!(story.hung_up().is_empty());
    assert!(story.recorded(|fact| *fact == Fact::Rejected { attempt: annas[2] }));
    assert_eq!(story.dispatch.attempt().map(|attempt| attempt.id), Some(bens));
    assert!(
        story.dispatch.progress.rejected.contains_key(&0),
        "it counts for the rounds to come"
    );
}

#[test]
fn late_reject_cancels_the_employees_planned_call() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let first = story.rings_out("Anna");
    assert_eq!(story.turn(), ("Anna", 2));
    assert_eq!(story.presses(first, "2"), EventOutcome::Rejected);
    assert_eq!((story.turn(), story.due_in()), (("Ben", 1), 0));
}

#[test]
fn late_reject_hangs_up_the_employees_ringing_call_and_phones_the_next() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let first = story.rings_out("Anna");
    let second = story.rings("Anna");
    assert_eq!(story.presses(first, "2"), EventOutcome::Rejected);
    assert_eq!(story.hung_up(), [second]);
    assert_eq!(story.last.release, Some(second));
    assert_eq!((story.turn(), story.due_in()), (("Ben", 1), 0));
    assert!(story.recorded(|fact| *fact == Fact::Rejected { attempt: first }));
    // An accept in the call that is being hung up still counts.
    assert_eq!(story.presses(second, "1"), EventOutcome::Accepted);
    assert_eq!(story.acceptor(), "Anna");
}

#[test]
fn call_being_placed_during_a_late_reject_can_still_be_hung_up() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let first = story.rings_out("Anna");
    let second = story.dials("Anna");
    story.presses(first, "2");
    assert_eq!(story.hung_up(), [second]);
    let call_id = "track-2".to_owned();
    let placed = Event::Placed {
        attempt: second,
        call_id,
    };
    assert_eq!(story.apply(&placed), EventOutcome::Stale);
    // Entries are looked up by the ordinal of their attempt; the newest attempt is Ben's by now.
    let names: Vec<_> = story.last.entries.iter().map(|entry| entry.id.as_str()).collect();
    assert!(matches!(names[..], [name] if name.starts_with("000002-")), "{names:?}");
}

#[test]
fn late_reject_counts_even_after_a_reject_in_an_earlier_round() {
    let mut story = Story::new(&["Anna"]);
    story.answers("Anna", "2");
    story.resumes();
    let second = story.rings_out("Anna");
    let third = story.rings("Anna");
    assert_eq!(story.presses(second, "2"), EventOutcome::Rejected);
    assert_eq!(story.hung_up(), [third]);
    assert!(story.recorded(|fact| *fact == Fact::Rejected { attempt: second }));
}

#[test]
fn reject_completes_an_interrupted_turn() {
    let policy = Policy {
        max_rounds: Some(1),
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna", "Ben"]);
    let first = story.rings_out("Anna");
    story.advance(30);
    story.is_busy("Anna", 600);
    let bens = story.rings("Ben");
    assert_eq!(story.presses(first, "2"), EventOutcome::Rejected);
    assert_eq!(story.presses(bens, "2"), EventOutcome::Rejected);
    assert_eq!(story.status(), "Exhausted");
}

#[test]
fn repeated_keys_of_an_earlier_call_do_not_end_a_later_call() {
    let mut story = Story::new(&["Anna"]);
    let (first, _) = story.answers("Anna", "2");
    story.resumes();
    let second = story.rings("Anna");
    assert_eq!(story.presses(first, "2"), EventOutcome::Rejected);
    assert!(story.nothing_happened());
    assert_eq!(story.dispatch.attempt().map(|attempt| attempt.id), Some(second));
}

#[test]
fn rejecting_employee_is_phoned_again_in_the_next_round_only_with_retry_rejected() {
    for retry_rejected in [true, false] {
        let policy = Policy {
            attempts: 1,
            retry_rejected,
            ..Policy::default()
        };
        let mut story = Story::with_policy(policy, &["Anna", "Ben"]);
        story.answers("Anna", "2");
        story.rings_out("Ben");
        story.resumes();
        let whose_turn = if retry_rejected { "Anna" } else { "Ben" };
        assert_eq!(story.turn(), (whose_turn, 1));
    }
}

#[test]
fn dispatch_is_exhausted_when_everybody_rejected_without_retry() {
    let policy = Policy {
        retry_rejected: false,
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna", "Ben"]);
    story.answers("Anna", "2");
    story.answers("Ben", "2");
    assert_eq!(story.status(), "Exhausted");
}

#[test]
fn key_of_an_unknown_attempt_is_stale() {
    let mut story = Story::new(&["Anna"]);
    let call = story.rings("Anna");
    let strangers = [
        AttemptId {
            ordinal: 2,
            employee: 0,
            nonce: Nonce::new(7),
        },
        AttemptId { employee: 9, ..call },
    ];
    for stranger in strangers {
        for keys in ["1", "2"] {
            assert_eq!(story.presses(stranger, keys), EventOutcome::Stale, "{stranger} {keys}");
            assert!(story.nothing_happened());
        }
    }
}

#[test]
fn key_may_arrive_before_the_providers_answer() {
    let mut story = Story::new(&["Anna"]);
    let call = story.dials("Anna");
    assert_eq!(story.presses(call, "1"), EventOutcome::Accepted);
    story.apply(&Event::Placed {
        attempt: call,
        call_id: "t".into(),
    });
    assert_eq!(story.acceptor(), "Anna");
}

#[test]
fn unknown_key_of_an_earlier_call_does_not_repeat_the_options() {
    let mut story = Story::new(&["Anna"]);
    let call = story.rings_out("Anna");
    assert_eq!(story.presses(call, "7"), EventOutcome::Noted);
}
