//! Tests of the simulator through patchbay's own client, with a receiver in the role of patchbay.

use bytes::Bytes;
use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::config::Credentials;
use http::Method;
use patchbay::http::{Response, SendError};
use patchbay::partition::endpoint;
use patchbay::providers::ses::one_click::{self, OneClick};
use patchbay::providers::ses::{
    Automatic, BodyText, BounceCause, ConfigurationSet, DisplayName, Email as Outgoing, EmailAddress, EmailEvent,
    EmailStatus, Html, InboundEmail, MessageId, Occurrence, OptOutUrl, ReceivedEvent, Refusal, ReplyDomain, Sender,
    Ses as Client, SesError, Settings, Subject, SubjectForm, SuppressionReason, TagValue, Tags, read_events,
    read_inbound,
};

use super::*;
use crate::exchange::Outage;
use crate::rng::Rng;

const CUSTOMER: &str = "ana@example.net";
const EVENTS: &str = "https://hooks.example.org/ses/events/r1";
const BUTTON: &str = "https://hooks.example.org/ses/one-click/r1";

/// The receiver of events and clicks, in the role of patchbay.
#[derive(Clone, Default)]
struct Receiver {
    received: Arc<Mutex<Vec<Request>>>,
    /// The statuses of the next responses. Then it is 200.
    statuses: Arc<Mutex<Vec<u16>>>,
}

impl SendHttp for Receiver {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        self.received.lock().expect("a lock").push(request);
        let mut statuses = self.statuses.lock().expect("a lock");
        let status = if statuses.is_empty() { 200 } else { statuses.remove(0) };
        let mut response = Response::default();
        *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
        Box::pin(std::future::ready(Ok(response)))
    }
}

struct Post {
    ses: Ses,
    receiver: Receiver,
    clock: Clock,
    inbox: Arc<Mutex<Vec<Value>>>,
}

impl Post {
    fn new(habit: Habit) -> Self {
        Self::with(habit, Switches::default(), 7)
    }

    fn with(habit: Habit, switches: Switches, seed: u64) -> Self {
        let clock = Clock::starting_at(Timestamp::parse("2026-11-26T09:00:00Z").expect("a time"), 1.0);
        let (receiver, inbox) = (Receiver::default(), Arc::<Mutex<Vec<Value>>>::default());
        let ses = Ses::new(clock.clone(), switches, Mailboxes::new().with(CUSTOMER, habit), seed);
        ses.set_webhooks(HttpClient::new(receiver.clone()));
        ses.publish_to_url(EVENTS, EventShape::EventBridge);
        let mails = Arc::clone(&inbox);
        ses.receive_with(Arc::new(move |event| {
            mails.lock().expect("a lock").push(event);
            Box::pin(std::future::ready(true))
        }));
        Self {
            ses,
            receiver,
            clock,
            inbox,
        }
    }

    fn client_with(&self, secret: &str, region: &str) -> Client {
        let settings = Settings {
            region: region.to_owned(),
            endpoint: endpoint("email", region, false, false),
            credentials: Credentials::new(ACCESS_KEY, secret, Some("made-up-session".to_owned()), None, "test"),
            subject: SubjectForm::Utf8,
        };
        Client::new(HttpClient::new(self.ses.clone()), self.clock.clone(), settings)
    }

    fn client(&self) -> Client {
        self.client_with(SECRET_KEY, REGION)
    }

    async fn send(&self, attempt: u32) -> Result<MessageId, SesError> {
        self.client().send(&email(attempt)).await
    }

    async fn settle(&self) {
        while !self.ses.is_idle() {
            self.clock.sleep(Duration::from_secs(10)).await;
        }
        self.clock.sleep(Duration::from_mins(10)).await;
    }

    /// What was posted to a URL.
    fn posted(&self, url: &str) -> Vec<Request> {
        let received = self.receiver.received.lock().expect("a lock").clone();
        received.into_iter().filter(|request| *request.uri() == *url).collect()
    }

    /// The events, as patchbay reads them.
    fn events(&self) -> Vec<EmailEvent> {
        let bodies = self.posted(EVENTS).into_iter().map(Request::into_body);
        bodies.flat_map(|body| read(&body)).collect()
    }

    /// The outcome of the mail of an attempt.
    fn status(&self, attempt: u32) -> Option<EmailStatus> {
        let events = self.events().into_iter();
        events
            .filter(|event| event.tags.as_ref().is_some_and(|tags| tags.attempt == attempt))
            .filter_map(|event| EmailStatus::after(&event.what))
            .max()
    }

    /// The replies, as patchbay reads them.
    fn replies(&self) -> Vec<InboundEmail> {
        let domain = ReplyDomain::parse("in.example.org").expect("a domain");
        let inbox = self.inbox.lock().expect("a lock").clone();
        let events = inbox.into_iter();
        events
            .flat_map(|event| read_inbound(event.to_string().as_bytes(), &domain).expect("JSON"))
            .collect()
    }
}

fn read(body: &[u8]) -> Vec<EmailEvent> {
    let events = read_events(body).expect("JSON").into_iter();
    events
        .filter_map(|event| match event {
            ReceivedEvent::Email(event) => Some(*event),
            ReceivedEvent::Irrelevant { .. } => None,
        })
        .collect()
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect(text)
}

fn email(attempt: u32) -> Outgoing {
    let text = BodyText::new("Your parcel comes tomorrow.\nReply STOP to opt out.").expect("a text");
    Outgoing {
        from: Sender {
            name: DisplayName::new("Acme"),
            address: address("care@example.org"),
        },
        to: address(CUSTOMER),
        reply_to: address("r+01made-up.9f3c@in.example.org"),
        subject: Subject::new("Grüße").expect("a subject"),
        html: Some(Html::from_text(&text)),
        text,
        opt_out: Some(OptOutUrl::parse(BUTTON).expect("a URL")),
        tags: Tags {
            interaction: TagValue::parse("01MADEUP").expect("a tag"),
            attempt,
        },
        configuration_set: ConfigurationSet::parse(CONFIGURATION_SET).expect("a name"),
    }
}

fn class(result: &Result<MessageId, SesError>) -> &'static str {
    match result {
        Ok(_) => "sent",
        Err(SesError::Throttled { .. }) => "throttled",
        Err(SesError::Quota { .. }) => "quota",
        Err(SesError::Stopped { .. }) => "stopped",
        Err(SesError::NotSent { .. }) => "not sent",
        Err(SesError::Unclear { .. }) => "unclear",
        Err(SesError::Refused { reason, .. }) => match reason {
            Refusal::Content => "content",
            Refusal::Configuration => "configuration",
            Refusal::Request => "request",
        },
    }
}

/// The names of all fields, with those of nested objects.
fn names(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (name, inner) in value.as_object().into_iter().flatten() {
        names.insert(name.clone());
        names.extend(self::names(inner).into_iter().map(|inner| format!("{name}.{inner}")));
    }
    names
}

fn fixture(name: &str) -> Value {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/src/providers/ses/fixtures");
    let text = std::fs::read_to_string(root.join(format!("{name}.json"))).expect(name);
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test(start_paused = true)]
async fn mail_arrives_with_headers_tags_and_events() {
    let post = Post::new(Habit::arrives());
    let id = post.send(3).await.expect("sent");
    post.settle().await;
    let sent = post.ses.emails().remove(0);
    assert_eq!(sent.id, id.as_str());
    assert_eq!(
        (sent.to.clone(), sent.subject.as_str()),
        (vec![CUSTOMER.to_owned()], "Grüße")
    );
    assert_eq!(sent.header("list-unsubscribe-post"), Some("List-Unsubscribe=One-Click"));
    assert_eq!(sent.one_click_url(), Some(BUTTON));
    let tags = [("attempt", "3"), ("interaction", "01MADEUP")];
    assert_eq!(
        sent.tags,
        tags.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    );
    let events = post.events();
    assert_eq!(events.len(), 2);
    for event in &events {
        assert_eq!(event.message, id);
        assert_eq!(event.recipient.as_ref().map(EmailAddress::as_str), Some(CUSTOMER));
        assert_eq!(event.tags, Some(email(3).tags));
    }
    assert_eq!(
        (&events[0].what, &events[1].what),
        (&Occurrence::Sent, &Occurrence::Delivered)
    );
    assert_eq!(
        events[1].at.map(|at| at.since(events[0].at.expect("a time"))),
        Some(Duration::from_millis(3_380))
    );
    assert_eq!(post.ses.unexpected(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn events_have_the_fields_of_the_contract() {
    for (habit, name, kind) in [
        (Habit::arrives(), "send", "Send"),
        (Habit::arrives(), "delivery", "Delivery"),
        (Habit::arrives().delayed(60), "delivery-delay", "DeliveryDelay"),
        (Habit::bounces(), "bounce-permanent", "Bounce"),
        (Habit::complains(60), "complaint", "Complaint"),
        (Habit::only(Fate::Rejected), "reject", "Reject"),
    ] {
        let post = Post::new(habit);
        post.send(2).await.expect("sent");
        post.settle().await;
        let publications = post.ses.publications();
        let published = publications.iter().find(|publication| publication.kind == kind);
        let published = &published.expect(name).body;
        assert_eq!(names(&published["detail"]), names(&fixture(name)), "{name}");
        if name == "delivery" {
            assert_eq!(names(published), names(&fixture("event-bridge")));
            assert_eq!(published["detail-type"], "Email Delivered");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn events_mean_the_same_in_every_shape() {
    let mut all = Vec::new();
    for shape in [
        EventShape::SnsMessage,
        EventShape::SnsInvocation,
        EventShape::EventBridge,
    ] {
        let post = Post::new(Habit::complains(5));
        post.ses.publish_to_url(EVENTS, shape);
        post.send(1).await.expect("sent");
        post.settle().await;
        let what: Vec<Occurrence> = post.events().into_iter().map(|event| event.what).collect();
        assert_eq!(what.len(), 3, "{shape:?}");
        all.push(what);
    }
    assert!(all[0] == all[1] && all[1] == all[2]);
}

#[tokio::test(start_paused = true)]
async fn function_is_invoked_with_events_until_it_succeeds() {
    let post = Post::new(Habit::arrives());
    let calls = Arc::<Mutex<Vec<Value>>>::default();
    let seen = Arc::clone(&calls);
    let invoke: Invoke = Arc::new(move |event| {
        let mut calls = seen.lock().expect("a lock");
        calls.push(event);
        let is_first = calls.len() == 1;
        Box::pin(std::future::ready(!is_first))
    });
    post.ses.publish_to(EventShape::SnsInvocation, invoke);
    post.send(1).await.expect("sent");
    post.settle().await;
    let calls = calls.lock().expect("a lock").clone();
    let keys: Vec<String> = calls
        .iter()
        .flat_map(|event| read(event.to_string().as_bytes()))
        .map(|event| event.key)
        .collect();
    assert_eq!(keys.len(), 3, "Send failed once");
    assert_eq!(
        names(&calls[0]["Records"][0]),
        names(&{
            let mut expected = fixture("sns")["Records"][0].clone();
            expected["Sns"]
                .as_object_mut()
                .expect("an object")
                .remove("MessageAttributes");
            expected
        })
    );
    assert_eq!(keys[0], keys[2], "the same event again");
}

#[tokio::test(start_paused = true)]
async fn every_habit_has_its_outcome() {
    for (habit, expected) in [
        (Habit::bounces(), EmailStatus::HardBounced),
        (Habit::is_full(), EmailStatus::SoftBounced),
        (Habit::only(Fate::Rejected), EmailStatus::Failed),
        (Habit::only(Fate::Vanishes), EmailStatus::Sent),
        (Habit::arrives().delayed(60), EmailStatus::Delivered),
        (Habit::complains(60), EmailStatus::Complained),
    ] {
        let post = Post::new(habit.clone());
        post.send(1).await.expect("sent");
        post.settle().await;
        assert_eq!(post.status(1), Some(expected), "{habit:?}");
    }
    let late_bounce = Habit {
        bounces_after: Some(Duration::from_mins(1)),
        ..Habit::arrives()
    };
    let post = Post::new(late_bounce);
    post.send(1).await.expect("sent");
    post.settle().await;
    assert_eq!(post.events().len(), 3);
    assert_eq!(post.status(1), Some(EmailStatus::Delivered));
}

#[tokio::test(start_paused = true)]
async fn bounced_address_is_suppressed_until_it_is_taken_off_the_list() {
    let post = Post::new(Habit::bounces());
    post.send(1).await.expect("sent");
    post.settle().await;
    let ses = post.client();
    assert_eq!(
        ses.suppression(&address("Ana@example.net")).await,
        Ok(Some(SuppressionReason::Bounce))
    );
    post.ses
        .change_mailboxes(|mailboxes| mailboxes.set(CUSTOMER, Habit::arrives()));
    post.send(2).await.expect("accepted nevertheless");
    post.settle().await;
    let bounce = post.events().pop().expect("an event");
    assert!(matches!(bounce.what, Occurrence::Bounced(bounce) if bounce.cause == BounceCause::Suppressed));
    assert_eq!(ses.unsuppress(&address(CUSTOMER)).await, Ok(()));
    assert_eq!(ses.unsuppress(&address(CUSTOMER)).await, Ok(()));
    assert_eq!(ses.suppression(&address(CUSTOMER)).await, Ok(None));
    post.send(3).await.expect("sent");
    post.settle().await;
    assert_eq!(post.status(3), Some(EmailStatus::Delivered));
    assert_eq!(
        ses.suppress(&address("bob@example.net"), SuppressionReason::Complaint)
            .await,
        Ok(())
    );
    assert_eq!(post.ses.suppressed(), ["bob@example.net"]);
}

#[tokio::test(start_paused = true)]
async fn only_requests_with_a_valid_signature_are_answered() {
    let post = Post::new(Habit::arrives());
    for (secret, region) in [("another-secret", REGION), (SECRET_KEY, "us-east-1")] {
        let client = post.client_with(secret, region);
        assert_eq!(class(&client.send(&email(1)).await), "configuration", "{region}");
        assert!(client.account().await.is_err());
    }
    let request = http::Request::get("https://email.example.org/v2/email/account").body(Bytes::default());
    let response = post.ses.respond(request.expect("a request")).await.expect("a response");
    assert_eq!(response.status().as_u16(), 403);
    assert!(post.client().account().await.is_ok());
    assert_eq!(post.ses.emails(), []);
}

/// Changes a request after it was signed.
struct Tampering(Ses);

impl SendHttp for Tampering {
    fn send(&self, mut request: Request) -> ResponseFuture<'_> {
        let body = String::from_utf8(request.body().to_vec()).expect("UTF-8");
        *request.body_mut() = body.replace(CUSTOMER, "bob@example.net").into();
        self.0.send(request)
    }
}

#[tokio::test(start_paused = true)]
async fn changed_body_or_an_old_signature_is_refused() {
    let post = Post::new(Habit::arrives());
    let settings = |clock: Clock, http: HttpClient| {
        let settings = Settings {
            region: REGION.to_owned(),
            endpoint: endpoint("email", REGION, false, false),
            credentials: Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"),
            subject: SubjectForm::Utf8,
        };
        Client::new(http, clock, settings)
    };
    let tampering = HttpClient::new(Tampering(post.ses.clone()));
    assert_eq!(
        class(&settings(post.clock.clone(), tampering).send(&email(1)).await),
        "configuration"
    );
    let plain = || HttpClient::new(post.ses.clone());
    let late = post.clock.ahead_by(-6 * 60 * 1000);
    assert_eq!(class(&settings(late, plain()).send(&email(1)).await), "configuration");
    let skewed = post.clock.ahead_by(60 * 1000);
    assert_eq!(class(&settings(skewed, plain()).send(&email(1)).await), "sent");
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_a_send_has_its_class_and_its_effect() {
    use SendFault::{
        ContentRejected, EventFirst, InternalError, MailFromNotVerified, Malformed, NoAnswer, NotSent, Paused,
        QuotaUsedUp, Suspended, Throttled, Unavailable,
    };
    for (fault, expected, count) in [
        (Throttled, "throttled", 0),
        (QuotaUsedUp, "quota", 0),
        (ContentRejected, "content", 0),
        (Paused, "stopped", 0),
        (Suspended, "stopped", 0),
        (MailFromNotVerified, "configuration", 0),
        (InternalError { sent: true }, "unclear", 1),
        (InternalError { sent: false }, "unclear", 0),
        (Unavailable { sent: true }, "unclear", 1),
        (Unavailable { sent: false }, "unclear", 0),
        (NoAnswer { sent: true }, "unclear", 1),
        (NoAnswer { sent: false }, "unclear", 0),
        (NotSent, "not sent", 0),
        (Malformed, "unclear", 1),
        (EventFirst, "sent", 1),
    ] {
        let post = Post::new(Habit::arrives());
        post.ses.fail_next_send(fault);
        assert_eq!(class(&post.send(1).await), expected, "{fault:?}");
        assert_eq!(post.ses.emails().len(), count, "{fault:?}");
        if fault == EventFirst {
            assert_eq!(post.status(1), Some(EmailStatus::Delivered), "before the answer");
        }
        post.settle().await;
        let is_delivered = post.status(1) == Some(EmailStatus::Delivered);
        assert_eq!(is_delivered, count == 1, "its events prove that it was sent");
        assert_eq!(class(&post.send(2).await), "sent", "only one request fails");
    }
}

#[tokio::test(start_paused = true)]
async fn both_forms_of_both_limits_are_read() {
    for (quota_error, rate_error) in [
        (QuotaError::TooManyRequests, RateError::TooManyRequests),
        (QuotaError::LimitExceeded, RateError::Throttling),
    ] {
        let switches = Switches {
            per_24_hours: 3,
            per_second: 2,
            quota_error,
            rate_error,
            response_time: Duration::from_millis(1),
            ..Switches::default()
        };
        let post = Post::with(Habit::arrives(), switches, 1);
        let mut classes = Vec::new();
        for attempt in 1..=3 {
            classes.push(class(&post.send(attempt).await));
        }
        assert_eq!(classes, ["sent", "sent", "throttled"]);
        post.clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(class(&post.send(4).await), "sent");
        assert_eq!(class(&post.send(5).await), "quota");
        let quota = post
            .client()
            .account()
            .await
            .expect("an account")
            .quota
            .expect("a quota");
        assert_eq!((quota.per_24_hours, quota.sent), (Some(3.0), 3.0));
        post.clock.sleep(Duration::from_hours(24)).await;
        assert_eq!(class(&post.send(6).await), "sent");
    }
}

#[tokio::test(start_paused = true)]
async fn account_sends_only_what_is_verified_and_set_up() {
    let sandbox = Switches {
        sandbox: true,
        ..Switches::default()
    };
    let post = Post::with(Habit::arrives(), sandbox, 1);
    assert_eq!(class(&post.send(1).await), "configuration", "the recipient");
    post.ses.verify(CUSTOMER);
    assert_eq!(class(&post.send(1).await), "sent");
    assert_eq!(
        post.client().account().await.expect("an account").production_access,
        Some(false)
    );
    assert!(
        post.client()
            .suppress(&address(CUSTOMER), SuppressionReason::Bounce)
            .await
            .is_err()
    );

    let post = Post::new(Habit::arrives());
    let mut other = email(1);
    other.from.address = address("care@example.com");
    assert_eq!(class(&post.client().send(&other).await), "configuration", "the sender");
    let mut other = email(1);
    other.configuration_set = ConfigurationSet::parse("other").expect("a name");
    assert_eq!(class(&post.client().send(&other).await), "configuration", "the set");
    post.ses.add_configuration_set("other");
    assert_eq!(class(&post.client().send(&other).await), "sent");
}

#[test]
fn hostile_requests_are_refused_or_noticed() {
    let base = serde_json::json!({
        "FromEmailAddress": "care@example.org",
        "Destination": { "ToAddresses": [CUSTOMER] },
        "ReplyToAddresses": ["r@in.example.org"],
        "Content": { "Simple": {
            "Subject": { "Data": "Hi", "Charset": "UTF-8" },
            "Body": { "Text": { "Data": "Hi", "Charset": "UTF-8" } },
            "Headers": [{ "Name": "X-A", "Value": "b" }],
        } },
        "EmailTags": [{ "Name": "a", "Value": "b" }],
    });
    let read = |pointer: &str, value: Value| {
        let mut body = base.clone();
        *body.pointer_mut(pointer).expect(pointer) = value;
        request::read(body.to_string().as_bytes())
    };
    assert!(
        read("/FromEmailAddress", "care@example.org".into())
            .expect("valid")
            .remarks
            .is_empty()
    );
    let header = |name: &str, value: &str| serde_json::json!([{ "Name": name, "Value": value }]);
    for (pointer, value) in [
        ("/FromEmailAddress", Value::Null),
        ("/Destination/ToAddresses", serde_json::json!([])),
        ("/Destination/ToAddresses", serde_json::json!([CUSTOMER, 5])),
        ("/Destination/ToAddresses", serde_json::json!(vec![CUSTOMER; 51])),
        ("/Destination/ToAddresses/0", "ana@example.net, bob@example.net".into()),
        (
            "/Destination/ToAddresses/0",
            "ana@example.net\nBcc: bob@example.net".into(),
        ),
        ("/Destination/ToAddresses/0", "änä@example.net".into()),
        ("/ReplyToAddresses/0", "ana".into()),
        ("/Content/Simple/Subject", Value::Null),
        ("/Content/Simple/Body/Text", Value::Null),
        ("/Content/Simple/Headers", header("X-A", "b\r\nBcc: bob@example.net")),
        ("/Content/Simple/Headers", header("X:A", "b")),
        ("/Content/Simple/Headers", header("X-A", "ü")),
        ("/Content/Simple/Headers", header("X-A", &"b".repeat(994))),
        (
            "/Content/Simple/Headers",
            serde_json::json!(vec![header("X-A", "b")[0].clone(); 16]),
        ),
        ("/EmailTags", header("a b", "c")),
        ("/EmailTags", header("a", &"b".repeat(257))),
    ] {
        assert!(read(pointer, value.clone()).is_err(), "{pointer} {value}");
    }
    for (pointer, value) in [
        ("/Content/Simple/Subject/Data", "Hi\nBcc: bob@example.net".into()),
        ("/Content/Simple/Subject/Charset", Value::Null),
        ("/Content/Simple/Headers", header("Subject", "x")),
        (
            "/Content/Simple/Headers",
            header("List-Unsubscribe", "<https://hooks.example.org/>"),
        ),
        (
            "/Destination",
            serde_json::json!({ "ToAddresses": [CUSTOMER], "CcAddresses": [CUSTOMER] }),
        ),
    ] {
        assert!(
            !read(pointer, value.clone()).expect(pointer).remarks.is_empty(),
            "{pointer} {value}"
        );
    }
    assert!(request::read(b"[]").is_err() && request::read(b"\xff").is_err());
}

#[tokio::test(start_paused = true)]
async fn opt_out_button_is_posted_in_both_forms_and_scanners_only_fetch() {
    for one_click in [OneClickForm::UrlEncoded, OneClickForm::Multipart] {
        let switches = Switches {
            one_click,
            ..Switches::default()
        };
        let post = Post::with(Habit::opts_out(60).scanned(), switches, 1);
        post.send(1).await.expect("sent");
        post.settle().await;
        let requests = post.posted(BUTTON);
        let decided: Vec<OneClick> = requests
            .iter()
            .map(|request| one_click::decide(request.method(), request.body()))
            .collect();
        assert_eq!(decided, [OneClick::ShowPage, OneClick::Stop], "{one_click:?}");
        assert_eq!(requests[0].method(), Method::GET);
        post.ses
            .change_mailboxes(|mailboxes| mailboxes.set(CUSTOMER, Habit::arrives()));
        post.send(2).await.expect("sent");
        assert_eq!(post.ses.audit().after_opt_out(Duration::ZERO).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn opt_out_that_nobody_accepted_is_not_known() {
    for status in [302, 404, 500] {
        let post = Post::new(Habit::opts_out(60));
        // Two events come first.
        *post.receiver.statuses.lock().expect("a lock") = vec![200, 200, status];
        post.send(1).await.expect("sent");
        post.settle().await;
        post.send(2).await.expect("sent");
        let audit = post.ses.audit();
        assert_eq!(audit.opt_outs.len(), 1);
        assert!(audit.after_opt_out(Duration::ZERO).is_empty(), "{status}");
        assert_eq!(post.ses.clicks()[0].answer, Some(status));
    }
}

#[tokio::test(start_paused = true)]
async fn mail_without_both_headers_has_no_button() {
    let post = Post::new(Habit::opts_out(60).scanned());
    let mut plain = email(1);
    plain.opt_out = None;
    post.client().send(&plain).await.expect("sent");
    post.settle().await;
    assert_eq!(post.ses.clicks(), []);
}

#[tokio::test(start_paused = true)]
async fn complaint_is_an_opt_out_unless_it_is_none() {
    for (feedback_type, expected) in [("abuse", 1), ("not-spam", 0)] {
        let habit = Habit {
            complains: Some((Duration::from_mins(1), feedback_type)),
            ..Habit::arrives()
        };
        let post = Post::new(habit);
        post.send(1).await.expect("sent");
        post.settle().await;
        post.send(2).await.expect("sent");
        assert_eq!(post.ses.audit().after_opt_out(Duration::ZERO).len(), expected);
        assert_eq!(post.ses.suppressed().len(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn replies_come_in_with_the_reference() {
    let habit = Habit::replies("Thank you", 60).and(Reply::out_of_office(1));
    let post = Post::new(habit);
    let id = post.send(1).await.expect("sent");
    post.settle().await;
    let replies = post.replies();
    assert_eq!(replies.len(), 2);
    assert_eq!(replies[0].automatic, Some(Automatic::AutoSubmitted));
    assert_eq!(
        (replies[1].automatic, replies[1].verdicts.proves_sender()),
        (None, true)
    );
    assert_eq!(replies[1].references, ["01made-up.9f3c"]);
    assert_eq!(replies[1].from.as_ref().map(EmailAddress::as_str), Some(CUSTOMER));
    assert_eq!(replies[1].subject.as_ref().map(Subject::as_str), Some("Re: Grüße"));
    let mails = post.ses.mails();
    assert_eq!(replies[1].message.as_str(), mails[1].id);
    assert!(mails[1].raw.contains("\r\n\r\nThank you\r\n") && mails[1].raw.contains("> Your parcel"));
    assert!(mails[1].raw.contains(id.as_str()), "it names the mail that it answers");
    let expected: BTreeSet<String> = names(&fixture("inbound")["Records"][0]).into_iter().collect();
    let event = names(&mails[1].event["Records"][0]);
    let missing: Vec<&String> = expected.difference(&event).collect();
    assert_eq!(missing, ["ses.receipt.action.functionArn"]);
}

#[tokio::test(start_paused = true)]
async fn stop_in_a_reply_is_known_once_it_was_accepted() {
    let post = Post::new(Habit::arrives().and(Reply::stop(60)));
    post.send(1).await.expect("sent");
    post.settle().await;
    post.send(2).await.expect("sent");
    assert_eq!(post.ses.audit().after_opt_out(Duration::ZERO).len(), 1);
    assert!(post.ses.mails()[0].opts_out);
}

#[tokio::test(start_paused = true)]
async fn audit_counts_the_mails_of_each_attempt() {
    let post = Post::new(Habit::arrives());
    for attempt in [1, 2, 2] {
        post.send(attempt).await.expect("sent");
    }
    let audit = post.ses.audit();
    assert_eq!(audit.attempts().len(), 2);
    assert_eq!(audit.sent_twice(), ["attempt=2,interaction=01MADEUP"]);
    assert!(audit.without_attempt().is_empty());
    assert_eq!(
        audit
            .outside_hours(|_, at| at.time_of_day().as_str() >= "10:00:00")
            .len(),
        3
    );
    assert!(audit.outside_hours(|to, _| to == CUSTOMER).is_empty());
}

#[tokio::test(start_paused = true)]
async fn events_are_lost_duplicated_and_swapped() {
    let post = Post::new(Habit::arrives());
    post.ses.fail_next_event("Delivery", WebhookFault::LoseForGood);
    post.send(1).await.expect("sent");
    post.settle().await;
    assert_eq!(post.status(1), Some(EmailStatus::Sent));
    post.ses
        .fail_next_event("Delivery", WebhookFault::Duplicate(Duration::from_secs(5)));
    post.ses.fail_next_event("Send", WebhookFault::Reorder);
    post.send(2).await.expect("sent");
    post.settle().await;
    let events: Vec<EmailEvent> = post.events().into_iter().skip(1).collect();
    let what: Vec<&Occurrence> = events.iter().map(|event| &event.what).collect();
    assert_eq!(
        what,
        [&Occurrence::Delivered, &Occurrence::Delivered, &Occurrence::Sent]
    );
    assert_eq!(events[0].key, events[1].key);
    post.ses.fail_next_event("Delivery", WebhookFault::Lose);
    post.send(3).await.expect("sent");
    post.settle().await;
    assert_eq!(post.status(3), Some(EmailStatus::Delivered), "it is repeated");
}

#[tokio::test(start_paused = true)]
async fn event_is_repeated_when_patchbay_fails() {
    let post = Post::new(Habit::arrives());
    *post.receiver.statuses.lock().expect("a lock") = vec![500];
    post.send(1).await.expect("sent");
    post.settle().await;
    assert_eq!(post.events().len(), 3);
    let accepted: Vec<bool> = post.ses.publications().iter().map(|one| one.is_accepted).collect();
    assert_eq!(accepted, [false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn mail_to_an_unknown_address_is_unexpected() {
    let post = Post::new(Habit::arrives());
    post.ses.change_mailboxes(|mailboxes| *mailboxes = Mailboxes::new());
    post.send(1).await.expect("sent");
    post.settle().await;
    assert_eq!(post.ses.unexpected(), [format!("mail to {CUSTOMER}")]);
}

#[tokio::test(start_paused = true)]
async fn outage_has_no_effect() {
    for outage in [Outage::Errors, Outage::Hangs] {
        let post = Post::new(Habit::arrives());
        post.ses.change_faults(|faults| faults.outage = Some(outage));
        assert_eq!(class(&post.send(1).await), "unclear");
        assert_eq!(post.ses.emails(), []);
        post.ses.change_faults(|faults| faults.outage = None);
        assert_eq!(class(&post.send(1).await), "sent");
    }
}

async fn simulate(seed: u64) -> (Vec<Email>, Vec<Publication>) {
    let mut rng = Rng::new(seed);
    let post = Post::with(Habit::random(&mut rng), Switches::random(&mut rng), seed);
    let faults = Faults::random(&mut rng, 0.2);
    post.ses.change_faults(|now| *now = faults);
    for attempt in 1..=8 {
        let habit = Habit::random(&mut rng);
        post.ses.change_mailboxes(|mailboxes| mailboxes.set(CUSTOMER, habit));
        let sent = post.send(attempt).await;
        let count = post
            .ses
            .emails()
            .iter()
            .filter(|email| email.tags["attempt"] == attempt.to_string())
            .count();
        match class(&sent) {
            "sent" => assert_eq!(count, 1, "{seed}"),
            "unclear" => assert!(count <= 1, "{seed}"),
            _ => assert_eq!(count, 0, "{seed} {sent:?}"),
        }
        post.clock.sleep(Duration::from_mins(2)).await;
    }
    post.settle().await;
    assert!(post.ses.audit().sent_twice().is_empty());
    assert!(
        post.ses
            .emails()
            .iter()
            .all(|email| email.events.first().is_some_and(|(_, kind)| *kind == "Send"))
    );
    (post.ses.emails(), post.ses.publications())
}

#[tokio::test(start_paused = true)]
async fn every_seed_ends_and_replays() {
    for seed in 0..40 {
        simulate(seed).await;
    }
    assert_eq!(simulate(3).await, simulate(3).await);
    assert_ne!(simulate(3).await.0, simulate(4).await.0);
}

#[tokio::test(start_paused = true)]
async fn response_is_lost_only_where_the_fault_says_so() {
    let post = Post::new(Habit::arrives());
    post.ses.fail_next_send(SendFault::NotSent);
    let request = http::Request::post("https://email.example.org/v2/email/outbound-emails").body(Bytes::default());
    let sent = post.ses.respond(request.expect("a request")).await;
    assert!(matches!(sent, Err(SendError::NotSent(_))));
    assert_eq!(post.ses.requests(), [], "it did not arrive");
}
