//! Writes the `TwiML` documents of employees' calls and signed webhooks to disk, for a check with Twilio's own libraries
//! (`tests/e2e/twilio_check.py`).

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use patchbay::dispatch::{Employee, Gender, Language, Policy, Ticket, script, texts};
use patchbay::ids::{AttemptId, DispatchKey};
use patchbay::phone::PhoneNumber;
use patchbay::providers::twilio::signature::sign;
use patchbay::providers::twilio::webhook::Form;
use patchbay::secret::Secret;
use patchbay::voice::{Provider, Settings};
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::reference::ReferenceSigner;
use patchbay_simulators::gateway::from_function;
use patchbay_simulators::twilio::AUTH_TOKEN;
use patchbay_simulators::world::REFERENCE_KEY;
use serde_json::json;

/// The URL of API Gateway, a custom domain, and one with a port and a path.
const BASES: [&str; 3] = [
    "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com",
    "https://hooks.example.org",
    "https://hooks.example.org:8443/voice",
];
const KEY: &str = "AccountSid=AC00000000000000000000000000000001&CallSid=CA00000000000000000000000000000001\
    &CallStatus=in-progress&Digits=1&FinishedOnKey=&From=%2B12025550100&To=%2B12025550101&msg=Gather+End";
const STATUS: &str = "CallSid=CA00000000000000000000000000000001&CallStatus=no-answer&Duration=0&FromCity=K%C3%B6ln+%26+%2B\
    &SipResponseCode=487&CallbackSource=call-progress-events";

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../twiml");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn callbacks(base: &str) -> CallbackUrls {
    CallbackUrls::new(base, ReferenceSigner::new(Secret::new(REFERENCE_KEY), None))
}

fn attempt() -> (DispatchKey, AttemptId) {
    let key = DispatchKey {
        tenant: "main".parse().unwrap(),
        id: "dsp_00000000000000000000000000000001".parse().unwrap(),
    };
    (key, "000001-00-0000000000000001".parse().unwrap())
}

fn employee() -> Employee {
    Employee {
        id: "anna".into(),
        name: "Anna".into(),
        phone: PhoneNumber::parse("+12025550101").unwrap(),
        language: None,
        voice: None,
        on_duty: Vec::new(),
        quiet_hours: None,
        opted_out: false,
        unverified: false,
    }
}

#[test]
fn every_document_in_every_voice_is_written_for_twilios_parser() {
    let (key, id) = attempt();
    let url = callbacks(BASES[0]).keys_url(Provider::Twilio, &key, id, 1);
    let ticket = Ticket {
        reference: None,
        text: "Cold store 3 reports -9 °C & rising; \"urgent\" <now>.".into(),
    };
    let mut voices = Vec::new();
    for language in Language::ALL {
        for (name, gender) in [("female", Gender::Female), ("male", Gender::Male)] {
            let policy = Policy {
                language,
                ticket_voice: gender,
                options_voice: gender,
                ..Policy::default()
            };
            for (number, script) in [
                script::offer(&ticket, &employee(), &policy),
                script::accepted(language, &policy),
                script::rejected(language, &policy),
                script::taken_by("Ben & Söhne", language, &policy),
                script::closed(language, &policy),
                script::goodbye(language, &policy),
                script::repeat_options(language, &policy),
                script::one_moment(language, &policy),
            ]
            .into_iter()
            .enumerate()
            {
                let answer = Provider::Twilio
                    .render(script, &url, &Settings::default())
                    .into_response();
                let document = String::from_utf8(from_function(answer).into_body().to_vec()).unwrap();
                voices.extend(
                    document
                        .split("voice=\"")
                        .nth(1)
                        .and_then(|rest| rest.split('"').next())
                        .map(str::to_owned),
                );
                let name = format!("employee-{}-{name}-{number}.xml", texts::tag(language));
                fs::write(folder().join(name), document).unwrap();
            }
        }
    }
    voices.sort_unstable();
    voices.dedup();
    // Two voices for every language, and no voice for two languages.
    assert_eq!(voices.len(), 2 * Language::ALL.len(), "{voices:?}");
}

#[test]
fn signed_webhooks_are_written_for_twilios_validator() {
    let (key, id) = attempt();
    let token = Secret::new(AUTH_TOKEN);
    let mut signed = Vec::new();
    for base in BASES {
        let callbacks = callbacks(base);
        for (url, body) in [
            (callbacks.keys_url(Provider::Twilio, &key, id, 0), KEY),
            (callbacks.keys_url(Provider::Twilio, &key, id, 2), KEY),
            (callbacks.status_url(Provider::Twilio, &key, id, None), STATUS),
            (callbacks.status_url(Provider::Twilio, &key, id, Some(7)), STATUS),
        ] {
            let signature = sign(&token, &url, &Form::parse(body.as_bytes()));
            signed.push(json!({ "url": url, "body": body, "signature": signature }));
        }
    }
    assert_eq!(signed.len(), 12);
    fs::write(folder().join("signed.json"), json!(signed).to_string()).unwrap();
}
