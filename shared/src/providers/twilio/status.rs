//! Parses status callbacks, machine detection results and key presses of a call (CONTRACT.md 2.2 and 2.3).

use super::webhook::Form;
use crate::dispatch::{CallReport, CallStatus};

/// Longest status name or id that we keep, in characters.
const MAX_WORD_CHARS: usize = 64;
/// Error codes of a call that failed because the account is suspended or has insufficient balance.
const OUT_OF_MONEY_CODES: [&str; 3] = ["10001", "20005", "30002"];

/// The provider-neutral status.
pub(super) fn parse_status(word: &str) -> CallStatus {
    match word {
        "queued" => CallStatus::Queued,
        "initiated" => CallStatus::Initiated,
        "ringing" => CallStatus::Ringing,
        "in-progress" => CallStatus::InProgress,
        "completed" => CallStatus::Completed,
        "busy" => CallStatus::Busy,
        "no-answer" => CallStatus::NoAnswer,
        // We do not wait for the status after our own cancellation, so this call was cancelled by someone else.
        "failed" | "canceled" => CallStatus::Failed,
        _ => CallStatus::Other,
    }
}

/// Whether `AnsweredBy` means that no person picked up: `machine_start` and other `machine_…` values, and `fax`. The
/// API reference also lists plain `machine`.
pub(super) fn is_machine(answered_by: &str) -> bool {
    answered_by == "fax" || answered_by == "machine" || answered_by.starts_with("machine_")
}

/// Parses a status callback or a machine detection result; `None` if the form is neither.
pub fn parse_report(form: &Form) -> Option<CallReport> {
    let call = form.get("CallSid").unwrap_or_default();
    let short = |word: &str| word.chars().take(MAX_WORD_CHARS).collect::<String>();
    let word = form.get("CallStatus").or_else(|| form.get("AnsweredBy"))?;
    let status = match form.get("CallStatus") {
        Some("failed")
            if form
                .get("ErrorCode")
                .is_some_and(|code| OUT_OF_MONEY_CODES.contains(&code)) =>
        {
            CallStatus::OutOfMoney
        }
        Some(word) => parse_status(word),
        None if is_machine(word) => CallStatus::Machine,
        None => CallStatus::Other,
    };
    Some(CallReport {
        status,
        name: short(word),
        call_id: short(call),
        leg_id: short(call),
    })
}

/// The keys of a `<Gather>`; empty if there are none.
pub fn keys(form: &Form) -> String {
    let keys = form.get("Digits").unwrap_or_default();
    keys.chars().filter(char::is_ascii_graphic).take(32).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(body: &str) -> Option<(CallStatus, String)> {
        parse_report(&Form::parse(body.as_bytes())).map(|report| (report.status, report.name))
    }

    #[test]
    fn every_status_is_mapped() {
        for (word, meaning) in [
            ("queued", CallStatus::Queued),
            ("initiated", CallStatus::Initiated),
            ("ringing", CallStatus::Ringing),
            ("in-progress", CallStatus::InProgress),
            ("completed", CallStatus::Completed),
            ("busy", CallStatus::Busy),
            ("no-answer", CallStatus::NoAnswer),
            ("failed", CallStatus::Failed),
            ("canceled", CallStatus::Failed),
            ("parked", CallStatus::Other),
        ] {
            assert_eq!(
                parsed(&format!("CallStatus={word}&CallSid=CA1")),
                Some((meaning, word.to_owned()))
            );
        }
        assert_eq!(parsed("CallSid=CA1"), None);
        assert_eq!(parsed(""), None);
    }

    #[test]
    fn failed_call_with_balance_code_is_out_of_money() {
        for code in OUT_OF_MONEY_CODES {
            let (status, _) = parsed(&format!("CallStatus=failed&ErrorCode={code}")).expect("a report");
            assert_eq!(status, CallStatus::OutOfMoney, "{code}");
        }
        let (status, _) = parsed("CallStatus=failed&ErrorCode=32017").expect("a report");
        assert_eq!(status, CallStatus::Failed);
        let (status, _) = parsed("CallStatus=completed&ErrorCode=10001").expect("a report");
        assert_eq!(status, CallStatus::Completed);
    }

    #[test]
    fn answered_by_is_a_machine_or_other() {
        for answered_by in [
            "machine_start",
            "machine_end_beep",
            "machine_end_other",
            "fax",
            "machine",
        ] {
            let body = format!("CallSid=CA1&AnsweredBy={answered_by}&MachineDetectionDuration=6120");
            assert_eq!(parsed(&body), Some((CallStatus::Machine, answered_by.to_owned())));
        }
        for answered_by in ["human", "unknown", "dog"] {
            let body = format!("CallSid=CA1&AnsweredBy={answered_by}");
            assert_eq!(parsed(&body), Some((CallStatus::Other, answered_by.to_owned())));
        }
        // On a status callback it is ignored: it was reported before.
        let body = "CallSid=CA1&CallStatus=completed&AnsweredBy=machine_start";
        assert_eq!(parsed(body), Some((CallStatus::Completed, "completed".to_owned())));
    }

    #[test]
    fn keys_come_from_the_gather() {
        let parsed = |body: &str| keys(&Form::parse(body.as_bytes()));
        assert_eq!(parsed("CallSid=CA1&Digits=1"), "1");
        assert_eq!(parsed("CallSid=CA1&Digits=%23"), "#");
        for nothing in ["CallSid=CA1", "Digits=", "", "Digits=%00%20"] {
            assert_eq!(parsed(nothing), "", "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn no_form_panics_and_values_are_cut(body: Vec<u8>, word in "\\PC{0,200}") {
            let form = Form::parse(&body);
            let _ = (parse_report(&form), keys(&form));
            let encoded: String = url::form_urlencoded::byte_serialize(word.as_bytes()).collect();
            let body = format!("CallStatus={encoded}&Digits={encoded}&CallSid={encoded}");
            let form = Form::parse(body.as_bytes());
            prop_assert!(keys(&form).len() <= 32);
            if let Some(report) = parse_report(&form) {
                prop_assert!(report.name.chars().count() <= 64 && report.call_id.chars().count() <= 64);
            }
        }
    }
}
