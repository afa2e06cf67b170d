//! What Twilio says about a call that it was asked to place (`twilio.md` 2.2 and 2.3).

use super::webhook::Form;
use crate::dispatch::{CallReport, CallStatus};

/// Longest word of Twilio's that is kept, in characters.
const MAX_WORD_CHARS: usize = 64;
/// Codes of a call that failed because the account is suspended or has no money.
const MONEY: [&str; 3] = ["10001", "20005", "30002"];

/// In our words.
pub(super) fn status(word: &str) -> CallStatus {
    match word {
        "queued" => CallStatus::Queued,
        "initiated" => CallStatus::Initiated,
        "ringing" => CallStatus::Ringing,
        "in-progress" => CallStatus::InProgress,
        "completed" => CallStatus::Completed,
        "busy" => CallStatus::Busy,
        "no-answer" => CallStatus::NoAnswer,
        // Of a cancellation of ours nobody waits to hear. This one was somebody else's.
        "failed" | "canceled" => CallStatus::Failed,
        _ => CallStatus::Other,
    }
}

/// Whether a verdict about who picked up says that nobody did: `machine_start` and its like, and `fax`. The API's own
/// reference also has plain `machine`.
pub(super) fn is_machine(verdict: &str) -> bool {
    verdict == "fax" || verdict == "machine" || verdict.starts_with("machine_")
}

/// What a status callback says, or the verdict about who picked up. None when it is neither.
pub fn report(form: &Form) -> Option<CallReport> {
    let call = form.get("CallSid").unwrap_or_default();
    let short = |word: &str| word.chars().take(MAX_WORD_CHARS).collect::<String>();
    let word = form.get("CallStatus").or_else(|| form.get("AnsweredBy"))?;
    let status = match form.get("CallStatus") {
        Some("failed") if form.get("ErrorCode").is_some_and(|code| MONEY.contains(&code)) => CallStatus::OutOfMoney,
        Some(word) => status(word),
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

/// The keys of a `<Gather>`, if it tells any.
pub fn keys(form: &Form) -> String {
    let keys = form.get("Digits").unwrap_or_default();
    keys.chars().filter(char::is_ascii_graphic).take(32).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(body: &str) -> Option<(CallStatus, String)> {
        report(&Form::parse(body.as_bytes())).map(|report| (report.status, report.name))
    }

    #[test]
    fn every_status_has_its_meaning() {
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
                told(&format!("CallStatus={word}&CallSid=CA1")),
                Some((meaning, word.to_owned()))
            );
        }
        assert_eq!(told("CallSid=CA1"), None);
        assert_eq!(told(""), None);
    }

    #[test]
    fn a_call_that_failed_for_money_says_so() {
        for code in MONEY {
            let (status, _) = told(&format!("CallStatus=failed&ErrorCode={code}")).expect("a report");
            assert_eq!(status, CallStatus::OutOfMoney, "{code}");
        }
        let (status, _) = told("CallStatus=failed&ErrorCode=32017").expect("a report");
        assert_eq!(status, CallStatus::Failed);
        let (status, _) = told("CallStatus=completed&ErrorCode=10001").expect("a report");
        assert_eq!(status, CallStatus::Completed);
    }

    #[test]
    fn a_verdict_is_one_about_a_machine_or_none() {
        for verdict in [
            "machine_start",
            "machine_end_beep",
            "machine_end_other",
            "fax",
            "machine",
        ] {
            let body = format!("CallSid=CA1&AnsweredBy={verdict}&MachineDetectionDuration=6120");
            assert_eq!(told(&body), Some((CallStatus::Machine, verdict.to_owned())));
        }
        for verdict in ["human", "unknown", "dog"] {
            let body = format!("CallSid=CA1&AnsweredBy={verdict}");
            assert_eq!(told(&body), Some((CallStatus::Other, verdict.to_owned())));
        }
        // On a status of the call it is no news.
        let body = "CallSid=CA1&CallStatus=completed&AnsweredBy=machine_start";
        assert_eq!(told(body), Some((CallStatus::Completed, "completed".to_owned())));
    }

    #[test]
    fn the_keys_are_those_of_the_gather() {
        let told = |body: &str| keys(&Form::parse(body.as_bytes()));
        assert_eq!(told("CallSid=CA1&Digits=1"), "1");
        assert_eq!(told("CallSid=CA1&Digits=%23"), "#");
        for nothing in ["CallSid=CA1", "Digits=", "", "Digits=%00%20"] {
            assert_eq!(told(nothing), "", "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_and_stays_short(body: Vec<u8>, word in "\\PC{0,200}") {
            let form = Form::parse(&body);
            let _ = (report(&form), keys(&form));
            let encoded: String = url::form_urlencoded::byte_serialize(word.as_bytes()).collect();
            let body = format!("CallStatus={encoded}&Digits={encoded}&CallSid={encoded}");
            let form = Form::parse(body.as_bytes());
            prop_assert!(keys(&form).len() <= 32);
            if let Some(report) = report(&form) {
                prop_assert!(report.name.chars().count() <= 64 && report.call_id.chars().count() <= 64);
            }
        }
    }
}
