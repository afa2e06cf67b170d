//! Calls to one employee, and from one to the next.

use patchbay::dispatch::work::Work;
use patchbay::dispatch::{Ending, Event, Fact, NotPlaced, Phase, Policy, Reason, Route, Verdict, WaitReason};

use crate::story::{PROVIDER, RING, Story, start};

#[test]
fn the_first_employee_is_phoned_at_once() {
    let story = Story::of(&["Anna", "Ben"]);
    assert_eq!(story.turn(), ("Anna", 1));
    assert_eq!(story.due_in(), 0);
    let attempt = story.dispatch.attempt().expect("an attempt").id;
    assert_eq!(
        story.sent(),
        [&Work::Dial {
            attempt,
            slot: None,
            over: None
        }]
    );
    assert_eq!(story.dispatch.version, 1);
    assert!(
        story.messages.iter().all(|message| message.version == 1),
        "fenced with the version that the commit makes"
    );
}

#[test]
fn an_employee_is_phoned_three_times_and_then_the_next() {
    let mut story = Story::of(&["Anna", "Ben"]);
    for number in 1..=3 {
        assert_eq!(story.turn(), ("Anna", number));
        story.rings_out("Anna");
    }
    assert_eq!(story.turn(), ("Ben", 1));
}

#[test]
fn the_same_employee_is_left_alone_for_the_retry_delay() {
    let mut story = Story::of(&["Anna", "Ben"]);
    story.rings_out("Anna");
    assert_eq!(story.due_in(), 30);
}

#[test]
fn the_next_employee_is_phoned_without_delay() {
    let mut story = Story::under(
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
fn every_attempt_has_an_id_of_its_own_and_a_higher_ordinal() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let calls: Vec<_> = ["Anna", "Anna", "Anna", "Ben"].map(|name| story.rings_out(name)).into();
    let ordinals: Vec<_> = calls.iter().map(|id| id.ordinal).collect();
    assert_eq!(ordinals, [1, 2, 3, 4]);
    assert!(calls.windows(2).all(|pair| pair[0].nonce != pair[1].nonce));
}

#[test]
fn busy_and_failed_calls_count_as_attempts() {
    for (ending, reason) in [
        (Ending::Busy, Reason::Busy),
        (Ending::NoAnswer, Reason::NotPickedUp),
        (Ending::Failed, Reason::Failed),
    ] {
        let mut story = Story::of(&["Anna"]);
        let attempt = story.rings("Anna");
        story.ends(attempt, ending);
        let told = Fact::NoAnswer {
            attempt,
            number: 1,
            reason,
        };
        assert_eq!(story.facts()[0], &told, "{ending:?}");
        assert_eq!(story.turn(), ("Anna", 2));
    }
}

#[test]
fn a_number_that_the_provider_refuses_is_left_alone_for_a_while() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let attempt = story.dials("Anna");
    story.refused(attempt, NotPlaced::Refused);
    assert!(story.tells(|fact| matches!(
        fact,
        Fact::NoAnswer {
            reason: Reason::Refused,
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
    story.at(2 * 900);
    story.resumes();
    assert_eq!(story.turn(), ("Anna", 1), "somebody may have mended it");
}

#[test]
fn a_list_of_refused_numbers_is_not_tried_in_a_loop() {
    let policy = Policy {
        round_pause: 0,
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna"]);
    let attempt = story.dials("Anna");
    story.refused(attempt, NotPlaced::Refused);
    assert_eq!(story.waits(), (900, WaitReason::NobodyAvailable));
    let policy = Policy {
        max_rounds: Some(1),
        ..Policy::default()
    };
    let mut story = Story::under(policy, &["Anna"]);
    let attempt = story.dials("Anna");
    story.refused(attempt, NotPlaced::Refused);
    assert_eq!(story.status(), "Exhausted");
}

#[test]
fn an_answered_call_without_a_key_is_no_acceptance() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let call = story.rings("Anna");
    story.ends(call, Ending::Completed);
    assert!(matches!(story.phase(), Phase::Ended { .. }), "a key may still come");
    story.later(5);
    story.over(call, Ending::Completed, "");
    assert!(story.tells(|fact| matches!(
        fact,
        Fact::NoAnswer {
            reason: Reason::NoKey,
            ..
        }
    )));
    assert_eq!(story.turn(), ("Anna", 2));
}

#[test]
fn a_call_is_dialled_once_however_often_its_message_comes() {
    let mut story = Story::of(&["Anna"]);
    let call = story.dials("Anna");
    for _ in 0..3 {
        assert_eq!(
            story.when(&Event::Claim {
                attempt: call,
                route: Route::only(PROVIDER)
            }),
            Verdict::Stale
        );
        assert!(story.nothing_happened());
    }
}

#[test]
fn a_call_of_a_writer_who_crashed_is_never_dialled() {
    let mut story = Story::of(&["Anna"]);
    let mut other = story.dispatch.attempt().expect("an attempt").id;
    other.nonce = patchbay::ids::Nonce::new(99);
    assert_eq!(
        story.when(&Event::Claim {
            attempt: other,
            route: Route::only(PROVIDER)
        }),
        Verdict::Stale
    );
    assert!(story.nothing_happened());
}

#[test]
fn the_end_of_a_call_is_counted_once() {
    let mut story = Story::of(&["Anna", "Ben"]);
    let call = story.rings_out("Anna");
    for ending in [Ending::NoAnswer, Ending::Busy, Ending::Completed, Ending::OutOfMoney] {
        assert_eq!(story.ends(call, ending), Verdict::Stale);
        assert!(story.nothing_happened());
    }
    assert_eq!(story.turn(), ("Anna", 2));
}

#[test]
fn the_end_of_a_call_may_come_before_the_answer_to_the_request() {
    let mut story = Story::of(&["Anna"]);
    let call = story.dials("Anna");
    story.ends(call, Ending::NoAnswer);
    assert_eq!(story.turn(), ("Anna", 2));
    let verdict = story.when(&Event::Placed {
        attempt: call,
        call_id: "late".into(),
    });
    assert_eq!(verdict, Verdict::Stale);
    assert_eq!(story.last.next, None);
    assert!(
        story.tells(|fact| matches!(fact, Fact::Placed { call_id, .. } if call_id == "late")),
        "a hang-up finds the call by this line"
    );
}

#[test]
fn an_answered_call_that_ended_first_still_learns_its_name() {
    let mut story = Story::of(&["Anna"]);
    let call = story.dials("Anna");
    story.ends(call, Ending::Completed);
    story.when(&Event::Placed {
        attempt: call,
        call_id: "t".into(),
    });
    assert!(matches!(story.phase(), Phase::Ended { call_id: Some(id), .. } if id == "t"));
}

#[test]
fn the_name_in_the_final_status_is_kept_when_no_other_is_known() {
    let mut story = Story::of(&["Anna"]);
    let attempt = story.dials("Anna");
    story.when(&Event::CallEnded {
        attempt,
        ending: Ending::Completed,
        call_id: Some("from-status".into()),
    });
    assert!(matches!(story.phase(), Phase::Ended { call_id: Some(id), .. } if id == "from-status"));
}

#[test]
fn the_name_in_the_answer_to_the_request_is_kept_when_the_final_status_has_none() {
    let mut story = Story::of(&["Anna"]);
    let call = story.rings("Anna");
    story.ends(call, Ending::Completed);
    assert!(matches!(story.phase(), Phase::Ended { call_id: Some(id), .. } if id == "track-1"));
}

#[test]
fn three_attempts_take_as_long_as_their_rings_and_delays() {
    let mut story = Story::of(&["Anna", "Ben"]);
    for _ in 0..3 {
        story.rings_out("Anna");
    }
    assert_eq!(story.now, start().plus_seconds(3 * RING + 2 * 30));
}
