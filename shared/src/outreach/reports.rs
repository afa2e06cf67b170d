//! What the words of providers mean for an attempt.

use crate::dispatch::{CallLookup, CallReport, CallStatus, Ending};
use crate::interaction::{AttemptOutcome, Channel, EndReason, Progress, Report, State};
use crate::messaging::{FailureReason, MessageStatus};
use crate::providers::elemente::Feedback;

/// How far a text message with this status has got; `None` if the status says nothing of it.
pub const fn message_progress(status: &MessageStatus) -> Option<Progress> {
    match status {
        MessageStatus::Queued => Some(Progress::Accepted),
        MessageStatus::Sent => Some(Progress::Underway),
        MessageStatus::Delivered => Some(Progress::Delivered),
        MessageStatus::Read => Some(Progress::Read),
        MessageStatus::Unknown | MessageStatus::Failed(_) | MessageStatus::Undelivered(_) => None,
    }
}

/// The report in the status of a text message.
pub fn message_report(status: &MessageStatus, provider_id: Option<String>) -> Report {
    let outcome = status.failure().map(|failure| match failure.reason {
        FailureReason::OptedOut => AttemptOutcome::OptedOut,
        reason => AttemptOutcome::Failed {
            detail: match &failure.code {
                Some(code) => format!("{reason} (code {code})"),
                None => reason.to_string(),
            },
        },
    });
    Report {
        provider_id,
        progress: message_progress(status),
        outcome,
        ..Report::default()
    }
}

/// The report in the status of a call; `None` if the status says nothing of it, or nothing final.
pub fn call_report(report: &CallReport) -> Option<Report> {
    let (progress, outcome) = match report.status {
        CallStatus::Queued | CallStatus::Initiated => (Some(Progress::Accepted), None),
        CallStatus::Ringing => (Some(Progress::Underway), None),
        CallStatus::InProgress => (Some(Progress::Answered), None),
        CallStatus::Machine => (None, Some(AttemptOutcome::Voicemail)),
        status => (None, Some(call_outcome(status.ending()?)?)),
    };
    Some(Report {
        provider_id: some(&report.call_id),
        progress,
        outcome,
        ..Report::default()
    })
}

/// The report in the lookup of a call; `None` if the provider does not know it.
pub fn call_lookup_report(lookup: &CallLookup) -> Option<Report> {
    match lookup {
        CallLookup::Live => Some(Report {
            progress: Some(Progress::Underway),
            ..Report::default()
        }),
        CallLookup::Over { ending, machine, .. } => {
            let outcome = if *machine {
                Some(AttemptOutcome::Voicemail)
            } else {
                call_outcome(*ending)
            };
            Some(Report {
                outcome: Some(outcome?),
                ..Report::default()
            })
        }
        CallLookup::Unknown => None,
    }
}

/// How an attempt ended whose call ended so; `None` if the providers' documents disagree on whether it has.
fn call_outcome(ending: Ending) -> Option<AttemptOutcome> {
    let failed = |detail: &str| AttemptOutcome::Failed {
        detail: detail.to_owned(),
    };
    match ending {
        Ending::Completed => Some(AttemptOutcome::TalkedTo),
        Ending::Busy => Some(AttemptOutcome::Busy),
        Ending::NoAnswer => Some(AttemptOutcome::NoAnswer),
        Ending::Failed => Some(failed("the provider could not place the call")),
        Ending::OutOfMoney => Some(failed("the provider's account has no money")),
        Ending::Unknown => None,
    }
}

/// The report in what Elemente says about an interaction.
pub fn elemente_report(feedback: &Feedback, channel: Channel) -> Report {
    let state = feedback.state();
    let ended = state.and_then(State::end_reason);
    Report {
        provider_id: Some(feedback.id.clone()),
        progress: state.and_then(|state| elemente_progress(state, channel)),
        outcome: ended.map(|reason| elemente_outcome(reason, channel)),
        talk_seconds: ended.filter(|_| channel == Channel::Call).map(|_| feedback.duration),
        recording: some(&feedback.recording_url),
        transcript: some(&feedback.transcription),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

const fn elemente_progress(state: State, channel: Channel) -> Option<Progress> {
    match state {
        State::Scheduled | State::Sending => Some(Progress::Accepted),
        State::Sent => Some(Progress::Underway),
        State::Open => Some(match channel {
            Channel::Call => Progress::Answered,
            // A chat that is open was delivered. Whether the customer wrote is not said.
            _ => Progress::Delivered,
        }),
        State::Ended { .. } | State::Unknown => None,
    }
}

fn elemente_outcome(reason: EndReason, channel: Channel) -> AttemptOutcome {
    match reason {
        EndReason::Completed | EndReason::Resolved | EndReason::Closed => match channel {
            Channel::Call => AttemptOutcome::TalkedTo,
            _ => AttemptOutcome::Delivered,
        },
        EndReason::NoAnswer => AttemptOutcome::NoAnswer,
        EndReason::Busy => AttemptOutcome::Busy,
        EndReason::Voicemail => AttemptOutcome::Voicemail,
        EndReason::Canceled => AttemptOutcome::Canceled,
        EndReason::OptedOut => AttemptOutcome::OptedOut,
        EndReason::Failed | EndReason::Expired | EndReason::Refused | EndReason::OutsideHours | EndReason::Unclear => {
            AttemptOutcome::Failed {
                detail: format!("Elemente says: {reason}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messaging::Failure;

    fn failed(reason: FailureReason) -> MessageStatus {
        let code = Some("30005".to_owned());
        MessageStatus::Undelivered(Failure { code, reason })
    }

    #[test]
    fn a_delivery_is_progress_and_a_failure_is_the_end() {
        let delivered = message_report(&MessageStatus::Delivered, Some("SM1".to_owned()));
        assert_eq!(
            (delivered.progress, delivered.outcome),
            (Some(Progress::Delivered), None)
        );
        let report = message_report(&failed(FailureReason::Unreachable), None);
        let detail = "the phone is not reachable (code 30005)".to_owned();
        assert_eq!(
            (report.progress, report.outcome),
            (None, Some(AttemptOutcome::Failed { detail }))
        );
        let report = message_report(&failed(FailureReason::OptedOut), None);
        assert_eq!(report.outcome, Some(AttemptOutcome::OptedOut));
    }

    fn call(status: CallStatus) -> Option<Report> {
        call_report(&CallReport {
            status,
            name: String::new(),
            call_id: "CA1".to_owned(),
            leg_id: String::new(),
        })
    }

    #[test]
    fn a_call_that_was_answered_is_over_only_when_it_ends() {
        let report = call(CallStatus::InProgress).expect("a report");
        assert_eq!((report.progress, report.outcome), (Some(Progress::Answered), None));
        let report = call(CallStatus::Completed).expect("a report");
        assert_eq!(
            (report.progress, report.outcome),
            (None, Some(AttemptOutcome::TalkedTo))
        );
        assert_eq!(report.provider_id.as_deref(), Some("CA1"));
        // The network lost it: perhaps it goes on.
        assert_eq!((call(CallStatus::Unknown), call(CallStatus::Other)), (None, None));
    }

    #[test]
    fn a_lookup_tells_an_end_but_no_beginning() {
        let over = |ending, machine| {
            let keys = String::new();
            call_lookup_report(&CallLookup::Over { ending, keys, machine })
        };
        let outcome = |report: Option<Report>| report.and_then(|report| report.outcome);
        assert_eq!(outcome(over(Ending::Busy, false)), Some(AttemptOutcome::Busy));
        assert_eq!(outcome(over(Ending::Completed, true)), Some(AttemptOutcome::Voicemail));
        assert_eq!(over(Ending::Unknown, false), None);
        assert_eq!(outcome(call_lookup_report(&CallLookup::Live)), None);
        assert_eq!(call_lookup_report(&CallLookup::Unknown), None);
    }

    #[test]
    fn a_status_that_nobody_knows_says_nothing() {
        assert_eq!(message_report(&MessageStatus::Unknown, None), Report::default());
    }

    #[test]
    fn elemente_words_mean_the_same_on_a_call_and_in_a_chat_only_where_they_do() {
        let report = |status: &str, channel| {
            let status = status.to_owned();
            elemente_report(
                &Feedback {
                    status,
                    ..Feedback::default()
                },
                channel,
            )
        };
        assert_eq!(
            report("completed", Channel::Call).outcome,
            Some(AttemptOutcome::TalkedTo)
        );
        assert_eq!(
            report("completed", Channel::Sms).outcome,
            Some(AttemptOutcome::Delivered)
        );
        assert_eq!(
            report("no-answer", Channel::Call).outcome,
            Some(AttemptOutcome::NoAnswer)
        );
        // Directly after a create.
        assert_eq!(report("in-progress", Channel::Call).progress, Some(Progress::Underway));
        assert_eq!(report("answer", Channel::Call).progress, Some(Progress::Answered));
        assert_eq!(
            report("stalled", Channel::Call),
            Report {
                provider_id: Some(String::new()),
                ..Report::default()
            }
        );
    }
}
