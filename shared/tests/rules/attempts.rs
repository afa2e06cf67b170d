//! Attempts: calls to one employee, and the step to the next.

use patchbay::dispatch::work::Work;
use patchbay::dispatch::{
    Ending, Event, EventOutcome, Fact, NoAnswerReason, NotPlaced, Phase, Policy, Route, WaitReason,
};

use crate::story::{PROVIDER, RING, Story, start};

#[test]
fn first_employee_is_phoned_at_once() {
    let story = Story::new(&["Anna", "Ben"]);
    assert_eq!(story.turn(), ("Anna", 1));
    assert_eq!(story.due_in(), 0);
    let attempt = story.dispatch.attempt().expect("an attempt").id;
    assert_eq!(
        story.sent(),
        [&Work::Dial {
            attempt,
            slot: None,
            provider: None
        }]
    );
    assert_eq!(story.dispatch.version, 1);
    assert!(
        story.messages.iter().all(|message| message.version == 1),
        "fenced with the version that the commit creates"
    );
}

#[test]
fn employee_is_phoned_three_times_before_the_next() {
    let mut story = Story::new(&["Anna", "Ben"]);
    for number in 1..=3 {
        assert_eq!(story.turn(), ("Anna", number));
        story.rings_out("Anna");
    }
    assert_eq!(story.turn(), ("Ben", 1));
}

#[test]
fn same_employee_is_retried_after_the_retry_delay() {
    let mut story = Story::new(&["Anna", "Ben"]);
    story.rings_out("Anna");
    assert_eq!(story.due_in(), 30);
}

#[test]
fn next_employee_is_phoned_without_delay() {
    let mut story = Story::with_policy(
        Policy {
            attempts: 1,
            ..Policy::default()
        },
        &["Anna", "Ben"],
    );
    story.rings_out("Anna");
    assert_eq!((story.turn(), story.due_in()), (("Ben", 1), 0));
}

#[test]
fn every_attempt_has_a_new_nonce_and_the_next_ordinal() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let calls: Vec<_> = ["Anna", "Anna", "Anna", "Ben"].map(|name| story.rings_out(name)).into();
    let ordinals: Vec<_> = calls.iter().map(|id| id.ordinal).collect();
    assert_eq!(ordinals, [1, 2, 3, 4]);
    assert!(calls.windows(2).all(|pair| pair[0].nonce != pair[1].nonce));
}

#[test]
fn busy_and_failed_calls_count_as_attempts() {
    for (ending, reason) in [
        (Ending::Busy, NoAnswerReason::Busy),
        (Ending::NoAnswer, NoAnswerReason::NotPickedUp),
        (Ending::Failed, NoAnswerReason::Failed),
    ] {
        let mut story = Story::new(&["Anna"]);
        let attempt = story.rings("Anna");
        story.ends(attempt, ending);
        let expected = Fact::NoAnswer {
            attempt,
            number: 1,
            reason,
        };
        assert_eq!(story.facts()[0], &expected, "{ending:?}");
        assert_eq!(story.turn(), ("Anna", 2));
    }
}

#[test]
fn refused_number_is_retried_after_15_minutes() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let attempt = story.dials("Anna");
    story.not_placed(attempt, NotPlaced::Refused);
    assert!(story.recorded(|fact| matches!(
        fact,
        Fact::NoAnswer {
            reason: NoAnswerReason::Refused,
            ..
        }
    )));
    assert_eq!(story.turn(), ("Ben", 1), "the same request would be refused again");
    for _ in 0..3 {
        story.rings_out("Ben");
    }
    story.resumes();
    assert_eq!(
        story.turn(),
        ("Ben", 1),
        "after the pause of 300 s it is too early for Anna"
    );
    for _ in 0..3 {
        story.rings_out("Ben");
    }
    story.set_time(2 * 900);
    story.resumes();
    assert_eq!(story.turn(), ("Anna", 1), "a person may have fixed the cause");
}

#[test]
fn refused_numbers_are_not_retried_in_a_loop() {
    let policy = Policy {
        round_pause: 0,
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna"]);
    let attempt = story.dials("Anna");
    story.not_placed(attempt, NotPlaced::Refused);
    assert_eq!(story.waits(), (900, WaitReason::NobodyAvailable));
    let policy = Policy {
        max_rounds: Some(1),
        ..Policy::default()
    };
    let mut story = Story::with_policy(policy, &["Anna"]);
    let attempt = story.dials("Anna");
    story.not_placed(attempt, NotPlaced::Refused);
    assert_eq!(story.status(), "Exhausted");
}

#[test]
fn answered_call_without_a_key_is_no_acceptance() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let call = story.rings("Anna");
    story.ends(call, Ending::Completed);
    assert!(matches!(story.phase(), Phase::Ended { .. }), "a key may still come");
    story.advance(5);
    story.call_over(call, Ending::Completed, "");
    assert!(story.recorded(|fact| matches!(
        fact,
        Fact::NoAnswer {
            reason: NoAnswerReason::NoKey,
            ..
        }
    )));
    assert_eq!(story.turn(), ("Anna", 2));
}

#[test]
fn duplicate_dial_message_does_not_dial_again() {
    let mut story = Story::new(&["Anna"]);
    let call = story.dials("Anna");
    for _ in 0..3 {
        assert_eq!(
            story.apply(&Event::Claim {
                attempt: call,
                route: Route::only(PROVIDER)
            }),
            EventOutcome::Stale
        );
        assert!(story.nothing_happened());
    }
}

#[test]
fn attempt_with_another_nonce_is_never_dialed() {
    let mut story = Story::new(&["Anna"]);
    let mut other = story.dispatch.attempt().expect("an attempt").id;
    other.nonce = patchbay::ids::Nonce::new(99);
    assert_eq!(
        story.apply(&Event::Claim {
            attempt: other,
            route: Route::only(PROVIDER)
        }),
        EventOutcome::Stale
    );
    assert!(story.nothing_happened());
}

#[test]
fn end_of_a_call_is_counted_once() {
    let mut story = Story::new(&["Anna", "Ben"]);
    let call = story.rings_out("Anna");
    for ending in [Ending::NoAnswer, Ending::Busy, Ending::Completed, Ending::OutOfMoney] {
        assert_eq!(story.ends(call, ending), EventOutcome::Stale);
        assert!(story.nothing_happened());
    }
    assert_eq!(story.turn(), ("Anna", 2));
}

#[test]
fn end_of_a_call_may_arrive_before_the_providers_answer() {
    let mut story = Story::new(&["Anna"]);
    let call = story.dials("Anna");
    story.ends(call, Ending::NoAnswer);
    assert_eq!(story.turn(), ("Anna", 2));
    let outcome = story.apply(&Event::Placed {
        attempt: call,
        call_id: "late".into(),
    });
    assert_eq!(outcome, EventOutcome::Stale);
    assert_eq!(story.last.next, None);
    assert!(
        story.recorded(|fact| matches!(fact, Fact::Placed { call_id, .. } if call_id == "late")),
        "a hang-up finds the call by this entry"
    );
}

#[test]
fn call_that_ended_before_the_providers_answer_still_gets_its_call_id() {
    let mut story = Story::new(&["Anna"]);
    let call = story.dials("Anna");
    story.ends(call, Ending::Completed);
    story.apply(&Event::Placed {
        attempt: call,
        call_id: "t".into(),
    });
    assert!(matches!(story.phase(), Phase::Ended { call_id: Some(id), .. } if id == "t"));
}

#[test]
fn call_id_of_the_final_status_is_used_if_no_other_is_known() {
    let mut story = Story::new(&["Anna"]);
    let attempt = story.dials("Anna");
    story.apply(&Event::CallEnded {
        attempt,
        ending: Ending::Completed,
        call_id: Some("from-status".into()),
    });
    assert!(matches!(story.phase(), Phase::Ended { call_id: Some(id), .. } if id == "from-status"));
}

#[test]
fn call_id_of_the_providers_answer_is_kept_if_the_final_status_has_none() {
    let mut story = Story::new(&["Anna"]);
    let call = story.rings("Anna");
    story.ends(call, Ending::Completed);
    assert!(matches!(story.phase(), Phase::Ended { call_id: Some(id), .. } if id == "track-1"));
}

#[test]
fn three_attempts_take_three_rings_and_two_delays() {
    let mut story = Story::new(&["Anna", "Ben"]);
    for _ in 0..3 {
        story.rings_out("Anna");
    }
    assert_eq!(story.now, start().plus_seconds(3 * RING + 2 * 30));
}
