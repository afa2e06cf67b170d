//! Words that stand for a variant in the table, in messages and in answers, each exactly as it is written.

use patchbay::access::Scope;
use patchbay::context::{Status, TransactionType};
use patchbay::dispatch::policy::{OnMachine, Repeat};
use patchbay::dispatch::state::Strategy;
use patchbay::dispatch::timeline::Exhaustion;
use patchbay::dispatch::{CallStatus, Detour, Gender, Language, Limit, Reason, Unavailable, Urgency, WaitReason};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::fixtures::{all_seen, hold};
use crate::kinds;

const REASONS: [Reason; 7] = [
    Reason::NotPickedUp,
    Reason::Busy,
    Reason::NoKey,
    Reason::Voicemail,
    Reason::Failed,
    Reason::Refused,
    Reason::Unknown,
];
const UNAVAILABLE: [Unavailable; 10] = [
    Unavailable::OptedOut,
    Unavailable::Unverified,
    Unavailable::OffDuty,
    Unavailable::QuietHours,
    Unavailable::Busy,
    Unavailable::Rejected,
    Unavailable::Refused,
    Unavailable::PutOff,
    Unavailable::HourlyLimit,
    Unavailable::DailyLimit,
];
const CALL_STATUSES: [CallStatus; 12] = [
    CallStatus::Queued,
    CallStatus::Initiated,
    CallStatus::Ringing,
    CallStatus::InProgress,
    CallStatus::Completed,
    CallStatus::Busy,
    CallStatus::NoAnswer,
    CallStatus::Failed,
    CallStatus::OutOfMoney,
    CallStatus::Unknown,
    CallStatus::Machine,
    CallStatus::Other,
];
const DETOURS: [Detour; 7] = [
    Detour::Queue,
    Detour::PutOff,
    Detour::Failed,
    Detour::Down,
    Detour::Unknown,
    Detour::NotAllowed,
    Detour::OutOfMoney,
];
const EXHAUSTIONS: [Exhaustion; 2] = [Exhaustion::NobodyLeft, Exhaustion::MaxCalls];
const LIMITS: [Limit; 2] = [Limit::Hourly, Limit::Daily];
const URGENCIES: [Urgency; 2] = [Urgency::Normal, Urgency::Urgent];
const REPEATS: [Repeat; 2] = [Repeat::Options, Repeat::All];
const ON_MACHINE: [OnMachine; 2] = [OnMachine::Ignore, OnMachine::HangUp];
const WAITS: [WaitReason; 4] = [
    WaitReason::RoundPause,
    WaitReason::NobodyAvailable,
    WaitReason::Expiry,
    WaitReason::OutOfMoney,
];

/// The words of a type, which are read as what they are written for.
fn words<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(of: &str, all: &[T]) -> (String, Value) {
    let word = |variant: &T| {
        let word = serde_json::to_value(variant).unwrap();
        assert_eq!(serde_json::from_value::<T>(word.clone()).unwrap(), *variant);
        word
    };
    (of.to_owned(), all.iter().map(word).collect())
}

#[test]
fn every_word_is_as_its_fixture_says() {
    let mut written = vec![
        words("reason of no answer", &REASONS),
        words("reason to pass over", &UNAVAILABLE),
        words("reason to wait", &WAITS),
        words("status of a call", &CALL_STATUSES),
        words(
            "strategy of a webhook",
            &[Strategy::OnChange, Strategy::OnCompletion, Strategy::OnStatus],
        ),
        words("reason for a detour", &DETOURS),
        words("reason to be exhausted", &EXHAUSTIONS),
        words("limit of calls to a number", &LIMITS),
        words("priority of a dispatch", &URGENCIES),
        words("what is said again", &REPEATS),
        words("what is done about a machine", &ON_MACHINE),
        words("language", &Language::ALL),
        words("voice", &[Gender::Male, Gender::Female]),
        words("scope of a token", &Scope::ALL),
        words("status of a context", &Status::ALL),
        words(
            "type of a purchase",
            &[
                TransactionType::Once,
                TransactionType::Subscription,
                TransactionType::Authorize,
            ],
        ),
    ];
    // A status of a call is counted, too: of two, the one with the higher number is the newer.
    let sequence = |status: CallStatus| json!(status.sequence(12));
    let sequences = CALL_STATUSES.into_iter().map(sequence).collect();
    written.push(("sequences of the statuses of a call".to_owned(), sequences));
    hold("words.json", &written);
}

#[test]
fn no_word_is_missing() {
    all_seen("Reason", kinds::REASONS, REASONS.iter().map(kinds::reason));
    all_seen(
        "Unavailable",
        kinds::UNAVAILABLE,
        UNAVAILABLE.iter().map(kinds::unavailable),
    );
    all_seen("Detour", kinds::DETOURS, DETOURS.iter().map(kinds::detour));
    all_seen(
        "Exhaustion",
        kinds::EXHAUSTIONS,
        EXHAUSTIONS.iter().map(kinds::exhaustion),
    );
    all_seen("Limit", kinds::LIMITS, LIMITS.iter().map(kinds::limit));
    all_seen("Urgency", kinds::URGENCIES, URGENCIES.iter().map(kinds::urgency));
    all_seen("Repeat", kinds::REPEATS, REPEATS.iter().map(kinds::repeat));
    all_seen("OnMachine", kinds::ON_MACHINE, ON_MACHINE.iter().map(kinds::on_machine));
    all_seen("WaitReason", kinds::WAITS, WAITS.iter().map(kinds::wait));
    all_seen(
        "CallStatus",
        kinds::CALL_STATUSES,
        CALL_STATUSES.iter().map(kinds::call_status),
    );
}
