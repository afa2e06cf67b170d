//! What Twilio's documentation leaves open about calls to employees, one switch each.
//!
//! The defaults are what its samples and its SDK suggest; section numbers are those of the wire contract (`twilio.md`).

use std::time::Duration;

use super::records::Status;
use crate::rng::{Rng, question};

question!(
    /// In what the 4000 of inline `TwiML` are counted (1.2).
    TwimlCounted {
        /// Characters.
        Characters,
        /// Bytes of UTF-8.
        Bytes,
    }
);

question!(
    /// What a `StatusCallbackEvent` that is none does to a create request (1.5; 9, trap 1).
    BadEvent {
        /// 201, and that event is not called back.
        Ignored,
        /// 400 with code 21626.
        Refused,
    }
);

question!(
    /// What `Status=canceled` does to a call that was answered (1.4).
    CancelTooLate {
        /// 200, and the call goes on.
        Ignored,
        /// 400 with code 21220.
        Refused,
        /// The call is hung up.
        HangsUp,
    }
);

question!(
    /// What `Status=completed` does to a call that was not answered (1.4).
    CompleteTooEarly {
        /// It is over: `canceled`.
        Canceled,
        /// It is over: `completed`.
        Completed,
        /// 400 with code 21220.
        Refused,
        /// 200, and it goes on to ring.
        Ignored,
    }
);

question!(
    /// What an update of a call that is over gets (1.4).
    UpdateAfterEnd {
        /// 400 with code 21220.
        Refused,
        /// 200 and the call as it is.
        Ignored,
    }
);

question!(
    /// What becomes of a call that the network loses (section 8, 1).
    LostCall {
        /// `failed`.
        Failed,
        /// `no-answer`.
        NoAnswer,
        /// It never gets a final status: it rings until it is ended through the API, and nothing is called back. After
        /// an hour it is over all the same.
        NeverTerminal,
    }
);

question!(
    /// What machine detection finds out (2.3).
    Verdict {
        /// Who it is.
        Truth,
        /// `unknown`.
        AlwaysUnknown,
        /// Nothing, ever; a call that waits for it goes on with `unknown` when its time is over.
        Never,
    }
);

question!(
    /// How `DetectMessageEnd` says that a machine has spoken (2.3).
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
    /// How the API says who answered (1.3).
    AnsweredByForm {
        /// In the words of callbacks.
        Detailed,
        /// `human` or `machine`.
        Plain,
    }
);

question!(
    /// What `SequenceNumber` counts (2.2).
    Sequence {
        /// Callbacks that were sent.
        Sent,
        /// All four events, whether they were asked for or not.
        Events,
        /// Nothing: it is always 0.
        Nothing,
    }
);

question!(
    /// When a call that has not been dialled was started, for the filters of a list (1.3, 1.4).
    QueuedStart {
        /// When it was created.
        Created,
        /// Never: no filter for a start time finds it.
        Never,
    }
);

/// How this Twilio behaves at its API and in calls to employees where its documentation is silent.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent question about somebody else's API"
)]
pub struct CallSwitches {
    /// How long the API takes to respond.
    pub response_time: Duration,
    /// Stands in for the time-out of the client's own transport: when a response is lost, the client learns it now.
    pub client_timeout: Duration,
    /// From one call that leaves the queue to the next (1.6).
    pub call_interval: Duration,
    /// Calls that wait in it at the most: then 22005 (1.6).
    pub queue_holds: usize,
    /// HTTP status of 22005 (1.5).
    pub queue_full_status: u16,
    /// HTTP status of 10001 and 20005 (1.5).
    pub no_money_status: u16,
    /// After how long the network stops ringing by itself.
    pub network_ring: Duration,
    /// How much longer than `Timeout` it rings: up to 5 s (1.2).
    pub rings_longer: Duration,
    /// The longest inline `TwiML`: 4000, or 4096 (1.2, section 10).
    pub twiml_limit: usize,
    /// In what it is counted.
    pub twiml_counted: TwimlCounted,
    /// The longest `MachineDetectionTimeout`: 60 or 59 (1.2, section 10).
    pub longest_detection: u32,
    /// What an event that is none does.
    pub bad_event: BadEvent,
    /// Whether `initiated` is called back when it is asked for.
    pub initiated_is_told: bool,
    /// What the API shows of a call that has been dialled and does not ring: `queued` or `ringing` (1.3).
    pub initiated_shows_as: Status,
    /// What `canceled` does after the answer.
    pub cancel_too_late: CancelTooLate,
    /// What `completed` does before the answer.
    pub complete_too_early: CompleteTooEarly,
    /// What an update gets after the end.
    pub update_after_end: UpdateAfterEnd,
    /// Whether the response to an update shows the new status, and not the one before it.
    pub update_shows_outcome: bool,
    /// Final status when the employee rejects the call on the phone.
    pub after_phone_reject: Status,
    /// What becomes of a call that is lost.
    pub lost_call: LostCall,
    /// What machine detection finds out.
    pub verdict: Verdict,
    /// How long after the answer it does.
    pub verdict_after: Duration,
    /// How the end of a machine's greeting is called.
    pub machine_end: MachineEnd,
    /// Whether a callback says `unknown` when the call was over before the verdict (2.3).
    pub verdict_after_hang_up: bool,
    /// Whether callbacks after the verdict have `AnsweredBy` (2.2).
    pub answered_by_on_callbacks: bool,
    /// How the API says who answered.
    pub answered_by_form: AnsweredByForm,
    /// Whether keys that were pressed before the employee hung up in the middle of a `<Gather>` are told.
    pub hang_up_submits: bool,
    /// Whether an action is also told `FinishedOnKey` and `msg` (3.1).
    pub gather_says_more: bool,
    /// What `SequenceNumber` counts.
    pub sequence: Sequence,
    /// By how much callbacks may leave late, each for itself: they overtake one another (2.2).
    pub callbacks_scatter: Duration,
    /// Whether every try of a callback has a token of its own (section 6).
    pub token_varies: bool,
    /// Whether the fragments of URLs are honoured (section 6, 6.1 at the end).
    pub overrides_honoured: bool,
    /// Whether a `failed` callback has `ErrorCode` and `ErrorMessage` (2.2).
    pub failed_says_why: bool,
    /// How long after its creation a call is neither listed nor found.
    pub appears_after: Duration,
    /// How long the API still shows the status before the last.
    pub status_lag: Duration,
    /// When a call that was not dialled was started.
    pub queued_start: QueuedStart,
    /// Whether filters for a time look at its day only (1.4).
    pub filters_by_day: bool,
}

impl Default for CallSwitches {
    fn default() -> Self {
        Self {
            response_time: Duration::from_millis(80),
            client_timeout: Duration::from_secs(10),
            call_interval: Duration::from_secs(1),
            queue_holds: 86_400,
            queue_full_status: 429,
            no_money_status: 400,
            network_ring: Duration::from_secs(90),
            rings_longer: Duration::ZERO,
            twiml_limit: 4_000,
            twiml_counted: TwimlCounted::default(),
            longest_detection: 60,
            bad_event: BadEvent::default(),
            initiated_is_told: true,
            initiated_shows_as: Status::Queued,
            cancel_too_late: CancelTooLate::default(),
            complete_too_early: CompleteTooEarly::default(),
            update_after_end: UpdateAfterEnd::default(),
            update_shows_outcome: true,
            after_phone_reject: Status::Busy,
            lost_call: LostCall::default(),
            verdict: Verdict::default(),
            verdict_after: Duration::from_secs(4),
            machine_end: MachineEnd::default(),
            verdict_after_hang_up: false,
            answered_by_on_callbacks: true,
            answered_by_form: AnsweredByForm::default(),
            hang_up_submits: false,
            gather_says_more: true,
            sequence: Sequence::default(),
            callbacks_scatter: Duration::ZERO,
            token_varies: false,
            overrides_honoured: true,
            failed_says_why: false,
            appears_after: Duration::ZERO,
            status_lag: Duration::ZERO,
            queued_start: QueuedStart::default(),
            filters_by_day: false,
        }
    }
}

impl CallSwitches {
    /// Any setting of every switch.
    pub fn random(rng: &mut Rng) -> Self {
        use Status::{Busy, NoAnswer, Queued, Ringing};
        let (millis, seconds) = (Duration::from_millis, Duration::from_secs);
        Self {
            response_time: rng.between(millis(20), millis(900)),
            call_interval: rng.pick(seconds(1), &[millis(200)]),
            queue_full_status: rng.pick(429, &[400, 503]),
            no_money_status: rng.pick(400, &[401, 403]),
            network_ring: rng.between(seconds(25), seconds(120)),
            rings_longer: rng.between(Duration::ZERO, seconds(5)),
            twiml_limit: rng.pick(4_000, &[4_096]),
            twiml_counted: TwimlCounted::random(rng),
            longest_detection: rng.pick(60, &[59]),
            bad_event: BadEvent::random(rng),
            initiated_is_told: rng.flip(),
            initiated_shows_as: rng.pick(Queued, &[Ringing]),
            cancel_too_late: CancelTooLate::random(rng),
            complete_too_early: CompleteTooEarly::random(rng),
            update_after_end: UpdateAfterEnd::random(rng),
            update_shows_outcome: rng.flip(),
            after_phone_reject: rng.pick(Busy, &[NoAnswer]),
            lost_call: LostCall::random(rng),
            verdict: Verdict::random(rng),
            verdict_after: rng.between(Duration::ZERO, seconds(8)),
            machine_end: MachineEnd::random(rng),
            verdict_after_hang_up: rng.flip(),
            answered_by_on_callbacks: rng.flip(),
            answered_by_form: AnsweredByForm::random(rng),
            hang_up_submits: rng.flip(),
            gather_says_more: rng.flip(),
            sequence: Sequence::random(rng),
            callbacks_scatter: rng.pick(Duration::ZERO, &[seconds(2)]),
            token_varies: rng.flip(),
            overrides_honoured: rng.flip(),
            failed_says_why: rng.flip(),
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
    fn random_switches_are_repeated_by_their_seed_and_reach_every_setting() {
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
            assert!(all.iter().any(|switches| switches.initiated_is_told == setting));
            assert!(all.iter().any(|switches| switches.overrides_honoured == setting));
        }
    }
}
