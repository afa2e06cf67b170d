//! A name for every variant that is written down somewhere. The matches have no wildcard: whoever adds a variant names it
//! here, and is then asked for a fixture of it.

use patchbay::dispatch::delivery::Outcome;
use patchbay::dispatch::policy::{OnMachine, Repeat};
use patchbay::dispatch::timeline::Exhaustion;
use patchbay::dispatch::work::Work;
use patchbay::dispatch::{
    Acceptance, Attempt, CallStatus, Detour, Ending, Event, Fact, Limit, NotPlaced, Phase, Reason, Route, Sighting,
    State, Unavailable, Urgency, Wait, WaitReason,
};
use patchbay::web::reference::Purpose;

/// A function that names a variant, and the list of all these names.
macro_rules! kinds {
    ($($function:ident, $list:ident: $type:ty { $($pattern:pat => $name:literal),+ $(,)? })+) => {
        $(
            pub(crate) const fn $function(of: &$type) -> &'static str {
                match of { $($pattern => $name),+ }
            }
            pub(crate) const $list: &[&str] = &[$($name),+];
        )+
    };
}

kinds! {
    work, WORKS: Work {
        Work::Dial { slot: None, .. } => "dial",
        Work::Dial { slot: Some(_), over: None, .. } => "dial in a slot",
        Work::Dial { slot: Some(_), over: Some(_), .. } => "dial in a slot of a provider",
        Work::Watch { .. } => "watch",
        Work::Resume { .. } => "resume",
        Work::Remind { .. } => "remind",
        Work::HangUp { .. } => "hang up",
        Work::Apply { .. } => "apply",
        Work::Count { .. } => "count",
        Work::Notify { .. } => "notify",
    }
    event, EVENTS: Event {
        Event::Claim { route: Route { instead_of: None, .. }, .. } => "claim",
        Event::Claim { route: Route { instead_of: Some(_), .. }, .. } => "claim, instead of another provider",
        Event::EmployeeBusy { .. } => "employee busy",
        Event::OverLimit { .. } => "over limit",
        Event::Machine { .. } => "machine",
        Event::Placed { .. } => "placed",
        Event::NotPlaced { .. } => "not placed",
        Event::Unclear { .. } => "unclear",
        Event::Key { .. } => "key",
        Event::CallEnded { call_id: None, .. } => "call ended, of no name",
        Event::CallEnded { call_id: Some(_), .. } => "call ended",
        Event::Watched { .. } => "watched",
        Event::Resume { .. } => "resume",
        Event::Overdue { .. } => "overdue",
        Event::Cancel => "cancel",
        Event::Resolve => "resolve",
    }
    sighting, SIGHTINGS: Sighting {
        Sighting::Live => "live",
        Sighting::Over { machine: false, .. } => "over",
        Sighting::Over { machine: true, .. } => "over, a machine",
        Sighting::Nothing => "nothing",
    }
    not_placed, NOT_PLACED: NotPlaced {
        NotPlaced::Refused => "refused",
        NotPlaced::NotAllowed => "not allowed",
        NotPlaced::TryLater => "try later",
        NotPlaced::OutOfMoney => "out of money",
    }
    ending, ENDINGS: Ending {
        Ending::Completed => "completed",
        Ending::Busy => "busy",
        Ending::NoAnswer => "no answer",
        Ending::Failed => "failed",
        Ending::Unknown => "unknown",
        Ending::OutOfMoney => "out of money",
    }
    purpose, PURPOSES: Purpose {
        Purpose::Attempt => "attempt",
        Purpose::Chain => "chain",
        Purpose::Transfer => "transfer",
        Purpose::Payment => "payment",
        Purpose::HandBack => "hand-back",
    }
    state, STATES: State {
        State::Calling(Attempt { phase: Phase::Planned, .. }) => "calling-planned",
        State::Calling(Attempt { phase: Phase::Claimed { .. }, .. }) => "calling-claimed",
        State::Calling(Attempt { phase: Phase::Placed { .. }, .. }) => "calling-placed",
        State::Calling(Attempt { phase: Phase::Ended { .. }, .. }) => "calling-ended",
        State::Waiting(Wait { reason: WaitReason::RoundPause, .. }) => "waiting-round-pause",
        State::Waiting(Wait { reason: WaitReason::NobodyAvailable, .. }) => "waiting-nobody-available",
        State::Waiting(Wait { reason: WaitReason::Expiry, .. }) => "waiting-expiry",
        State::Waiting(Wait { reason: WaitReason::OutOfMoney, .. }) => "waiting-out-of-money",
        State::Accepted(Acceptance { resolve_by: None, .. }) => "accepted",
        State::Accepted(Acceptance { resolve_by: Some(_), .. }) => "accepted-to-be-resolved",
        State::Exhausted { .. } => "exhausted",
        State::Cancelled { .. } => "cancelled",
        State::Expired { .. } => "expired",
        State::Resolved { acceptance: None, .. } => "resolved",
        State::Resolved { acceptance: Some(_), .. } => "resolved-after-acceptance",
    }
    fact, FACTS: Fact {
        Fact::Created => "created",
        Fact::Planned { .. } => "planned",
        Fact::Skipped { .. } => "skipped",
        Fact::Dialling { .. } => "dialling",
        Fact::NotAllowed { .. } => "not-allowed",
        Fact::Placed { .. } => "placed",
        Fact::PutOff { .. } => "put-off",
        Fact::Unclear { .. } => "unclear",
        Fact::Status { .. } => "status",
        Fact::Key { .. } => "key",
        Fact::NoAnswer { .. } => "no-answer",
        Fact::Rejected { .. } => "rejected",
        Fact::Accepted { .. } => "accepted",
        Fact::Waiting { .. } => "waiting",
        Fact::OutOfMoney { .. } => "out-of-money",
        Fact::Reopened { .. } => "reopened",
        Fact::Exhausted { .. } => "exhausted",
        Fact::Cancelled => "cancelled",
        Fact::Expired => "expired",
        Fact::Resolved => "resolved",
    }
    delivery, DELIVERIES: Outcome {
        Outcome::Delivered => "delivered",
        Outcome::Retrying { .. } => "retrying",
        Outcome::GivenUp => "given-up",
        Outcome::Overtaken => "overtaken",
    }
    reason, REASONS: Reason {
        Reason::NotPickedUp => "not picked up",
        Reason::Busy => "busy",
        Reason::NoKey => "no key",
        Reason::Voicemail => "voicemail",
        Reason::Failed => "failed",
        Reason::Refused => "refused",
        Reason::Unknown => "unknown",
    }
    unavailable, UNAVAILABLE: Unavailable {
        Unavailable::OptedOut => "opted out",
        Unavailable::Unverified => "unverified",
        Unavailable::OffDuty => "off duty",
        Unavailable::QuietHours => "quiet hours",
        Unavailable::Busy => "busy",
        Unavailable::Rejected => "rejected",
        Unavailable::Refused => "refused",
        Unavailable::PutOff => "put off",
        Unavailable::HourlyLimit => "hourly limit",
        Unavailable::DailyLimit => "daily limit",
    }
    wait, WAITS: WaitReason {
        WaitReason::RoundPause => "round pause",
        WaitReason::NobodyAvailable => "nobody available",
        WaitReason::Expiry => "expiry",
        WaitReason::OutOfMoney => "out of money",
    }
    detour, DETOURS: Detour {
        Detour::Queue => "queue",
        Detour::PutOff => "put off",
        Detour::Failed => "failed",
        Detour::Down => "down",
        Detour::Unknown => "unknown",
        Detour::NotAllowed => "not allowed",
        Detour::OutOfMoney => "out of money",
    }
    exhaustion, EXHAUSTIONS: Exhaustion {
        Exhaustion::NobodyLeft => "nobody left",
        Exhaustion::MaxCalls => "max calls",
    }
    limit, LIMITS: Limit {
        Limit::Hourly => "hourly",
        Limit::Daily => "daily",
    }
    urgency, URGENCIES: Urgency {
        Urgency::Normal => "normal",
        Urgency::Urgent => "urgent",
    }
    repeat, REPEATS: Repeat {
        Repeat::Options => "options",
        Repeat::All => "all",
    }
    on_machine, ON_MACHINE: OnMachine {
        OnMachine::Ignore => "ignore",
        OnMachine::HangUp => "hang up",
    }
    call_status, CALL_STATUSES: CallStatus {
        CallStatus::Queued => "queued",
        CallStatus::Initiated => "initiated",
        CallStatus::Ringing => "ringing",
        CallStatus::InProgress => "in progress",
        CallStatus::Completed => "completed",
        CallStatus::Busy => "busy",
        CallStatus::NoAnswer => "no answer",
        CallStatus::Failed => "failed",
        CallStatus::OutOfMoney => "out of money",
        CallStatus::Unknown => "unknown",
        CallStatus::Machine => "machine",
        CallStatus::Other => "other",
    }
}
