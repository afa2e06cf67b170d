//! Every field of what lies in the table as JSON. A field that is left out where it has nothing to say would be missed by
//! the fixtures of whoever never lets it say something: so whoever adds one names it here, and is asked for an item that
//! has it.

#![allow(dead_code, reason = "that they compile is what they are for")]

use std::collections::BTreeSet;

use patchbay::access::TokenRecord;
use patchbay::context::{Outcome, Processor, Purchase};
use patchbay::dispatch::delivery::Delivery;
use patchbay::dispatch::employee::{Duty, QuietHours};
use patchbay::dispatch::health::{Down, Health};
use patchbay::dispatch::limits::CallLimits;
use patchbay::dispatch::policy::TextOverrides;
use patchbay::dispatch::route::{Avoided, Deferring, Instead};
use patchbay::dispatch::state::Webhook;
use patchbay::dispatch::{
    Acceptance, Attempt, Dispatch, Employee, Entry, Fact, NewDispatch, Phase, Policy, Progress, State, Ticket, Wait,
};
use patchbay::store::{KeptCall, TokenEntry};

use crate::fixtures::{list, names};
use crate::shape;

/// For each type a function that takes it apart, without a rest; and the names of all these fields.
macro_rules! fields {
    ($($function:ident: $type:ident { $($field:ident),+ $(,)? })+) => {
        $(
            const fn $function(of: &$type) {
                let $type { $($field: _),+ } = of;
            }
        )+
        const FIELDS: &[(&str, &[&str])] = &[$((stringify!($type), &[$(stringify!($field)),+])),+];
    };
}

fields! {
    dispatch: Dispatch {
        key, version, decision, created_at, status_since, expires_at, fingerprint, brief, progress, state,
    }
    brief: NewDispatch { ticket, employees, policy, priority, webhook }
    ticket: Ticket { reference, text }
    employee: Employee { id, name, phone, language, voice, on_duty, quiet_hours, opted_out, unverified }
    duty: Duty { from, until }
    quiet_hours: QuietHours { from_minute, until_minute, utc_offset_minutes }
    policy: Policy {
        attempts, retry_delay, ring_timeout, max_duration, greeting_pause, options_pause, repeat_after, repeats, repeat,
        closing_pause, wrong_keys, round_pause, max_rounds, max_calls, providers, machine, expires_after, resolve_within, ask_again, language,
        ticket_voice, options_voice, texts,
    }
    texts: TextOverrides { options }
    webhook: Webhook { url, strategy }
    progress: Progress {
        attempts, live_from, round, called, rejected, busy, put_off, interrupted, refused, catching_up, limited,
        avoided, deferring, calls, deferrals,
    }
    avoided: Avoided { until, why }
    deferring: Deferring { provider, since, times }
    instead: Instead { provider, why }
    limits: CallLimits { per_hour, per_day }
    health: Health { failed_at, down }
    down: Down { since, probe_at, probes }
    attempt: Attempt { id, number, due_at, provider, elsewhere, phase }
    wait: Wait { id, until, reason, next }
    acceptance: Acceptance { attempt, at, resolve_by }
    entry: Entry { id, at, sequence, fact }
    delivery: Delivery { resent, failures, posts, at, answer, outcome }
    kept_call: KeptCall { at, request, before, after, over, echoed }
    token: TokenRecord { tenant, scopes, expires_at, revoked }
    token_line: TokenEntry { hash, name, created_at, record }
    purchase: Purchase { description, price, vendor, customer_id, transaction_type, order_id }
    outcome: Outcome { status, call, start_time, end_time, processor, debug }
    processor: Processor { connector, confirmation_code, token, last_four, card_type, error }
}

/// The same of what has variants; their names are in [`crate::kinds`].
const fn state(of: &State) {
    match of {
        State::Calling(_)
        | State::Waiting(_)
        | State::Accepted(_)
        | State::Exhausted { at: _ }
        | State::Cancelled { at: _ }
        | State::Expired { at: _ }
        | State::Resolved { at: _, acceptance: _ } => {}
    }
}

const fn phase(of: &Phase) {
    match of {
        Phase::Planned
        | Phase::Claimed { at: _ }
        | Phase::Placed { at: _, call_id: _ }
        | Phase::Ended { at: _, call_id: _ } => {}
    }
}

const fn fact(of: &Fact) {
    match of {
        Fact::Created
        | Fact::Planned {
            attempt: _,
            number: _,
            due_at: _,
        }
        | Fact::Skipped {
            employee: _,
            reason: _,
            until: _,
        }
        | Fact::Dialling {
            attempt: _,
            provider: _,
            instead_of: _,
        }
        | Fact::NotAllowed { attempt: _ }
        | Fact::Placed { attempt: _, call_id: _ }
        | Fact::PutOff { attempt: _, until: _ }
        | Fact::Unclear { attempt: _ }
        | Fact::Status {
            attempt: _,
            provider: _,
            status: _,
            name: _,
            leg_id: _,
            call_id: _,
        }
        | Fact::Key { attempt: _, key: _ }
        | Fact::NoAnswer {
            attempt: _,
            number: _,
            reason: _,
        }
        | Fact::Rejected { attempt: _ }
        | Fact::Accepted {
            attempt: _,
            late: _,
            resolve_by: _,
        }
        | Fact::Waiting { until: _, reason: _ }
        | Fact::OutOfMoney { attempt: _ }
        | Fact::Reopened { attempt: _ }
        | Fact::Exhausted { why: _ }
        | Fact::Cancelled
        | Fact::Expired
        | Fact::Resolved => {}
    }
}

/// Fields whose own fields stand in their place.
const FLATTENED: [(&str, &str); 3] = [("Dispatch", "brief"), ("Entry", "fact"), ("TokenEntry", "record")];

#[test]
fn every_field_says_something_in_a_fixture() {
    let mut said = BTreeSet::new();
    for kind in names("items") {
        for item in list(&format!("items/{kind}.json")) {
            let shape = shape::of(&kind, &item).into_iter().filter(|(_, form)| form != "null");
            said.extend(shape.map(|(path, _)| path.rsplit('.').next().unwrap().to_owned()));
        }
    }
    for (of, fields) in FIELDS {
        for field in *fields {
            let is_said = said.contains(*field) || FLATTENED.contains(&(of, field));
            assert!(
                is_said,
                "`{field}` of {of} says nothing in any item: let a story have it"
            );
        }
    }
}
