//! Names of all variants that are stored or sent. The matches have no wildcard, so a new variant must be named here,
//! and the tests then require a fixture of it.

use patchbay::conversation as chat;
use patchbay::dispatch::policy::{OnVoicemail, RepeatContent};
use patchbay::dispatch::timeline::Exhaustion;
use patchbay::dispatch::work::Work;
use patchbay::dispatch::{
    Acceptance, Attempt, AvoidReason, CallLookup, CallStatus, DispatchPriority, Ending, Event, Fact, Limit,
    NoAnswerReason, NotPlaced, Phase, Route, State, Unavailable, Wait, WaitReason,
};
use patchbay::interaction;
use patchbay::outreach::agent::Over;
use patchbay::store::VisitorRequestState;
use patchbay::web::reference::Purpose;
use patchbay::webhook::DeliveryStatus;

/// Defines a function that names a variant, and the list of all these names.
macro_rules! kinds {
    ($($function:ident, $list:ident: $type:ty { $($pattern:pat => $name:literal),+ $(,)? })+) => {
        $(
            pub(crate) const fn $function(value: &$type) -> &'static str {
                match value { $($pattern => $name),+ }
            }
            pub(crate) const $list: &[&str] = &[$($name),+];
        )+
    };
}

kinds! {
    work, WORKS: Work {
        Work::Dial { slot: None, .. } => "dial",
        Work::Dial { slot: Some(_), provider: None, .. } => "dial in a slot",
        Work::Dial { slot: Some(_), provider: Some(_), .. } => "dial in a slot of a provider",
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
    lookup, CALL_LOOKUPS: CallLookup {
        CallLookup::Live => "live",
        CallLookup::Over { machine: false, .. } => "over",
        CallLookup::Over { machine: true, .. } => "over, a machine",
        CallLookup::Unknown => "nothing",
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
        Purpose::ChatBot => "chat-bot",
        Purpose::ChatEvents => "chat-events",
        Purpose::Widget => "widget",
        Purpose::Visitor => "visitor",
        Purpose::ChatLink => "chat-link",
        Purpose::Message => "message",
        Purpose::IncomingMessage => "incoming-message",
        Purpose::EmailEvents => "email-events",
        Purpose::OptOut => "opt-out",
        Purpose::Recording => "recording",
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
        Fact::Dialing { .. } => "dialing",
        Fact::NotAllowed { .. } => "not-allowed",
        Fact::Placed { .. } => "placed",
        Fact::Postponed { .. } => "postponed",
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
    delivery, DELIVERIES: DeliveryStatus {
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Retrying { .. } => "retrying",
        DeliveryStatus::Failed => "failed",
        DeliveryStatus::Superseded => "superseded",
    }
    no_answer_reason, NO_ANSWER_REASONS: NoAnswerReason {
        NoAnswerReason::NotPickedUp => "not picked up",
        NoAnswerReason::Busy => "busy",
        NoAnswerReason::NoKey => "no key",
        NoAnswerReason::Voicemail => "voicemail",
        NoAnswerReason::Failed => "failed",
        NoAnswerReason::Refused => "refused",
        NoAnswerReason::Unknown => "unknown",
    }
    unavailable, UNAVAILABLE: Unavailable {
        Unavailable::OptedOut => "opted out",
        Unavailable::Unverified => "unverified",
        Unavailable::OffDuty => "off duty",
        Unavailable::QuietHours => "quiet hours",
        Unavailable::Busy => "busy",
        Unavailable::Rejected => "rejected",
        Unavailable::Refused => "refused",
        Unavailable::Postponed => "postponed",
        Unavailable::HourlyLimit => "hourly limit",
        Unavailable::DailyLimit => "daily limit",
    }
    wait_reason, WAIT_REASONS: WaitReason {
        WaitReason::RoundPause => "round pause",
        WaitReason::NobodyAvailable => "nobody available",
        WaitReason::Expiry => "expiry",
        WaitReason::OutOfMoney => "out of money",
    }
    avoid_reason, AVOID_REASONS: AvoidReason {
        AvoidReason::Queue => "queue",
        AvoidReason::Postponed => "postponed",
        AvoidReason::Failed => "failed",
        AvoidReason::Down => "down",
        AvoidReason::Unknown => "unknown",
        AvoidReason::NotAllowed => "not allowed",
        AvoidReason::OutOfMoney => "out of money",
    }
    exhaustion, EXHAUSTIONS: Exhaustion {
        Exhaustion::NobodyLeft => "nobody left",
        Exhaustion::MaxCalls => "max calls",
    }
    limit, LIMITS: Limit {
        Limit::Hourly => "hourly",
        Limit::Daily => "daily",
    }
    priority, PRIORITIES: DispatchPriority {
        DispatchPriority::Normal => "normal",
        DispatchPriority::Urgent => "urgent",
    }
    repeat_content, REPEAT_CONTENTS: RepeatContent {
        RepeatContent::Options => "options",
        RepeatContent::All => "all",
    }
    on_voicemail, ON_VOICEMAIL: OnVoicemail {
        OnVoicemail::Ignore => "ignore",
        OnVoicemail::HangUp => "hang up",
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
    chat_work, CHAT_WORKS: chat::Work {
        chat::Work::Receive { .. } => "receive",
        chat::Work::Turn { .. } => "turn",
        chat::Work::Step { .. } => "step",
        chat::Work::Watch { .. } => "watch",
        chat::Work::WaitOver { .. } => "wait over",
        chat::Work::GiveBack { .. } => "give back",
    }
    chat_fact, CHAT_FACTS: chat::Fact {
        chat::Fact::CustomerWrote { .. } => "customer-wrote",
        chat::Fact::PersonWrote { .. } => "person-wrote",
        chat::Fact::Answered { .. } => "answered",
        chat::Fact::TurnDropped { .. } => "turn-dropped",
        chat::Fact::Done { .. } => "done",
        chat::Fact::NotDone { .. } => "not-done",
        chat::Fact::Unclear { .. } => "unclear",
        chat::Fact::Dropped { .. } => "dropped",
        chat::Fact::HolderChanged(_) => "holder-changed",
        chat::Fact::WaitedTooLong => "waited-too-long",
    }
    holder, HOLDERS: chat::Holder {
        chat::Holder::Bot => "bot",
        chat::Holder::HandingOff => "handing off",
        chat::Holder::Waiting => "waiting",
        chat::Holder::Human => "human",
    }
    step_action, STEP_ACTIONS: chat::StepAction {
        chat::StepAction::Post { kind: chat::PostKind::Reply, .. } => "post a reply",
        chat::StepAction::Post { kind: chat::PostKind::HandOver, .. } => "post a hand-over",
        chat::StepAction::Post { kind: chat::PostKind::Wait, .. } => "post a wait",
        chat::StepAction::Post { kind: chat::PostKind::Joined, .. } => "post who joined",
        chat::StepAction::Post { kind: chat::PostKind::Ended, .. } => "post a return",
        chat::StepAction::Deliver => "deliver",
        chat::StepAction::Finish => "finish",
        chat::StepAction::Remember { .. } => "remember",
        chat::StepAction::QueueCall { .. } => "queue call",
        chat::StepAction::Dispatch { hand_over: None, .. } => "dispatch",
        chat::StepAction::Dispatch { hand_over: Some(_), .. } => "dispatch of a hand-over",
        chat::StepAction::Resolve { .. } => "resolve",
    }
    step_state, STEP_STATES: chat::StepState {
        chat::StepState::Ready => "ready",
        chat::StepState::Begun(_) => "begun",
    }
    wait_action, WAIT_ACTIONS: chat::WaitAction {
        chat::WaitAction::KeepWaiting => "keep waiting",
        chat::WaitAction::GiveBack => "give back",
        chat::WaitAction::Call(chat::CallPlan::Queue { .. }) => "queue call",
        chat::WaitAction::Call(chat::CallPlan::Dispatch { .. }) => "dispatch",
    }
    call_plan, CALL_PLANS: chat::CallPlan {
        chat::CallPlan::Queue { .. } => "queue",
        chat::CallPlan::Dispatch { .. } => "dispatch",
    }
    drop_reason, DROP_REASONS: chat::DropReason {
        chat::DropReason::Overtaken => "overtaken",
        chat::DropReason::TakenOver => "taken over",
        chat::DropReason::NotHeld => "not held",
    }
    change_reason, CHANGE_REASONS: chat::ChangeReason {
        chat::ChangeReason::HandOver(_) => "hand over",
        chat::ChangeReason::Delivered => "delivered",
        chat::ChangeReason::DeliveryRefused => "delivery refused",
        chat::ChangeReason::Wrote => "wrote",
        chat::ChangeReason::Assigned => "assigned",
        chat::ChangeReason::Cancelled => "cancelled",
        chat::ChangeReason::GivenBack => "given back",
        chat::ChangeReason::Silence => "silence",
        chat::ChangeReason::WaitedTooLong => "waited too long",
        chat::ChangeReason::Resolved => "resolved",
        chat::ChangeReason::Requested => "requested",
    }
    hand_over_reason, HAND_OVER_REASONS: chat::HandOverReason {
        chat::HandOverReason::Word => "word",
        chat::HandOverReason::Topic => "topic",
        chat::HandOverReason::Rule => "rule",
        chat::HandOverReason::Misses => "misses",
        chat::HandOverReason::Error => "error",
        chat::HandOverReason::RateCap => "rate cap",
        chat::HandOverReason::Requested => "requested",
    }
    visitor_state, VISITOR_STATES: VisitorRequestState {
        VisitorRequestState::Begun => "begun",
        VisitorRequestState::Failed => "failed",
        VisitorRequestState::Done { id: None } => "done",
        VisitorRequestState::Done { id: Some(_) } => "done, with an id",
        VisitorRequestState::Unclear => "unclear",
    }
    event_kind, EVENT_KINDS: chat::EventKind {
        chat::EventKind::Message => "message",
        chat::EventKind::Choice => "choice",
        chat::EventKind::Created => "created",
        chat::EventKind::Updated => "updated",
        chat::EventKind::Resolved => "resolved",
    }
    direction, DIRECTIONS: chat::Direction {
        chat::Direction::Incoming => "incoming",
        chat::Direction::Outgoing => "outgoing",
        chat::Direction::Template => "template",
    }
    author, AUTHORS: chat::Author {
        chat::Author::Unknown => "of nobody known",
        chat::Author::Customer => "of the customer",
        chat::Author::Human(None) => "of a person",
        chat::Author::Human(Some(_)) => "of a person with a name",
        chat::Author::Bot => "of a bot",
    }
    platform_status, PLATFORM_STATUSES: chat::PlatformStatus {
        chat::PlatformStatus::Open => "open",
        chat::PlatformStatus::Pending => "pending",
        chat::PlatformStatus::Resolved => "resolved",
        chat::PlatformStatus::Snoozed => "snoozed",
        chat::PlatformStatus::Other => "other",
    }
    interaction_state, INTERACTION_STATES: interaction::State {
        interaction::State::Scheduled => "scheduled",
        interaction::State::Sending => "sending",
        interaction::State::Sent => "sent",
        interaction::State::Open => "open",
        interaction::State::Ended { .. } => "ended",
        interaction::State::Unknown => "unknown",
    }
    end_reason, END_REASONS: interaction::EndReason {
        interaction::EndReason::Completed => "completed",
        interaction::EndReason::Resolved => "resolved",
        interaction::EndReason::Closed => "closed",
        interaction::EndReason::NoAnswer => "no answer",
        interaction::EndReason::Busy => "busy",
        interaction::EndReason::Voicemail => "voicemail",
        interaction::EndReason::Failed => "failed",
        interaction::EndReason::Canceled => "canceled",
        interaction::EndReason::Expired => "expired",
        interaction::EndReason::OptedOut => "opted out",
        interaction::EndReason::Refused => "refused",
        interaction::EndReason::OutsideHours => "outside hours",
        interaction::EndReason::Unclear => "unclear",
    }
    channel, CHANNELS: interaction::Channel {
        interaction::Channel::Call => "call",
        interaction::Channel::Sms => "sms",
        interaction::Channel::Whatsapp => "whatsapp",
        interaction::Channel::Email => "email",
        interaction::Channel::Webchat => "webchat",
    }
    back_end, BACK_ENDS: Over {
        Over::Twilio => "twilio",
        Over::Routee => "routee",
        Over::Ses => "ses",
        Over::Elemente => "elemente",
        Over::Sangoma => "sangoma",
        Over::Chatwoot => "chatwoot",
    }
    content, CONTENTS: interaction::Content {
        interaction::Content::Text { .. } => "text",
        interaction::Content::Template { .. } => "template",
        interaction::Content::Email { .. } => "email",
        interaction::Content::Announcement { .. } => "announcement",
        interaction::Content::ChatLink { .. } => "chat link",
        interaction::Content::Conversation { .. } => "conversation",
    }
    key_action, KEY_ACTIONS: interaction::KeyAction {
        interaction::KeyAction::Answer => "answer",
        interaction::KeyAction::Repeat => "repeat",
        interaction::KeyAction::OptOut => "opt out",
    }
    phase, PHASES: interaction::Phase {
        interaction::Phase::Planned { .. } => "planned",
        interaction::Phase::Begun { .. } => "begun",
        interaction::Phase::Sent { .. } => "sent",
        interaction::Phase::Unclear { .. } => "unclear",
        interaction::Phase::Delivered { .. } => "delivered",
        interaction::Phase::Over { .. } => "over",
    }
    progress, PROGRESSES: interaction::Progress {
        interaction::Progress::Accepted => "accepted",
        interaction::Progress::Underway => "underway",
        interaction::Progress::Delivered => "delivered",
        interaction::Progress::Read => "read",
        interaction::Progress::Answered => "answered",
    }
    outcome, OUTCOMES: interaction::AttemptOutcome {
        interaction::AttemptOutcome::Delivered => "delivered",
        interaction::AttemptOutcome::Answered => "answered",
        interaction::AttemptOutcome::TalkedTo => "talked to",
        interaction::AttemptOutcome::NoKey => "no key",
        interaction::AttemptOutcome::NoAnswer => "no answer",
        interaction::AttemptOutcome::Busy => "busy",
        interaction::AttemptOutcome::Voicemail => "voicemail",
        interaction::AttemptOutcome::Failed { .. } => "failed",
        interaction::AttemptOutcome::NotAccepted { .. } => "not accepted",
        interaction::AttemptOutcome::Refused { .. } => "refused",
        interaction::AttemptOutcome::OptedOut => "opted out",
        interaction::AttemptOutcome::Expired => "expired",
        interaction::AttemptOutcome::OutsideHours { .. } => "outside hours",
        interaction::AttemptOutcome::Canceled => "canceled",
        interaction::AttemptOutcome::Superseded => "superseded",
        interaction::AttemptOutcome::NoReport => "no report",
        interaction::AttemptOutcome::Unclear => "unclear",
    }
    sender, SENDERS: interaction::Sender {
        interaction::Sender::Agent => "agent",
        interaction::Sender::Customer => "customer",
    }
    interaction_fact, INTERACTION_FACTS: interaction::Fact {
        interaction::Fact::Created { .. } => "created",
        interaction::Fact::Planned { .. } => "planned",
        interaction::Fact::Postponed { .. } => "postponed",
        interaction::Fact::Sending { .. } => "sending",
        interaction::Fact::NotSent { .. } => "not-sent",
        interaction::Fact::Unclear { .. } => "unclear",
        interaction::Fact::Sent { .. } => "sent",
        interaction::Fact::SentAfterAll { .. } => "sent-after-all",
        interaction::Fact::Progressed { .. } => "progressed",
        interaction::Fact::AttemptEnded { .. } => "attempt-ended",
        interaction::Fact::HungUp { .. } => "hung-up",
        interaction::Fact::HangUpFailed { .. } => "hang-up-failed",
        interaction::Fact::Recorded { .. } => "recorded",
        interaction::Fact::Transcribed { .. } => "transcribed",
        interaction::Fact::SettledLate { .. } => "settled-late",
        interaction::Fact::Received { .. } => "received",
        interaction::Fact::StateChanged { .. } => "state-changed",
        interaction::Fact::NoteChanged { .. } => "note-changed",
        interaction::Fact::AgentChanged { .. } => "agent-changed",
    }
    interaction_work, INTERACTION_WORKS: interaction::Work {
        interaction::Work::Send { .. } => "send",
        interaction::Work::Watch { .. } => "watch",
        interaction::Work::Poll { .. } => "poll",
        interaction::Work::OutcomeDue { .. } => "outcome due",
        interaction::Work::AnswerDue { .. } => "answer due",
        interaction::Work::Close { .. } => "close",
        interaction::Work::HangUp { .. } => "hang up",
        interaction::Work::Report { .. } => "report",
        interaction::Work::Receive { .. } => "receive",
        interaction::Work::Incoming { .. } => "incoming",
        interaction::Work::Notify { .. } => "notify",
        interaction::Work::Remember => "remember",
    }
}
