//! What the provider's documentation leaves open, one switch each.
//!
//! The defaults are the simulator defaults of the wire contract (`routee.md`, section 10); where it has none, the
//! default is what fits its samples best. Section numbers below are those of the contract.

use std::time::Duration;

use super::records::Status;
use crate::rng::{Rng, question};

question!(
    /// Which statuses are called back (2.1).
    Strategy {
        /// Every status.
        OnChange,
        /// The last status only.
        OnCompletion,
    }
);

question!(
    /// The name of the dial plan in the create response (2.2): the sources disagree.
    DialPlanEcho {
        /// `dialPlans`, an array.
        DialPlans,
        /// `dialPlan`, an object.
        DialPlan,
    }
);

question!(
    /// How an error's `code` is written (2.3).
    CodeForm {
        /// As a string, as documented.
        Text,
        /// As a number, as one client read it.
        Number,
    }
);

question!(
    /// What a second create request within a second gets (section 7).
    RateLimit {
        /// 429 with code `429000000`.
        TooManyRequests,
        /// 400 with code `400000000`: 429 is not in the provider's list of statuses.
        BadRequest,
        /// 409 with code `409000000`.
        Conflict,
        /// No limit.
        Off,
    }
);

question!(
    /// From when on keys are collected (section 4): contested.
    Arms {
        /// From the answer on, wherever COLLECT stands in the plan.
        FromAnswer,
        /// From where COLLECT stands.
        FromPosition,
    }
);

question!(
    /// When the COLLECT event of the ended call leaves, relative to the final status (5.4).
    EndEventOrder {
        /// After the final status.
        AfterStatus,
        /// Before the final status.
        BeforeStatus,
    }
);

question!(
    /// How several keys are written (5.3).
    ToneJoin {
        /// `1,2,3`.
        Comma,
        /// `123`.
        Plain,
    }
);

question!(
    /// Whether a plan that replaces another forgets the keys that were already told (5.4).
    TonesAfterReplacement {
        /// Every event tells all keys of the call.
        Cumulative,
        /// Keys that an event has told are not told again.
        Reset,
    }
);

question!(
    /// What a key does in a PAUSE, or in a SAY or PLAY without `bargeIn` (5.4).
    QuietKeys {
        /// It is told with the next event, at the latest when the call is over.
        Buffered,
        /// It makes an event at once (unless `submitOnHash` waits for `#`).
        AtOnce,
    }
);

question!(
    /// What an empty or invalid reply to a COLLECT event does, or none in time (5.3).
    InvalidReply {
        /// The running plan goes on.
        Continue,
        /// The call is dropped.
        Drop,
    }
);

question!(
    /// The reply to `hangup` or `reject` in a state that does not allow it (3.1).
    WrongState {
        /// 409 with code `409013000`.
        Conflict,
        /// 400 with code `400013000`.
        BadRequest,
    }
);

question!(
    /// What tracking says about who answered (3.2).
    AnsweredBy {
        /// HUMAN or MACHINE, as it was; UNKNOWN when nobody answered.
        Truth,
        /// Always UNKNOWN.
        AlwaysUnknown,
        /// The field is missing.
        Absent,
    }
);

question!(
    /// The body of a search (3.2).
    FilterShape {
        /// An object or an array of objects.
        Either,
        /// An object only.
        Object,
        /// An array only, as the sibling API wants it.
        Array,
    }
);

question!(
    /// The fraction of a second in the provider's dates (5.1).
    DateFraction {
        /// As many digits as are needed, none for a full second.
        Trimmed,
        /// Always 0 digits.
        None,
        /// Always 1 digit.
        One,
        /// Always 2 digits.
        Two,
        /// Always 3 digits.
        Three,
    }
);

/// How this Routee behaves where its documentation is silent or contradicts itself.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent question about somebody else's API"
)]
pub struct Switches {
    /// Lifetime of a token in seconds (section 1).
    pub token_lifetime: u32,
    /// Whether a second token request gets the same token with the remaining lifetime (section 1).
    pub token_is_reused: bool,
    /// How the dial plan is echoed (2.2).
    pub dial_plan_echo: DialPlanEcho,
    /// How an error's code is written (2.3).
    pub code_form: CodeForm,
    /// What a create request gets within a second of the one before (section 7).
    pub rate_limit: RateLimit,
    /// The callback strategy of a request that names none (2.1).
    pub default_strategy: Strategy,
    /// Whether fields outside the documented ones make a request invalid (section 4).
    pub refuses_unknown_fields: bool,
    /// After how long the network stops ringing by itself (2.1).
    pub network_ring: Duration,
    /// How long the API takes to respond.
    pub response_time: Duration,
    /// Stands in for the time-out of the client's own transport: when a response is lost, the client learns it now.
    pub client_timeout: Duration,
    /// Whether `Queued` is called back (5.2).
    pub queued_is_called_back: bool,
    /// Final status after `hangup` through the API (3.1).
    pub after_hangup: Status,
    /// Final status after `reject` through the API (3.1).
    pub after_reject: Status,
    /// Final status when the employee rejects the call on the phone (5.2): the pages say `NoAnswer`.
    pub after_phone_reject: Status,
    /// Final status when `maxDuration` ends the call (2.1).
    pub after_max_duration: Status,
    /// The status that follows `Unknown`; none when `Unknown` is final (5.2).
    pub after_unknown: Option<Status>,
    /// Fraction digits of dates (5.1).
    pub date_fraction: DateFraction,
    /// Whether booleans are sent as the strings `"true"` and `"false"` (section 8).
    pub booleans_as_text: bool,
    /// Whether `duration` and `price` are present before the final status (5.1).
    pub duration_before_final: bool,
    /// How long a status webhook's answer is waited for (5.7).
    pub status_deadline: Duration,
    /// How long the reply to a COLLECT event is waited for (5.3); also for machine and dial plan URLs (5.5, 5.6).
    pub reply_deadline: Duration,
    /// Factor on the retry schedule of status webhooks (5.7); 1 is the provider's 30 s to 24 h.
    pub retry_scale: f64,
    /// From when on keys are collected (section 4).
    pub arms: Arms,
    /// Whether a COLLECT event is sent when the call is over (5.4).
    pub end_event: bool,
    /// When it leaves (5.4).
    pub end_event_order: EndEventOrder,
    /// Whether it is also sent when no key was pressed (5.4).
    pub end_event_without_keys: bool,
    /// Whether it is also sent when a plan without COLLECT had replaced the one that had it (section 9, 13).
    pub end_event_after_replacement: bool,
    /// Whether it is also sent when the employee hung up (5.4).
    pub end_event_after_hang_up: bool,
    /// Whether it is sent again, like a status webhook, until it is answered with 200 (5.7).
    pub end_event_is_retried: bool,
    /// Whether, with `submitOnHash`, keys that no `#` followed are in the end event (5.4).
    pub unsubmitted_keys_are_kept: bool,
    /// How several keys are written (5.3).
    pub tone_join: ToneJoin,
    /// Whether told keys are told again under a new plan (5.4).
    pub tones_after_replacement: TonesAfterReplacement,
    /// Whether `maxDigits` keys make an event without `submitOnHash` (5.4).
    pub max_digits_submits: bool,
    /// What keys do in a PAUSE (5.4).
    pub quiet_keys: QuietKeys,
    /// What an invalid reply to an event does (5.3).
    pub invalid_reply: InvalidReply,
    /// Whether the next verb waits for the reply to an event that is under way (5.3: "a synchronous exchange").
    pub plan_waits_for_reply: bool,
    /// Whether COLLECT events have a form body instead of JSON (5.3).
    pub collect_as_form: bool,
    /// Whether `from` and `to` of a COLLECT event are the other way round (5.3).
    pub collect_swaps_numbers: bool,
    /// What `hangup` and `reject` get in the wrong state (3.1).
    pub wrong_state: WrongState,
    /// Whether machine detection, when asked for, notices a machine (5.5).
    pub machine_detection: bool,
    /// How long after the answer it does (5.5).
    pub machine_detection_after: Duration,
    /// Final status after machine detection hung up (5.5).
    pub after_machine_hangup: Status,
    /// What tracking says about who answered (3.2).
    pub answered_by: AnsweredBy,
    /// Whether tracking has `collectedTones` (3.2).
    pub tones_are_tracked: bool,
    /// How long after the end tracking still shows the status before it.
    pub tracking_lag: Duration,
    /// How long after its creation a call is not yet found by tracking.
    pub tracking_appears_after: Duration,
    /// The body of a search (3.2).
    pub filter_shape: FilterShape,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            token_lifetime: 3600,
            token_is_reused: true,
            dial_plan_echo: DialPlanEcho::default(),
            code_form: CodeForm::default(),
            rate_limit: RateLimit::default(),
            default_strategy: Strategy::default(),
            refuses_unknown_fields: false,
            network_ring: Duration::from_secs(45),
            response_time: Duration::from_millis(80),
            client_timeout: Duration::from_secs(10),
            queued_is_called_back: true,
            after_hangup: Status::Completed,
            after_reject: Status::NoAnswer,
            after_phone_reject: Status::NoAnswer,
            after_max_duration: Status::Completed,
            after_unknown: Some(Status::Failed),
            date_fraction: DateFraction::default(),
            booleans_as_text: false,
            duration_before_final: true,
            status_deadline: Duration::from_secs(2),
            reply_deadline: Duration::from_secs(3),
            retry_scale: 1.0,
            arms: Arms::default(),
            end_event: true,
            end_event_order: EndEventOrder::default(),
            end_event_without_keys: true,
            end_event_after_replacement: true,
            end_event_after_hang_up: true,
            end_event_is_retried: false,
            unsubmitted_keys_are_kept: true,
            tone_join: ToneJoin::default(),
            tones_after_replacement: TonesAfterReplacement::default(),
            max_digits_submits: true,
            quiet_keys: QuietKeys::default(),
            invalid_reply: InvalidReply::default(),
            plan_waits_for_reply: true,
            collect_as_form: false,
            collect_swaps_numbers: false,
            wrong_state: WrongState::default(),
            machine_detection: true,
            machine_detection_after: Duration::from_secs(4),
            after_machine_hangup: Status::Completed,
            answered_by: AnsweredBy::default(),
            tones_are_tracked: true,
            tracking_lag: Duration::ZERO,
            tracking_appears_after: Duration::ZERO,
            filter_shape: FilterShape::default(),
        }
    }
}

impl Switches {
    /// Any setting of every switch. The deadlines and the retry schedule stay as documented: they are not in doubt.
    pub fn random(rng: &mut Rng) -> Self {
        use Status::{Busy, Completed, Failed, NoAnswer};
        let seconds = Duration::from_secs;
        Self {
            token_lifetime: rng.pick(3600, &[60, 86_400, 631_139_040]),
            token_is_reused: rng.flip(),
            dial_plan_echo: DialPlanEcho::random(rng),
            code_form: CodeForm::random(rng),
            rate_limit: RateLimit::random(rng),
            default_strategy: Strategy::random(rng),
            refuses_unknown_fields: rng.flip(),
            network_ring: rng.between(seconds(25), seconds(90)),
            response_time: rng.between(Duration::from_millis(20), Duration::from_millis(900)),
            queued_is_called_back: rng.flip(),
            after_hangup: rng.pick(Completed, &[NoAnswer, Failed]),
            after_reject: rng.pick(NoAnswer, &[Busy, Failed, Completed]),
            after_phone_reject: rng.pick(NoAnswer, &[Busy]),
            after_max_duration: rng.pick(Completed, &[Failed]),
            after_unknown: rng.pick(None, &[Some(Failed), Some(NoAnswer), Some(Completed)]),
            date_fraction: DateFraction::random(rng),
            booleans_as_text: rng.flip(),
            duration_before_final: rng.flip(),
            arms: Arms::random(rng),
            end_event: rng.flip(),
            end_event_order: EndEventOrder::random(rng),
            end_event_without_keys: rng.flip(),
            end_event_after_replacement: rng.flip(),
            end_event_after_hang_up: rng.flip(),
            end_event_is_retried: rng.flip(),
            unsubmitted_keys_are_kept: rng.flip(),
            tone_join: ToneJoin::random(rng),
            tones_after_replacement: TonesAfterReplacement::random(rng),
            max_digits_submits: rng.flip(),
            quiet_keys: QuietKeys::random(rng),
            invalid_reply: InvalidReply::random(rng),
            plan_waits_for_reply: rng.flip(),
            collect_as_form: rng.flip(),
            collect_swaps_numbers: rng.flip(),
            wrong_state: WrongState::random(rng),
            machine_detection: rng.flip(),
            machine_detection_after: rng.between(seconds(1), seconds(8)),
            after_machine_hangup: rng.pick(Completed, &[NoAnswer, Failed]),
            answered_by: AnsweredBy::random(rng),
            tones_are_tracked: rng.flip(),
            tracking_lag: rng.between(Duration::ZERO, seconds(15)),
            tracking_appears_after: rng.between(Duration::ZERO, seconds(5)),
            filter_shape: FilterShape::random(rng),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_switches_are_repeated_by_their_seed_and_reach_every_setting() {
        assert_eq!(Switches::random(&mut Rng::new(5)), Switches::random(&mut Rng::new(5)));
        let all: Vec<Switches> = (0..200).map(|seed| Switches::random(&mut Rng::new(seed))).collect();
        for arms in [Arms::FromAnswer, Arms::FromPosition] {
            assert!(all.iter().any(|switches| switches.arms == arms));
        }
        for limit in [
            RateLimit::TooManyRequests,
            RateLimit::BadRequest,
            RateLimit::Conflict,
            RateLimit::Off,
        ] {
            assert!(all.iter().any(|switches| switches.rate_limit == limit));
        }
        for setting in [true, false] {
            assert!(all.iter().any(|switches| switches.end_event == setting));
            assert!(all.iter().any(|switches| switches.unsubmitted_keys_are_kept == setting));
        }
        assert!(all.iter().any(|switches| switches.after_unknown.is_none()));
    }
}
