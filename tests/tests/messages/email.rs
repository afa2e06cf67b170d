//! Events of Amazon SES about e-mails.

use patchbay::function::NotStored;
use patchbay::ids::{InteractionId, InteractionKey, Nonce};
use patchbay::interaction::Progress;
use patchbay::outreach::email_tags;
use patchbay::providers::ses::EmailAddress;
use patchbay_simulators::aws::{Fault, Rule, Service};
use serde_json::{Value, json};

use crate::common::our_callbacks;
use crate::{EMAIL, Line, Received, asking, email_leg, end, main_tenant, outcomes, sms};

/// An event as `EventBridge` posts it.
fn event(key: &InteractionKey, attempt: Nonce, kind: &str, object: &str, details: &Value) -> Value {
    let tags = email_tags::write(key, attempt).unwrap();
    let mut detail = json!({
        "eventType": kind,
        "mail": {
            "timestamp": "2026-11-26T09:00:00.120Z", "messageId": "0107018c-0000-4000-8000-0000000000a4-000000",
            "destination": ["ana@example.net"],
            "tags": { "interaction": [tags.interaction.as_str()], "attempt": [tags.attempt.to_string()] },
        },
    });
    detail[object] = details.clone();
    json!({ "version": "0", "source": "aws.ses", "detail-type": format!("Email {kind}"), "detail": detail })
}

fn bounce(kind: &str) -> Value {
    json!({
        "bounceType": kind, "bounceSubType": "General", "feedbackId": "f1", "timestamp": "2026-11-26T09:00:02.900Z",
        "bouncedRecipients": [{ "emailAddress": "ana@example.net", "status": "5.1.1" }],
    })
}

fn delivery() -> Value {
    json!({ "timestamp": "2026-11-26T09:00:03.400Z", "recipients": ["ana@example.net"] })
}

impl Line {
    async fn ses(&self, event: &Value) -> Received {
        self.post(&our_callbacks().email_events_url(&main_tenant()), event)
            .await
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_recorded_once() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![email_leg(), sms()]).await;
    let delivered = event(&key, attempt, "Delivery", "delivery", &delivery());
    assert_eq!(line.ses(&delivered).await.status, 200);
    let now = line.load(&key).await;
    assert_eq!((end(&now), outcomes(&now)), ("completed", vec!["delivered"]));
    line.ses(&delivered).await;
    // Programs load images, too.
    line.ses(&event(&key, attempt, "Open", "open", &json!({}))).await;
    assert_eq!(line.load(&key).await, now);
}

#[tokio::test(start_paused = true)]
async fn an_event_proves_that_an_unclear_email_was_sent() {
    let line = Line::new().await;
    let (key, attempt) = line.begun(1, vec![email_leg()]).await;
    line.ses(&event(&key, attempt, "Send", "send", &json!({}))).await;
    let sent = line.load(&key).await.attempt.unwrap();
    assert_eq!(sent.progress, Some(Progress::Accepted));
    assert_eq!(
        sent.provider_id.as_deref(),
        Some("0107018c-0000-4000-8000-0000000000a4-000000")
    );
}

#[tokio::test(start_paused = true)]
async fn a_bounce_lets_the_plan_go_on() {
    for kind in ["Permanent", "Transient"] {
        let line = Line::new().await;
        let (key, attempt) = line.sent(1, vec![email_leg(), sms()]).await;
        line.ses(&event(&key, attempt, "Bounce", "bounce", &bounce(kind))).await;
        let now = line.load(&key).await;
        assert_eq!(
            (outcomes(&now), now.attempt.unwrap().leg),
            (vec!["failed"], 1),
            "{kind}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_delivery_only_a_bounce_for_good_counts() {
    for (kind, expected) in [("Transient", vec!["delivered"]), ("Permanent", vec!["failed"])] {
        let line = Line::new().await;
        let (key, attempt) = line.sent(1, vec![email_leg()]).await;
        line.ses(&event(&key, attempt, "Delivery", "delivery", &delivery()))
            .await;
        line.ses(&event(&key, attempt, "Bounce", "bounce", &bounce(kind))).await;
        assert_eq!(outcomes(&line.load(&key).await), expected, "{kind}");
    }
    // While an answer is awaited, an automatic reply must not end that.
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![asking(email_leg()), sms()]).await;
    line.ses(&event(&key, attempt, "Delivery", "delivery", &delivery()))
        .await;
    line.ses(&event(&key, attempt, "Bounce", "bounce", &bounce("Transient")))
        .await;
    assert_eq!(line.load(&key).await.attempt.unwrap().leg, 0);
}

#[tokio::test(start_paused = true)]
async fn a_complaint_is_an_opt_out() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![asking(email_leg()), sms()]).await;
    line.ses(&event(&key, attempt, "Delivery", "delivery", &delivery()))
        .await;
    let complaint = json!({
        "feedbackId": "f2", "timestamp": "2026-11-26T10:00:00.000Z",
        "complainedRecipients": [{ "emailAddress": "ana@example.net" }],
    });
    assert_eq!(
        line.ses(&event(&key, attempt, "Complaint", "complaint", &complaint))
            .await
            .status,
        200
    );
    assert_eq!(end(&line.load(&key).await), "opted_out");
    assert!(line.is_opted_out(EMAIL).await);
}

#[tokio::test(start_paused = true)]
async fn a_complaint_because_of_the_list_of_ses_is_no_new_opt_out() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![asking(email_leg()), sms()]).await;
    let complaint = json!({
        "feedbackId": "f2", "timestamp": "2026-11-26T10:00:00.000Z", "complaintSubType": "OnAccountSuppressionList",
        "complainedRecipients": [{ "emailAddress": "ana@example.net" }],
    });
    let event = event(&key, attempt, "Complaint", "complaint", &complaint);
    assert_eq!(line.ses(&event).await.status, 200);
    assert!(!line.is_opted_out(EMAIL).await);
    // Nothing was sent, so the next channel follows.
    assert_eq!(outcomes(&line.load(&key).await), ["failed"]);
}

#[tokio::test(start_paused = true)]
async fn events_of_others_and_nonsense_are_acknowledged_and_change_nothing() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![email_leg()]).await;
    let before = line.load(&key).await;
    let complaint = json!({ "complainedRecipients": [{ "emailAddress": "ana@example.net" }] });
    let other = InteractionKey {
        tenant: "other".parse().unwrap(),
        id: key.id,
    };
    let mut untagged = event(&key, attempt, "Complaint", "complaint", &complaint);
    untagged["detail"]["mail"]["tags"] = json!({});
    for event in [
        event(&other, attempt, "Complaint", "complaint", &complaint),
        event(&key, Nonce::new(7), "Complaint", "complaint", &complaint),
        event(&key, attempt, "Firework", "firework", &json!({})),
        untagged,
        json!({ "Type": "SubscriptionConfirmation", "SubscribeURL": "https://sns.example.org/", "Message": "confirm" }),
        json!(null),
        json!([]),
    ] {
        assert_eq!(line.ses(&event).await.status, 200, "{event}");
    }
    for body in [&b""[..], b"{", b"\xff\xfe"] {
        let url = our_callbacks().email_events_url(&main_tenant());
        assert_eq!(line.request("POST", &url, json!({}), body).await.status, 200);
    }
    assert_eq!(line.load(&key).await, before);
    assert!(!line.is_opted_out(EMAIL).await);
}

#[tokio::test(start_paused = true)]
async fn only_the_url_with_a_reference_of_ours_takes_events() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![email_leg()]).await;
    let delivered = event(&key, attempt, "Delivery", "delivery", &delivery());
    let url = our_callbacks().email_events_url(&key.tenant);
    for url in [
        format!("{url}0"),
        url.replace("main.", "other."),
        url.replace("/ses/", "/twilio/"),
    ] {
        assert_eq!(line.post(&url, &delivered).await.status, 404, "{url}");
    }
    assert_eq!(line.request("GET", &url, json!({}), "").await.status, 405);
    assert_eq!(outcomes(&line.load(&key).await), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn during_an_outage_events_are_saved_on_the_queue_or_repeated() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![email_leg()]).await;
    let outage = Rule::new(Fault::InternalError).service(Service::DynamoDb);
    line.world.aws.faults().plan(outage.times(u32::MAX));
    let delivered = event(&key, attempt, "Delivery", "delivery", &delivery());
    assert_eq!(line.ses(&delivered).await.status, 200);
    assert_eq!(line.queued("report").len(), 1);
    // The queue could not tell whether it comes after a delivery.
    let soft = event(&key, attempt, "Bounce", "bounce", &bounce("Transient"));
    assert_eq!(line.ses(&soft).await.status, 503);
    assert_eq!(line.queued("report").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_rule_of_the_stack_sends_events_of_every_tenant() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![email_leg()]).await;
    let delivered = event(&key, attempt, "Delivery", "delivery", &delivery());
    for copy in [&delivered, &delivered] {
        assert_eq!(message_event::receive(&line.deps, &copy.to_string()).await, Ok(()));
        assert_eq!(outcomes(&line.load(&key).await), ["delivered"]);
    }
    let other = InteractionKey {
        tenant: "other".parse().unwrap(),
        id: InteractionId::new(9),
    };
    let complaint = json!({ "complainedRecipients": [{ "emailAddress": "ana@example.net" }] });
    let complaint = event(&other, attempt, "Complaint", "complaint", &complaint).to_string();
    assert_eq!(message_event::receive(&line.deps, &complaint).await, Ok(()));
    let email = EmailAddress::parse(EMAIL).unwrap();
    assert!(line.world.store.is_opted_out(&other.tenant, &email).await.unwrap());
    assert!(!line.is_opted_out(EMAIL).await);
    for nonsense in [
        "",
        "{",
        "null",
        "{}",
        r#"{"source":"aws.ses","detail-type":"Email Delivered"}"#,
    ] {
        assert_eq!(message_event::receive(&line.deps, nonsense).await, Ok(()), "{nonsense}");
    }
}

#[tokio::test(start_paused = true)]
async fn lambda_repeats_an_event_that_was_neither_stored_nor_queued() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![email_leg()]).await;
    let soft = event(&key, attempt, "Bounce", "bounce", &bounce("Transient")).to_string();
    let outage = Rule::new(Fault::InternalError).service(Service::DynamoDb);
    line.world.aws.faults().plan(outage.times(u32::MAX));
    assert_eq!(message_event::receive(&line.deps, &soft).await, Err(NotStored));
    line.world.aws.faults().clear();
    assert_eq!(message_event::receive(&line.deps, &soft).await, Ok(()));
    assert_eq!(outcomes(&line.load(&key).await), ["failed"]);
}

#[tokio::test(start_paused = true)]
async fn a_complaint_counts_although_the_interaction_is_gone() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![email_leg()]).await;
    let complaint = json!({
        "feedbackId": "f3", "timestamp": "2026-11-26T10:00:00.000Z",
        "complainedRecipients": [{ "emailAddress": "ana@example.net" }],
    });
    // It has expired from the table.
    let gone = InteractionKey {
        id: InteractionId::new(4_711),
        ..key
    };
    line.ses(&event(&gone, attempt, "Complaint", "complaint", &complaint))
        .await;
    assert!(line.is_opted_out(EMAIL).await);
}
