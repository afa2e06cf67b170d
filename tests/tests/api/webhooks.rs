//! Delivery status of webhooks, manual resends, and the call statuses that the strategy `OnStatus` adds.

use http::StatusCode;
use patchbay::dispatch::Entry;
use patchbay::http::{HttpClient, Request, Response, ResponseFuture, SendHttp};
use patchbay::ids::DispatchKey;
use patchbay::webhook::event_id;
use patchbay::webhooks;
use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::phones::{Behavior, Script, When};
use patchbay_simulators::world::{Notification, Options, World};
use serde_json::{Value, json};

use crate::common::{
    Answer, ask, call_to, change, cost, create, dispatch_body, get, keys_event, list, pass, phones, rings, send,
    settle, show, status_event, text, until, webhook, with_token, world,
};
use crate::notices::{received, statuses};

/// A dispatch that Ben accepts at the second call. `faults` apply to the posts of the notifier.
async fn accepted(faults: impl IntoIterator<Item = Rule>) -> (World, DispatchKey) {
    let world = world([
        Script::always(Behavior::Busy),
        Script::always(Behavior::presses("1", When::OptionsSay(1))),
    ])
    .await;
    for rule in faults {
        world
            .aws
            .faults()
            .plan(rule.service(Service::Http).function("notifier"));
    }
    let key = create(&world, &dispatch_body(2, &json!({ "attempts": 1 }))).await;
    until(&world, "two webhooks arrive", |world| world.notifications().len() >= 2).await;
    settle(&world).await;
    (world, key)
}

async fn webhooks(world: &World, key: &DispatchKey) -> Vec<Value> {
    let answer = get(world, &format!("/v1/dispatches/{}/webhooks", key.id)).await;
    assert_eq!(
        (answer.status, &answer.json["next_cursor"]),
        (200, &Value::Null),
        "{answer:?}"
    );
    list(&answer.json, "/webhooks").to_vec()
}

async fn resend(world: &World, key: &DispatchKey, id: &str) -> Answer {
    let path = format!("/v1/dispatches/{}/webhooks/{id}/resend", key.id);
    ask(world, "POST", &path, &Value::Null).await
}

fn ids_of(notifications: &[Notification]) -> Vec<String> {
    let id = |notification: &Notification| {
        notification.request.headers()["webhook-id"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    notifications.iter().map(id).collect()
}

#[tokio::test(start_paused = true)]
async fn every_webhook_is_listed_with_the_receivers_answer_and_the_number_of_posts() {
    let (world, key) = accepted([Rule::new(Fault::InternalError).times(2)]).await;
    let listed = webhooks(&world, &key).await;
    let lines: Vec<Value> = listed
        .iter()
        .map(|line| json!([line["type"], line["status"], line["posts"], line["answer"]]))
        .collect();
    assert_eq!(
        lines,
        [
            json!(["dispatch.no_answer", "Delivered", 3, "204 No Content"]),
            json!(["dispatch.accepted", "Delivered", 1, "204 No Content"]),
        ]
    );
    let received = received(&world);
    for (line, body) in listed.iter().zip(&received) {
        assert_eq!(line["sequence"], body["data"]["sequence"]);
        assert_eq!(line["happened_at"], body["timestamp"]);
        assert_eq!(line.get("next_at"), None);
    }
    let mut posted = ids_of(&world.notifications());
    posted.sort_unstable();
    let mut shown: Vec<&str> = listed.iter().map(|line| text(line, "/id")).collect();
    shown.sort_unstable();
    assert_eq!(shown, posted);
    let shown = show(&world, &key).await;
    assert_eq!(text(&shown, "/webhook/url"), "https://requester.example.org/hook");
    let summary = &shown["webhook"]["deliveries"];
    assert_eq!(
        [&summary["delivered"], &summary["retrying"], &summary["failed"]],
        [&json!(2), &json!(0), &json!(0)]
    );
    assert_eq!(text(summary, "/last/answer"), "204 No Content");
}

#[tokio::test(start_paused = true)]
async fn webhooks_are_listed_in_pages_and_the_summary_reports_more() {
    let (world, key) = accepted([]).await;
    let dispatch = world.store.load(&key).await.unwrap().unwrap();
    let first = webhooks::events(&world.store, &dispatch, None).await.unwrap();
    let first = &first.events[0].event.entry;
    let first = world.store.entry(&key, first).await.unwrap().unwrap();
    let subject = key.clone().into();
    let delivery = world.store.first_deliveries(&subject).await.unwrap().0.remove(0);
    for n in 0..600 {
        let id = format!("z{n:05}");
        world.store.put_delivery(&subject, &id, &delivery).await.unwrap();
        let entry = Entry { id, ..first.clone() };
        assert!(world.store.put_entry(&key, &entry).await.unwrap());
    }
    let (mut seen, mut path) = (Vec::new(), format!("/v1/dispatches/{}/webhooks", key.id));
    for pages in 1.. {
        let answer = get(&world, &path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let listed = list(&answer.json, "/webhooks");
        seen.extend(listed.iter().map(|line| text(line, "/id").to_owned()));
        let Some(cursor) = answer.json["next_cursor"].as_str() else {
            assert!(pages > 1);
            break;
        };
        path = format!("/v1/dispatches/{}/webhooks?cursor={cursor}", key.id);
    }
    assert_eq!(seen.len(), 602);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 602, "each webhook is listed once");
    let summary = &show(&world, &key).await["webhook"]["deliveries"];
    assert_eq!(
        (&summary["has_more"], &summary["delivered"]),
        (&json!(true), &json!(500))
    );
    // A webhook of the last page is found by its id.
    assert_eq!(resend(&world, &key, &event_id(&subject, "z00599")).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn a_retrying_webhook_has_its_next_time_and_a_failed_one_its_reason() {
    let world = world([Script::always(Behavior::Busy)]).await;
    let always = Rule::new(Fault::Throttled).service(Service::Http).function("notifier");
    world.aws.faults().plan(always.times(u32::MAX));
    let key = create(&world, &dispatch_body(1, &json!({ "attempts": 1, "max_rounds": 1 }))).await;
    pass(&world, 60).await;
    let listed = webhooks(&world, &key).await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    let now = world.clock.now().to_string();
    for line in &listed {
        assert_eq!(
            (text(line, "/status"), text(line, "/answer")),
            ("Retrying", "429 Too Many Requests")
        );
        assert!(text(line, "/next_at") > now.as_str(), "{line}");
    }
    let summary = &show(&world, &key).await["webhook"]["deliveries"];
    assert_eq!(summary["retrying"], 2);
    let soonest = listed.iter().map(|line| text(line, "/next_at")).min().unwrap();
    assert_eq!(text(summary, "/next_at"), soonest);

    settle(&world).await;
    for line in webhooks(&world, &key).await {
        assert_eq!(text(&line, "/status"), "Failed", "{line}");
        assert_eq!(text(&line, "/answer"), "gave up after 24 h: 429 Too Many Requests");
        assert!(line["posts"].as_u64().unwrap() >= 11, "{line}");
    }
    let dead_letters = world.aws.sqs().queue("notifications-dlq").unwrap();
    assert_eq!(dead_letters.messages().len(), 2);

    // The receiver is repaired, and a resend reaches it.
    world.aws.faults().clear();
    let first = webhooks(&world, &key).await.remove(0);
    assert_eq!(resend(&world, &key, text(&first, "/id")).await.status, 202);
    settle(&world).await;
    assert_eq!(text(&webhooks(&world, &key).await[0], "/status"), "Delivered");
    assert_eq!(ids_of(&world.notifications()), [text(&first, "/id")]);
}

#[tokio::test(start_paused = true)]
async fn every_resend_posts_the_webhook_again_with_its_id() {
    let (world, key) = accepted([]).await;
    let last = webhooks(&world, &key).await.pop().unwrap();
    let (id, before) = (text(&last, "/id"), world.notifications().len());
    for times in 1..=2 {
        let answer = resend(&world, &key, id).await;
        assert_eq!(
            (answer.status, answer.text("/status"), answer.text("/id")),
            (202, "Pending", id)
        );
        settle(&world).await;
        let received = world.notifications();
        assert_eq!(received.len(), before + times);
        let again = received.last().unwrap();
        assert_eq!(again.request.headers()["webhook-id"], id);
        assert_eq!(text(&again.json(), "/data/status"), "Accepted");
        world
            .signer
            .verify(again.request.headers(), again.request.body(), again.at)
            .unwrap();
    }
    assert_eq!(webhooks(&world, &key).await.pop().unwrap()["posts"], 3);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_dispatch_or_webhook_is_neither_listed_nor_resent() {
    let (world, key) = accepted([]).await;
    let before = world.notifications().len();
    let none = "msg_00000000000000000000000000000000";
    resend(&world, &key, none).await.is_problem(404, "not-found");
    let nowhere = "/v1/dispatches/dsp_00000000000000000000000000000007/webhooks";
    get(&world, nowhere).await.is_problem(404, "not-found");
    ask(&world, "POST", &format!("{nowhere}/{none}/resend"), &Value::Null)
        .await
        .is_problem(404, "not-found");
    for (method, path) in [
        ("POST", format!("/v1/dispatches/{}/webhooks", key.id)),
        ("GET", format!("/v1/dispatches/{}/webhooks/{none}/resend", key.id)),
    ] {
        ask(&world, method, &path, &Value::Null)
            .await
            .is_problem(405, "method-not-allowed");
    }
    let wrong = get(&world, &format!("/v1/dispatches/{}/webhooks?cursor=%23", key.id)).await;
    assert_eq!(wrong.is_problem(422, "invalid-field"), ["cursor"]);
    let wrong_token =
        with_token("GET", &format!("/v1/dispatches/{}/webhooks", key.id)).header("authorization", "Bearer x");
    assert_eq!(
        send(&world, wrong_token.body(bytes::Bytes::new()).unwrap())
            .await
            .status,
        401
    );
    settle(&world).await;
    assert_eq!(world.notifications().len(), before);

    // A dispatch without a webhook.
    let mut body = dispatch_body(1, &json!({}));
    drop(body.as_object_mut().unwrap().remove("webhook"));
    let without_webhook = create(&world, &body).await;
    assert_eq!(webhooks(&world, &without_webhook).await, Vec::<Value>::new());
    assert_eq!(show(&world, &without_webhook).await.get("webhook"), None);
    resend(&world, &without_webhook, none)
        .await
        .is_problem(404, "not-found");
    change(&world, &without_webhook, "cancel").await;
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_was_not_attempted_yet_is_pending() {
    let world = world([Script::always(Behavior::Interactive)]).await;
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    rings(&world, 0, 0).await;
    let now = world.clock.now();
    world.aws.faults().crash_during("notifier", now..now.plus_seconds(600));
    change(&world, &key, "cancel").await;
    pass(&world, 5).await;
    let [line] = &webhooks(&world, &key).await[..] else {
        panic!("not one webhook")
    };
    assert_eq!(
        (text(line, "/status"), &line["posts"]),
        ("Pending", &json!(0)),
        "{line}"
    );
    settle(&world).await;
    assert_eq!(text(&webhooks(&world, &key).await[0], "/status"), "Delivered");
}

fn on_status(count: usize) -> Value {
    let mut body = dispatch_body(count, &json!({ "attempts": 1 }));
    body["webhook"]["strategy"] = json!("OnStatus");
    body
}

#[tokio::test(start_paused = true)]
async fn on_status_posts_the_statuses_of_each_call_and_then_its_outcome() {
    let world = world([
        Script::always(Behavior::NeverPicksUp),
        Script::always(Behavior::presses("1", When::OptionsSay(1))),
    ])
    .await;
    create(&world, &on_status(2)).await;
    settle(&world).await;
    let received = received(&world);
    assert_eq!(
        statuses(&received),
        [
            "Queued",
            "Initiated",
            "Ringing",
            "NoAnswer",
            "Queued",
            "Initiated",
            "Ringing",
            "InProgress",
            "Accepted",
        ]
    );
    let ringing = &received[2];
    assert_eq!(text(ringing, "/type"), "dispatch.call_status");
    assert_eq!(text(ringing, "/data/employee/name"), "Anna");
    assert_eq!(ringing["data"]["attempt"], json!({ "ordinal": 1 }));
    assert!(
        received.iter().all(|body| !body.to_string().contains("555")),
        "{received:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_status_costs_one_more_message_with_on_status_only() {
    for (body, messages) in [(dispatch_body(1, &json!({})), 0), (on_status(1), 1)] {
        let world = world([Script::always(Behavior::Interactive)]).await;
        create(&world, &body).await;
        let call = rings(&world, 0, 0).await;
        settle_notices(&world).await;
        let url = call.status_url.as_deref().unwrap();
        for _ in 0..2 {
            send(&world, webhook(url, status_event("InProgress").to_string())).await;
            assert_eq!(cost(&world, "status-callback"), (1, messages, 0));
        }
        // An unknown status is recorded and not posted.
        send(&world, webhook(url, status_event("SomethingNew").to_string())).await;
        assert_eq!(cost(&world, "status-callback"), (1, 0, 0));
    }
}

async fn settle_notices(world: &World) {
    let queue = world.aws.sqs().queue("notifications").unwrap();
    until(world, "the notifications queue is empty", |_| queue.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_or_duplicate_status_is_not_posted() {
    let world = world([Script::always(Behavior::Interactive)]).await;
    let key = create(&world, &on_status(1)).await;
    let call = rings(&world, 0, 0).await;
    settle_notices(&world).await;
    let url = call.status_url.as_deref().unwrap();
    let before = world.notifications().len();
    for name in ["InProgress", "InProgress", "Ringing", "Queued"] {
        send(&world, webhook(url, status_event(name).to_string())).await;
        settle_notices(&world).await;
    }
    let after = received(&world);
    assert_eq!(after.len(), before + 1, "{after:?}");
    assert_eq!(statuses(&after).last(), Some(&"InProgress"));
    change(&world, &key, "cancel").await;
    settle(&world).await;
    // The call is over.
    let before = world.notifications().len();
    let late = json!({ "messageId": "another", "conversationTrackingId": "x", "status": { "name": "Ringing" } });
    send(&world, webhook(url, late.to_string())).await;
    settle(&world).await;
    assert_eq!(world.notifications().len(), before);
    let listed = webhooks(&world, &key).await;
    let superseded = listed.iter().filter(|line| line["status"] == "Superseded").count();
    assert!(superseded >= 2, "{listed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_status_whose_notice_cannot_be_queued_is_still_recorded() {
    let world = world([Script::always(Behavior::Interactive)]).await;
    let key = create(&world, &on_status(1)).await;
    let call = rings(&world, 0, 0).await;
    for fault in [Fault::Refused, Fault::LostRequest] {
        let rule = Rule::new(fault).service(Service::Sqs).target("notifications");
        world
            .aws
            .faults()
            .plan(rule.function("status-callback").times(u32::MAX));
        let name = format!("{fault:?}");
        let status = json!({ "messageId": name, "conversationTrackingId": "x", "status": { "name": "InProgress" } });
        let start = world.clock.now();
        let answer = send(&world, webhook(call.status_url.as_deref().unwrap(), status.to_string())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(world.clock.now().since(start).as_millis() < 2_000, "{fault:?}");
        world.aws.faults().clear();
    }
    let shown = show(&world, &key).await;
    let statuses = list(&shown, "/timeline")
        .iter()
        .filter(|line| line["name"] == "InProgress");
    assert_eq!(statuses.count(), 2, "{shown}");
    change(&world, &key, "cancel").await;
}

#[tokio::test(start_paused = true)]
async fn the_statuses_of_a_call_are_sequenced_from_the_start_of_the_call() {
    let world = world([
        Script::always(Behavior::NeverPicksUp),
        Script::always(Behavior::Interactive),
    ])
    .await;
    let key = create(&world, &on_status(2)).await;
    let second = rings(&world, 1, 0).await;
    let first = call_to(&world, 0);
    settle_notices(&world).await;
    // Anna rejects while Ben's phone is already ringing, and then Ben picks up.
    let rejection = webhook(first.collect_url.as_deref().unwrap(), keys_event("2").to_string());
    send(&world, rejection).await;
    let picked_up = webhook(
        second.status_url.as_deref().unwrap(),
        status_event("InProgress").to_string(),
    );
    send(&world, picked_up).await;
    settle_notices(&world).await;
    let all: Vec<Value> = world.notifications().iter().map(Notification::json).collect();
    let sequence = |status: &str, ordinal: u64| {
        let is = |body: &&Value| {
            text(body, "/data/status") == status && body.pointer("/data/attempt/ordinal") == Some(&json!(ordinal))
        };
        let found = all.iter().find(is).unwrap_or_else(|| panic!("no {status} in {all:?}"));
        found["data"]["sequence"].as_u64().unwrap()
    };
    assert!(sequence("Ringing", 2) < sequence("InProgress", 2));
    assert!(sequence("NoAnswer", 1) < sequence("Ringing", 2));
    assert!(
        sequence("InProgress", 2) < sequence("Rejected", 1),
        "a status is sequenced from the start of its call"
    );
    change(&world, &key, "cancel").await;
}

/// A receiver that answers every request with this status.
#[derive(Clone, Debug)]
struct RefusingReceiver(StatusCode);

impl SendHttp for RefusingReceiver {
    fn send(&self, _: Request) -> ResponseFuture<'_> {
        let mut response = Response::new(bytes::Bytes::from_static(b"no such hook"));
        *response.status_mut() = self.0;
        Box::pin(async { Ok(response) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_with_status_410_becomes_a_dead_letter_with_host_and_reason() {
    let world = World::start(Options {
        phones: phones([Script::always(Behavior::presses("1", When::OptionsSay(1)))]),
        requester: Some(HttpClient::new(RefusingReceiver(StatusCode::GONE))),
        ..Options::default()
    })
    .await
    .unwrap();
    let key = create(&world, &dispatch_body(1, &json!({}))).await;
    settle(&world).await;
    let [line] = &webhooks(&world, &key).await[..] else {
        panic!("not one webhook")
    };
    assert_eq!((text(line, "/status"), &line["posts"]), ("Failed", &json!(1)));
    assert_eq!(text(line, "/answer"), "410 Gone: no such hook");
    let (_, sqs) = patchbay_simulators::aws::clients(&world.aws, &patchbay_simulators::aws::retries());
    let dead = world.aws.sqs().queue("notifications-dlq").unwrap();
    let received = sqs
        .receive_message()
        .queue_url(dead.url())
        .message_attribute_names("reason")
        .send()
        .await
        .unwrap();
    let reason = received.messages()[0].message_attributes().unwrap()["reason"].string_value();
    assert_eq!(reason, Some("requester.example.org: 410 Gone"));
}
