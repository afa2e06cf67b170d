//! Bodies of the webhooks about dispatches.
//!
//! | `type` | `data.status` | when |
//! |---|---|---|
//! | `dispatch.accepted` | `Accepted` | an employee pressed 1 |
//! | `dispatch.rejected` | `Rejected` | an employee pressed 2; if late, another employee is being phoned or is next |
//! | `dispatch.no_answer` | `NoAnswer` | a call ended without a key; `data.reason` says why |
//! | `dispatch.out_of_money` | `OutOfMoney` | the account with a provider is empty; calls go over another provider, or pause for a while |
//! | `dispatch.reopened` | `Reopened` | accepted, but not resolved in time; the next employee is phoned |
//! | `dispatch.exhausted` | `Exhausted` | no employee is left and no round follows; or `data.reason` is `max_calls`: the policy allows no more calls |
//! | `dispatch.cancelled` | `Cancelled` | the requester cancelled it |
//! | `dispatch.expired` | `Expired` | its lifetime ended |
//! | `dispatch.resolved` | `Resolved` | the requester marked it as done |
//!
//! | `dispatch.call_status` | `Queued`, `Initiated`, `Ringing`, `InProgress` | a call got further (with `OnStatus` only) |
//!
//! All but `dispatch.rejected`, `dispatch.no_answer` and `dispatch.call_status` are about the dispatch as a whole, and
//! are sent with the strategy `OnCompletion` too.
//!
//! `data.sequence` grows with every event of a dispatch. Webhooks arrive in any order; of two, the one with the higher
//! number is newer. Call statuses are numbered from the start of their call. If a late key of another attempt was
//! numbered since, they are lower than that number. So compare call statuses only with those of the same attempt.

use patchbay::dispatch::timeline::Exhaustion;
use patchbay::dispatch::{CallStatus, Dispatch, Entry, Fact};
use serde_json::{Map, Value, json};

/// The body of the webhook about `entry`; none if requesters are not notified of such entries.
///
/// Made from the entry and the immutable parts of the dispatch. So a retry hours later has the same body as the first
/// delivery, whatever has happened since. Fields that do not apply are left out.
pub fn payload(dispatch: &Dispatch, entry: &Entry) -> Option<Value> {
    let event_type = entry.fact.event_type()?;
    let status = entry.fact.status().or(entry.fact.call_status().map(CallStatus::name))?;
    let mut data = Map::new();
    let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
    put("dispatch", json!(dispatch.key.id));
    if let Some(reference) = &dispatch.spec.ticket.reference {
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
        Fact::Exhausted { reason } if *reason != Exhaustion::NobodyLeft => {
            put("reason", json!(reason));
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
