//! The wire format of Twilio's calls, from the examples of CONTRACT.md.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::providers::testing::{ScriptedProvider, ScriptedResponse, json_response, no_response, not_sent, raw};

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const CALLS: &str = "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Calls";

fn client(provider: &ScriptedProvider) -> Twilio {
    let secret = Secret::new(format!(
        "{ACCOUNT}:SK00000000000000000000000000000001:made-up-key-secret"
    ));
    let credentials = Credentials::parse("NAME", &secret).expect("valid credentials");
    Twilio::new(provider.http(), &credentials, "https://api.twilio.com/")
}

fn anna() -> PhoneNumber {
    PhoneNumber::parse("+12025550101").expect("a number")
}

fn request(to: &PhoneNumber, document: CallDocument) -> CreateCall<'_> {
    CreateCall {
        from: "+12025550100",
        to,
        document,
        status_url: "https://hooks.example.org/twilio/status/r1#rc=2".into(),
        ring_timeout: Some(25),
        time_limit: Some(180),
        machine_detection_url: None,
    }
}

/// The contract's example of a call that was just created.
fn created(status: &str) -> Value {
    json!({
        "sid": "CA00000000000000000000000000000a01", "account_sid": ACCOUNT, "api_version": "2010-04-01",
        "status": status, "direction": "outbound-api", "to": "+15550100001", "from": "+15550100900",
        "date_created": "Tue, 04 Mar 2025 15:02:09 +0000", "start_time": null, "duration": null, "price": null,
        "answered_by": null, "queue_time": "0",
    })
}

fn error(status: u16, code: u32) -> ScriptedResponse {
    let message = "Account not authorized to call +12025550101";
    let body = json!({ "code": code, "message": message, "more_info": "https://www.twilio.com/docs/errors", "status": status });
    json_response(status, &body)
}

#[tokio::test]
async fn create_request_matches_the_contract() {
    let provider = ScriptedProvider::new([json_response(201, &created("queued"))]);
    let to = anna();
    let machine = "https://hooks.example.org/twilio/status/r1".to_owned();
    let request = CreateCall {
        machine_detection_url: Some(machine),
        ..request(&to, CallDocument::Inline("<Response/>".into()))
    };
    let sid = client(&provider).create(request).await;
    assert_eq!(sid.as_deref(), Ok("CA00000000000000000000000000000a01"));
    assert_eq!(provider.requests(), [format!("POST {CALLS}.json")]);
    let expected = "To=%2B12025550101&From=%2B12025550100&Twiml=%3CResponse%2F%3E\
        &StatusCallback=https%3A%2F%2Fhooks.example.org%2Ftwilio%2Fstatus%2Fr1%23rc%3D2&StatusCallbackMethod=POST\
        &StatusCallbackEvent=initiated&StatusCallbackEvent=ringing&StatusCallbackEvent=answered\
        &StatusCallbackEvent=completed&Timeout=25&TimeLimit=180&MachineDetection=Enable&AsyncAmd=true\
        &AsyncAmdStatusCallback=https%3A%2F%2Fhooks.example.org%2Ftwilio%2Fstatus%2Fr1&AsyncAmdStatusCallbackMethod=POST";
    assert_eq!(provider.body_texts(), [expected]);
    let basic = STANDARD.encode("SK00000000000000000000000000000001:made-up-key-secret");
    assert_eq!(provider.authorizations(), [format!("Basic {basic}")]);
}

#[tokio::test]
async fn document_url_is_also_the_fallback_url() {
    let provider = ScriptedProvider::new([json_response(201, &created("queued"))]);
    let to = anna();
    let request = CreateCall {
        ring_timeout: None,
        time_limit: None,
        ..request(&to, CallDocument::Url("https://hooks.example.org/t".into()))
    };
    client(&provider).create(request).await.expect("a call");
    let form: Vec<(String, String)> = url::form_urlencoded::parse(provider.body_texts()[0].as_bytes())
        .into_owned()
        .collect();
    let value = |name: &str| {
        form.iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    };
    for name in ["Url", "FallbackUrl"] {
        assert_eq!(value(name), Some("https://hooks.example.org/t"), "{name}");
    }
    assert_eq!((value("Method"), value("FallbackMethod")), (Some("POST"), Some("POST")));
    for name in ["Twiml", "Timeout", "TimeLimit", "MachineDetection", "AsyncAmd"] {
        assert_eq!(value(name), None, "{name}");
    }
}

#[tokio::test]
async fn refusals_map_to_their_reason() {
    let not = |reason| Some(reason);
    for (reply, expected) in [
        (error(400, 21211), not(NotPlaced::Refused)),
        (error(400, 21214), not(NotPlaced::Refused)),
        (error(400, 21217), not(NotPlaced::Refused)),
        (error(400, 21210), not(NotPlaced::NotAllowed)),
        (error(400, 21212), not(NotPlaced::NotAllowed)),
        (error(400, 21215), not(NotPlaced::NotAllowed)),
        (error(400, 21216), not(NotPlaced::NotAllowed)),
        (error(400, 21219), not(NotPlaced::NotAllowed)),
        (error(400, 21205), not(NotPlaced::NotAllowed)),
        (error(404, 20404), not(NotPlaced::NotAllowed)),
        (error(401, 20003), not(NotPlaced::TryLater)),
        (raw(403, ""), not(NotPlaced::TryLater)),
        (error(429, 20429), not(NotPlaced::TryLater)),
        (raw(429, "<html>"), not(NotPlaced::TryLater)),
        (error(400, 10004), not(NotPlaced::TryLater)),
        (error(400, 22005), not(NotPlaced::TryLater)),
        (error(400, 10001), not(NotPlaced::OutOfMoney)),
        (error(403, 20005), not(NotPlaced::OutOfMoney)),
        (not_sent(), not(NotPlaced::TryLater)),
        (raw(302, ""), not(NotPlaced::NotAllowed)),
        (error(400, 21614), not(NotPlaced::Refused)),
        (error(400, 21201), not(NotPlaced::NotAllowed)),
        (error(403, 21216), not(NotPlaced::NotAllowed)),
        (error(400, 30002), not(NotPlaced::OutOfMoney)),
        // A failed server may have placed the call, regardless of the code.
        (error(500, 21211), None),
        (error(503, 20429), None),
        (error(408, 10004), None),
        (error(500, 20500), None),
        (error(503, 20503), None),
        (raw(408, ""), None),
        (raw(201, "no JSON"), None),
        (raw(200, "{}"), None),
        (no_response(), None),
    ] {
        let shown = format!("{reply:?}");
        let provider = ScriptedProvider::new([reply]);
        let to = anna();
        let result = client(&provider)
            .create(request(&to, CallDocument::Inline(String::new())))
            .await;
        let reason = match result {
            Err(CreateError::NotPlaced { reason, detail }) => {
                assert!(!detail.contains("2025550101"), "{detail}");
                Some(reason)
            }
            Err(CreateError::Unclear { .. }) => None,
            Ok(sid) => panic!("{sid} for {shown}"),
        };
        assert_eq!(reason, expected, "{shown}");
        assert!(provider.is_done());
    }
}

async fn end(
    script: impl IntoIterator<Item = ScriptedResponse>,
    first: EndAction,
) -> (Result<(), ApiError>, Vec<String>) {
    let provider = ScriptedProvider::new(script);
    let ended = client(&provider).end_call("CA1", first).await;
    assert!(provider.is_done());
    let requests = provider.requests().into_iter().zip(provider.body_texts());
    let short = |(request, body): (String, String)| {
        format!(
            "{}{}",
            request.split(' ').next().unwrap_or_default(),
            if body.is_empty() { body } else { format!(" {body}") }
        )
    };
    (ended, requests.map(short).collect())
}

#[tokio::test]
async fn ringing_call_is_cancelled_and_answered_call_is_completed() {
    let (ended, requests) = end([json_response(200, &created("canceled"))], EndAction::Cancel).await;
    assert_eq!((ended, requests), (Ok(()), vec!["POST Status=canceled".to_owned()]));
    let (ended, requests) = end([json_response(200, &created("completed"))], EndAction::Complete).await;
    assert_eq!((ended, requests), (Ok(()), vec!["POST Status=completed".to_owned()]));
}

#[tokio::test]
async fn late_cancellation_ends_the_answered_call() {
    for first in [json_response(200, &created("in-progress")), error(400, 21220)] {
        let script = [
            first,
            json_response(200, &created("in-progress")),
            json_response(200, &created("completed")),
        ];
        let (ended, requests) = end(script, EndAction::Cancel).await;
        assert_eq!(ended, Ok(()));
        assert_eq!(requests, ["POST Status=canceled", "GET", "POST Status=completed"]);
    }
}

#[tokio::test]
async fn ended_call_is_ok_and_live_call_is_a_transient_error() {
    let (ended, requests) = end(
        [error(400, 21220), json_response(200, &created("completed"))],
        EndAction::Complete,
    )
    .await;
    assert_eq!((ended, requests.len()), (Ok(()), 2));
    // A single 404 may be spurious; two in a row are believed.
    let script = [
        error(404, 20404),
        json_response(200, &created("in-progress")),
        json_response(200, &created("completed")),
    ];
    let (ended, requests) = end(script, EndAction::Complete).await;
    assert_eq!((ended, requests.len()), (Ok(()), 3));
    let (ended, _) = end([error(404, 20404), error(404, 20404)], EndAction::Complete).await;
    assert_eq!(ended, Ok(()));
    for transient in [error(429, 20429), raw(503, ""), no_response(), error(401, 20003)] {
        let (ended, requests) = end([transient], EndAction::Cancel).await;
        assert_eq!((ended.expect_err("not done").is_transient, requests.len()), (true, 1));
    }
    let still_ringing = [
        json_response(200, &created("ringing")),
        json_response(200, &created("ringing")),
        json_response(200, &created("ringing")),
    ];
    let (ended, _) = end(still_ringing, EndAction::Cancel).await;
    assert!(ended.expect_err("it still rings").is_transient);
}

#[tokio::test]
async fn lookup_needs_only_sid_and_status() {
    let provider = ScriptedProvider::new([
        json_response(200, &created("ringing")),
        json_response(
            200,
            &json!({ "sid": "CA1", "status": "completed", "answered_by": "machine_start" }),
        ),
        json_response(200, &json!({ "sid": "CA1" })),
        raw(200, "[]"),
        error(404, 20404),
    ]);
    let client = client(&provider);
    let call = client.call("CA1").await.expect("a call");
    assert_eq!((call.status, call.machine), (CallStatus::Ringing, false));
    assert_eq!(call.created_at, Timestamp::parse("2025-03-04T15:02:09Z"));
    let call = client.call("CA1").await.expect("a call");
    assert_eq!(
        (call.ending(), call.machine, call.created_at),
        (Some(Ending::Completed), true, None)
    );
    for _ in 0..2 {
        assert!(client.call("CA1").await.expect_err("unreadable").is_transient);
    }
    let error = client.call("CA1").await.expect_err("none");
    assert!(error.not_found && error.is_transient);
    let none = client.call("..").await.expect_err("no id");
    assert!(!none.is_transient);
}

#[tokio::test]
async fn search_finds_calls_by_number() {
    let page = json!({ "calls": [created("ringing"), { "odd": 1 }, 7], "page": 0, "next_page_uri": null });
    let provider = ScriptedProvider::new([json_response(200, &page), json_response(200, &json!({ "calls": 7 }))]);
    let client = client(&provider);
    let calls = client.calls_to(&anna()).await.expect("calls");
    let statuses: Vec<_> = calls.iter().map(|call| call.status).collect();
    // An entry that cannot be parsed is not known to be over.
    assert_eq!(statuses, [CallStatus::Ringing, CallStatus::Other]);
    assert_eq!(
        provider.requests(),
        [format!("GET {CALLS}.json?To=%2B12025550101&PageSize=50")]
    );
    assert!(client.calls_to(&anna()).await.expect_err("no list").is_transient);
}

#[tokio::test]
async fn balance_is_parsed_as_text() {
    let body = json!({ "account_sid": ACCOUNT, "balance": "-0.03", "currency": "USD" });
    let provider = ScriptedProvider::new([json_response(200, &body), error(404, 20404)]);
    let client = client(&provider);
    let balance = client.balance().await.expect("a balance");
    assert_eq!((balance.balance.as_str(), balance.currency.as_str()), ("-0.03", "USD"));
    assert!(client.balance().await.expect_err("a subaccount").not_found);
}

#[test]
fn credentials_are_account_and_key_or_account_and_token() {
    let parse = |text: &str| Credentials::parse("NAME", &Secret::new(text));
    let key = "SK00000000000000000000000000000002";
    let with_key = parse(&format!("{ACCOUNT}:{key}:s3cret\n")).expect("with a key");
    assert_eq!((with_key.account.as_str(), with_key.user.as_str()), (ACCOUNT, key));
    let with_token = parse(&format!(" {ACCOUNT} : t0ken ")).expect("with a token");
    assert_eq!(
        (with_token.user.as_str(), with_token.password.expose()),
        (ACCOUNT, "t0ken")
    );
    for text in [
        "",
        "app:s3cret",
        ACCOUNT,
        &format!("{ACCOUNT}:"),
        &format!("{key}:s3cret"),
        &format!("{ACCOUNT}:x:s3cret"),
        &format!("{ACCOUNT}:{key}:a:b"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        let expected =
            "NAME must name a parameter of the form accountSid:apiKeySid:apiKeySecret or accountSid:authToken";
        assert_eq!(error, expected);
    }
}

#[test]
fn only_times_in_twilios_format_are_parsed() {
    let at = |text: &str| parse_rfc_2822(text).map(|at| at.to_string());
    assert_eq!(
        at("Sun, 2 Mar 2025 09:53:19 +0000").as_deref(),
        Some("2025-03-02T09:53:19.000Z")
    );
    for text in [
        "",
        "Sun, 02 Mar 2025 09:53:19 +0100",
        "2025-03-02T09:53:19Z",
        "Sun, 32 Mar 2025 09:53:19 +0000",
        "Sun, 02 Foo 2025 09:53:19 +0000",
    ] {
        assert_eq!(at(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn no_response_panics_and_debug_output_hides_the_secret(status in 200_u16..600, body: Vec<u8>, text in "\\PC{0,400}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let json = json!({ "code": text, "message": text, "sid": text, "status": text, "calls": text }).to_string();
            for body in [body, json.into_bytes()] {
                let provider = ScriptedProvider::new([raw(status, body.clone()), raw(status, body.clone()), raw(status, body)]);
                let client = client(&provider);
                let to = anna();
                let _ = client.create(request(&to, CallDocument::Inline(String::new()))).await;
                let _ = (client.call("CA1").await, client.calls_to(&to).await);
                assert!(!format!("{client:?}").contains("made-up"));
            }
        });
    }
}
