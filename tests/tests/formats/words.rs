//! Words that stand for a variant in the table, in messages and in answers, each exactly as it is written.

use patchbay::access::Scope;
use patchbay::context::{Status, TransactionType};
use patchbay::dispatch::state::Strategy;
use patchbay::dispatch::{CallStatus, Gender, Language, Reason, Unavailable, WaitReason};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::fixtures::{all_seen, hold};
use crate::kinds;

const REASONS: [Reason; 6] = [
    Reason::NotPickedUp,
    Reason::Busy,
    Reason::NoKey,
    Reason::Failed,
    Reason::Refused,
    Reason::Unknown,
];
const UNAVAILABLE: [Unavailable; 8] = [
    Unavailable::OptedOut,
    Unavailable::Unverified,
    Unavailable::OffDuty,
    Unavailable::QuietHours,
    Unavailable::Busy,
    Unavailable::Rejected,
    Unavailable::Refused,
    Unavailable::PutOff,
];
const CALL_STATUSES: [CallStatus; 11] = [
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
    CallStatus::Other,
];
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
    all_seen("WaitReason", kinds::WAITS, WAITS.iter().map(kinds::wait));
    all_seen(
        "CallStatus",
        kinds::CALL_STATUSES,
        CALL_STATUSES.iter().map(kinds::call_status),
    );
}
