//! How webhooks stand, and how one has one sent again; and every status of a call for those who ask for it.

use http::StatusCode;
use patchbay::dispatch::Entry;
use patchbay::dispatch::delivery::event_id;
use patchbay::http::{HttpClient, Request, Response, SendHttp, Sending};
use patchbay::ids::DispatchKey;
use patchbay::webhooks;
use patchbay_simulators::aws::{Fault, Rule, Service};
use patchbay_simulators::phones::{Behaviour, Script, When};
use patchbay_simulators::world::{Notification, Options, World};
use serde_json::{Value, json};

use crate::common::{
    Answer, ask, brief, call_to, change, cost, create, get, keys_event, list, pass, phones, rings, send, settle, show,
    status_event, text, until, webhook, with_token, world,
};
use crate::notices::{statuses, told};

/// A ticket that somebody accepts at the second call, for a receiver whose answers the rules in `faults` spoil.
async fn accepted(faults: impl IntoIterator<Item = Rule>) -> (World, DispatchKey) {
    let world = world([
        Script::always(Behaviour::Busy),
        Script::always(Behaviour::presses("1", When::OptionsSay(1))),
    ])
    .await;
    for rule in faults {
        world
            .aws
            .faults()
            .plan(rule.service(Service::Http).function("notifier"));
    }
    let key = create(&world, &brief(2, &json!({ "attempts": 1 }))).await;
    until(&world, "it is told", |world| world.notifications().len() >= 2).await;
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
    let id = |told: &Notification| told.request.headers()["webhook-id"].to_str().unwrap().to_owned();
    notifications.iter().map(id).collect()
}

#[tokio::test(start_paused = true)]
async fn every_webhook_is_listed_with_what_the_receiver_said_and_how_often_it_was_asked() {
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
    let told = told(&world);
    for (line, body) in listed.iter().zip(&told) {
        assert_eq!(line["sequence"], body["data"]["sequence"]);
        assert_eq!(line["happened_at"], body["timestamp"]);
        assert_eq!(line.get("next_at"), None);
    }
    let mut seen = ids_of(&world.notifications());
    seen.sort_unstable();
    let mut shown: Vec<&str> = listed.iter().map(|line| text(line, "/id")).collect();
    shown.sort_unstable();
    assert_eq!(shown, seen);
    let shown = show(&world, &key).await;
    assert_eq!(text(&shown, "/webhook/url"), "https://requester.example.org/hook");
    let summary = &shown["webhook"]["deliveries"];
    assert_eq!(
        [&summary["delivered"], &summary["retrying"], &summary["given_up"]],
        [&json!(2), &json!(0), &json!(0)]
    );
    assert_eq!(text(summary, "/last/answer"), "204 No Content");
}

#[tokio::test(start_paused = true)]
async fn many_webhooks_come_in_pages_and_the_summary_says_that_there_are_more() {
    let (world, key) = accepted([]).await;
    let dispatch = world.store.load(&key).await.unwrap().unwrap();
    let told = webhooks::told(&world.store, &dispatch, None)
        .await
        .unwrap()
        .told
        .remove(0)
        .entry;
    let delivery = world.store.first_deliveries(&key).await.unwrap().0.remove(0);
    for n in 0..600 {
        let id = format!("z{n:05}");
        world.store.put_delivery(&key, &id, &delivery).await.unwrap();
        let entry = Entry { id, ..told.clone() };
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
    assert_eq!(seen.len(), 602, "each once");
    let summary = &show(&world, &key).await["webhook"]["deliveries"];
    assert_eq!((&summary["more"], &summary["delivered"]), (&json!(true), &json!(500)));
    // One on the last page is found by its name.
    assert_eq!(resend(&world, &key, &event_id(&key, "z00599")).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_tried_again_says_when_and_one_that_was_given_up_why() {
    let world = world([Script::always(Behaviour::Busy)]).await;
    let always = Rule::new(Fault::Throttled).service(Service::Http).function("notifier");
    world.aws.faults().plan(always.times(u32::MAX));
    let key = create(&world, &brief(1, &json!({ "attempts": 1, "max_rounds": 1 }))).await;
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
        assert_eq!(text(&line, "/status"), "GivenUp", "{line}");
        assert_eq!(text(&line, "/answer"), "a day of tries is over: 429 Too Many Requests");
        assert!(line["posts"].as_u64().unwrap() >= 11, "{line}");
    }
    let letters = world.aws.sqs().queue("notifications-dlq").unwrap();
    assert_eq!(letters.messages().len(), 2);

    // The receiver is mended, and hears of it.
    world.aws.faults().calm();
    let first = webhooks(&world, &key).await.remove(0);
    assert_eq!(resend(&world, &key, text(&first, "/id")).await.status, 202);
    settle(&world).await;
    assert_eq!(text(&webhooks(&world, &key).await[0], "/status"), "Delivered");
    assert_eq!(ids_of(&world.notifications()), [text(&first, "/id")]);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_sent_again_under_its_name_as_often_as_somebody_asks() {
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
        let told = world.notifications();
        assert_eq!(told.len(), before + times);
        let again = told.last().unwrap();
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
async fn what_there_is_not_cannot_be_listed_or_sent_again() {
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
    let nobody = with_token("GET", &format!("/v1/dispatches/{}/webhooks", key.id)).header("authorization", "Bearer x");
    assert_eq!(
        send(&world, nobody.body(bytes::Bytes::new()).unwrap()).await.status,
        401
    );
    settle(&world).await;
    assert_eq!(world.notifications().len(), before);

    // Nobody asked to be told.
    let mut body = brief(1, &json!({}));
    drop(body.as_object_mut().unwrap().remove("webhook"));
    let untold = create(&world, &body).await;
    assert_eq!(webhooks(&world, &untold).await, Vec::<Value>::new());
    assert_eq!(show(&world, &untold).await.get("webhook"), None);
    resend(&world, &untold, none).await.is_problem(404, "not-found");
    change(&world, &untold, "cancel").await;
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_nobody_has_tried_yet_is_pending() {
    let world = world([Script::always(Behaviour::Interactive)]).await;
    let key = create(&world, &brief(1, &json!({}))).await;
    rings(&world, 0, 0).await;
    let now = world.clock.now();
    world.aws.faults().die_during("notifier", now..now.plus_seconds(600));
    change(&world, &key, "cancel").await;
    pass(&world, 5).await;
    let [line] = &webhooks(&world, &key).await[..] else {
        panic!("one webhook")
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
    let mut body = brief(count, &json!({ "attempts": 1 }));
    body["webhook"]["strategy"] = json!("OnStatus");
    body
}

#[tokio::test(start_paused = true)]
async fn on_status_tells_how_far_each_call_is_and_then_what_came_of_it() {
    let world = world([
        Script::always(Behaviour::NeverPicksUp),
        Script::always(Behaviour::presses("1", When::OptionsSay(1))),
    ])
    .await;
    create(&world, &on_status(2)).await;
    settle(&world).await;
    let told = told(&world);
    assert_eq!(
        statuses(&told),
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
    let ringing = &told[2];
    assert_eq!(text(ringing, "/type"), "dispatch.call_status");
    assert_eq!(text(ringing, "/data/employee/name"), "Anna");
    assert_eq!(ringing["data"]["attempt"], json!({ "ordinal": 1 }));
    assert!(told.iter().all(|body| !body.to_string().contains("555")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_status_costs_one_message_more_and_only_those_who_asked_for_it() {
    for (body, messages) in [(brief(1, &json!({})), 0), (on_status(1), 1)] {
        let world = world([Script::always(Behaviour::Interactive)]).await;
        create(&world, &body).await;
        let call = rings(&world, 0, 0).await;
        settle_notices(&world).await;
        let url = call.status_url.as_deref().unwrap();
        for _ in 0..2 {
            send(&world, webhook(url, status_event("InProgress").to_string())).await;
            assert_eq!(cost(&world, "status-callback"), (1, messages, 0));
        }
        // What nobody knows is written down, and told to nobody.
        send(&world, webhook(url, status_event("SomethingNew").to_string())).await;
        assert_eq!(cost(&world, "status-callback"), (1, 0, 0));
    }
}

async fn settle_notices(world: &World) {
    let queue = world.aws.sqs().queue("notifications").unwrap();
    until(world, "all is told", |_| queue.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_status_that_comes_late_or_twice_is_told_forward_only_and_once() {
    let world = world([Script::always(Behaviour::Interactive)]).await;
    let key = create(&world, &on_status(1)).await;
    let call = rings(&world, 0, 0).await;
    settle_notices(&world).await;
    let url = call.status_url.as_deref().unwrap();
    let before = world.notifications().len();
    for name in ["InProgress", "InProgress", "Ringing", "Queued"] {
        send(&world, webhook(url, status_event(name).to_string())).await;
        settle_notices(&world).await;
    }
    let after = told(&world);
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
    let overtaken = listed.iter().filter(|line| line["status"] == "Overtaken").count();
    assert!(overtaken >= 2, "{listed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_status_that_cannot_be_told_stands_in_the_timeline_all_the_same() {
    let world = world([Script::always(Behaviour::Interactive)]).await;
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
        let begun = world.clock.now();
        let answer = send(&world, webhook(call.status_url.as_deref().unwrap(), status.to_string())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(world.clock.now().since(begun).as_millis() < 2_000, "{fault:?}");
        world.aws.faults().calm();
    }
    let shown = show(&world, &key).await;
    let statuses = list(&shown, "/timeline")
        .iter()
        .filter(|line| line["name"] == "InProgress");
    assert_eq!(statuses.count(), 2, "{shown}");
    change(&world, &key, "cancel").await;
}

#[tokio::test(start_paused = true)]
async fn the_statuses_of_a_call_are_numbered_from_its_beginning() {
    let world = world([
        Script::always(Behaviour::NeverPicksUp),
        Script::always(Behaviour::Interactive),
    ])
    .await;
    let key = create(&world, &on_status(2)).await;
    let second = rings(&world, 1, 0).await;
    let first = call_to(&world, 0);
    settle_notices(&world).await;
    // Anna says no when Ben's phone rings already, and then Ben picks up.
    let no = webhook(first.collect_url.as_deref().unwrap(), keys_event("2").to_string());
    send(&world, no).await;
    let picked_up = webhook(
        second.status_url.as_deref().unwrap(),
        status_event("InProgress").to_string(),
    );
    send(&world, picked_up).await;
    settle_notices(&world).await;
    let all: Vec<Value> = world.notifications().iter().map(Notification::json).collect();
    let number = |status: &str, ordinal: u64| {
        let is = |body: &&Value| {
            text(body, "/data/status") == status && body.pointer("/data/attempt/ordinal") == Some(&json!(ordinal))
        };
        let found = all.iter().find(is).unwrap_or_else(|| panic!("no {status} in {all:?}"));
        found["data"]["sequence"].as_u64().unwrap()
    };
    assert!(number("Ringing", 2) < number("InProgress", 2));
    assert!(number("NoAnswer", 1) < number("Ringing", 2));
    assert!(
        number("InProgress", 2) < number("Rejected", 1),
        "from where the call was begun"
    );
    change(&world, &key, "cancel").await;
}

/// Answers what is asked of it, and keeps what came.
#[derive(Clone, Debug)]
struct Refuses(StatusCode);

impl SendHttp for Refuses {
    fn send(&self, _: Request) -> Sending<'_> {
        let mut response = Response::new(bytes::Bytes::from_static(b"no such hook"));
        *response.status_mut() = self.0;
        Box::pin(async { Ok(response) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_gone_is_a_dead_letter_with_the_reason_and_the_host() {
    let world = World::start(Options {
        phones: phones([Script::always(Behaviour::presses("1", When::OptionsSay(1)))]),
        requester: Some(HttpClient::new(Refuses(StatusCode::GONE))),
        ..Options::default()
    })
    .await
    .unwrap();
    let key = create(&world, &brief(1, &json!({}))).await;
    settle(&world).await;
    let [line] = &webhooks(&world, &key).await[..] else {
        panic!("one webhook")
    };
    assert_eq!((text(line, "/status"), &line["posts"]), ("GivenUp", &json!(1)));
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
