//! What the employee presses.

use patchbay::dispatch::{Ending, Event, Fact, Policy, Verdict};
use patchbay::ids::{AttemptId, Nonce};

use crate::story::Story;

#[test]
fn a_key_1_accepts() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let (attempt, verdict) = story.answers("Anna", "1");
    assert_eq!(verdict, Verdict::Accepted);
    assert_eq!(story.acceptor(), "Anna");
    let told = Fact::Accepted {
        attempt,
        late: false,
        resolve_by: None,
    };
    assert_eq!(story.facts(), [&told]);
    assert!(story.dispatch.state.is_over() && story.sent().is_empty());
}

#[test]
fn a_key_2_rejects_and_the_next_is_phoned_at_once() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let (attempt, verdict) = story.answers("Anna", "2");
    assert_eq!(verdict, Verdict::Rejected);
    assert_eq!(story.facts()[0], &Fact::Rejected { attempt });
    assert_eq!((story.turn(), story.due_in()), (("Ben", 1), 0));
    assert_eq!(story.last.release, Some(attempt), "others may phone Anna");
}

#[test]
fn any_other_key_asks_again_and_changes_nothing() {
    for keys in ["3", "0", "9", "*", "#", "13", "é"] {
        let mut story = Story::of(&["Anna"]);
        let (attempt, verdict) = story.answers("Anna", keys);
        assert_eq!(verdict, Verdict::AskAgain, "{keys}");
        let key = keys.chars().last().expect("a key");
        assert_eq!(story.facts(), [&Fact::Key { attempt, key }]);
        assert_eq!(story.last.next, None);
    }
}

#[test]
fn the_last_key_of_an_event_is_the_last_word() {
    for (keys, verdict) in [
        ("21", Verdict::Accepted),
        ("12", Verdict::Rejected),
        ("771", Verdict::Accepted),
    ] {
        let mut story = Story::of(&["Anna", "Ben"]);
        assert_eq!(story.answers("Anna", keys).1, verdict, "{keys}");
    }
}

#[test]
fn an_event_without_keys_means_nothing() {
    let mut story = Story::of(&["Anna"]);
    assert_eq!(story.answers("Anna", "").1, Verdict::Noted);
    assert!(story.nothing_happened());
}

#[test]
fn an_empty_or_repeated_event_after_an_acceptance_undoes_nothing() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let (call, _) = story.answers("Anna", "1");
    let accepted = story.dispatch.clone();
    for (keys, verdict) in [
        ("", Verdict::Noted),
        ("1", Verdict::Accepted),
        ("2", Verdict::Accepted),
        ("7", Verdict::Accepted),
    ] {
        assert_eq!(story.presses(call, keys), verdict, "{keys:?}");
        assert!(story.nothing_happened(), "{keys:?}");
    }
    story.ends(call, Ending::Completed);
    assert_eq!(story.dispatch, accepted);
}

#[test]
fn a_repeated_reject_does_not_reject_for_the_next_employee() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let (call, _) = story.answers("Anna", "2");
    story.rings("Ben");
    assert_eq!(story.presses(call, "2"), Verdict::Rejected);
    assert_eq!(story.turn(), ("Ben", 1));
    assert_eq!(story.last.next, None);
}

#[test]
fn whoever_rejects_and_then_accepts_in_one_call_has_the_ticket() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let (annas, _) = story.answers("Anna", "2");
    let bens = story.rings("Ben");
    assert_eq!(story.presses(annas, "1"), Verdict::Accepted);
    assert_eq!(story.acceptor(), "Anna");
    assert_eq!(story.hung_up(), [bens]);
}

#[test]
fn a_late_reject_is_told_and_disturbs_nobody_else() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let annas: Vec<_> = (0..3).map(|_| story.rings_out("Anna")).collect();
    let bens = story.rings("Ben");
    assert_eq!(story.presses(annas[2], "2"), Verdict::Rejected);
    assert!(story.hung_up().is_empty());
    assert!(story.tells(|fact| *fact == Fact::Rejected { attempt: annas[2] }));
    assert_eq!(story.dispatch.attempt().map(|attempt| attempt.id), Some(bens));
    assert!(
        story.dispatch.progress.rejected.contains_key(&0),
        "it counts for the rounds to come"
    );
}

#[test]
fn a_late_reject_spares_the_calls_that_were_to_follow() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let first = story.rings_out("Anna");
    assert_eq!(story.turn(), ("Anna", 2));
    assert_eq!(story.presses(first, "2"), Verdict::Rejected);
    assert_eq!((story.turn(), story.due_in()), (("Ben", 1), 0));
}

#[test]
fn a_late_reject_ends_the_call_that_rings_already_passes_on_and_is_told() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let first = story.rings_out("Anna");
    let second = story.rings("Anna");
    assert_eq!(story.presses(first, "2"), Verdict::Rejected);
    assert_eq!(story.hung_up(), [second]);
    assert_eq!(story.last.release, Some(second));
    assert_eq!((story.turn(), story.due_in()), (("Ben", 1), 0));
    assert!(story.tells(|fact| *fact == Fact::Rejected { attempt: first }));
    // Whoever says something else after all, in the moment before it is ended, has the ticket.
    assert_eq!(story.presses(second, "1"), Verdict::Accepted);
    assert_eq!(story.acceptor(), "Anna");
}

#[test]
fn a_call_that_was_being_placed_when_a_late_reject_came_is_found_by_whoever_hangs_it_up() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let first = story.rings_out("Anna");
    let second = story.dials("Anna");
    story.presses(first, "2");
    assert_eq!(story.hung_up(), [second]);
    let call_id = "track-2".to_owned();
    let placed = Event::Placed {
        attempt: second,
        call_id,
    };
    assert_eq!(story.when(&placed), Verdict::Stale);
    // Lines are looked for by the ordinal of their attempt; the newest attempt is Ben's by now.
    let names: Vec<_> = story.last.entries.iter().map(|entry| entry.id.as_str()).collect();
    assert!(matches!(names[..], [name] if name.starts_with("000002-")), "{names:?}");
}

#[test]
fn a_late_reject_counts_also_of_somebody_who_rejected_in_an_earlier_round() {
    let mut story = Story::of(&["Anna"]);
    story.answers("Anna", "2");
    story.resumes();
    let second = story.rings_out("Anna");
    let third = story.rings("Anna");
    assert_eq!(story.presses(second, "2"), Verdict::Rejected);
    assert_eq!(story.hung_up(), [third]);
    assert!(story.tells(|fact| *fact == Fact::Rejected { attempt: second }));
}

#[test]
fn whoever_has_rejected_is_not_phoned_again_for_a_turn_that_was_interrupted() {
    let policy = Policy {
        max_rounds: Some(1),
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna", "Ben"]);
    let first = story.rings_out("Anna");
    story.later(30);
    story.is_busy("Anna", 600);
    let bens = story.rings("Ben");
    assert_eq!(story.presses(first, "2"), Verdict::Rejected);
    assert_eq!(story.presses(bens, "2"), Verdict::Rejected);
    assert_eq!(story.status(), "Exhausted");
}

#[test]
fn the_keys_of_an_earlier_call_that_are_told_again_at_its_end_end_no_later_call() {
    let mut story = Story::of(&["Anna"]);
    let (first, _) = story.answers("Anna", "2");
    story.resumes();
    let second = story.rings("Anna");
    assert_eq!(story.presses(first, "2"), Verdict::Rejected);
    assert!(story.nothing_happened());
    assert_eq!(story.dispatch.attempt().map(|attempt| attempt.id), Some(second));
}

#[test]
fn whoever_rejected_is_asked_again_in_the_next_round_unless_the_policy_says_no() {
    for ask_again in [true, false] {
        let policy = Policy {
            attempts: 1,
            ask_again,
            ..Policy::default()
        };
        let mut story = Story::under(policy, &["Anna", "Ben"]);
        story.answers("Anna", "2");
        story.rings_out("Ben");
        story.resumes();
        let whose_turn = if ask_again { "Anna" } else { "Ben" };
        assert_eq!(story.turn(), (whose_turn, 1));
    }
}

#[test]
fn when_everybody_has_rejected_for_good_the_dispatch_is_exhausted() {
    let policy = Policy {
        ask_again: false,
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna", "Ben"]);
    story.answers("Anna", "2");
    story.answers("Ben", "2");
    assert_eq!(story.status(), "Exhausted");
}

#[test]
fn a_key_of_a_call_that_never_was_is_stale() {
    let mut story = Story::of(&["Anna"]);
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
            assert_eq!(story.presses(stranger, keys), Verdict::Stale, "{stranger} {keys}");
            assert!(story.nothing_happened());
        }
    }
}

#[test]
fn a_key_may_come_before_the_answer_to_the_request() {
    let mut story = Story::of(&["Anna"]);
    let call = story.dials("Anna");
    assert_eq!(story.presses(call, "1"), Verdict::Accepted);
    story.when(&Event::Placed {
        attempt: call,
        call_id: "t".into(),
    });
    assert_eq!(story.acceptor(), "Anna");
}

#[test]
fn a_meaningless_key_of_a_call_that_is_past_is_not_answered_with_options() {
    let mut story = Story::of(&["Anna"]);
    let call = story.rings_out("Anna");
    assert_eq!(story.presses(call, "7"), Verdict::Noted);
}
