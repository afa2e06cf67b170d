//! One switch for each question that the provider's documentation leaves open.
//!
//! The defaults are the simulator defaults of the wire contract (routee/CONTRACT.md 10). Where it has none, the default
//! fits its samples best. Section numbers in this file are those of the contract.

use std::time::Duration;

use super::records::Status;
use crate::rng::{Rng, question};

question!(
    /// Which statuses cause a callback (2.1).
    Strategy {
        /// Every status.
        OnChange,
        /// The final status only.
        OnCompletion,
    }
);

question!(
    /// The name of the dial plan in the create response (2.2). The sources disagree.
    DialPlanEcho {
        /// `dialPlans`, an array.
        DialPlans,
        /// `dialPlan`, an object.
        DialPlan,
    }
);

question!(
    /// The JSON type of an error's `code` (2.3).
    CodeForm {
    /// A string, as documented.
        Text,
        /// A number, as one client parses it.
        Number,
    }
);

question!(
    /// The response to a second create request within a second (7).
    RateLimit {
        /// 429 with code `429000000`.
        TooManyRequests,
        /// 400 with code `400000000`. (429 is not in the provider's list of statuses.)
        BadRequest,
        /// 409 with code `409000000`.
        Conflict,
        /// No limit.
        Off,
    }
);

question!(
    /// When the collection of keys starts (4). The sources disagree.
    CollectStart {
    /// With the answer, regardless of the position of COLLECT in the plan.
        FromAnswer,
        /// When the plan reaches COLLECT.
        FromPosition,
    }
);

question!(
    /// When the COLLECT event of the ended call is sent, relative to the final status (5.4).
    EndEventOrder {
        /// After the final status.
        AfterStatus,
        /// Before the final status.
        BeforeStatus,
    }
);

question!(
    /// The separator between keys (5.3).
    ToneJoin {
        /// `1,2,3`.
        Comma,
        /// `123`.
        Plain,
    }
);

question!(
    /// Whether events after a replacement of the plan include keys that were already reported (5.4).
    TonesAfterReplacement {
    /// Every event contains all keys of the call.
        Cumulative,
        /// Keys that were already reported are left out.
        Reset,
    }
);

question!(
    /// The effect of a key in a PAUSE, or in a SAY or PLAY without `bargeIn` (5.4).
    QuietKeys {
        /// It is reported with the next event, at the latest after the call.
        Buffered,
        /// It causes an event immediately (unless `submitOnHash` waits for `#`).
        AtOnce,
    }
);

question!(
    /// The effect of an empty, invalid or late reply to a COLLECT event (5.3).
    InvalidReply {
    /// The running plan continues.
        Continue,
        /// The call is dropped.
        Drop,
    }
);

question!(
    /// The response to `hangup` or `reject` in a state that does not allow it (3.1).
    WrongState {
        /// 409 with code `409013000`.
        Conflict,
        /// 400 with code `400013000`.
        BadRequest,
    }
);

question!(
    /// The answering party in tracking (3.2).
    AnsweredBy {
    /// The true one: HUMAN or MACHINE, or UNKNOWN if the call was not answered.
    Truth,
    /// Always UNKNOWN.
        AlwaysUnknown,
        /// The field is missing.
        Absent,
    }
);

question!(
    /// The accepted body of a search (3.2).
    FilterShape {
        /// An object or an array of objects.
        Either,
        /// An object only.
        Object,
        /// An array only, as the sibling API requires.
        Array,
    }
);

question!(
    /// Fractional seconds in the provider's dates (5.1).
    DateFraction {
    /// As many digits as necessary, none for a full second.
        Trimmed,
        /// No digits.
        None,
        /// Always 1 digit.
        One,
        /// Always 2 digits.
        Two,
        /// Always 3 digits.
        Three,
    }
);

/// The behavior of this Routee where its documentation is silent or contradicts itself.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent question about the provider's API"
)]
pub struct Switches {
    /// Lifetime of a token in seconds (1).
    pub token_lifetime: u32,
    /// Whether a second token request returns the same token with its remaining lifetime (1).
    pub token_is_reused: bool,
    /// The name of the dial plan in the create response (2.2).
    pub dial_plan_echo: DialPlanEcho,
    /// The JSON type of an error's code (2.3).
    pub code_form: CodeForm,
    /// The response to a create request within a second of the previous one (7).
    pub rate_limit: RateLimit,
    /// The callback strategy of a request without one (2.1).
    pub default_strategy: Strategy,
    /// Whether undocumented fields make a request invalid (4).
    pub refuses_unknown_fields: bool,
    /// How long the network rings at most (2.1).
    pub network_ring: Duration,
    /// Response time of the API.
    pub response_time: Duration,
    /// Simulates the time-out of the client's transport: after this time, the client gets an error for a lost response.
    pub client_timeout: Duration,
    /// Whether `Queued` causes a callback (5.2).
    pub queued_is_called_back: bool,
    /// Final status after `hangup` through the API (3.1).
    pub after_hangup: Status,
    /// Final status after `reject` through the API (3.1).
    pub after_reject: Status,
    /// Final status when the employee rejects the call on the phone (5.2). The documentation says `NoAnswer`.
    pub after_phone_reject: Status,
    /// Final status when `maxDuration` ends the call (2.1).
    pub after_max_duration: Status,
    /// The status after `Unknown`; `None` if `Unknown` is final (5.2).
    pub after_unknown: Option<Status>,
    /// Fractional digits of dates (5.1).
    pub date_fraction: DateFraction,
    /// Whether booleans are sent as the strings `"true"` and `"false"` (8).
    pub booleans_as_text: bool,
    /// Whether `duration` and `price` are present before the final status (5.1).
    pub duration_before_final: bool,
    /// Time-out for the response to a status webhook (5.7).
    pub status_deadline: Duration,
    /// Time-out for the reply to a COLLECT event (5.3), a machine URL (5.5) or a dial plan URL (5.6).
    pub reply_deadline: Duration,
    /// Scales the retry schedule of status webhooks (5.7). 1 is the provider's 30 s to 24 h.
    pub retry_scale: f64,
    /// When the collection of keys starts (4).
    pub collect_start: CollectStart,
    /// Whether a COLLECT event is sent after the call (5.4).
    pub end_event: bool,
    /// When the event after the call is sent (5.4).
    pub end_event_order: EndEventOrder,
    /// Whether the event after the call is also sent if no key was pressed (5.4).
    pub end_event_without_keys: bool,
    /// Whether the event after the call is also sent if a plan without COLLECT replaced the one with it (9, item 13).
    pub end_event_after_replacement: bool,
    /// Whether the event after the call is also sent if the employee hung up (5.4).
    pub end_event_after_hang_up: bool,
    /// Whether the event after the call is retried like a status webhook until it gets a 200 (5.7).
    pub end_event_is_retried: bool,
    /// Whether, with `submitOnHash`, keys without a following `#` are in the event after the call (5.4).
    pub unsubmitted_keys_are_kept: bool,
    /// The separator between keys (5.3).
    pub tone_join: ToneJoin,
    /// Whether reported keys are reported again under a new plan (5.4).
    pub tones_after_replacement: TonesAfterReplacement,
    /// Whether, without `submitOnHash`, the `maxDigits`th key causes an event (5.4).
    pub max_digits_submits: bool,
    /// The effect of a key in a PAUSE (5.4).
    pub quiet_keys: QuietKeys,
    /// The effect of an invalid reply to an event (5.3).
    pub invalid_reply: InvalidReply,
    /// Whether the next verb waits for the reply to a pending event (5.3: "a synchronous exchange").
    pub plan_waits_for_reply: bool,
    /// Whether COLLECT events have a form body instead of JSON (5.3).
    pub collect_as_form: bool,
    /// Whether `from` and `to` of a COLLECT event are swapped (5.3).
    pub collect_swaps_numbers: bool,
    /// The response to `hangup` and `reject` in the wrong state (3.1).
    pub wrong_state: WrongState,
    /// Whether machine detection, if requested, detects a machine (5.5).
    pub machine_detection: bool,
    /// How long after the answer a machine is detected (5.5).
    pub machine_detection_after: Duration,
    /// Final status after machine detection hung up (5.5).
    pub after_machine_hangup: Status,
    /// The answering party in tracking (3.2).
    pub answered_by: AnsweredBy,
    /// Whether tracking includes `collectedTones` (3.2).
    pub tones_are_tracked: bool,
    /// How long after the end tracking still shows the previous status.
    pub tracking_lag: Duration,
    /// How long after its creation a call is missing from tracking.
    pub tracking_appears_after: Duration,
    /// The accepted body of a search (3.2).
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
            collect_start: CollectStart::default(),
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
    /// Random settings of the switches. Deadlines and the retry schedule keep their documented values, which are
    /// certain.
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
            collect_start: CollectStart::random(rng),
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
    fn random_switches_are_reproducible_and_cover_every_setting() {
        assert_eq!(Switches::random(&mut Rng::new(5)), Switches::random(&mut Rng::new(5)));
        let all: Vec<Switches> = (0..200).map(|seed| Switches::random(&mut Rng::new(seed))).collect();
        for collect_start in [CollectStart::FromAnswer, CollectStart::FromPosition] {
            assert!(all.iter().any(|switches| switches.collect_start == collect_start));
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
