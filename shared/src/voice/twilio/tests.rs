//! Tests of scripts as `TwiML` documents, and of calls.

use serde_json::json;

use super::*;
use crate::dispatch::{Ending, Policy, script};
use crate::providers::testing::{ScriptedProvider, json_response, raw};
use crate::providers::twilio::calls::Credentials;
use crate::secret::Secret;
use crate::voice::{Account, Provider, Settings};

const KEYS_URL: &str = "https://hooks.example.org/twilio/collect/r1";
const STATUS_URL: &str = "https://hooks.example.org/twilio/status/r1";
const SID: &str = "CA00000000000000000000000000000a01";

fn line(text: &str, gender: Gender) -> SpokenLine {
    SpokenLine {
        text: text.to_owned(),
        language: Language::EnUs,
        gender,
    }
}

fn offer(text: &str) -> Script {
    let say = |text: &str, gender, interruptible| Step::Say {
        line: line(text, gender),
        interruptible,
    };
    let options = say("Press 1.", Gender::Female, true);
    Script {
        steps: vec![
            Step::Listen,
            Step::Silence { seconds: 3 },
            say(text, Gender::Male, false),
            options.clone(),
            Step::Silence { seconds: 10 },
            options,
            Step::Silence { seconds: 6 },
        ],
    }
}

fn account(phone: &ScriptedProvider) -> Account {
    let secret = Secret::new("AC00000000000000000000000000000001:t0ken");
    let credentials = Credentials::parse("NAME", &secret).expect("valid credentials");
    Account::Twilio(TwilioAccount {
        client: Twilio::new(phone.http(), &credentials, "https://api.twilio.com"),
        from: "+12025550100".into(),
        call_interval: 1_000,
    })
}

fn call<'a>(to: &'a PhoneNumber, text: &str) -> OutboundCall<'a> {
    OutboundCall {
        to,
        script: offer(text),
        keys_url: KEYS_URL.to_owned(),
        status_url: STATUS_URL.to_owned(),
        ring_timeout: Some(25),
        max_duration: Some(180),
        hang_up_on_machine: false,
    }
}

fn anna() -> PhoneNumber {
    PhoneNumber::parse("+12025550101").expect("a number")
}

#[test]
fn listening_script_is_one_gather() {
    let expected = [
        r#"<?xml version="1.0" encoding="UTF-8"?><Response><Gather input="dtmf" numDigits="1" finishOnKey="" timeout="6""#,
        r#" method="POST" action="https://hooks.example.org/twilio/collect/r1"><Pause length="3"/>"#,
        r#"<Say voice="Polly.Matthew-Neural" language="en-US">Pump four isn&apos;t running</Say>"#,
        r#"<Say voice="Polly.Joanna-Neural" language="en-US">Press 1.</Say><Pause length="10"/>"#,
        r#"<Say voice="Polly.Joanna-Neural" language="en-US">Press 1.</Say></Gather></Response>"#,
    ];
    assert_eq!(
        twiml(offer("Pump four isn't running"), KEYS_URL).to_string(),
        expected.concat()
    );
}

#[test]
fn script_without_listening_is_said_and_the_call_ends() {
    let script = script::accepted(Language::DeDe, &Policy::default());
    let document = twiml(script, KEYS_URL).to_string();
    assert!(
        document.contains(r#"<Response><Say voice="Polly.Vicki-Neural" language="de-DE">"#),
        "{document}"
    );
    assert!(
        document.ends_with("</Say></Response>") && !document.contains("Gather"),
        "{document}"
    );
}

#[test]
fn ticket_text_is_never_markup() {
    for text in [
        "</Say><Dial>+12025550199</Dial><Say>",
        "<Hangup/>",
        "a & b",
        "]]>",
        "\u{0}\u{fffe}x",
    ] {
        let document = twiml(offer(text), KEYS_URL).to_string();
        let tags: Vec<&str> = document
            .split('<')
            .skip(1)
            .filter_map(|rest| rest.split([' ', '>', '/']).next())
            .collect();
        let known = ["?xml", "Response", "Gather", "Pause", "Say", ""];
        assert!(tags.iter().all(|tag| known.contains(tag)), "{text}: {document}");
    }
}

#[test]
fn every_language_has_two_distinct_voices() {
    let mut seen = std::collections::BTreeSet::new();
    for language in Language::ALL {
        for gender in [Gender::Female, Gender::Male] {
            let (voice, tag) = voice(language, gender);
            assert!(seen.insert(voice), "duplicate voice {voice}");
            assert!(
                voice.starts_with("Polly.") || voice.starts_with(&format!("Google.{tag}-")),
                "{voice} {tag}"
            );
        }
    }
    assert_eq!(voice(Language::EsLa, Gender::Male), ("Polly.Pedro-Neural", "es-US"));
}

#[tokio::test]
async fn short_script_is_inline_and_long_script_is_fetched() {
    for (text, inline) in [
        ("Pump four has stopped.", true),
        (&"Ω".repeat(1_000), true),
        (&"Ω'".repeat(700), false),
    ] {
        let phone = ScriptedProvider::new([json_response(201, &json!({ "sid": SID, "status": "queued" }))]);
        let to = anna();
        let call_id = account(&phone).place(call(&to, text)).await;
        assert_eq!(call_id.as_deref(), Ok(SID));
        let form = Form::parse(phone.body_texts()[0].as_bytes());
        let with_retries = |url: &str| format!("{url}#ct=1000&rt=3500&rc=2&rp=ct,rt,5xx");
        assert_eq!(form.get("StatusCallback"), Some(with_retries(STATUS_URL).as_str()));
        if inline {
            let document = form.get("Twiml").expect("a document");
            assert!(document.len() <= MAX_INLINE && form.get("Url").is_none());
            assert!(
                document.contains("collect/r1#ct=1000&amp;rt=3500&amp;rc=2&amp;rp=ct,rt,5xx\""),
                "{document}"
            );
        } else {
            assert_eq!(
                form.get("Url"),
                Some(with_retries(&format!("{KEYS_URL}?begin=1")).as_str())
            );
            assert!(form.get("Twiml").is_none());
        }
    }
}

#[tokio::test]
async fn machine_detection_is_on_only_if_the_call_is_to_end() {
    for enabled in [false, true] {
        let phone = ScriptedProvider::new([json_response(201, &json!({ "sid": SID, "status": "queued" }))]);
        let to = anna();
        let call = OutboundCall {
            hang_up_on_machine: enabled,
            ..call(&to, "x")
        };
        account(&phone).place(call).await.expect("a call");
        let form = Form::parse(phone.body_texts()[0].as_bytes());
        assert_eq!(form.get("AsyncAmd").is_some(), enabled);
        assert_eq!(
            form.get("AsyncAmdStatusCallback"),
            form.get("StatusCallback").filter(|_| enabled)
        );
    }
}

#[tokio::test]
async fn lookup_is_mapped_to_neutral_types() {
    let phone = ScriptedProvider::new([
        json_response(200, &json!({ "sid": SID, "status": "in-progress" })),
        json_response(
            200,
            &json!({ "sid": SID, "status": "completed", "answered_by": "machine_start" }),
        ),
        json_response(200, &json!({ "sid": SID, "status": "no-answer" })),
        raw(404, "{}"),
        raw(400, "{}"),
    ]);
    let account = account(&phone);
    let over = |ending, machine| CallLookup::Over {
        ending,
        keys: String::new(),
        machine,
    };
    assert_eq!(account.look_up(SID).await, Ok(CallLookup::Live));
    assert_eq!(account.look_up(SID).await, Ok(over(Ending::Completed, true)));
    assert_eq!(account.look_up(SID).await, Ok(over(Ending::NoAnswer, false)));
    assert!(
        account
            .look_up(SID)
            .await
            .expect_err("a possibly spurious 404")
            .is_transient
    );
    assert!(!account.look_up(SID).await.expect_err("a refused request").is_transient);
}

#[tokio::test]
async fn search_finds_live_calls_of_that_time_only() {
    let at = |text: &str| Timestamp::parse(text).expect(text);
    let (from, until) = (at("2025-03-04T15:02:00Z"), at("2025-03-04T15:03:00Z"));
    for (status, created, expected) in [
        ("ringing", json!("Tue, 04 Mar 2025 15:02:09 +0000"), CallLookup::Live),
        ("queued", json!(null), CallLookup::Live),
        ("ringing", json!("Tue, 04 Mar 2025 15:01:50 +0000"), CallLookup::Live),
        ("ringing", json!("Tue, 04 Mar 2025 15:01:09 +0000"), CallLookup::Unknown),
        (
            "completed",
            json!("Tue, 04 Mar 2025 15:02:09 +0000"),
            CallLookup::Unknown,
        ),
    ] {
        let call = json!({ "sid": SID, "status": status, "date_created": created });
        let phone = ScriptedProvider::new([json_response(200, &json!({ "calls": [call] }))]);
        assert_eq!(
            account(&phone).search(&anna(), from, until).await,
            Ok(expected),
            "{status} {created}"
        );
    }
}

#[tokio::test]
async fn call_is_ended_by_the_action_that_fits_its_status() {
    for (statuses, expected) in [
        (vec![CallStatus::Ringing], "Status=canceled"),
        (vec![CallStatus::InProgress, CallStatus::Ringing], "Status=completed"),
        (vec![], "Status=canceled"),
    ] {
        let phone = ScriptedProvider::new([json_response(200, &json!({ "sid": SID, "status": "canceled" }))]);
        let history = CallHistory {
            call_ids: vec![SID.to_owned()],
            legs: statuses.into_iter().map(|status| (SID.to_owned(), status)).collect(),
            ..CallHistory::default()
        };
        assert_eq!(account(&phone).end(&history).await, Ok(EndOutcome::Over));
        assert_eq!(phone.body_texts(), [expected]);
    }
    let nobody = ScriptedProvider::new([]);
    assert_eq!(
        account(&nobody).end(&CallHistory::default()).await,
        Ok(EndOutcome::NoCallId)
    );
    let over = CallHistory {
        is_over: true,
        call_ids: vec![SID.to_owned()],
        ..CallHistory::default()
    };
    assert_eq!(account(&nobody).end(&over).await, Ok(EndOutcome::Over));
}

#[test]
fn webhooks_are_parsed_and_responses_are_twiml() {
    let report = Provider::Twilio
        .report(b"CallSid=CA1&CallStatus=in-progress")
        .expect("a report");
    assert_eq!(
        (report.status, report.call_id.as_str()),
        (CallStatus::InProgress, "CA1")
    );
    assert_eq!(report.call_id, report.leg_id);
    assert!(Provider::Twilio.report(b"CallSid=CA1").is_err());
    assert_eq!(Provider::Twilio.keys(b"CallSid=CA1&Digits=2").as_deref(), Ok("2"));
    let spoken = Provider::Twilio.render(offer("x"), KEYS_URL, &Settings::default());
    let response = spoken.into_response();
    assert_eq!(response.headers()["content-type"], "text/xml; charset=utf-8");
}
