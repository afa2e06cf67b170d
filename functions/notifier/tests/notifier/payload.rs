//! What requesters are told, to the letter.

use crate::support::{PROVIDER, START, attempt, called, dispatch, entry};
use notifier::payload::payload;
use patchbay::dispatch::timeline::Exhaustion;
use patchbay::dispatch::{Fact, Reason, Unavailable, WaitReason};
use serde_json::{Value, json};

fn told(fact: Fact) -> Value {
    payload(&dispatch(), &entry(fact)).expect("something to tell")
}

fn about_the_whole(event_type: &str, status: &str) -> Value {
    json!({
        "type": event_type,
        "timestamp": "2027-01-15T08:00:00.000Z",
        "data": {
            "dispatch": "dsp_0000000000000000000000000000002a",
            "reference": "INC-4711",
            "sequence": 300,
            "status": status,
            "at": "2027-01-15T08:00:00.000Z",
        },
    })
}

/// As [`about_the_whole`], with the employee and the attempt, and `more`.
fn about_a_call(event_type: &str, status: &str, more: &Value) -> Value {
    let mut body = about_the_whole(event_type, status);
    let data = body["data"].as_object_mut().expect("an object");
    data.insert("employee".to_owned(), json!({ "id": "e-2", "name": "Anna" }));
    data.insert("attempt".to_owned(), json!({ "ordinal": 7 }));
    data.extend(more.as_object().expect("an object").clone());
    body
}

#[test]
fn an_acceptance_says_who_has_it_and_until_when() {
    let fact = |late, resolve_by| Fact::Accepted {
        attempt: attempt(),
        late,
        resolve_by,
    };
    assert_eq!(
        told(fact(false, Some(START.plus_seconds(60)))),
        about_a_call(
            "dispatch.accepted",
            "Accepted",
            &json!({ "late": false, "resolve_by": "2027-01-15T08:01:00.000Z" })
        )
    );
    assert_eq!(
        told(fact(true, None)),
        about_a_call("dispatch.accepted", "Accepted", &json!({ "late": true }))
    );
}

#[test]
fn a_rejection_says_whose_it_is() {
    assert_eq!(
        told(Fact::Rejected { attempt: attempt() }),
        about_a_call("dispatch.rejected", "Rejected", &json!({}))
    );
}

#[test]
fn a_call_without_a_key_says_why_and_which_call_it_was() {
    for (reason, text) in [
        (Reason::NotPickedUp, "not_picked_up"),
        (Reason::Busy, "busy"),
        (Reason::NoKey, "no_key"),
        (Reason::Failed, "failed"),
        (Reason::Refused, "refused"),
        (Reason::Unknown, "unknown"),
    ] {
        let fact = Fact::NoAnswer {
            attempt: attempt(),
            number: 2,
            reason,
        };
        let more = json!({ "attempt": { "ordinal": 7, "number": 2 }, "reason": text });
        assert_eq!(told(fact), about_a_call("dispatch.no_answer", "NoAnswer", &more));
    }
}

#[test]
fn an_empty_account_and_a_reopened_ticket_say_at_which_call() {
    assert_eq!(
        told(Fact::OutOfMoney { attempt: attempt() }),
        about_a_call("dispatch.out_of_money", "OutOfMoney", &json!({}))
    );
    assert_eq!(
        told(Fact::Reopened { attempt: attempt() }),
        about_a_call("dispatch.reopened", "Reopened", &json!({}))
    );
}

#[test]
fn a_dispatch_that_may_place_no_more_calls_says_so() {
    let data = |why| {
        let payload = payload(&dispatch(), &entry(Fact::Exhausted { why })).expect("a payload");
        payload["data"].clone()
    };
    assert_eq!(data(Exhaustion::MaxCalls)["reason"], "max_calls");
    assert_eq!(data(Exhaustion::NobodyLeft).get("reason"), None);
}

#[test]
fn an_end_is_about_the_whole() {
    for (fact, event_type, status) in [
        (
            Fact::Exhausted {
                why: Exhaustion::NobodyLeft,
            },
            "dispatch.exhausted",
            "Exhausted",
        ),
        (Fact::Cancelled, "dispatch.cancelled", "Cancelled"),
        (Fact::Expired, "dispatch.expired", "Expired"),
        (Fact::Resolved, "dispatch.resolved", "Resolved"),
    ] {
        assert_eq!(told(fact), about_the_whole(event_type, status));
    }
}

#[test]
fn a_call_that_gets_further_says_how_far_it_is() {
    let status = |name: &str| Fact::Status {
        attempt: attempt(),
        provider: PROVIDER,
        status: called(name),
        name: name.to_owned(),
        leg_id: "m-1".to_owned(),
        call_id: "t-1".to_owned(),
    };
    for name in ["Queued", "Initiated", "Ringing", "InProgress"] {
        assert_eq!(
            told(status(name)),
            about_a_call("dispatch.call_status", name, &json!({}))
        );
    }
    // How a call ends is told by what the dispatch makes of it.
    for name in ["Completed", "Busy", "SomethingNew", ""] {
        assert_eq!(payload(&dispatch(), &entry(status(name))), None, "{name}");
    }
}

#[test]
fn an_event_of_before_there_were_numbers_is_told_without_one() {
    let old = patchbay::dispatch::Entry {
        sequence: None,
        ..entry(Fact::Cancelled)
    };
    let told = payload(&dispatch(), &old).expect("something to tell");
    assert_eq!((text(&told), told["data"].get("sequence")), ("Cancelled", None));
}

fn text(told: &Value) -> &str {
    told["data"]["status"].as_str().unwrap_or_default()
}

#[test]
fn what_a_ticket_has_not_is_left_out() {
    let mut dispatch = dispatch();
    dispatch.brief.ticket.reference = None;
    let told = payload(&dispatch, &entry(Fact::Cancelled)).expect("something to tell");
    assert_eq!(told["data"].get("reference"), None);
    dispatch.brief.employees.truncate(1);
    let told = payload(&dispatch, &entry(Fact::Rejected { attempt: attempt() })).expect("something to tell");
    assert_eq!(told["data"].get("employee"), None);
}

#[test]
fn a_retry_says_the_same_although_the_dispatch_has_moved_on() {
    let (before, mut after) = (dispatch(), dispatch());
    after.version += 9;
    after.state = patchbay::dispatch::State::Expired { at: START };
    after.progress.attempts = 9;
    let entry = entry(Fact::Rejected { attempt: attempt() });
    assert_eq!(payload(&before, &entry), payload(&after, &entry));
}

#[test]
fn nobody_is_told_of_what_has_no_published_status() {
    let attempt = attempt();
    for fact in [
        Fact::Created,
        Fact::Planned {
            attempt,
            number: 1,
            due_at: START,
        },
        Fact::Skipped {
            employee: 1,
            reason: Unavailable::OffDuty,
            until: None,
        },
        Fact::Dialling {
            instead_of: None,
            attempt,
            provider: PROVIDER,
        },
        Fact::Placed {
            attempt,
            call_id: "t".to_owned(),
        },
        Fact::PutOff { attempt, until: START },
        Fact::Unclear { attempt },
        Fact::Status {
            attempt,
            provider: PROVIDER,
            status: called("Completed"),
            name: "Completed".to_owned(),
            leg_id: "m".to_owned(),
            call_id: "t".to_owned(),
        },
        Fact::Key { attempt, key: '5' },
        Fact::Waiting {
            until: START,
            reason: WaitReason::RoundPause,
        },
    ] {
        assert_eq!((fact.status(), fact.event_type()), (None, None), "{fact:?}");
        assert_eq!(payload(&dispatch(), &entry(fact)), None);
    }
}
