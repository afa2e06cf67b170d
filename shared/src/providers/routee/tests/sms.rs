//! Text messages: what is sent, which failures may be retried, and what Routee posts.

use proptest::prelude::*;

use super::*;
use crate::opt_out::OptOutWord;
use crate::phone::PhoneNumber;
use crate::providers::message_api::{
    Channel, Content, Failure, FailureReason, IncomingMessage, InvalidMessageWebhook, MessageError, MessageStatus,
    OutgoingMessage, Sender, SentMessage, StatusReport, overall,
};
use crate::providers::testing::{any_token, no_response, not_sent, raw};

const CREATED: &str = include_str!("../fixtures/sms-created.json");

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::from_e164(text).expect("a number")
}

fn sender(text: &str) -> Sender {
    Sender::parse(Channel::Sms, text).expect("a sender")
}

/// Sends a message, and returns the result and the body of the request.
async fn send(
    script: impl IntoIterator<Item = ScriptedResponse>,
    from: &Sender,
    content: &Content,
    validity_seconds: Option<u32>,
) -> (Result<SentMessage, MessageError>, Option<Value>) {
    let provider = ScriptedProvider::new(script);
    let message = OutgoingMessage {
        from,
        to: &number("+12025550143"),
        content,
        status_url: "https://hooks.example.org/s/r1".to_owned(),
        validity_seconds,
    };
    let sent = provider.routee().send_sms(&message).await;
    assert!(provider.is_done());
    for request in provider
        .requests()
        .iter()
        .skip(1)
        .filter(|request| !request.contains("/oauth/"))
    {
        assert_eq!(request, "POST https://connect.example.org/sms");
    }
    (sent, provider.bodies().pop())
}

fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

async fn result(script: impl IntoIterator<Item = ScriptedResponse>) -> Result<SentMessage, MessageError> {
    send(script, &sender("Example"), &text("Hi"), None).await.0
}

#[tokio::test]
async fn request_matches_the_contract() {
    let script = [any_token(), raw(200, CREATED)];
    let (sent, body) = send(script, &sender("+12025550100"), &text("Hi 🙂"), Some(90)).await;
    let expected = SentMessage {
        id: "7d3f1b2a-0000-4000-8000-0000000000a1".to_owned(),
        status: MessageStatus::Queued,
        parts: Some(1),
    };
    assert_eq!(sent, Ok(expected));
    let expected = json!({
        "from": "12025550100", "to": "+12025550143", "body": "Hi 🙂", "ttl": 1,
        "callback": { "url": "https://hooks.example.org/s/r1", "strategy": "OnChange" },
    });
    assert_eq!(body, Some(expected));
    let (_, body) = send([any_token(), raw(200, CREATED)], &sender("Example"), &text("Hi"), None).await;
    let body = body.expect("a body");
    assert_eq!((&body["from"], body.get("ttl")), (&json!("Example"), None));
}

#[tokio::test]
async fn validity_is_rounded_down_to_minutes_within_the_limits() {
    for (seconds, expected) in [(0, 1), (59, 1), (119, 1), (120, 2), (259_200, 4_320), (u32::MAX, 4_320)] {
        let script = [any_token(), raw(200, CREATED)];
        let (_, body) = send(script, &sender("Example"), &text("Hi"), Some(seconds)).await;
        assert_eq!(body.expect("a body")["ttl"], json!(expected), "{seconds}");
    }
}

#[tokio::test]
async fn what_routee_cannot_send_is_refused_without_a_request() {
    let template = Content::Template {
        id: "HX0000000000000000000000000000000a".parse().expect("a template"),
        variables: [].into(),
    };
    let whatsapp = Sender::WhatsApp(number("+12025550100"));
    let service = sender("MG00000000000000000000000000000001");
    for (from, content, expected) in [
        (&whatsapp, text("Hi"), FailureReason::Unsupported),
        (&service, text("Hi"), FailureReason::Unsupported),
        (&sender("Example"), template, FailureReason::Unsupported),
        (&sender("Example"), text(" "), FailureReason::Content),
    ] {
        let (sent, body) = send([], from, &content, None).await;
        assert_eq!(body, None);
        assert!(
            matches!(&sent, Err(MessageError::Refused { failure, .. }) if failure.reason == expected),
            "{sent:?}"
        );
    }
}

#[tokio::test]
async fn message_that_may_have_been_sent_is_unclear() {
    for reply in [
        no_response(),
        raw(500, ""),
        error(500, "5000000000", "Insufficient Balance"),
        error(503, "503000000", "rate limit"),
        raw(502, "<html>"),
        raw(408, ""),
        raw(200, ""),
        raw(204, ""),
        raw(200, "[]"),
        raw(200, r#"{"trackingId":null}"#),
        json_response(200, &json!({ "trackingId": "x".repeat(129) })),
    ] {
        let shown = format!("{reply:?}");
        let sent = result([any_token(), reply]).await;
        assert!(matches!(sent, Err(MessageError::Unclear { .. })), "{shown}: {sent:?}");
    }
}

#[tokio::test]
async fn message_that_was_certainly_not_sent_may_be_sent_later() {
    for script in [
        vec![not_sent()],
        vec![raw(503, "")],
        vec![unauthorized(401)],
        vec![any_token(), not_sent()],
        vec![any_token(), raw(429, "")],
        vec![any_token(), raw(409, "")],
        vec![any_token(), error(400, "400000000", "Too many requests")],
        vec![any_token(), unauthorized(401), any_token(), unauthorized(401)],
        vec![
            any_token(),
            error(403, "403000000", "x"),
            any_token(),
            error(403, "403000000", "x"),
        ],
    ] {
        let shown = format!("{script:?}");
        let sent = result(script).await;
        assert!(matches!(sent, Err(MessageError::TryLater { .. })), "{shown}: {sent:?}");
    }
    let mut busy = raw(429, "").expect("a response");
    busy.headers_mut()
        .insert("retry-after", http::HeaderValue::from_static("9"));
    let sent = result([any_token(), Ok(busy)]).await;
    assert!(
        matches!(
            sent,
            Err(MessageError::TryLater {
                retry_after: Some(9),
                ..
            })
        ),
        "{sent:?}"
    );
    // A new token sends the message once.
    let sent = result([any_token(), unauthorized(401), any_token(), raw(200, CREATED)]).await;
    assert!(sent.is_ok());
}

#[tokio::test]
async fn refusals_map_to_their_reason() {
    let invalid = |fields: Value| json_response(400, &json!({ "code": "400000000", "properties": fields }));
    for (reply, expected) in [
        (error(400, "400001009", "x"), FailureReason::OutOfMoney),
        (
            json_response(400, &json!({ "code": 400_001_009 })),
            FailureReason::OutOfMoney,
        ),
        (raw(402, ""), FailureReason::OutOfMoney),
        (error(400, "400005000", "x"), FailureReason::BadSender),
        (invalid(json!({ "from": "may not be empty" })), FailureReason::BadSender),
        (invalid(json!({ "to": "x" })), FailureReason::BadRecipient),
        (invalid(json!({ "body": "x" })), FailureReason::Content),
        (invalid(json!({ "to": "x", "from": "x" })), FailureReason::Other),
        (invalid(json!({ "callback.url": "x" })), FailureReason::Other),
        (invalid(json!([])), FailureReason::Other),
        (raw(400, "<html>"), FailureReason::Other),
        (error(404, "404000000", "x"), FailureReason::Other),
        (raw(302, ""), FailureReason::Other),
    ] {
        let shown = format!("{reply:?}");
        match result([any_token(), reply]).await {
            Err(MessageError::Refused { failure, .. }) => assert_eq!(failure.reason, expected, "{shown}"),
            other => panic!("{shown}: {other:?}"),
        }
    }
    let detail = result([any_token(), error(400, "400005000", "bad +12025550143")])
        .await
        .expect_err("refused");
    assert_eq!(
        detail.to_string(),
        "refused (the sender is refused): status 400, code 400005000: bad [number]"
    );
}

fn failure(code: &str, reason: FailureReason) -> Failure {
    Failure {
        code: Some(code.to_owned()),
        reason,
    }
}

#[test]
fn status_callback_of_the_contract_is_parsed() {
    let expected = StatusReport {
        message_id: Some("7d3f1b2a-0000-4000-8000-0000000000a1".to_owned()),
        status: MessageStatus::Undelivered(failure("Undelivered on Handset", FailureReason::Unreachable)),
        name: "Undelivered".to_owned(),
        part: "2".to_owned(),
        parts: 3,
    };
    let report = parse_sms_report(include_bytes!("../fixtures/sms-status.json"));
    assert_eq!(report, Ok(expected));
}

#[test]
fn status_callback_needs_only_its_status() {
    let none = |status: fn(Failure) -> MessageStatus| {
        status(Failure {
            code: None,
            reason: FailureReason::Other,
        })
    };
    for (status, expected) in [
        (json!("Queued"), MessageStatus::Queued),
        (json!({ "name": "sent" }), MessageStatus::Sent),
        (json!({ "status": "Delivered", "date": 5 }), MessageStatus::Delivered),
        (json!({ "name": null, "status": "DELIVERED" }), MessageStatus::Delivered),
        (json!({ "name": "Undelivered" }), none(MessageStatus::Undelivered)),
        (json!({ "name": "Failed", "reason": null }), none(MessageStatus::Failed)),
        (json!({ "name": "Unsent", "reason": {} }), none(MessageStatus::Failed)),
        (json!({ "name": "Teleported" }), MessageStatus::Unknown),
        (json!("Read"), MessageStatus::Unknown),
    ] {
        let body = json!({ "status": status, "parts": "x", "part": [], "new": 1 }).to_string();
        let report = parse_sms_report(body.as_bytes()).expect("a report");
        assert_eq!(
            (report.status, report.parts, report.part.as_str()),
            (expected, 1, ""),
            "{body}"
        );
    }
    for body in [
        "{}",
        r#"{"status":{}}"#,
        r#"{"status":" "}"#,
        r#"{"status":[]}"#,
        r#"{"status":{"name":""}}"#,
    ] {
        assert_eq!(
            parse_sms_report(body.as_bytes()),
            Err(InvalidMessageWebhook::NoStatus),
            "{body}"
        );
    }
    for body in ["", "[]", "status=Sent"] {
        assert_eq!(
            parse_sms_report(body.as_bytes()),
            Err(InvalidMessageWebhook::NotAnObject),
            "{body}"
        );
    }
}

#[test]
fn every_documented_reason_is_mapped() {
    for (reason, expected) in [
        ("Undelivered on Handset", FailureReason::Unreachable),
        ("Unknown Number", FailureReason::BadRecipient),
        ("UnknownNumber", FailureReason::BadRecipient),
        ("Roaming", FailureReason::Unreachable),
        ("Call Barred", FailureReason::Blocked),
        ("Unknown Status", FailureReason::Other),
        ("Carrier Violation", FailureReason::Blocked),
        ("expired", FailureReason::Expired),
        ("Network Error", FailureReason::Unreachable),
        ("Solar Flare", FailureReason::Other),
    ] {
        for value in [json!({ "detailedStatus": reason }), json!(reason)] {
            let body = json!({ "status": { "name": "Undelivered", "reason": value } }).to_string();
            let status = parse_sms_report(body.as_bytes()).expect("a report").status;
            assert_eq!(status, MessageStatus::Undelivered(failure(reason, expected)));
        }
    }
}

#[test]
fn callbacks_of_all_parts_make_one_status() {
    let report = |part: u32, name: &str| {
        let body = json!({ "messageId": "m", "part": part, "parts": 3, "status": { "name": name } }).to_string();
        parse_sms_report(body.as_bytes()).expect("a report")
    };
    let mut reports = vec![report(3, "Delivered"), report(1, "Delivered"), report(1, "Sent")];
    assert!(!overall(&reports).is_final());
    reports.push(report(2, "Undelivered"));
    assert!(matches!(overall(&reports), MessageStatus::Undelivered(_)));
    // Without `part`, the id of the part counts.
    let by_id = |id: &str| json!({ "smsId": id, "parts": 2, "status": { "name": "Delivered" } }).to_string();
    let by_id = |id: &str| parse_sms_report(by_id(id).as_bytes()).expect("a report");
    assert!(!overall(&[by_id("a"), by_id("a")]).is_final());
    assert_eq!(overall(&[by_id("a"), by_id("b")]), MessageStatus::Delivered);
}

#[tokio::test]
async fn lookup_reads_an_object_a_list_or_a_page() {
    let part = |at: u32, name: &str| json!({ "messageId": "m-1", "part": at, "parts": 2, "status": { "status": name, "date": "2026-01-05T09:00:00Z" } });
    let both = [part(1, "Delivered"), part(2, "Undelivered")];
    let one = json!({ "smsId": "s", "messageId": "m-1", "status": { "status": "Sent" } });
    let provider = ScriptedProvider::new([
        any_token(),
        json_response(200, &one),
        json_response(200, &json!(both)),
        json_response(200, &json!({ "content": both, "last": true })),
        json_response(200, &json!([part(1, "Delivered")])),
        json_response(200, &json!([part(1, "Delivered"), 7])),
        json_response(200, &json!([])),
        raw(200, "<html>"),
        error(404, "404005000", "not found"),
        raw(503, ""),
    ]);
    let client = provider.routee();
    assert_eq!(client.sms_status("m-1").await, Ok(Some(MessageStatus::Sent)));
    for _ in 0..2 {
        let status = client.sms_status("m-1").await.expect("a lookup").expect("a status");
        assert!(matches!(status, MessageStatus::Undelivered(_)), "{status:?}");
    }
    assert_eq!(client.sms_status("m-1").await, Ok(Some(MessageStatus::Queued)));
    for _ in 0..3 {
        assert_eq!(client.sms_status("m-1").await, Err(TrackingError::Unreadable));
    }
    assert_eq!(client.sms_status("m-1").await, Ok(None));
    assert!(client.sms_status("m-1").await.expect_err("unavailable").is_transient());
    assert_eq!(client.sms_status("..").await, Err(TrackingError::BadId));
    assert_eq!(
        provider.requests().last().map(String::as_str),
        Some("GET https://connect.example.org/sms/tracking/single/m-1")
    );
}

#[test]
fn incoming_message_of_the_contract_is_parsed() {
    let message = parse_incoming_sms(include_bytes!("../fixtures/sms-incoming.json")).expect("a message");
    let expected = IncomingMessage {
        id: "0c0ffee0-0000-4000-8000-0000000000b1".to_owned(),
        from: number("+12025550143"),
        to: Some(number("+12025550100")),
        channel: Channel::Sms,
        text: "Please stop texting me".to_owned(),
        media_count: 0,
        media_urls: Vec::new(),
        replied_to: None,
        handled_opt_out: None,
    };
    assert_eq!(message, expected);
    assert_eq!(message.opt_out_word(), Some(OptOutWord::Stop));
}

#[test]
fn incoming_message_needs_an_id_and_a_number() {
    let minimal = parse_incoming_sms(br#"{"messageId":5,"from":"12025550143","to":54321,"message":null}"#);
    let minimal = minimal.expect("a message");
    assert_eq!(
        (minimal.id.as_str(), minimal.text.as_str(), minimal.to),
        ("5", "", None)
    );
    for (body, expected) in [
        ("", InvalidMessageWebhook::NotAnObject),
        ("messageId=5&from=%2B12025550143", InvalidMessageWebhook::NotAnObject),
        (r#"{"from":"+12025550143"}"#, InvalidMessageWebhook::NoId),
        (
            r#"{"messageId":"m","from":"Example"}"#,
            InvalidMessageWebhook::SenderIsNoNumber,
        ),
        (r#"{"messageId":"m"}"#, InvalidMessageWebhook::SenderIsNoNumber),
    ] {
        assert_eq!(parse_incoming_sms(body.as_bytes()), Err(expected), "{body}");
    }
}

proptest! {
    #[test]
    fn no_body_panics(body: Vec<u8>, text: String, number: f64, field in prop::sample::select(vec![
        "status", "messageId", "smsId", "part", "parts", "from", "to", "message",
    ])) {
        let _ = (parse_sms_report(&body), parse_incoming_sms(&body));
        let nested = json!({ "name": text, "reason": { "detailedStatus": text } });
        for value in [json!(text), json!(number), nested, json!([text])] {
            let mut all = json!({ "messageId": "m", "from": "+12025550143", "status": "Sent" });
            all[field] = value;
            let body = all.to_string();
            if let Ok(report) = parse_sms_report(body.as_bytes()) {
                prop_assert!(report.parts > 0 && report.name.chars().count() <= 64);
            }
            let _ = parse_incoming_sms(body.as_bytes());
        }
    }
}
