//! The neutral interface over both providers.

use serde_json::{Value, json};

use super::*;
use crate::providers::testing::{ScriptedProvider, any_token, json_response, raw};
use crate::providers::twilio::calls::Credentials;
use crate::secret::Secret;

const TEXT: &str = "Your order is ready.";
const SENT_AT: &str = "2025-03-04T15:02:09Z";

fn twilio(provider: &ScriptedProvider) -> Account {
    let secret = Secret::new("AC00000000000000000000000000000001:made-up-token");
    let credentials = Credentials::parse("NAME", &secret).expect("valid credentials");
    Account::Twilio(Twilio::new(provider.http(), &credentials, "https://api.twilio.com"))
}

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::from_e164(text).expect("a number")
}

/// What is sent from `from` in all tests.
struct Sample {
    from: Sender,
    to: PhoneNumber,
    content: Content,
}

impl Sample {
    fn from(channel: Channel, sender: &str) -> Self {
        Self {
            from: Sender::parse(channel, sender).expect("a sender"),
            to: number("+12025550143"),
            content: Content::Text(TEXT.to_owned()),
        }
    }

    fn message(&self) -> OutgoingMessage<'_> {
        OutgoingMessage {
            from: &self.from,
            to: &self.to,
            content: &self.content,
            status_url: "https://hooks.example.org/s/r1".to_owned(),
            validity_seconds: None,
        }
    }
}

#[tokio::test]
async fn both_accounts_send_and_only_twilio_gets_the_retry_fragment() {
    let sample = Sample::from(Channel::Sms, "+12025550100");
    let provider = ScriptedProvider::new([any_token(), json_response(200, &json!({ "trackingId": "t-1" }))]);
    let sent = Account::Routee(provider.routee())
        .send(&sample.message())
        .await
        .expect("sent");
    assert_eq!(sent.id, "t-1");
    let url = &provider.bodies()[1]["callback"]["url"];
    assert_eq!(url, "https://hooks.example.org/s/r1");

    let provider = ScriptedProvider::new([json_response(201, &json!({ "sid": "SM1", "status": "queued" }))]);
    let sent = twilio(&provider).send(&sample.message()).await.expect("sent");
    assert_eq!(sent.id, "SM1");
    let encoded: String = url::form_urlencoded::byte_serialize(RETRY_FRAGMENT.as_bytes()).collect();
    assert!(
        provider.body_texts()[0].contains(&encoded),
        "{:?}",
        provider.body_texts()
    );
}

#[tokio::test]
async fn lookup_tells_unknown_messages_from_failed_lookups() {
    let provider = ScriptedProvider::new([
        json_response(200, &json!({ "sid": "SM1", "status": "delivered" })),
        raw(404, ""),
        raw(500, ""),
    ]);
    let account = twilio(&provider);
    assert_eq!(account.look_up("SM1").await, Ok(Some(MessageStatus::Delivered)));
    assert_eq!(account.look_up("SM1").await, Ok(None));
    assert!(account.look_up("SM1").await.expect_err("failed").is_transient);

    let status = json!({ "status": { "status": "Sent" } });
    let provider = ScriptedProvider::new([any_token(), json_response(200, &status), raw(404, ""), raw(400, "")]);
    let account = Account::Routee(provider.routee());
    assert_eq!(account.look_up("t-1").await, Ok(Some(MessageStatus::Sent)));
    assert_eq!(account.look_up("t-1").await, Ok(None));
    assert!(!account.look_up("t-1").await.expect_err("refused").is_transient);
}

/// A message as Twilio lists it; `changes` replace its fields.
fn listed(sid: &str, changes: &Value) -> Value {
    let mut message = json!({
        "sid": sid, "status": "sent", "direction": "outbound-api", "to": "+12025550143", "from": "+12025550100",
        "body": TEXT, "date_created": "Tue, 04 Mar 2025 15:02:09 +0000",
    });
    if let (Value::Object(fields), Value::Object(changes)) = (&mut message, changes) {
        fields.extend(changes.clone());
    }
    message
}

/// Searches among `messages` from 10 s before to 10 s after [`SENT_AT`], while `known` belongs to another message.
async fn find(sample: &Sample, messages: &[Value], known: &str) -> Option<String> {
    let provider = ScriptedProvider::new([json_response(200, &json!({ "messages": messages }))]);
    let at = Timestamp::parse(SENT_AT).expect("a time");
    let (from, until) = (at.plus_millis(-10_000), at.plus_millis(10_000));
    let found = twilio(&provider)
        .find_unclear(&sample.message(), from, until, |id| id == known)
        .await;
    assert!(provider.is_done());
    found.expect("a search").map(|sent| sent.id)
}

#[tokio::test]
async fn only_one_candidate_is_found() {
    let sample = Sample::from(Channel::Sms, "+12025550100");
    let same = json!({});
    assert_eq!(find(&sample, &[], "").await, None);
    assert_eq!(find(&sample, &[listed("SM1", &same)], "").await.as_deref(), Some("SM1"));
    assert_eq!(find(&sample, &[listed("SM1", &same)], "SM1").await, None);
    let two = [listed("SM1", &same), listed("SM2", &same)];
    assert_eq!(find(&sample, &two, "").await, None);
    assert_eq!(find(&sample, &two, "SM1").await.as_deref(), Some("SM2"));
}

#[tokio::test]
async fn other_messages_are_no_candidates() {
    let sample = Sample::from(Channel::Sms, "+12025550100");
    for other in [
        json!({ "body": "Your order is late." }),
        json!({ "body": null }),
        json!({ "to": "+12025550144" }),
        json!({ "to": "whatsapp:+12025550143" }),
        json!({ "from": "+12025550101" }),
        json!({ "from": null }),
        json!({ "direction": "inbound" }),
        json!({ "direction": null }),
        json!({ "date_created": null }),
        json!({ "date_created": "Tue, 04 Mar 2025 15:01:43 +0000" }),
        json!({ "date_created": "Tue, 04 Mar 2025 15:02:35 +0000" }),
    ] {
        assert_eq!(find(&sample, &[listed("SM1", &other)], "").await, None, "{other}");
    }
    let behind = json!({ "date_created": "Tue, 04 Mar 2025 15:01:44 +0000" });
    assert!(find(&sample, &[listed("SM1", &behind)], "").await.is_some());
    let service = Sample::from(Channel::Sms, "MG00000000000000000000000000000001");
    assert!(
        find(&service, &[listed("SM1", &json!({ "from": null }))], "")
            .await
            .is_some()
    );
    let whatsapp = Sample::from(Channel::WhatsApp, "+12025550100");
    assert_eq!(find(&whatsapp, &[listed("SM1", &json!({}))], "").await, None);
    let addresses = json!({ "to": "whatsapp:+12025550143", "from": "whatsapp:+12025550100" });
    assert!(find(&whatsapp, &[listed("SM1", &addresses)], "").await.is_some());
}

#[tokio::test]
async fn nothing_is_searched_for_routee_and_templates() {
    let at = Timestamp::parse(SENT_AT).expect("a time");
    let nothing = ScriptedProvider::new([]);
    let mut sample = Sample::from(Channel::Sms, "+12025550100");
    let routee = Account::Routee(nothing.routee());
    assert_eq!(
        routee.find_unclear(&sample.message(), at, at, |_| false).await,
        Ok(None)
    );
    sample.content = Content::Template {
        id: "HX0000000000000000000000000000000a".parse().expect("a template"),
        variables: [].into(),
    };
    let found = twilio(&nothing)
        .find_unclear(&sample.message(), at, at, |_| false)
        .await;
    assert_eq!(found, Ok(None));
}

#[test]
fn webhooks_are_parsed_in_the_format_of_their_provider() {
    let form = include_bytes!("../providers/twilio/fixtures/message-status.form");
    let json = include_bytes!("../providers/routee/fixtures/sms-status.json");
    let status = |provider, body| status_report(provider, body).map(|report| report.name);
    assert_eq!(status(Provider::Twilio, form).as_deref(), Ok("undelivered"));
    assert_eq!(status(Provider::Routee, json).as_deref(), Ok("Undelivered"));
    assert_eq!(status(Provider::Twilio, json), Err(InvalidMessageWebhook::NoStatus));
    assert_eq!(status(Provider::Routee, form), Err(InvalidMessageWebhook::NotAnObject));

    let form = include_bytes!("../providers/twilio/fixtures/message-incoming-stop.form");
    let json = include_bytes!("../providers/routee/fixtures/sms-incoming.json");
    let text = |provider, body| incoming_message(provider, body).map(|message| message.text);
    assert_eq!(text(Provider::Twilio, form).as_deref(), Ok("Stop"));
    assert_eq!(text(Provider::Routee, json).as_deref(), Ok("Please stop texting me"));
    assert_eq!(text(Provider::Twilio, json), Err(InvalidMessageWebhook::NoId));
    assert_eq!(text(Provider::Routee, form), Err(InvalidMessageWebhook::NotAnObject));
}

#[test]
fn debug_output_shows_no_text() {
    let sample = Sample::from(Channel::Sms, "+12025550100");
    let printed = format!("{:?}", sample.message());
    assert!(!printed.contains("order") && !printed.contains("5550143"), "{printed}");
}
