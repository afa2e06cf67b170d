//! The wire format of Twilio's messages, from the examples of CONTRACT.md.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::FailureReason::{
    BadRecipient, BadSender, Blocked, Content as BadContent, Expired, NotAllowed, OptedOut, Other, OutOfMoney,
    Overloaded, Unreachable, WindowClosed,
};
use super::*;
use crate::providers::testing::{ScriptedProvider, ScriptedResponse, json_response, no_response, not_sent, raw};
use crate::providers::twilio::calls::Credentials;
use crate::secret::Secret;

const CREATED: &str = include_str!("../fixtures/message-created.json");
const MESSAGES: &str = "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages";
const SERVICE: &str = "MG00000000000000000000000000000001";
const TEMPLATE: &str = "HX0000000000000000000000000000000a";

fn client(provider: &ScriptedProvider) -> Twilio {
    let secret = Secret::new("AC00000000000000000000000000000001:made-up-token");
    let credentials = Credentials::parse("NAME", &secret).expect("valid credentials");
    Twilio::new(provider.http(), &credentials, "https://api.twilio.com")
}

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::from_e164(text).expect("a number")
}

fn sender(channel: Channel, text: &str) -> Sender {
    Sender::parse(channel, text).expect("a sender")
}

fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

fn template(variables: &[(&str, &str)]) -> Content {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Content::Template {
        id: TEMPLATE.parse().expect("a template"),
        variables: variables.iter().map(owned).collect(),
    }
}

/// Sends `content`, and returns the result and the request bodies.
async fn send(
    reply: Option<ScriptedResponse>,
    from: &Sender,
    content: &Content,
    validity_seconds: Option<u32>,
) -> (Result<SentMessage, MessageError>, Vec<String>) {
    let provider = ScriptedProvider::new(reply);
    let message = OutgoingMessage {
        from,
        to: &number("+12025550143"),
        content,
        status_url: "https://hooks.example.org/s/r1".into(),
        validity_seconds,
    };
    let sent = client(&provider).send_message(&message).await;
    assert!(provider.is_done());
    let expected = vec![format!("POST {MESSAGES}.json"); provider.requests().len()];
    assert_eq!(provider.requests(), expected);
    (sent, provider.body_texts())
}

async fn result(reply: ScriptedResponse) -> Result<SentMessage, MessageError> {
    let from = sender(Channel::Sms, "+12025550100");
    send(Some(reply), &from, &text("Hi"), None).await.0
}

fn error(status: u16, code: u32) -> ScriptedResponse {
    let message = "The 'To' number +12025550143 is odd";
    json_response(status, &json!({ "code": code, "message": message, "status": status }))
}

#[tokio::test]
async fn text_request_matches_the_contract() {
    let from = sender(Channel::Sms, "+12025550100");
    let (sent, bodies) = send(Some(raw(201, CREATED)), &from, &text("Hi & bye 🙂"), Some(90)).await;
    let expected = SentMessage {
        id: "SM00000000000000000000000000000b01".into(),
        status: MessageStatus::Queued,
        parts: Some(1),
    };
    assert_eq!(sent, Ok(expected));
    let expected = "To=%2B12025550143&From=%2B12025550100&Body=Hi+%26+bye+%F0%9F%99%82\
        &StatusCallback=https%3A%2F%2Fhooks.example.org%2Fs%2Fr1&ValidityPeriod=90";
    assert_eq!(bodies, [expected]);
}

#[tokio::test]
async fn service_and_whatsapp_requests_match_the_contract() {
    let accepted = json!({ "sid": "SM1", "status": "accepted", "from": null, "num_segments": "0" });
    let service = sender(Channel::Sms, SERVICE);
    let (sent, bodies) = send(Some(json_response(201, &accepted)), &service, &text("Hi"), None).await;
    let sent = sent.expect("sent");
    assert_eq!((sent.status, sent.parts), (MessageStatus::Queued, None));
    let expected = "To=%2B12025550143&MessagingServiceSid=MG00000000000000000000000000000001&Body=Hi\
        &StatusCallback=https%3A%2F%2Fhooks.example.org%2Fs%2Fr1";
    assert_eq!(bodies, [expected]);

    let whatsapp = sender(Channel::WhatsApp, "+12025550100");
    let content = template(&[("1", "Ann \"A\""), ("2", "3 PM")]);
    let (sent, bodies) = send(Some(raw(201, CREATED)), &whatsapp, &content, None).await;
    assert!(sent.is_ok());
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(bodies[0].as_bytes()).into_owned().collect();
    let expected = [
        ("ContentSid", TEMPLATE),
        ("ContentVariables", r#"{"1":"Ann \"A\"","2":"3 PM"}"#),
        ("From", "whatsapp:+12025550100"),
        ("StatusCallback", "https://hooks.example.org/s/r1"),
        ("To", "whatsapp:+12025550143"),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(form, expected);
}

#[tokio::test]
async fn invalid_message_is_not_sent() {
    let (sms, name) = (sender(Channel::Sms, "+12025550100"), sender(Channel::Sms, "Example"));
    let many: Vec<String> = (0..101).map(|at| at.to_string()).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "x")).collect();
    for (from, content, expected) in [
        (&sms, text(""), BadContent),
        (&sms, text(" \n"), BadContent),
        (&sms, text(&"ж".repeat(1_601)), BadContent),
        (&sms, template(&many), BadContent),
        (&name, text("Hi"), FailureReason::Unsupported),
    ] {
        let (sent, bodies) = send(None, from, &content, None).await;
        assert_eq!(bodies, Vec::<String>::new());
        assert!(
            matches!(&sent, Err(MessageError::Refused { failure, .. }) if failure.reason == expected),
            "{sent:?}"
        );
    }
    let (sent, _) = send(Some(raw(201, CREATED)), &sms, &text(&"ж".repeat(1_600)), None).await;
    assert!(sent.is_ok());
}

#[tokio::test]
async fn validity_stays_within_the_limits() {
    let from = sender(Channel::Sms, "+12025550100");
    for (seconds, expected) in [(0, "=1"), (1, "=1"), (36_000, "=36000"), (u32::MAX, "=36000")] {
        let (_, bodies) = send(Some(raw(201, CREATED)), &from, &text("Hi"), Some(seconds)).await;
        assert!(bodies[0].ends_with(&format!("&ValidityPeriod{expected}")), "{bodies:?}");
    }
}

#[tokio::test]
async fn errors_say_whether_the_message_may_be_sent_again() {
    #[derive(Debug, PartialEq)]
    enum Is {
        Later,
        Refused(FailureReason),
        Unclear,
    }
    use Is::{Later, Refused, Unclear};
    for (reply, expected) in [
        (error(400, 21_610), Refused(OptedOut)),
        (error(400, 21_211), Refused(BadRecipient)),
        (error(400, 21_614), Refused(BadRecipient)),
        (error(400, 21_212), Refused(BadSender)),
        (error(400, 21_606), Refused(BadSender)),
        (error(400, 21_703), Refused(BadSender)),
        (error(400, 21_602), Refused(BadContent)),
        (error(400, 21_617), Refused(BadContent)),
        (error(400, 21_656), Refused(BadContent)),
        (error(403, 21_408), Refused(NotAllowed)),
        (error(400, 21_608), Refused(NotAllowed)),
        (error(400, 63_016), Refused(WindowClosed)),
        (error(400, 10_001), Refused(OutOfMoney)),
        (error(403, 20_005), Refused(OutOfMoney)),
        (raw(402, ""), Refused(OutOfMoney)),
        (error(400, 21_609), Refused(Other)),
        (error(403, 21_999), Refused(Other)),
        (error(404, 20_404), Refused(Other)),
        (raw(400, "<html>"), Refused(Other)),
        (raw(302, ""), Refused(Other)),
        (error(400, 21_611), Later),
        (error(400, 20_429), Later),
        (error(429, 21_999), Later),
        (raw(429, ""), Later),
        (error(401, 20_003), Later),
        (error(403, 20_003), Later),
        (raw(401, ""), Later),
        (raw(403, "{}"), Later),
        (not_sent(), Later),
        (no_response(), Unclear),
        (raw(408, ""), Unclear),
        // A failed server may have sent the message, regardless of the code.
        (error(500, 21_610), Unclear),
        (error(503, 20_429), Unclear),
        (raw(502, "<html>"), Unclear),
        (raw(201, "no JSON"), Unclear),
        (raw(200, "{}"), Unclear),
        (raw(201, r#"{"sid":""}"#), Unclear),
    ] {
        let shown = format!("{reply:?}");
        let error = result(reply).await.expect_err(&shown);
        assert!(!error.to_string().contains("2025550143"), "{error}");
        let is = match error {
            MessageError::TryLater { .. } => Later,
            MessageError::Refused { failure, .. } => Refused(failure.reason),
            MessageError::Unclear { .. } => Unclear,
        };
        assert_eq!(is, expected, "{shown}");
    }
}

#[tokio::test]
async fn stated_pause_and_code_are_kept() {
    let mut busy = error(429, 20_429).expect("a response");
    busy.headers_mut()
        .insert("retry-after", http::HeaderValue::from_static("7"));
    let sent = result(Ok(busy)).await;
    assert!(
        matches!(
            sent,
            Err(MessageError::TryLater {
                retry_after: Some(7),
                ..
            })
        ),
        "{sent:?}"
    );
    let Err(error) = result(error(400, 21_610)).await else {
        panic!("refused")
    };
    assert_eq!(
        error.to_string(),
        "refused (the recipient opted out): status 400, code 21610: The 'To' number [number] is odd"
    );
}

#[tokio::test]
async fn lookup_needs_only_the_sid() {
    let failed = json!({ "sid": "SM1", "status": "failed", "error_code": 30_007, "direction": "outbound-api" });
    let provider = ScriptedProvider::new([
        raw(200, CREATED),
        json_response(200, &failed),
        json_response(200, &json!({ "sid": "SM1" })),
        json_response(200, &json!({ "status": "sent" })),
        error(404, 20_404),
    ]);
    let client = client(&provider);
    let record = client
        .message("SM00000000000000000000000000000b01")
        .await
        .expect("a message");
    assert_eq!(record.created_at, Timestamp::parse("2025-03-04T15:02:09Z"));
    assert_eq!(record.to.as_deref(), Some("+12025550143"));
    assert!(record.is_outbound);
    assert!(!format!("{record:?}").contains("order"));
    let failure = Failure {
        code: Some("30007".into()),
        reason: Blocked,
    };
    assert_eq!(
        client.message("SM1").await.expect("a message").status,
        MessageStatus::Failed(failure)
    );
    assert_eq!(
        client.message("SM1").await.expect("a message").status,
        MessageStatus::Unknown
    );
    assert!(client.message("SM1").await.expect_err("no sid").is_transient);
    assert!(client.message("SM1").await.expect_err("none").not_found);
    assert!(!client.message("..").await.expect_err("no id").is_transient);
    assert_eq!(provider.requests()[1], format!("GET {MESSAGES}/SM1.json"));
}

#[tokio::test]
async fn search_skips_what_it_cannot_read() {
    let page = json!({ "messages": [{ "sid": "SM1", "status": "sent" }, { "odd": 1 }, 7] });
    let provider = ScriptedProvider::new([json_response(200, &page), raw(200, "{}"), raw(503, "")]);
    let client = client(&provider);
    let found = client.messages_to("whatsapp:+12025550143").await.expect("messages");
    assert_eq!(
        found.iter().map(|record| record.sid.as_str()).collect::<Vec<_>>(),
        ["SM1"]
    );
    assert!(!found[0].is_outbound);
    let expected = format!("GET {MESSAGES}.json?To=whatsapp%3A%2B12025550143&PageSize=50");
    assert_eq!(provider.requests(), [expected]);
    for _ in 0..2 {
        assert!(
            client
                .messages_to("+12025550143")
                .await
                .expect_err("no list")
                .is_transient
        );
    }
}

fn report(body: &str) -> Result<StatusReport, InvalidMessageWebhook> {
    parse_report(&Form::parse(body.as_bytes()))
}

#[test]
fn status_callbacks_of_the_contract_are_parsed() {
    let expected = StatusReport {
        message_id: Some("SM00000000000000000000000000000b01".into()),
        status: MessageStatus::Undelivered(Failure {
            code: Some("30003".into()),
            reason: Unreachable,
        }),
        name: "undelivered".into(),
        part: String::new(),
        parts: 1,
    };
    assert_eq!(report(include_str!("../fixtures/message-status.form")), Ok(expected));
    let read = report(include_str!("../fixtures/message-read.form")).expect("a report");
    assert_eq!(read.status, MessageStatus::Read);
}

#[test]
fn every_status_is_mapped_and_an_unknown_one_says_nothing() {
    let failure = || Failure {
        code: None,
        reason: Other,
    };
    for (word, expected) in [
        ("accepted", MessageStatus::Queued),
        ("scheduled", MessageStatus::Queued),
        ("queued", MessageStatus::Queued),
        ("sending", MessageStatus::Queued),
        ("sent", MessageStatus::Sent),
        ("delivered", MessageStatus::Delivered),
        ("read", MessageStatus::Read),
        ("failed", MessageStatus::Failed(failure())),
        ("canceled", MessageStatus::Failed(failure())),
        ("undelivered", MessageStatus::Undelivered(failure())),
        ("partially_delivered", MessageStatus::Unknown),
        ("received", MessageStatus::Unknown),
        ("teleported", MessageStatus::Unknown),
    ] {
        let report = report(&format!("SmsStatus={word}")).expect(word);
        assert_eq!((report.status, report.name.as_str()), (expected, word));
    }
    for body in ["", "MessageSid=SM1", "MessageStatus=", "{}"] {
        assert_eq!(report(body), Err(InvalidMessageWebhook::NoStatus), "{body}");
    }
}

#[test]
fn every_documented_error_code_has_a_reason() {
    for (code, expected) in [
        ("30001", Overloaded),
        ("30002", OutOfMoney),
        ("30003", Unreachable),
        ("30004", Blocked),
        ("30005", BadRecipient),
        ("30006", BadRecipient),
        ("30007", Blocked),
        ("30008", Other),
        ("30034", NotAllowed),
        ("30036", Expired),
        ("21610", OptedOut),
        ("63001", NotAllowed),
        ("63003", BadRecipient),
        ("63005", BadContent),
        ("63007", BadSender),
        ("63013", BadContent),
        ("63015", NotAllowed),
        ("63016", WindowClosed),
        ("63018", Overloaded),
        ("63024", BadRecipient),
        ("63027", BadContent),
        ("63028", BadContent),
        ("63032", Blocked),
        ("63033", Blocked),
        ("63041", BadContent),
        ("63051", NotAllowed),
        ("99999", Other),
        (" 30003 ", Unreachable),
        ("-1", Other),
        ("oops", Other),
    ] {
        let body = format!("MessageStatus=undelivered&ErrorCode={code}");
        let status = report(&body).expect("a report").status;
        assert_eq!(status.failure().map(|failure| failure.reason), Some(expected), "{code}");
    }
    // A code on another status means nothing.
    assert_eq!(
        report("MessageStatus=delivered&ErrorCode=30003")
            .expect("a report")
            .status,
        MessageStatus::Delivered
    );
}

fn incoming(body: &str) -> Result<IncomingMessage, InvalidMessageWebhook> {
    parse_incoming(&Form::parse(body.as_bytes()))
}

#[test]
fn incoming_messages_of_the_contract_are_parsed() {
    let stop = incoming(include_str!("../fixtures/message-incoming-stop.form")).expect("a message");
    let expected = IncomingMessage {
        id: "SM00000000000000000000000000000c01".into(),
        from: number("+12025550143"),
        to: Some(number("+12025550100")),
        channel: Channel::Sms,
        text: "Stop".into(),
        media_count: 0,
        media_urls: Vec::new(),
        replied_to: None,
        handled_opt_out: Some(OptOutWord::Stop),
    };
    assert_eq!(stop, expected);
    let reply = incoming(include_str!("../fixtures/message-incoming-whatsapp.form")).expect("a message");
    let expected = IncomingMessage {
        id: "MM00000000000000000000000000000c02".into(),
        channel: Channel::WhatsApp,
        text: "Yes, that one".into(),
        media_count: 1,
        media_urls: vec!["https://api.example.org/media/1".into()],
        replied_to: Some("SM00000000000000000000000000000b02".into()),
        handled_opt_out: None,
        ..expected
    };
    assert_eq!(reply, expected);
    let printed = format!("{reply:?}");
    for private in ["that one", "555", "media/1"] {
        assert!(!printed.contains(private), "{printed}");
    }
}

#[test]
fn opt_out_is_the_providers_reading_or_ours() {
    let word = |fields: &str| {
        let message = incoming(&format!("MessageSid=SM1&From=%2B12025550143&{fields}")).expect("a message");
        (message.handled_opt_out, message.opt_out_word())
    };
    let stop = Some(OptOutWord::Stop);
    assert_eq!(word("Body=Stop+please"), (None, stop));
    assert_eq!(word("Body=Alto&OptOutType=STOP"), (stop, stop));
    assert_eq!(word("Body=Stop&OptOutType=PAUSE"), (None, stop));
    assert_eq!(word("Body=START&OptOutType=START").0, Some(OptOutWord::Start));
    assert_eq!(word("Body=HELP&OptOutType=HELP").0, Some(OptOutWord::Help));
    assert_eq!(word("Body=I+cannot+stop"), (None, None));
    assert_eq!(word(""), (None, None));
}

#[test]
fn hostile_incoming_message_is_cut_or_rejected() {
    let from = "From=%2B12025550143";
    let media: String = (0..50).fold(String::new(), |all, at| format!("{all}&MediaUrl{at}=u{at}"));
    let many = incoming(&format!("MessageSid=SM1&{from}&NumMedia=4294967295{media}")).expect("a message");
    assert_eq!((many.media_urls.len(), many.media_count), (10, u32::MAX));
    let odd = incoming(&format!(
        "SmsSid=SM1&{from}&NumMedia=-1&To=12345&MediaUrl0=u&OriginalRepliedMessageSid=a%00b"
    ));
    let odd = odd.expect("a message");
    assert_eq!(
        (odd.to, odd.media_count, odd.media_urls.len(), odd.replied_to),
        (None, 0, 0, None)
    );
    let long = "x".repeat(129);
    for (body, expected) in [
        (from.to_owned(), InvalidMessageWebhook::NoId),
        (format!("MessageSid=&{from}"), InvalidMessageWebhook::NoId),
        (format!("MessageSid=a+b&{from}"), InvalidMessageWebhook::NoId),
        (format!("MessageSid={long}&{from}"), InvalidMessageWebhook::NoId),
        ("MessageSid=SM1".into(), InvalidMessageWebhook::SenderIsNoNumber),
        (
            "MessageSid=SM1&From=12345".into(),
            InvalidMessageWebhook::SenderIsNoNumber,
        ),
        (
            "MessageSid=SM1&From=Example".into(),
            InvalidMessageWebhook::SenderIsNoNumber,
        ),
        (
            "MessageSid=SM1&From=rcs%3Aexample".into(),
            InvalidMessageWebhook::SenderIsNoNumber,
        ),
    ] {
        assert_eq!(incoming(&body), Err(expected), "{body}");
    }
}

proptest! {
    #[test]
    fn no_form_panics(body: Vec<u8>, text in "\\PC{0,200}") {
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let known = format!(
            "MessageSid=SM1&From=%2B12025550143&Body={encoded}&NumMedia={encoded}&OptOutType={encoded}\
             &MessageStatus=failed&ErrorCode={encoded}"
        );
        for body in [body, known.into_bytes(), encoded.into_bytes()] {
            let form = Form::parse(&body);
            let (report, message) = (parse_report(&form), parse_incoming(&form));
            if let Ok(report) = report {
                prop_assert!(report.name.chars().count() <= MAX_NAME_CHARS);
            }
            if let Ok(message) = message {
                prop_assert!(message.media_urls.len() <= 10);
            }
        }
    }

    #[test]
    fn no_response_panics(status in 200_u16..600, body: Vec<u8>, text in "\\PC{0,200}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let json = json!({ "code": text, "message": text, "sid": text, "status": text, "messages": [text] });
            for body in [body, json.to_string().into_bytes()] {
                let _ = result(raw(status, body.clone())).await;
                let provider = ScriptedProvider::new([raw(status, body.clone()), raw(status, body)]);
                let client = client(&provider);
                let _ = (client.message("SM1").await, client.messages_to("+12025550143").await);
            }
        });
    }
}
