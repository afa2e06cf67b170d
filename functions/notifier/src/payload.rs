//! What a requester is told.
//!
//! | `type` | `data.status` | when |
//! |---|---|---|
//! | `dispatch.accepted` | `Accepted` | an employee pressed 1 |
//! | `dispatch.rejected` | `Rejected` | an employee pressed 2, perhaps late: whoever is phoned then, or comes next, is not the same |
//! | `dispatch.no_answer` | `NoAnswer` | a call is over without a key; `data.reason` says why |
//! | `dispatch.out_of_money` | `OutOfMoney` | a provider's account is empty; calls go over another one, or none is placed for a while |
//! | `dispatch.reopened` | `Reopened` | accepted, but not resolved in time; the next employee is phoned |
//! | `dispatch.exhausted` | `Exhausted` | nobody is left and no round is to come; or `data.reason` is `max_calls`: the policy allows no more calls |
//! | `dispatch.cancelled` | `Cancelled` | the requester withdrew it |
//! | `dispatch.expired` | `Expired` | its time ran out |
//! | `dispatch.resolved` | `Resolved` | the requester said that it is done |
//!
//! | `dispatch.call_status` | `Queued`, `Initiated`, `Ringing`, `InProgress` | a call got further (with `OnStatus` only) |
//!
//! All but `dispatch.rejected`, `dispatch.no_answer` and `dispatch.call_status` are about the dispatch as a whole, and are
//! told with the strategy `OnCompletion` too.
//!
//! `data.sequence` rises with what happens in a dispatch. Webhooks arrive in any order, and of two the one with the higher
//! number is the newer. The statuses of a call are numbered from where it was begun: when somebody else's late key has been
//! counted since, they are lower than that, so they are compared with those of the same attempt only.

use patchbay::dispatch::timeline::Exhaustion;
use patchbay::dispatch::{CallStatus, Dispatch, Entry, Fact};
use serde_json::{Map, Value, json};

/// The body of the webhook about `entry`; none when it is not something that a requester is told of.
///
/// Made of the entry and of what never changes in a dispatch, so that a retry hours later says the same as the first
/// delivery, whatever has happened since. What does not apply is left out.
pub fn payload(dispatch: &Dispatch, entry: &Entry) -> Option<Value> {
    let event_type = entry.fact.event_type()?;
    let status = entry.fact.status().or(entry.fact.call_status().map(CallStatus::name))?;
    let mut data = Map::new();
    let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
    put("dispatch", json!(dispatch.key.id));
    if let Some(reference) = &dispatch.brief.ticket.reference {
        put("reference", json!(reference));
    }
    if let Some(sequence) = entry.sequence {
        put("sequence", json!(sequence));
    }
    put("status", json!(status));
    put("at", json!(entry.at));
    if let Some(employee) = entry.fact.employee().and_then(|index| dispatch.employee(index)) {
        put("employee", json!({ "id": employee.id, "name": employee.name }));
    }
    match (&entry.fact, entry.fact.attempt()) {
        (Fact::NoAnswer { number, .. }, Some(attempt)) => {
            put("attempt", json!({ "ordinal": attempt.ordinal, "number": number }));
        }
        (_, Some(attempt)) => {
            put("attempt", json!({ "ordinal": attempt.ordinal }));
        }
        (_, None) => {}
    }
    match &entry.fact {
        Fact::NoAnswer { reason, .. } => {
            put("reason", json!(reason));
        }
        Fact::Exhausted { why } if *why != Exhaustion::NobodyLeft => {
            put("reason", json!(why));
        }
        Fact::Accepted { late, resolve_by, .. } => {
            put("late", json!(late));
            if let Some(resolve_by) = resolve_by {
                put("resolve_by", json!(resolve_by));
            }
        }
        _ => {}
    }
    Some(json!({ "type": event_type, "timestamp": entry.at, "data": data }))
}
