//! Every field of the JSON documents in the table. Fields without a value are not written, so the shape of the fixtures
//! does not reveal a field that never has one. Every field must be named here, and the tests require an item in which
//! it has a value.

#![allow(dead_code, reason = "these functions only have to compile")]

use std::collections::BTreeSet;

use patchbay::access::TokenRecord;
use patchbay::context::{PaymentOutcome, Processor, Purchase};
use patchbay::conversation::widget::{Topic, Widget};
use patchbay::conversation::{
    Contact, Conversation, CustomerMessage, Entry as ChatEntry, FormProgress, HandOver, HandOverPlan, HolderChange,
    Lease, Offer, SentMessage, Session, Step, TranscriptLine, Turn,
};
use patchbay::dispatch::employee::{Duty, QuietHours};
use patchbay::dispatch::health::{Health, ProviderOutage};
use patchbay::dispatch::limits::CallLimits;
use patchbay::dispatch::policy::TextOverrides;
use patchbay::dispatch::route::{Avoidance, BypassedProvider, Deferrals};
use patchbay::dispatch::{
    Acceptance, Attempt, Dispatch, Employee, Entry, Fact, NewDispatch, Phase, Policy, Progress, State, Ticket, Wait,
};
use patchbay::interaction::{
    Agent, Attempt as InteractionAttempt, CallDetails, Closing, Customer, Interaction, KeyOption, Leg, Parties,
    PastAttempt, Plan, ThreadMessage, Transcript,
};
use patchbay::store::{ChatConnection, SavedCall, StoredCustomer, TokenEntry, VisitorContact, VisitorRequest};
use patchbay::webhook::{Delivery, Webhook};

use crate::fixtures::{list, names};
use crate::shape;

/// Defines a function for each type that destructures it without `..`, and the list of all these fields.
macro_rules! fields {
    ($($function:ident: $type:ident { $($field:ident),+ $(,)? })+) => {
        $(
            const fn $function(value: &$type) {
                let $type { $($field: _),+ } = value;
            }
        )+
        pub(crate) const FIELDS: &[(&str, &[&str])] = &[$((stringify!($type), &[$(stringify!($field)),+])),+];
    };
}

fields! {
    dispatch: Dispatch {
        key, version, decision, created_at, status_since, expires_at, fingerprint, spec, progress, state,
    }
    spec: NewDispatch { ticket, employees, policy, priority, webhook }
    ticket: Ticket { reference, text }
    employee: Employee { id, name, phone, language, voice, on_duty, quiet_hours, opted_out, unverified }
    duty: Duty { from, until }
    quiet_hours: QuietHours { from_minute, until_minute, utc_offset_minutes }
    policy: Policy {
        attempts, retry_delay, ring_timeout, max_duration, greeting_pause, options_pause, repeat_after, repeats,
        repeat_content,
        closing_pause, wrong_keys, round_pause, max_rounds, max_calls, providers, on_voicemail, expires_after, resolve_within,
        retry_rejected, language,
        ticket_voice, options_voice, texts,
    }
    texts: TextOverrides { options }
    webhook: Webhook { url, strategy }
    progress: Progress {
        attempts, live_from, round, called, rejected, busy, postponed, interrupted, refused, catching_up, limited,
        avoided, deferring, calls, deferrals,
    }
    avoided: Avoidance { until, reason }
    deferring: Deferrals { provider, since, times }
    instead: BypassedProvider { provider, reason }
    limits: CallLimits { per_hour, per_day }
    health: Health { failed_at, down }
    down: ProviderOutage { since, probe_at, probes }
    attempt: Attempt { id, number, due_at, provider, elsewhere, phase }
    wait: Wait { id, until, reason, next }
    acceptance: Acceptance { attempt, at, resolve_by }
    entry: Entry { id, at, sequence, fact }
    delivery: Delivery { resent, failures, posts, at, answer, outcome }
    saved_call: SavedCall { at, request, before, after, over, echoed }
    token: TokenRecord { tenant, scopes, expires_at, revoked }
    token_line: TokenEntry { hash, name, created_at, record }
    purchase: Purchase { description, price, vendor, customer_id, transaction_type, order_id }
    outcome: PaymentOutcome { status, call, start_time, end_time, processor, debug }
    processor: Processor { connector, confirmation_code, token, last_four, card_type, error }
    conversation: Conversation {
        key, version, created_at, updated_at, inbox, contact, holder, holder_since, hand_over, pending, turn, steps, sent,
        seen, initial_message, silence, gives_back_at, finished_at, session, transcript,
    }
    contact: Contact { id, name, email, phone, language }
    hand_over: HandOver { id, reason, at, plan, dispatches }
    plan: HandOverPlan { message, summary, call, wait_seconds, wait_message, then }
    customer_message: CustomerMessage { id, at, text, attachments }
    turn: Turn { id, first_at, due_at, running }
    lease: Lease { id, until, messages }
    step: Step { id, action, state, due_at, echo, tries }
    sent: SentMessage { id, at, text }
    session: Session {
        started_at, last_at, variables, form, misses, errors, offers, is_stopped, answered_at,
    }
    form: FormProgress { form, field, values, invalid }
    offer: Offer { title, text }
    line: TranscriptLine { at, by, text }
    chat_entry: ChatEntry { id, at, fact }
    holder_change: HolderChange { from, to, reason, by }
    connection: ChatConnection { platform, bot_id, name, inboxes, bot_url, events_url, widget, updated_at }
    widget: Widget { title, topics, languages, phone_required, privacy_url, embedded_by, starts_per_minute }
    topic: Topic { name, title, inbox, priority, initial_message }
    visitor_request: VisitorRequest { fingerprint, at, state }
    visitor_contact: VisitorContact { id, inbox, source }
    interaction: Interaction {
        key, version, created_at, updated_at, fingerprint, parties, plan, state, state_since, attempt, past, is_reached,
        closes, thread, seen, note, transcript, webhook,
    }
    parties: Parties { agent, skill, customer }
    agent: Agent { id, name, phone, email }
    customer: Customer { id, name, phone, email, language }
    interaction_plan: Plan { legs, not_before, latest_at, remember, time_zone, hours_bypass }
    leg: Leg {
        channel, back_end, from, to, content, attempts, retry_seconds, outcome_seconds, answer_seconds, is_polled,
    }
    key_option: KeyOption { key, offer, reply, action }
    interaction_attempt: InteractionAttempt {
        id, leg, phase, tries, earlier, sent_before, provider_id, progress, polls, is_answered, call,
    }
    call_details: CallDetails { seconds, recording }
    past_attempt: PastAttempt { id, leg, provider_id, outcome, at, call, earlier }
    closing: Closing { id, at }
    thread_message: ThreadMessage { id, at, channel, by, text, progress, attempt }
    transcript: Transcript { attempt, text }
    stored_customer: StoredCustomer { id, created_at, first_name, last_name, name, phone, email, language }
}

/// The same for enums; the names of their variants are in [`crate::kinds`].
const fn state(value: &State) {
    match value {
        State::Calling(_)
        | State::Waiting(_)
        | State::Accepted(_)
        | State::Exhausted { at: _ }
        | State::Cancelled { at: _ }
        | State::Expired { at: _ }
        | State::Resolved { at: _, acceptance: _ } => {}
    }
}

const fn phase(value: &Phase) {
    match value {
        Phase::Planned
        | Phase::Claimed { at: _ }
        | Phase::Placed { at: _, call_id: _ }
        | Phase::Ended { at: _, call_id: _ } => {}
    }
}

const fn fact(value: &Fact) {
    match value {
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
        | Fact::Dialing {
            attempt: _,
            provider: _,
            instead_of: _,
        }
        | Fact::NotAllowed { attempt: _ }
        | Fact::Placed { attempt: _, call_id: _ }
        | Fact::Postponed { attempt: _, until: _ }
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
        | Fact::Exhausted { reason: _ }
        | Fact::Cancelled
        | Fact::Expired
        | Fact::Resolved => {}
    }
}

/// Fields that are not written under their names: flattened ones, whose own fields are written in their place, and one
/// that is written as `stopped`.
const FLATTENED: [(&str, &str); 4] = [
    ("Dispatch", "spec"),
    ("Entry", "fact"),
    ("TokenEntry", "record"),
    ("Session", "is_stopped"),
];

#[test]
fn every_field_has_a_value_in_a_fixture() {
    let mut with_value = BTreeSet::new();
    for kind in names("items") {
        for item in list(&format!("items/{kind}.json")) {
            let shape = shape::shape_of(&kind, &item)
                .into_iter()
                .filter(|(_, form)| form != "null");
            with_value.extend(shape.map(|(path, _)| path.rsplit('.').next().unwrap().to_owned()));
        }
    }
    for (type_name, fields) in FIELDS {
        for field in *fields {
            let has_value = with_value.contains(*field) || FLATTENED.contains(&(type_name, field));
            assert!(
                has_value,
                "`{field}` of {type_name} has no value in any item: set it in a story"
            );
        }
    }
}
