//! One switch for each question about calls to employees that Twilio's documentation leaves open.
//!
//! The defaults are what its samples and its SDK suggest. Section numbers in this file are those of the wire contract
//! (twilio/CONTRACT.md).

use std::time::Duration;

use super::records::Status;
use crate::rng::{Rng, question};

question!(
    /// The unit of the maximum length of inline `TwiML` (1.2).
    TwimlCounted {
        /// Characters.
        Characters,
        /// Bytes of UTF-8.
        Bytes,
    }
);

question!(
    /// The response to a create request with an unknown `StatusCallbackEvent` (1.5; 9, trap 1).
    BadEvent {
    /// 201. The unknown event causes no callback.
        Ignored,
        /// 400 with code 21626.
        Refused,
    }
);

question!(
    /// The effect of `Status=canceled` on an answered call (1.4).
    CancelTooLate {
    /// 200, and the call continues.
        Ignored,
        /// 400 with code 21220.
        Refused,
        /// The call is hung up.
        HangsUp,
    }
);

question!(
    /// The effect of `Status=completed` on a call that is not answered (1.4).
    CompleteTooEarly {
    /// The call ends as `canceled`.
    Canceled,
    /// The call ends as `completed`.
        Completed,
        /// 400 with code 21220.
        Refused,
        /// 200, and the phone continues to ring.
        Ignored,
    }
);

question!(
    /// The response to an update of an ended call (1.4).
    UpdateAfterEnd {
        /// 400 with code 21220.
        Refused,
        /// 200 with the unchanged call.
        Ignored,
    }
);

question!(
    /// The final status of a call that the network loses (8, item 1).
    LostCall {
        /// `failed`.
        Failed,
        /// `no-answer`.
        NoAnswer,
        /// None: it rings until the API ends it. If nothing does, it ends after an hour without a callback.
        NeverTerminal,
    }
);

question!(
    /// The result of machine detection (2.3).
    DetectionResult {
    /// The true one.
    Truth,
        /// `unknown`.
        AlwaysUnknown,
        /// There is never a result. A call that waits for it continues with `unknown` after the time-out.
        Never,
    }
);

question!(
    /// The result of `DetectMessageEnd` after the greeting of a machine (2.3).
    MachineEnd {
        /// `machine_end_beep`.
        Beep,
        /// `machine_end_silence`.
        Silence,
        /// `machine_end_other`.
        Other,
    }
);

question!(
    /// The form of `answered_by` in the API (1.3).
    AnsweredByForm {
    /// As in callbacks.
        Detailed,
        /// `human` or `machine`.
        Plain,
    }
);

question!(
    /// What `SequenceNumber` counts (2.2).
    Sequence {
    /// Sent callbacks.
        Sent,
        /// All four events, including those without a callback.
        Events,
        /// Nothing: it is always 0.
        Nothing,
    }
);

question!(
    /// The start time of a queued call, for the filters of a list (1.3, 1.4).
    QueuedStart {
    /// The time of its creation.
    Created,
    /// None: no filter for a start time matches.
        Never,
    }
);

/// The behavior of the API and of calls to employees where Twilio's documentation is silent.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent question about the provider's API"
)]
pub struct CallSwitches {
    /// Response time of the API.
    pub response_time: Duration,
    /// Simulates the time-out of the client's transport: after this time, the client gets an error for a lost response.
    pub client_timeout: Duration,
    /// Minimum time between two calls that leave the queue (1.6).
    pub call_interval: Duration,
    /// Maximum number of queued calls. A further one gets error 22005 (1.6).
    pub queue_capacity: usize,
    /// HTTP status of error 22005 (1.5).
    pub queue_full_status: u16,
    /// HTTP status of errors 10001 and 20005 (1.5).
    pub no_money_status: u16,
    /// How long the network rings at most.
    pub network_ring: Duration,
    /// Additional ringing time after `Timeout`: up to 5 s (1.2).
    pub extra_ring_time: Duration,
    /// Maximum length of inline `TwiML`: 4000 or 4096 (1.2, 10).
    pub twiml_limit: usize,
    /// The unit of `twiml_limit`.
    pub twiml_counted: TwimlCounted,
    /// Maximum `MachineDetectionTimeout` in seconds: 60 or 59 (1.2, 10).
    pub longest_detection: u32,
    /// The response to an unknown `StatusCallbackEvent`.
    pub bad_event: BadEvent,
    /// Whether `initiated` causes a callback if requested.
    pub initiated_is_called_back: bool,
    /// The status in the API while a call is `initiated`: `queued` or `ringing` (1.3).
    pub initiated_shows_as: Status,
    /// The effect of `canceled` after the answer.
    pub cancel_too_late: CancelTooLate,
    /// The effect of `completed` before the answer.
    pub complete_too_early: CompleteTooEarly,
    /// The response to an update after the end.
    pub update_after_end: UpdateAfterEnd,
    /// Whether the response to an update shows the new status instead of the previous one.
    pub update_shows_outcome: bool,
    /// Final status when the employee rejects the call on the phone.
    pub after_phone_reject: Status,
    /// The final status of a lost call.
    pub lost_call: LostCall,
    /// The result of machine detection.
    pub detection_result: DetectionResult,
    /// How long after the answer machine detection has a result.
    pub detection_after: Duration,
    /// The result of `DetectMessageEnd`.
    pub machine_end: MachineEnd,
    /// Whether `unknown` is sent if the call ends before machine detection has a result (2.3).
    pub detection_after_hang_up: bool,
    /// Whether status callbacks after the result include `AnsweredBy` (2.2).
    pub answered_by_on_callbacks: bool,
    /// The form of `answered_by` in the API.
    pub answered_by_form: AnsweredByForm,
    /// Whether a hang-up in the middle of a `<Gather>` submits the keys that were pressed.
    pub hang_up_submits: bool,
    /// Whether a request to an action includes `FinishedOnKey` and `msg` (3.1).
    pub gather_sends_more_fields: bool,
    /// What `SequenceNumber` counts.
    pub sequence: Sequence,
    /// Maximum random delay of each callback, so that callbacks overtake one another (2.2).
    pub callback_jitter: Duration,
    /// Whether every try of a callback has a different idempotency token (6).
    pub token_varies: bool,
    /// Whether connection overrides in URL fragments are honored (6; end of 6.1).
    pub overrides_honored: bool,
    /// Whether a `failed` callback includes `ErrorCode` and `ErrorMessage` (2.2).
    pub failed_has_error: bool,
    /// How long after its creation a call is missing from lists and lookups.
    pub appears_after: Duration,
    /// How long after the end the API still shows the previous status.
    pub status_lag: Duration,
    /// The start time of a queued call.
    pub queued_start: QueuedStart,
    /// Whether time filters only compare the day (1.4).
    pub filters_by_day: bool,
}

impl Default for CallSwitches {
    fn default() -> Self {
        Self {
            response_time: Duration::from_millis(80),
            client_timeout: Duration::from_secs(10),
            call_interval: Duration::from_secs(1),
            queue_capacity: 86_400,
            queue_full_status: 429,
            no_money_status: 400,
            network_ring: Duration::from_secs(90),
            extra_ring_time: Duration::ZERO,
            twiml_limit: 4_000,
            twiml_counted: TwimlCounted::default(),
            longest_detection: 60,
            bad_event: BadEvent::default(),
            initiated_is_called_back: true,
            initiated_shows_as: Status::Queued,
            cancel_too_late: CancelTooLate::default(),
            complete_too_early: CompleteTooEarly::default(),
            update_after_end: UpdateAfterEnd::default(),
            update_shows_outcome: true,
            after_phone_reject: Status::Busy,
            lost_call: LostCall::default(),
            detection_result: DetectionResult::default(),
            detection_after: Duration::from_secs(4),
            machine_end: MachineEnd::default(),
            detection_after_hang_up: false,
            answered_by_on_callbacks: true,
            answered_by_form: AnsweredByForm::default(),
            hang_up_submits: false,
            gather_sends_more_fields: true,
            sequence: Sequence::default(),
            callback_jitter: Duration::ZERO,
            token_varies: false,
            overrides_honored: true,
            failed_has_error: false,
            appears_after: Duration::ZERO,
            status_lag: Duration::ZERO,
            queued_start: QueuedStart::default(),
            filters_by_day: false,
        }
    }
}

impl CallSwitches {
    /// Random settings of the switches.
    pub fn random(rng: &mut Rng) -> Self {
        use Status::{Busy, NoAnswer, Queued, Ringing};
        let (millis, seconds) = (Duration::from_millis, Duration::from_secs);
        Self {
            response_time: rng.between(millis(20), millis(900)),
            call_interval: rng.pick(seconds(1), &[millis(200)]),
            queue_full_status: rng.pick(429, &[400, 503]),
            no_money_status: rng.pick(400, &[401, 403]),
            network_ring: rng.between(seconds(25), seconds(120)),
            extra_ring_time: rng.between(Duration::ZERO, seconds(5)),
            twiml_limit: rng.pick(4_000, &[4_096]),
            twiml_counted: TwimlCounted::random(rng),
            longest_detection: rng.pick(60, &[59]),
            bad_event: BadEvent::random(rng),
            initiated_is_called_back: rng.flip(),
            initiated_shows_as: rng.pick(Queued, &[Ringing]),
            cancel_too_late: CancelTooLate::random(rng),
            complete_too_early: CompleteTooEarly::random(rng),
            update_after_end: UpdateAfterEnd::random(rng),
            update_shows_outcome: rng.flip(),
            after_phone_reject: rng.pick(Busy, &[NoAnswer]),
            lost_call: LostCall::random(rng),
            detection_result: DetectionResult::random(rng),
            detection_after: rng.between(Duration::ZERO, seconds(8)),
            machine_end: MachineEnd::random(rng),
            detection_after_hang_up: rng.flip(),
            answered_by_on_callbacks: rng.flip(),
            answered_by_form: AnsweredByForm::random(rng),
            hang_up_submits: rng.flip(),
            gather_sends_more_fields: rng.flip(),
            sequence: Sequence::random(rng),
            callback_jitter: rng.pick(Duration::ZERO, &[seconds(2)]),
            token_varies: rng.flip(),
            overrides_honored: rng.flip(),
            failed_has_error: rng.flip(),
            appears_after: rng.between(Duration::ZERO, seconds(5)),
            status_lag: rng.between(Duration::ZERO, seconds(15)),
            queued_start: QueuedStart::random(rng),
            filters_by_day: rng.flip(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_switches_are_reproducible_and_cover_every_setting() {
        let draw = |seed| CallSwitches::random(&mut Rng::new(seed));
        assert_eq!(draw(5), draw(5));
        let all: Vec<CallSwitches> = (0..200).map(draw).collect();
        for late in [CancelTooLate::Ignored, CancelTooLate::Refused, CancelTooLate::HangsUp] {
            assert!(all.iter().any(|switches| switches.cancel_too_late == late));
        }
        for lost in [LostCall::Failed, LostCall::NoAnswer, LostCall::NeverTerminal] {
            assert!(all.iter().any(|switches| switches.lost_call == lost));
        }
        for setting in [true, false] {
            assert!(all.iter().any(|switches| switches.initiated_is_called_back == setting));
            assert!(all.iter().any(|switches| switches.overrides_honored == setting));
        }
    }
}
