use patchbay::phone::PhoneNumber;
use patchbay_simulators::messages::Habit;
use patchbay_simulators::world::World;

use super::*;
use crate::api::testing::{api, api_of, api_with};
use crate::testing::{json_of, text_of, world};

const ID: &str = "6b1f0000-0000-4000-8000-0000000000aa";

fn id() -> InteractionId {
    ID.parse().expect("an id")
}

fn filter(limit: u16) -> Filter {
    Filter {
        limit,
        hours: Some(24),
        status: None,
        channel: Some("sms".to_owned()),
    }
}

/// A text message that the customer answered.
fn interaction() -> Value {
    let at = "2026-11-23T20:15:00.000Z";
    json!({
        "id": ID, "state": "ended", "reason": "no_answer", "state_since": at, "created_at": at,
        "agent": { "id": "leo", "name": "Leo" }, "skill": "delivery",
        "customer": { "id": "c1", "name": "Ana", "phone": "+12025550143" },
        "attempts": [{ "channel": "sms", "back_end": "twilio", "outcome": { "is": "no_answer" } }],
        "timeline": [
            { "id": "1-0", "at": at, "fact": "created", "channels": ["sms", "email"], "due_at": at },
            { "id": "2-0", "at": at, "fact": "received", "message": "SM1", "channel": "sms", "text": "Yes\u{1b}[2J" },
            { "id": "3-0", "at": "2026-11-24T06:00:00.000Z", "fact": "attempt_ended", "attempt": "0000000000000007",
              "channel": "sms", "outcome": { "is": "failed", "detail": "30003" } },
            { "id": "4-0", "at": "2026-11-24T06:00:01.000Z", "fact": "invented_later" },
            { "id": "5-0", "at": "2026-11-24T06:00:02.000Z", "fact": "state_changed", "from": { "is": "sent" },
              "to": { "is": "ended", "reason": "no_answer" } },
        ],
    })
}

#[tokio::test]
async fn an_interaction_is_shown_day_by_day_with_facts_of_any_version() {
    let (deployment, request) = api(&interaction());
    let api = deployment.connect().expect("a client");
    let shown = text_of(async |output| show(&api, &id(), output).await).await;
    assert_eq!(
        shown,
        format!(
            "{ID}  Leo about delivery, to Ana, +12025550143\n\
             ended: no answer since 2026-11-23 20:15:00\n  \
             sms       over twilio: no answer\n\
             \n\
             2026-11-23\n  \
             20:15:00  · created: sms, then email, from 2026-11-23 20:15:00 on\n  \
             20:15:00  customer  Yes [2J\n\
             2026-11-24\n  \
             06:00:00  ✗ sms: failed (30003)\n  \
             06:00:01  · invented_later\n  \
             06:00:02  ▶ has ended: no answer\n"
        )
    );
    let request = request.join().expect("a request");
    assert!(request.starts_with(&format!("GET /v1/interactions/{ID} ")), "{request}");
}

#[tokio::test]
async fn json_output_is_the_whole_interaction() {
    let (deployment, _request) = api(&interaction());
    let api = deployment.connect().expect("a client");
    let shown = json_of(async |output| show(&api, &id(), output).await).await;
    assert_eq!(shown, interaction());
}

#[tokio::test]
async fn a_list_asks_for_what_matches() {
    let line = json!({
        "id": ID, "status": "no-answer", "agentId": "leo", "skillId": "delivery", "customerName": "",
        "customerPhone": "+12025550143", "messages": [{}],
    });
    let (deployment, request) = api(&json!([line.clone(), line]));
    let api = deployment.connect().expect("a client");
    let shown = text_of(async |output| list(&api, &filter(1), output).await).await;
    assert_eq!(
        shown,
        format!(
            "ID                                    STATUS     AGENT  SKILL     CUSTOMER      MESSAGES\n\
             {ID}  no-answer  leo    delivery  +12025550143  1\n"
        )
    );
    let request = request.join().expect("a request");
    assert!(
        request.starts_with("GET /api/v1/calls?hrs=24&channel=sms "),
        "{request}"
    );
}

#[tokio::test]
async fn an_end_that_is_too_late_says_why() {
    let problem = json!({ "title": "Conflict", "detail": "the interaction has ended with the status completed" });
    let (deployment, request) = api_with("409 Conflict", &problem);
    let api = deployment.connect().expect("a client");
    let mut buffer = Vec::new();
    let mut output = Output::new(&mut buffer, Format::Text);
    let error = end(&api, &id(), "canceled", &mut output).await.expect_err("a conflict");
    assert!(error.to_string().contains("status completed"), "{error}");
    let request = request.join().expect("a request");
    assert!(request.starts_with(&format!("PUT /api/v1/calls/{ID} ")), "{request}");
    assert!(request.ends_with("{\"status\":\"canceled\"}"), "{request}");
}

async fn put_documents(api: &Api) {
    let agent = json!({
        "name": "Leo", "prompt": { "initial_message": "Hi." },
        "channels": { "sms": { "over": "twilio", "from": "+12025550100" } },
    });
    let webhook = json!({ "url": "https://requester.example.org/hook" });
    let skill = json!({ "name": "Delivery", "answer_minutes": 60, "webhook": webhook });
    for (path, document) in [("/v1/agents/leo", agent), ("/v1/skills/delivery", skill)] {
        let headers = [("content-type", "application/json".to_owned())];
        let body = document.to_string().into();
        api.send(Method::PUT, path, &headers, body).await.expect("a document");
    }
}

/// Contacts a customer, twice with the same idempotency key.
async fn contact(world: &World) -> InteractionId {
    let api = api_of(world);
    put_documents(&api).await;
    let request = json!({
        "agentId": "leo", "skillId": "delivery", "channel": "sms", "customerPhone": "+12025550143",
    });
    let request = request.to_string();
    let create = async || json_of(async |output| create(&api, &request, Some("T-1"), output).await).await;
    let (first, again) = (create().await, create().await);
    assert_eq!(first["id"], again["id"]);
    first["id"].as_str().expect("an id").parse().expect("an id")
}

#[tokio::test(start_paused = true)]
async fn a_customer_is_contacted_followed_and_the_webhooks_are_sent_again() {
    let world = world().await;
    let number = PhoneNumber::parse("+12025550143").expect("a number");
    world
        .messages
        .change_mobiles(|mobiles| mobiles.set(number, Habit::arrives()));
    let (id, api) = (contact(&world).await, api_of(&world));
    world.clock.sleep(Duration::from_secs(30)).await;
    let resolved = text_of(async |output| end(&api, &id, "resolved", output).await).await;
    assert_eq!(resolved, format!("{id}: resolved\n"));
    let followed = text_of(async |output| follow(&api, &world.clock, &id, output).await).await;
    for line in [
        "· created: sms",
        "· sending by sms over twilio",
        "▶ has ended: resolved",
    ] {
        assert!(followed.contains(line), "no {line} in\n{followed}");
    }
    let listed = json_of(async |output| list(&api, &filter(20), output).await).await;
    assert_eq!(listed["interactions"][0]["id"], id.to_string());
    world.clock.sleep(Duration::from_secs(30)).await;
    let shown = text_of(async |output| webhooks(&api, &id, output).await).await;
    assert!(shown.contains("Delivered after 1 attempt"), "{shown}");
    let found = json_of(async |output| webhooks(&api, &id, output).await).await;
    let webhook = found["webhooks"][0]["id"].as_str().expect("an id");
    let sent = json_of(async |output| resend(&api, &id, webhook, output).await).await;
    assert_eq!(sent, json!({ "id": webhook, "sent": true }));
}
