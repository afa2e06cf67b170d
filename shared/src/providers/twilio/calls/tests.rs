//! The wire of Twilio's calls, by the fixtures of its contract.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::providers::testing::{Answer, Provider, answer, lost, not_sent, raw};

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const CALLS: &str = "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Calls";

fn client(provider: &Provider) -> Twilio {
    let secret = Secret::new(format!(
        "{ACCOUNT}:SK00000000000000000000000000000001:made-up-key-secret"
    ));
    let credentials = Credentials::parse("NAME", &secret).expect("sound ones");
    Twilio::new(provider.http(), &credentials, "https://api.twilio.com/")
}

fn anna() -> PhoneNumber {
    PhoneNumber::parse("+12025550101").expect("a number")
}

fn request(to: &PhoneNumber, document: Document) -> CreateCall<'_> {
    CreateCall {
        from: "+12025550100",
        to,
        document,
        status_url: "https://hooks.example.org/twilio/status/r1#rc=2".into(),
        ring_timeout: Some(25),
        time_limit: Some(180),
        machine_url: None,
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

fn error(status: u16, code: u32) -> Answer {
    let message = "Account not authorized to call +12025550101";
    let body = json!({ "code": code, "message": message, "more_info": "https://www.twilio.com/docs/errors", "status": status });
    answer(status, &body)
}

#[tokio::test]
async fn a_call_is_asked_for_in_the_words_of_the_contract() {
    let provider = Provider::new([answer(201, &created("queued"))]);
    let to = anna();
    let machine = "https://hooks.example.org/twilio/status/r1".to_owned();
    let request = CreateCall {
        machine_url: Some(machine),
        ..request(&to, Document::Inline("<Response/>".into()))
    };
    let sid = client(&provider).create(request).await;
    assert_eq!(sid.as_deref(), Ok("CA00000000000000000000000000000a01"));
    assert_eq!(provider.asked(), [format!("POST {CALLS}.json")]);
    let expected = "To=%2B12025550101&From=%2B12025550100&Twiml=%3CResponse%2F%3E\
        &StatusCallback=https%3A%2F%2Fhooks.example.org%2Ftwilio%2Fstatus%2Fr1%23rc%3D2&StatusCallbackMethod=POST\
        &StatusCallbackEvent=initiated&StatusCallbackEvent=ringing&StatusCallbackEvent=answered\
        &StatusCallbackEvent=completed&Timeout=25&TimeLimit=180&MachineDetection=Enable&AsyncAmd=true\
        &AsyncAmdStatusCallback=https%3A%2F%2Fhooks.example.org%2Ftwilio%2Fstatus%2Fr1&AsyncAmdStatusCallbackMethod=POST";
    assert_eq!(provider.texts(), [expected]);
    let basic = STANDARD.encode("SK00000000000000000000000000000001:made-up-key-secret");
    assert_eq!(provider.authorisations(), [format!("Basic {basic}")]);
}

#[tokio::test]
async fn a_document_elsewhere_is_asked_for_twice() {
    let provider = Provider::new([answer(201, &created("queued"))]);
    let to = anna();
    let request = CreateCall {
        ring_timeout: None,
        time_limit: None,
        ..request(&to, Document::At("https://hooks.example.org/t".into()))
    };
    client(&provider).create(request).await.expect("a call");
    let form: Vec<(String, String)> = url::form_urlencoded::parse(provider.texts()[0].as_bytes())
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
async fn every_refusal_says_what_it_means_for_the_next_call() {
    let not = |why| Some(why);
    for (answered, expected) in [
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
        // Whatever a server says that failed.
        (error(500, 21211), None),
        (error(503, 20429), None),
        (error(408, 10004), None),
        (error(500, 20500), None),
        (error(503, 20503), None),
        (raw(408, ""), None),
        (raw(201, "no JSON"), None),
        (raw(200, "{}"), None),
        (lost(), None),
    ] {
        let shown = format!("{answered:?}");
        let provider = Provider::new([answered]);
        let to = anna();
        let came = client(&provider)
            .create(request(&to, Document::Inline(String::new())))
            .await;
        let why = match came {
            Err(CreateError::NotPlaced { why, detail }) => {
                assert!(!detail.contains("2025550101"), "{detail}");
                Some(why)
            }
            Err(CreateError::Unclear { .. }) => None,
            Ok(sid) => panic!("{sid} for {shown}"),
        };
        assert_eq!(why, expected, "{shown}");
        assert!(provider.is_done());
    }
}

async fn end(script: impl IntoIterator<Item = Answer>, first: EndAction) -> (Result<(), ApiError>, Vec<String>) {
    let provider = Provider::new(script);
    let ended = client(&provider).end_call("CA1", first).await;
    assert!(provider.is_done());
    let asked = provider.asked().into_iter().zip(provider.texts());
    let short = |(asked, body): (String, String)| {
        format!(
            "{}{}",
            asked.split(' ').next().unwrap_or_default(),
            if body.is_empty() { body } else { format!(" {body}") }
        )
    };
    (ended, asked.map(short).collect())
}

#[tokio::test]
async fn a_ringing_call_is_cancelled_and_one_that_speaks_completed() {
    let (ended, asked) = end([answer(200, &created("canceled"))], EndAction::Cancel).await;
    assert_eq!((ended, asked), (Ok(()), vec!["POST Status=canceled".to_owned()]));
    let (ended, asked) = end([answer(200, &created("completed"))], EndAction::Complete).await;
    assert_eq!((ended, asked), (Ok(()), vec!["POST Status=completed".to_owned()]));
}

#[tokio::test]
async fn a_cancellation_that_came_too_late_ends_the_call_that_speaks_all_the_same() {
    for first in [answer(200, &created("in-progress")), error(400, 21220)] {
        let script = [
            first,
            answer(200, &created("in-progress")),
            answer(200, &created("completed")),
        ];
        let (ended, asked) = end(script, EndAction::Cancel).await;
        assert_eq!(ended, Ok(()));
        assert_eq!(asked, ["POST Status=canceled", "GET", "POST Status=completed"]);
    }
}

#[tokio::test]
async fn a_call_that_is_over_needs_no_ending_and_one_that_cannot_be_ended_is_tried_again() {
    let (ended, asked) = end(
        [error(400, 21220), answer(200, &created("completed"))],
        EndAction::Complete,
    )
    .await;
    assert_eq!((ended, asked.len()), (Ok(()), 2));
    // Said once it may be a mistake, and twice it is none.
    let script = [
        error(404, 20404),
        answer(200, &created("in-progress")),
        answer(200, &created("completed")),
    ];
    let (ended, asked) = end(script, EndAction::Complete).await;
    assert_eq!((ended, asked.len()), (Ok(()), 3));
    let (ended, _) = end([error(404, 20404), error(404, 20404)], EndAction::Complete).await;
    assert_eq!(ended, Ok(()));
    for passing in [error(429, 20429), raw(503, ""), lost(), error(401, 20003)] {
        let (ended, asked) = end([passing], EndAction::Cancel).await;
        assert_eq!((ended.expect_err("not done").passes, asked.len()), (true, 1));
    }
    let stays = [
        answer(200, &created("ringing")),
        answer(200, &created("ringing")),
        answer(200, &created("ringing")),
    ];
    let (ended, _) = end(stays, EndAction::Cancel).await;
    assert!(ended.expect_err("it still rings").passes);
}

#[tokio::test]
async fn a_call_is_read_however_little_is_said_of_it() {
    let provider = Provider::new([
        answer(200, &created("ringing")),
        answer(
            200,
            &json!({ "sid": "CA1", "status": "completed", "answered_by": "machine_start" }),
        ),
        answer(200, &json!({ "sid": "CA1" })),
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
        assert!(client.call("CA1").await.expect_err("unreadable").passes);
    }
    let error = client.call("CA1").await.expect_err("none");
    assert!(error.not_found && error.passes);
    let none = client.call("..").await.expect_err("no id");
    assert!(!none.passes);
}

#[tokio::test]
async fn calls_are_found_by_their_number() {
    let page = json!({ "calls": [created("ringing"), { "odd": 1 }, 7], "page": 0, "next_page_uri": null });
    let provider = Provider::new([answer(200, &page), answer(200, &json!({ "calls": 7 }))]);
    let client = client(&provider);
    let calls = client.calls_to(&anna()).await.expect("calls");
    let statuses: Vec<_> = calls.iter().map(|call| call.status).collect();
    // Of one that cannot be read nobody knows that it is over.
    assert_eq!(statuses, [CallStatus::Ringing, CallStatus::Other]);
    assert_eq!(
        provider.asked(),
        [format!("GET {CALLS}.json?To=%2B12025550101&PageSize=50")]
    );
    assert!(client.calls_to(&anna()).await.expect_err("no list").passes);
}

#[tokio::test]
async fn the_balance_is_a_text() {
    let body = json!({ "account_sid": ACCOUNT, "balance": "-0.03", "currency": "USD" });
    let provider = Provider::new([answer(200, &body), error(404, 20404)]);
    let client = client(&provider);
    let balance = client.balance().await.expect("a balance");
    assert_eq!((balance.balance.as_str(), balance.currency.as_str()), ("-0.03", "USD"));
    assert!(client.balance().await.expect_err("a subaccount").not_found);
}

#[test]
fn credentials_are_an_account_and_a_key_or_a_token() {
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
fn times_are_read_as_twilio_writes_them_and_nothing_else() {
    let at = |text: &str| rfc_2822(text).map(|at| at.to_string());
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
    fn whatever_an_answer_is_it_is_read_and_nothing_secret_is_in_the_log(status in 200_u16..600, body: Vec<u8>, text in "\\PC{0,400}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let json = json!({ "code": text, "message": text, "sid": text, "status": text, "calls": text }).to_string();
            for body in [body, json.into_bytes()] {
                let provider = Provider::new([raw(status, body.clone()), raw(status, body.clone()), raw(status, body)]);
                let client = client(&provider);
                let to = anna();
                let _ = client.create(request(&to, Document::Inline(String::new()))).await;
                let _ = (client.call("CA1").await, client.calls_to(&to).await);
                assert!(!format!("{client:?}").contains("made-up"));
            }
        });
    }
}
