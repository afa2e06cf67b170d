//! Exact bodies of the webhooks to requesters.

use crate::support::{PROVIDER, START, attempt, called, dispatch, entry};
use notifier::payload::dispatch::payload;
use patchbay::dispatch::timeline::Exhaustion;
use patchbay::dispatch::{Fact, NoAnswerReason, Unavailable, WaitReason};
use serde_json::{Value, json};

fn body_of(fact: Fact) -> Value {
    payload(&dispatch(), &entry(fact)).expect("a payload")
}

fn dispatch_body(event_type: &str, status: &str) -> Value {
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

/// As [`dispatch_body`], with the employee and the attempt, and `more`.
fn call_body(event_type: &str, status: &str, more: &Value) -> Value {
    let mut body = dispatch_body(event_type, status);
    let data = body["data"].as_object_mut().expect("an object");
    data.insert("employee".to_owned(), json!({ "id": "e-2", "name": "Anna" }));
    data.insert("attempt".to_owned(), json!({ "ordinal": 7 }));
    data.extend(more.as_object().expect("an object").clone());
    body
}

#[test]
fn an_acceptance_names_the_employee_and_the_deadline() {
    let fact = |late, resolve_by| Fact::Accepted {
        attempt: attempt(),
        late,
        resolve_by,
    };
    assert_eq!(
        body_of(fact(false, Some(START.plus_seconds(60)))),
        call_body(
            "dispatch.accepted",
            "Accepted",
            &json!({ "late": false, "resolve_by": "2027-01-15T08:01:00.000Z" })
        )
    );
    assert_eq!(
        body_of(fact(true, None)),
        call_body("dispatch.accepted", "Accepted", &json!({ "late": true }))
    );
}

#[test]
fn a_rejection_names_the_employee() {
    assert_eq!(
        body_of(Fact::Rejected { attempt: attempt() }),
        call_body("dispatch.rejected", "Rejected", &json!({}))
    );
}

#[test]
fn a_call_without_a_key_has_its_reason_and_its_number() {
    for (reason, name) in [
        (NoAnswerReason::NotPickedUp, "not_picked_up"),
        (NoAnswerReason::Busy, "busy"),
        (NoAnswerReason::NoKey, "no_key"),
        (NoAnswerReason::Failed, "failed"),
        (NoAnswerReason::Refused, "refused"),
        (NoAnswerReason::Unknown, "unknown"),
    ] {
        let fact = Fact::NoAnswer {
            attempt: attempt(),
            number: 2,
            reason,
        };
        let more = json!({ "attempt": { "ordinal": 7, "number": 2 }, "reason": name });
        assert_eq!(body_of(fact), call_body("dispatch.no_answer", "NoAnswer", &more));
    }
}

#[test]
fn out_of_money_and_reopened_name_the_call() {
    assert_eq!(
        body_of(Fact::OutOfMoney { attempt: attempt() }),
        call_body("dispatch.out_of_money", "OutOfMoney", &json!({}))
    );
    assert_eq!(
        body_of(Fact::Reopened { attempt: attempt() }),
        call_body("dispatch.reopened", "Reopened", &json!({}))
    );
}

#[test]
fn exhaustion_by_max_calls_has_a_reason() {
    let data = |reason| {
        let payload = payload(&dispatch(), &entry(Fact::Exhausted { reason })).expect("a payload");
        payload["data"].clone()
    };
    assert_eq!(data(Exhaustion::MaxCalls)["reason"], "max_calls");
    assert_eq!(data(Exhaustion::NobodyLeft).get("reason"), None);
}

#[test]
fn final_events_are_about_the_whole_dispatch() {
    for (fact, event_type, status) in [
        (
            Fact::Exhausted {
                reason: Exhaustion::NobodyLeft,
            },
            "dispatch.exhausted",
            "Exhausted",
        ),
        (Fact::Cancelled, "dispatch.cancelled", "Cancelled"),
        (Fact::Expired, "dispatch.expired", "Expired"),
        (Fact::Resolved, "dispatch.resolved", "Resolved"),
    ] {
        assert_eq!(body_of(fact), dispatch_body(event_type, status));
    }
}

#[test]
fn a_call_status_has_its_name() {
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
            body_of(status(name)),
            call_body("dispatch.call_status", name, &json!({}))
        );
    }
    // The end of a call is reported by the event that the dispatch derives from it.
    for name in ["Completed", "Busy", "SomethingNew", ""] {
        assert_eq!(payload(&dispatch(), &entry(status(name))), None, "{name}");
    }
}

#[test]
fn an_old_event_without_a_sequence_is_delivered_without_one() {
    let old = patchbay::dispatch::Entry {
        sequence: None,
        ..entry(Fact::Cancelled)
    };
    let body = payload(&dispatch(), &old).expect("a payload");
    assert_eq!((status_of(&body), body["data"].get("sequence")), ("Cancelled", None));
}

fn status_of(body: &Value) -> &str {
    body["data"]["status"].as_str().unwrap_or_default()
}

#[test]
fn missing_ticket_fields_are_left_out() {
    let mut dispatch = dispatch();
    dispatch.spec.ticket.reference = None;
    let body = payload(&dispatch, &entry(Fact::Cancelled)).expect("a payload");
    assert_eq!(body["data"].get("reference"), None);
    dispatch.spec.employees.truncate(1);
    let body = payload(&dispatch, &entry(Fact::Rejected { attempt: attempt() })).expect("a payload");
    assert_eq!(body["data"].get("employee"), None);
}

#[test]
fn a_retry_has_the_same_body_after_the_dispatch_has_moved_on() {
    let (before, mut after) = (dispatch(), dispatch());
    after.version += 9;
    after.state = patchbay::dispatch::State::Expired { at: START };
    after.progress.attempts = 9;
    let entry = entry(Fact::Rejected { attempt: attempt() });
    assert_eq!(payload(&before, &entry), payload(&after, &entry));
}

#[test]
fn entries_without_a_published_status_have_no_webhook() {
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
        Fact::Dialing {
            instead_of: None,
            attempt,
            provider: PROVIDER,
        },
        Fact::Placed {
            attempt,
            call_id: "t".to_owned(),
        },
        Fact::Postponed { attempt, until: START },
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
