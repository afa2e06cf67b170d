//! Requests to SES and its answers, with a scripted service.

use super::super::email::tests::{address, email};
use super::super::error::Refusal;
use super::*;
use crate::clock::Timestamp;
use crate::providers::testing::{ScriptedProvider, ScriptedResponse, json_response, no_response, not_sent, raw};

const HOST: &str = "https://email.eu-central-1.amazonaws.com";

fn client(provider: &ScriptedProvider) -> Ses {
    let settings = Settings {
        region: "eu-central-1".to_owned(),
        endpoint: crate::partition::endpoint("email", "eu-central-1", false, false),
        credentials: Credentials::new("AKIDEXAMPLE", "made-up", Some("session".to_owned()), None, "test"),
        subject: SubjectForm::Utf8,
    };
    let clock = Clock::starting_at(Timestamp::from_millis(1_795_000_000_000), 1.0);
    Ses::new(provider.http(), clock, settings)
}

fn answering(answer: ScriptedResponse) -> (ScriptedProvider, Ses) {
    let provider = ScriptedProvider::new([answer]);
    let client = client(&provider);
    (provider, client)
}

fn not_found() -> ScriptedResponse {
    let mut response = raw(404, "{}")?;
    let code = "NotFoundException".parse().expect("a header");
    response.headers_mut().insert("x-amzn-errortype", code);
    Ok(response)
}

#[tokio::test(start_paused = true)]
async fn email_is_sent_in_one_signed_request() {
    let (provider, ses) = answering(json_response(200, &json!({ "MessageId": "0100-made-up-000000" })));
    let sent = email("Grüße", "Hi");
    assert_eq!(ses.send(&sent).await.expect("an id").as_str(), "0100-made-up-000000");
    assert_eq!(provider.requests(), [format!("POST {HOST}/v2/email/outbound-emails")]);
    assert_eq!(provider.bodies(), [sent.request(SubjectForm::Utf8)]);
    assert_eq!(provider.header_values("content-type"), ["application/json"]);
    assert_eq!(provider.header_values("x-amz-security-token"), ["session"]);
    let authorization = provider.authorizations().remove(0);
    let date = &provider.header_values("x-amz-date")[0];
    assert!(date.starts_with("20261118T"), "{date}");
    for part in [
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261118/eu-central-1/ses/aws4_request",
        "content-type;host;x-amz-date;x-amz-security-token",
    ] {
        assert!(authorization.contains(part), "{authorization}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_failure_is_retried() {
    for (answer, is_unclear) in [
        (no_response(), true),
        (raw(500, ""), true),
        (raw(503, "{}"), true),
        (raw(200, ""), true),
        (raw(200, r#"{"MessageId":""}"#), true),
        (raw(200, r#"{"MessageId":"a b"}"#), true),
        (not_sent(), false),
        (raw(429, "{}"), false),
        (raw(400, "{}"), false),
    ] {
        // A second request would find no scripted answer, and fail the test.
        let (provider, ses) = answering(answer);
        let error = ses.send(&email("Hi", "Hi")).await.expect_err("no id");
        assert_eq!(error.may_have_been_sent(), is_unclear, "{error}");
        assert_eq!(provider.requests().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn form_of_the_subject_is_a_setting() {
    let provider = ScriptedProvider::new([json_response(200, &json!({ "MessageId": "m" }))]);
    let mut ses = client(&provider);
    ses.settings.subject = SubjectForm::EncodedWords;
    ses.send(&email("Grüße", "Hi")).await.expect("an id");
    let subject = provider.bodies()[0].pointer("/Content/Simple/Subject/Data").cloned();
    assert_eq!(subject, Some(json!("=?UTF-8?B?R3LDvMOfZQ==?=")));
}

#[tokio::test(start_paused = true)]
async fn address_is_put_on_the_suppression_list() {
    let (provider, ses) = answering(raw(200, "{}"));
    assert_eq!(
        ses.suppress(&address("ana@example.net"), SuppressionReason::Bounce)
            .await,
        Ok(())
    );
    assert_eq!(
        provider.requests(),
        [format!("PUT {HOST}/v2/email/suppression/addresses")]
    );
    assert_eq!(
        provider.bodies(),
        [json!({ "EmailAddress": "ana@example.net", "Reason": "BOUNCE" })]
    );
}

#[tokio::test(start_paused = true)]
async fn address_in_a_path_cannot_choose_another() {
    let (provider, ses) = answering(raw(200, ""));
    assert_eq!(ses.unsuppress(&address("a/b?c#d%+x@example.net")).await, Ok(()));
    assert_eq!(
        provider.requests(),
        [format!(
            "DELETE {HOST}/v2/email/suppression/addresses/a%2Fb%3Fc%23d%25%2Bx%40example.net"
        )]
    );
    assert_eq!(provider.header_values("content-type"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn suppression_is_looked_up() {
    let listed = |reason: &str| {
        let found = json!({ "EmailAddress": "ana@example.net", "Reason": reason, "LastUpdateTime": 1_795_000_000.5 });
        json_response(200, &json!({ "SuppressedDestination": found }))
    };
    for (answer, expected) in [
        (listed("BOUNCE"), Ok(Some(SuppressionReason::Bounce))),
        (listed("COMPLAINT"), Ok(Some(SuppressionReason::Complaint))),
        (not_found(), Ok(None)),
        (listed("OTHER"), Err(true)),
        (raw(200, "{}"), Err(true)),
        // Not every 404 is the answer of SES.
        (raw(404, "<html>"), Err(false)),
    ] {
        let (provider, ses) = answering(answer);
        let found = ses.suppression(&address("ana@example.net")).await;
        assert_eq!(found.map_err(|error| error.may_have_been_sent()), expected);
        assert_eq!(
            provider.requests(),
            [format!("GET {HOST}/v2/email/suppression/addresses/ana%40example.net")]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn address_that_is_not_listed_is_unsuppressed_already() {
    let (_, ses) = answering(not_found());
    assert_eq!(ses.unsuppress(&address("ana@example.net")).await, Ok(()));
    let (_, ses) = answering(raw(404, ""));
    let error = ses.unsuppress(&address("ana@example.net")).await.expect_err("an error");
    assert!(
        matches!(
            error,
            SesError::Refused {
                reason: Refusal::Configuration,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn account_states_its_quota() {
    let body = json!({
        "DedicatedIpAutoWarmupEnabled": true, "EnforcementStatus": "HEALTHY", "ProductionAccessEnabled": false,
        "SendQuota": { "Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 3.0 }, "SendingEnabled": true,
    });
    let (provider, ses) = answering(json_response(200, &body));
    let quota = Quota {
        per_24_hours: Some(200.0),
        per_second: Some(1.0),
        sent: 3.0,
    };
    let expected = Account {
        sending_enabled: Some(true),
        production_access: Some(false),
        enforcement: Enforcement::Healthy,
        quota: Some(quota),
    };
    assert_eq!(ses.account().await, Ok(expected));
    assert_eq!(provider.requests(), [format!("GET {HOST}/v2/email/account")]);

    let unlimited = json!({ "SendQuota": { "Max24HourSend": -1, "MaxSendRate": 14, "SentLast24Hours": 0 } });
    let (_, ses) = answering(json_response(200, &unlimited));
    let account = ses.account().await.expect("an account");
    assert_eq!(
        account.quota.map(|quota| (quota.per_24_hours, quota.per_second)),
        Some((None, Some(14.0)))
    );
    assert_eq!(
        (account.sending_enabled, account.enforcement),
        (None, Enforcement::Unknown)
    );

    let (_, ses) = answering(raw(200, "no JSON"));
    assert!(ses.account().await.is_err());
}

#[test]
fn debug_output_hides_the_credentials() {
    let provider = ScriptedProvider::new([]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let printed = runtime.block_on(async { format!("{:?} {:?}", client(&provider), client(&provider).settings) });
    assert!(
        !printed.contains("made-up") && !printed.contains("\"session\""),
        "{printed}"
    );
}
