//! Statuses of text messages.

use patchbay::ids::{InteractionId, InteractionKey, Nonce};
use patchbay::interaction::{Channel, Progress};
use patchbay::voice::Provider;
use patchbay_simulators::aws::{Fault, Rule, Service};
use serde_json::{Value, json};

use crate::common::our_callbacks;
use crate::{CUSTOMER, Line, SENT_ID, email_leg, end, form, leg, main_tenant, outcomes, sms};

fn twilio_url(key: &InteractionKey, attempt: Nonce) -> String {
    our_callbacks().message_status_url(Provider::Twilio, key, attempt)
}

fn status(word: &str) -> Vec<(&str, &str)> {
    vec![("MessageSid", SENT_ID), ("MessageStatus", word)]
}

fn failed(code: &str) -> Vec<(&str, &str)> {
    vec![
        ("MessageSid", SENT_ID),
        ("MessageStatus", "failed"),
        ("ErrorCode", code),
    ]
}

fn routee_status(name: &str, part: u32, parts: u32) -> Value {
    json!({
        "messageId": SENT_ID, "smsId": format!("sms-{part}"), "part": part, "parts": parts, "to": CUSTOMER,
        "status": { "name": name, "reason": { "detailedStatus": "Expired" }, "updatedDate": "2026-11-23T09:00:31.440Z" },
    })
}

#[tokio::test(start_paused = true)]
async fn a_delivery_ends_an_interaction_that_expects_no_answer() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![sms(), email_leg()]).await;
    let url = twilio_url(&key, attempt);
    for word in ["sent", "delivered"] {
        let answer = line.twilio(&url, &status(word)).await;
        assert_eq!(
            (answer.status, answer.body.contains("<Response></Response>")),
            (200, true),
            "{answer:?}"
        );
    }
    let ended = line.load(&key).await;
    assert_eq!((end(&ended), outcomes(&ended)), ("completed", vec!["delivered"]));
    // Late and duplicate statuses change nothing, but a customer who reads is known to.
    for word in ["sent", "delivered", "queued"] {
        assert_eq!(line.twilio(&url, &status(word)).await.status, 200);
        assert_eq!(line.load(&key).await, ended, "{word}");
    }
    assert_eq!(line.twilio(&url, &status("read")).await.status, 200);
    let message = line.load(&key).await.thread.remove(0);
    assert_eq!(message.progress, Some(Progress::Read));
}

#[tokio::test(start_paused = true)]
async fn a_status_proves_that_an_unclear_message_was_sent() {
    let line = Line::new().await;
    let (key, attempt) = line.begun(1, vec![sms()]).await;
    line.twilio(&twilio_url(&key, attempt), &status("sent")).await;
    let sent = line.load(&key).await.attempt.unwrap();
    assert_eq!(
        (sent.provider_id.as_deref(), sent.progress),
        (Some(SENT_ID), Some(Progress::Underway))
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_lets_the_plan_go_on() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![sms(), email_leg()]).await;
    line.twilio(&twilio_url(&key, attempt), &failed("30005")).await;
    let now = line.load(&key).await;
    assert_eq!(outcomes(&now), ["failed"]);
    assert_eq!(now.attempt.unwrap().leg, 1);
    assert!(!line.is_opted_out(CUSTOMER).await);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_because_of_an_opt_out_goes_to_the_list_and_ends_the_plan() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![sms(), email_leg()]).await;
    assert_eq!(
        line.twilio(&twilio_url(&key, attempt), &failed("21610")).await.status,
        200
    );
    let now = line.load(&key).await;
    assert_eq!((end(&now), outcomes(&now)), ("opted_out", vec!["opted_out"]));
    assert!(line.is_opted_out(CUSTOMER).await);
}

#[tokio::test(start_paused = true)]
async fn a_status_of_an_unknown_attempt_puts_nobody_on_the_list() {
    let line = Line::new().await;
    let (key, _) = line.sent(1, vec![sms()]).await;
    let before = line.load(&key).await;
    let strangers = InteractionKey {
        tenant: main_tenant(),
        id: InteractionId::new(99),
    };
    for url in [twilio_url(&key, Nonce::new(7)), twilio_url(&strangers, Nonce::new(7))] {
        assert_eq!(line.twilio(&url, &failed("21610")).await.status, 200);
    }
    assert_eq!(line.load(&key).await, before);
    assert!(!line.is_opted_out(CUSTOMER).await);
}

#[tokio::test(start_paused = true)]
async fn one_failed_part_of_a_long_sms_decides_and_one_delivered_part_does_not() {
    let line = Line::new().await;
    let long = || leg(Channel::Sms, "routee", CUSTOMER);
    let (key, attempt) = line.sent(1, vec![long(), email_leg()]).await;
    let url = our_callbacks().message_status_url(Provider::Routee, &key, attempt);
    let answer = line.post(&url, &routee_status("Delivered", 1, 3)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let now = line.load(&key).await;
    assert_eq!(now.attempt.as_ref().unwrap().progress, Some(Progress::Delivered));
    assert_eq!(outcomes(&now), Vec::<&str>::new());
    line.post(&url, &routee_status("Undelivered", 2, 3)).await;
    assert_eq!(outcomes(&line.load(&key).await), ["failed"]);

    let (key, attempt) = line.sent(2, vec![long()]).await;
    let url = our_callbacks().message_status_url(Provider::Routee, &key, attempt);
    line.post(&url, &routee_status("Delivered", 1, 1)).await;
    assert_eq!(outcomes(&line.load(&key).await), ["delivered"]);
}

#[tokio::test(start_paused = true)]
async fn only_the_provider_reports() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![sms()]).await;
    let before = line.load(&key).await;
    let url = twilio_url(&key, attempt);
    let body = form(&status("delivered"));
    let unsigned = json!({ "content-type": "application/x-www-form-urlencoded" });
    let forged = json!({
        "content-type": "application/x-www-form-urlencoded", "x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    });
    for headers in [unsigned.clone(), forged] {
        let answer = line.request("POST", &url, headers, &body).await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    // A reference for Routee, which signs nothing, is none for Twilio, and the other way round.
    let routee = our_callbacks().message_status_url(Provider::Routee, &key, attempt);
    let incoming = our_callbacks().incoming_message_url(Provider::Twilio, &key.tenant);
    for url in [
        routee.replace("/routee/", "/twilio/"),
        url.replace("/twilio/", "/routee/"),
        url.replace("/message-status/", "/messages/"),
        incoming.replace("/messages/", "/message-status/"),
        url.replace("/twilio/", "/vonage/"),
        url.replace("/message-status/", "/"),
        format!("{url}0"),
    ] {
        assert_eq!(line.twilio(&url, &status("delivered")).await.status, 404, "{url}");
    }
    assert_eq!(line.request("GET", &url, unsigned, "").await.status, 405);
    assert_eq!(line.load(&key).await, before);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_can_read_is_acknowledged_and_changes_nothing() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![sms()]).await;
    let before = line.load(&key).await;
    let twilio = twilio_url(&key, attempt);
    let routee = our_callbacks().message_status_url(Provider::Routee, &key, attempt);
    for fields in [vec![("MessageStatus", "on its way")], vec![("Body", "x")]] {
        assert_eq!(line.twilio(&twilio, &fields).await.status, 200);
    }
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\u{0}",
        "{\"status\":7}",
        "{\"status\":{\"name\":\"Reticulating\"}}",
    ] {
        let answer = line.request("POST", &routee, json!({}), body).await;
        assert_eq!(answer.status, 200, "{body}");
    }
    let huge = line.request("POST", &routee, json!({}), vec![b' '; 70_000]).await;
    assert_eq!(huge.status, 413);
    assert_eq!(line.load(&key).await, before);
}

#[tokio::test(start_paused = true)]
async fn during_an_outage_a_status_is_saved_on_the_queue_or_repeated() {
    for fault in [Fault::Throttled, Fault::InternalError, Fault::LostRequest] {
        let line = Line::new().await;
        let (key, attempt) = line.sent(1, vec![sms()]).await;
        let url = twilio_url(&key, attempt);
        let outage = |service| Rule::new(fault).service(service).times(u32::MAX);
        let faults = line.world.aws.faults();
        faults.plan(outage(Service::DynamoDb));
        let before = line.world.clock.now();
        assert_eq!(line.twilio(&url, &status("delivered")).await.status, 200, "{fault:?}");
        assert_eq!(line.queued("report").len(), 1, "{fault:?}");
        // An opt-out must also get on the list, which the queue does not do.
        assert_eq!(line.twilio(&url, &failed("21610")).await.status, 503, "{fault:?}");
        faults.plan(outage(Service::Sqs));
        assert_eq!(line.twilio(&url, &status("delivered")).await.status, 503, "{fault:?}");
        let millis = line.world.clock.now().since(before).as_millis();
        assert!(millis < 3 * 2_000, "{fault:?}: {millis} ms");
        faults.clear();
        assert_eq!(line.twilio(&url, &failed("21610")).await.status, 200, "{fault:?}");
        assert!(line.is_opted_out(CUSTOMER).await, "{fault:?}");
    }
}
