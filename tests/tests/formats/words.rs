//! Names of variants in the table, in messages and in answers, exactly as they are written.

use patchbay::access::Scope;
use patchbay::context::{PaymentStatus, TransactionType};
use patchbay::dispatch::policy::{OnVoicemail, RepeatContent};
use patchbay::dispatch::timeline::Exhaustion;
use patchbay::dispatch::{
    AvoidReason, CallStatus, DispatchPriority, Gender, Language, Limit, NoAnswerReason, Unavailable, WaitReason,
};
use patchbay::webhook::Strategy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::fixtures::{assert_all_seen, assert_fixture};
use crate::kinds;

const NO_ANSWER_REASONS: [NoAnswerReason; 7] = [
    NoAnswerReason::NotPickedUp,
    NoAnswerReason::Busy,
    NoAnswerReason::NoKey,
    NoAnswerReason::Voicemail,
    NoAnswerReason::Failed,
    NoAnswerReason::Refused,
    NoAnswerReason::Unknown,
];
const UNAVAILABLE: [Unavailable; 10] = [
    Unavailable::OptedOut,
    Unavailable::Unverified,
    Unavailable::OffDuty,
    Unavailable::QuietHours,
    Unavailable::Busy,
    Unavailable::Rejected,
    Unavailable::Refused,
    Unavailable::Postponed,
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
pub(super) const AVOID_REASONS: [AvoidReason; 7] = [
    AvoidReason::Queue,
    AvoidReason::Postponed,
    AvoidReason::Failed,
    AvoidReason::Down,
    AvoidReason::Unknown,
    AvoidReason::NotAllowed,
    AvoidReason::OutOfMoney,
];
const EXHAUSTIONS: [Exhaustion; 2] = [Exhaustion::NobodyLeft, Exhaustion::MaxCalls];
const LIMITS: [Limit; 2] = [Limit::Hourly, Limit::Daily];
const PRIORITIES: [DispatchPriority; 2] = [DispatchPriority::Normal, DispatchPriority::Urgent];
const REPEAT_CONTENTS: [RepeatContent; 2] = [RepeatContent::Options, RepeatContent::All];
const ON_VOICEMAIL: [OnVoicemail; 2] = [OnVoicemail::Ignore, OnVoicemail::HangUp];
const WAIT_REASONS: [WaitReason; 4] = [
    WaitReason::RoundPause,
    WaitReason::NobodyAvailable,
    WaitReason::Expiry,
    WaitReason::OutOfMoney,
];

/// Written names of variants. Asserts that each name is read as its variant.
fn names<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    label: &str,
    variants: &[T],
) -> (String, Value) {
    let name = |variant: &T| {
        let name = serde_json::to_value(variant).unwrap();
        assert_eq!(serde_json::from_value::<T>(name.clone()).unwrap(), *variant);
        name
    };
    (label.to_owned(), variants.iter().map(name).collect())
}

#[test]
fn every_name_of_a_variant_is_written_as_in_its_fixture() {
    let mut written = vec![
        names("reason of no answer", &NO_ANSWER_REASONS),
        names("reason to pass over", &UNAVAILABLE),
        names("reason to wait", &WAIT_REASONS),
        names("status of a call", &CALL_STATUSES),
        names(
            "strategy of a webhook",
            &[Strategy::OnChange, Strategy::OnCompletion, Strategy::OnStatus],
        ),
        names("reason for a detour", &AVOID_REASONS),
        names("reason to be exhausted", &EXHAUSTIONS),
        names("limit of calls to a number", &LIMITS),
        names("priority of a dispatch", &PRIORITIES),
        names("what is said again", &REPEAT_CONTENTS),
        names("what is done about a machine", &ON_VOICEMAIL),
        names("language", &Language::ALL),
        names("voice", &[Gender::Male, Gender::Female]),
        names("scope of a token", &Scope::ALL),
        names("status of a context", &PaymentStatus::ALL),
        names(
            "type of a purchase",
            &[
                TransactionType::Once,
                TransactionType::Subscription,
                TransactionType::Authorize,
            ],
        ),
    ];
    // Of two call statuses, the one with the higher sequence is the newer one.
    let sequence = |status: CallStatus| json!(status.sequence(12));
    let sequences = CALL_STATUSES.into_iter().map(sequence).collect();
    written.push(("sequences of the statuses of a call".to_owned(), sequences));
    assert_fixture("words.json", &written);
}

#[test]
fn every_variant_has_a_name_in_the_fixture() {
    assert_all_seen(
        "Reason",
        kinds::NO_ANSWER_REASONS,
        NO_ANSWER_REASONS.iter().map(kinds::no_answer_reason),
    );
    assert_all_seen(
        "Unavailable",
        kinds::UNAVAILABLE,
        UNAVAILABLE.iter().map(kinds::unavailable),
    );
    assert_all_seen(
        "AvoidReason",
        kinds::AVOID_REASONS,
        AVOID_REASONS.iter().map(kinds::avoid_reason),
    );
    assert_all_seen(
        "Exhaustion",
        kinds::EXHAUSTIONS,
        EXHAUSTIONS.iter().map(kinds::exhaustion),
    );
    assert_all_seen("Limit", kinds::LIMITS, LIMITS.iter().map(kinds::limit));
    assert_all_seen(
        "DispatchPriority",
        kinds::PRIORITIES,
        PRIORITIES.iter().map(kinds::priority),
    );
    assert_all_seen(
        "RepeatContent",
        kinds::REPEAT_CONTENTS,
        REPEAT_CONTENTS.iter().map(kinds::repeat_content),
    );
    assert_all_seen(
        "OnVoicemail",
        kinds::ON_VOICEMAIL,
        ON_VOICEMAIL.iter().map(kinds::on_voicemail),
    );
    assert_all_seen(
        "WaitReason",
        kinds::WAIT_REASONS,
        WAIT_REASONS.iter().map(kinds::wait_reason),
    );
    assert_all_seen(
        "CallStatus",
        kinds::CALL_STATUSES,
        CALL_STATUSES.iter().map(kinds::call_status),
    );
}
