//! The opt-out button of an e-mail.

use patchbay::ids::{InteractionId, InteractionKey, Nonce};
use patchbay::providers::ses::EmailAddress;
use patchbay_simulators::aws::{Fault, Rule, Service};
use serde_json::json;

use crate::common::our_callbacks;
use crate::{EMAIL, Line, asking, email_leg, end, main_tenant, sms};

const BUTTON: &str = "List-Unsubscribe=One-Click";

fn url(key: &InteractionKey, attempt: Nonce) -> String {
    our_callbacks().opt_out_url(key, attempt, &EmailAddress::parse(EMAIL).unwrap())
}

#[tokio::test(start_paused = true)]
async fn only_the_button_opts_out_and_it_may_be_pressed_twice() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![asking(email_leg()), sms()]).await;
    let (url, before) = (url(&key, attempt), line.load(&key).await);
    for (method, body, status) in [
        ("GET", "", 200),
        ("HEAD", "", 200),
        ("GET", BUTTON, 200),
        ("POST", "", 400),
        ("POST", "List-Unsubscribe=No", 400),
        ("PUT", BUTTON, 405),
        ("DELETE", "", 405),
    ] {
        let answer = line.request(method, &url, json!({}), body).await;
        assert_eq!(answer.status, status, "{method} {body}: {answer:?}");
    }
    assert!(!line.is_opted_out(EMAIL).await);
    assert_eq!(line.load(&key).await, before);
    for _ in 0..2 {
        let answer = line.request("POST", &url, json!({}), BUTTON).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(line.is_opted_out(EMAIL).await);
        assert_eq!(end(&line.load(&key).await), "opted_out");
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_has_a_button_that_makes_the_same_request_and_loads_nothing() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![email_leg()]).await;
    let page = line.request("GET", &url(&key, attempt), json!({}), "").await;
    let header = |name: &str| page.headers.get(name).unwrap().to_str().unwrap();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert!(header("content-security-policy").starts_with("default-src 'none'"));
    assert!(page.body.contains("<form method=\"post\">"), "{}", page.body);
    assert!(
        page.body.contains("name=\"List-Unsubscribe\" value=\"One-Click\""),
        "{}",
        page.body
    );
}

#[tokio::test(start_paused = true)]
async fn it_works_after_the_interaction_is_gone() {
    let line = Line::new().await;
    let gone = InteractionKey {
        tenant: main_tenant(),
        id: InteractionId::new(77),
    };
    let answer = line
        .request("POST", &url(&gone, Nonce::new(1)), json!({}), BUTTON)
        .await;
    assert_eq!(answer.status, 200);
    assert!(line.is_opted_out(EMAIL).await);
}

#[tokio::test(start_paused = true)]
async fn another_reference_opts_nobody_out() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![email_leg()]).await;
    let url = url(&key, attempt);
    let events = our_callbacks().email_events_url(&key.tenant);
    for wrong in [
        format!("{url}0"),
        url.replace("main.", "other."),
        events.replace("/events/", "/one-click/"),
    ] {
        assert_eq!(
            line.request("POST", &wrong, json!({}), BUTTON).await.status,
            404,
            "{wrong}"
        );
    }
    assert!(!line.is_opted_out(EMAIL).await);
}

#[tokio::test(start_paused = true)]
async fn a_click_that_cannot_be_stored_is_not_confirmed() {
    let line = Line::new().await;
    let (key, attempt) = line.sent(1, vec![email_leg()]).await;
    let url = url(&key, attempt);
    let outage = Rule::new(Fault::InternalError).service(Service::DynamoDb);
    line.world.aws.faults().plan(outage.times(u32::MAX));
    assert_eq!(line.request("POST", &url, json!({}), BUTTON).await.status, 503);
    line.world.aws.faults().clear();
    assert!(!line.is_opted_out(EMAIL).await);
    // The list counts even if the interaction cannot be read: it is looked at before every message.
    let outage = Rule::new(Fault::InternalError).operation("GetItem");
    line.world.aws.faults().plan(outage.times(u32::MAX));
    assert_eq!(line.request("POST", &url, json!({}), BUTTON).await.status, 200);
    line.world.aws.faults().clear();
    assert!(line.is_opted_out(EMAIL).await);
    assert_eq!(line.queued("report").len(), 1);
}
