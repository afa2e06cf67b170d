//! Webhooks of an interaction: `GET /v1/interactions/{id}/webhooks`, sending one again, and what becomes of them when the
//! customer is forgotten.

use patchbay::access::Scope;
use patchbay::interaction::Channel;
use patchbay::interaction::{Event, Progress, Reply};
use patchbay_simulators::aws::{Fault, Rule, Service};
use serde_json::{Value, json};

use crate::common::text;
use crate::view::deliver;
use crate::{Api, SKILL, key, sms};

const DAY: u64 = 86_400;

/// An API whose skill has a webhook for everything.
async fn api() -> Api {
    let api = Api::start().await;
    let webhook = json!({ "url": "https://requester.example.org/hook", "strategy": "OnStatus" });
    let skill = json!({ "name": "Delivery", "subject": "Your order", "answer_minutes": 60, "webhook": webhook });
    api.put(&format!("/v1/skills/{SKILL}"), &skill).await;
    api
}

/// The same, with an interaction in which a message arrived, and then its customer has answered.
async fn answered() -> (Api, String) {
    let api = api().await;
    let id = api.create(&sms()).await;
    deliver(&api, &id, "SM1", Progress::Delivered).await;
    api.pass(60).await;
    api.apply(&id, |_| reply("Where is it?", &api)).await;
    (api, id)
}

fn reply(text: &str, api: &Api) -> Event {
    let reply = Reply {
        id: "SM2".to_owned(),
        channel: Channel::Sms,
        attempt: None,
        text: text.to_owned(),
        at: api.world.clock.now(),
        is_opt_out: false,
    };
    Event::Replied { reply }
}

/// The ids of the webhooks that the requester has got, in the order of arrival.
fn arrived(api: &Api) -> Vec<String> {
    let all = api.world.notifications();
    let id = |headers: &http::HeaderMap| headers["webhook-id"].to_str().unwrap().to_owned();
    all.iter()
        .map(|notification| {
            let request = &notification.request;
            let verified = api
                .world
                .signer
                .verify(request.headers(), request.body(), notification.at);
            assert_eq!(verified, Ok(()));
            id(request.headers())
        })
        .collect()
}

async fn listed(api: &Api, id: &str) -> Vec<Value> {
    let answer = api.get(&format!("/v1/interactions/{id}/webhooks")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json["webhooks"].as_array().unwrap().clone()
}

fn path(id: &str, webhook: &str) -> String {
    format!("/v1/interactions/{id}/webhooks/{webhook}/resend")
}

#[tokio::test(start_paused = true)]
async fn webhooks_are_listed_with_their_delivery() {
    let (api, id) = answered().await;
    api.pass(60).await;
    let webhooks = listed(&api, &id).await;
    let types: Vec<&str> = webhooks.iter().map(|webhook| text(webhook, "/type")).collect();
    assert_eq!(
        types,
        [
            "interaction.sending",
            "interaction.sent",
            "interaction.progressed",
            "interaction.received",
            "interaction.attempt_ended",
            "interaction.opened",
        ]
    );
    let sequences: Vec<u64> = webhooks
        .iter()
        .map(|webhook| webhook["sequence"].as_u64().unwrap())
        .collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    for webhook in &webhooks {
        assert_eq!(
            (text(webhook, "/status"), &webhook["posts"]),
            ("Delivered", &json!(1)),
            "{webhook}"
        );
    }
    let mut ids: Vec<&str> = webhooks.iter().map(|webhook| text(webhook, "/id")).collect();
    let mut arrived = arrived(&api);
    ids.sort_unstable();
    arrived.sort_unstable();
    assert_eq!(ids, arrived);
    let shown = api.get(&format!("/v1/interactions/{id}")).await;
    assert_eq!(
        shown.text("/webhook/url"),
        "https://requester.example.org/hook",
        "{shown:?}"
    );
    assert_eq!(shown.text("/webhook/strategy"), "OnStatus");
    assert_eq!(shown.json["webhook"]["deliveries"]["delivered"], json!(6));
    assert_eq!(shown.text("/webhook/deliveries/last/answer"), "204 No Content");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_sent_again_has_the_same_id_and_body() {
    let (api, id) = answered().await;
    api.pass(60).await;
    let webhooks = listed(&api, &id).await;
    let webhook = text(&webhooks[3], "/id");
    let before = api.world.notifications();
    let resent = api.ask("POST", &path(&id, webhook), &Value::Null).await;
    assert_eq!(
        (resent.status, resent.text("/id"), resent.text("/status")),
        (202, webhook, "Pending")
    );
    api.pass(60).await;
    let after = api.world.notifications();
    let (again, rest) = after.split_last().unwrap();
    assert_eq!(rest.len(), before.len());
    let first = before
        .iter()
        .find(|notification| notification.request.headers()["webhook-id"] == webhook)
        .unwrap();
    assert_eq!(again.request.headers()["webhook-id"], webhook);
    assert_eq!(again.request.body(), first.request.body());
    assert_eq!(listed(&api, &id).await[3]["posts"], json!(2));
}

#[tokio::test(start_paused = true)]
async fn webhooks_belong_to_a_tenant_and_sending_again_needs_its_scope() {
    let (api, id) = answered().await;
    let webhook = text(&listed(&api, &id).await[0], "/id").to_owned();
    api.ask("POST", &path(&id, "msg_0"), &Value::Null)
        .await
        .is_problem(404, "not-found");
    for wrong in ["a%23b", ""] {
        let answer = api.get(&format!("/v1/interactions/{id}/webhooks?cursor={wrong}")).await;
        assert_eq!(answer.status, 422, "{wrong}: {answer:?}");
    }
    let put = api
        .ask("PUT", &format!("/v1/interactions/{id}/webhooks"), &Value::Null)
        .await;
    assert_eq!((put.status, put.header("allow")), (405, "GET"), "{put:?}");
    let get = api.get(&path(&id, &webhook)).await;
    assert_eq!((get.status, get.header("allow")), (405, "POST"), "{get:?}");
    let none = Api::start().await;
    let without = none.create(&sms()).await;
    assert_eq!(listed(&none, &without).await, Vec::<Value>::new());
    for (token, tenant, scopes, status) in [
        (format!("pb_{}", "4".repeat(64)), "other", Scope::ALL.to_vec(), 404),
        (format!("pb_{}", "5".repeat(64)), "main", vec![Scope::CallsRead], 403),
    ] {
        api.put_token(&token, tenant, &scopes).await;
        let request = crate::anonymous("POST", &path(&id, &webhook)).header("authorization", format!("Bearer {token}"));
        let answer = api.send(crate::json_request(request, &Value::Null)).await;
        assert_eq!(answer.status, status, "{token}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_webhook_about_a_forgotten_customer_is_delivered_or_kept() {
    let (api, id) = answered().await;
    // Nothing arrives until the customer is forgotten.
    let down = Rule::new(Fault::Refused).service(Service::Http).function("notifier");
    api.world.aws.faults().plan(down.times(u32::MAX));
    let late = reply("My door code is 4711", &api);
    let Event::Replied { reply } = late else { unreachable!() };
    let late = Event::Replied {
        reply: Reply {
            id: "SM3".to_owned(),
            ..reply
        },
    };
    api.apply(&id, |_| late.clone()).await;
    api.pass(600).await;
    let waiting = listed(&api, &id).await;
    assert!(
        waiting.iter().any(|webhook| text(webhook, "/status") == "Retrying"),
        "{waiting:?}"
    );
    let customer = api.load(&id).await.parties.customer.id;
    let forgotten = api
        .ask("DELETE", &format!("/v1/customers/{customer}"), &Value::Null)
        .await;
    assert_eq!(forgotten.status, 204, "{forgotten:?}");
    let before = arrived(&api).len();
    api.world.aws.faults().clear();
    api.pass(2 * DAY).await;
    assert_eq!(arrived(&api).len(), before, "a webhook about a forgotten customer");
    let subject = key(&id).into();
    let kept = api.world.store.deliveries(&subject, ""..="~").await.unwrap();
    assert_eq!(kept, []);
    assert_eq!(listed(&api, &id).await, Vec::<Value>::new());
    let shown = api.get(&format!("/v1/interactions/{id}")).await;
    assert_eq!(shown.json.get("webhook"), None, "{shown:?}");
    let dead = api.world.aws.sqs().queue("notifications-dlq").unwrap();
    assert_eq!(dead.history().len(), 0);
}
