//! Recordings of calls: `recordingUrl`, and `GET /recordings/{ref}`.

use patchbay::interaction::{AttemptOutcome, Event, Interaction, Progress, Report};
use patchbay_simulators::world::PUBLIC_URL;
use serde_json::{Value, json};

use crate::common::{Answer, callbacks, request};
use crate::view::deliver;
use crate::{Api, key, sms_with};

const STORED: &str = "https://media.example.org/r.wav?signature=secret";

/// A call over Elemente of which this was recorded. Returns the interaction's id.
async fn recorded(api: &Api, recording: &str) -> String {
    let fields = json!({ "channel": "call", "customerName": "Ana Ruiz", "customerPhone": "+12025550143" });
    let id = api.create(&sms_with(&fields)).await;
    deliver(api, &id, "el-1", Progress::Answered).await;
    let report = Report {
        outcome: Some(AttemptOutcome::TalkedTo),
        talk_seconds: Some(95),
        recording: Some(recording.to_owned()),
        ..Report::default()
    };
    api.apply(&id, |interaction: &Interaction| Event::Reported {
        attempt: interaction.attempt.as_ref().unwrap().id,
        report: report.clone(),
    })
    .await;
    id
}

async fn url_of(api: &Api, id: &str) -> String {
    let shown = api.get(&format!("/api/v1/calls/{id}")).await;
    shown.text("/recordingUrl").to_owned()
}

/// Opens a URL of ours without a token.
async fn open(api: &Api, method: &str, url: &str) -> Answer {
    let path = url.strip_prefix(PUBLIC_URL).unwrap();
    api.send(request(method, path).body(bytes::Bytes::new()).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn a_recording_is_opened_without_a_token_over_a_url_of_ours() {
    let api = Api::start().await;
    let id = recorded(&api, STORED).await;
    let url = url_of(&api, &id).await;
    assert!(url.starts_with(&format!("{PUBLIC_URL}/recordings/main.{id}.")), "{url}");
    for method in ["GET", "HEAD"] {
        let answer = open(&api, method, &url).await;
        assert_eq!(answer.status, 302, "{answer:?}");
        for (name, value) in [
            ("location", STORED),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.headers[name], value);
        }
    }
    open(&api, "POST", &url).await.is_problem(405, "method-not-allowed");
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_our_url_and_none_has_that_of_the_back_end() {
    let api = Api::start().await;
    let id = recorded(&api, STORED).await;
    let url = url_of(&api, &id).await;
    let listed = api.get("/api/v1/calls").await;
    assert_eq!(listed.text("/0/recordingUrl"), url);
    let changed = api
        .ask("PUT", &format!("/api/v1/calls/{id}"), &json!({ "note": "heard" }))
        .await;
    assert_eq!(changed.text("/recordingUrl"), url);
    let own = api.get(&format!("/v1/interactions/{id}")).await;
    assert_eq!(own.text("/recording"), url);
    let facts = own.json["timeline"].as_array().unwrap().iter();
    assert_eq!(facts.filter(|entry| entry["fact"] == "recorded").count(), 1);
    for answer in [listed, changed, own] {
        assert!(!answer.json.to_string().contains("media.example.org"), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_url_stays_the_same_for_a_while_and_works_for_an_hour() {
    let api = Api::start().await;
    let id = recorded(&api, STORED).await;
    // To the beginning of the next ten minutes.
    let now = api.world.clock.now();
    let next = now.plus_seconds(1).rounded_up_to(600);
    api.pass(next.since(now).as_secs() + 1).await;
    let url = url_of(&api, &id).await;
    api.pass(590).await;
    assert_eq!(url_of(&api, &id).await, url);
    api.pass(20).await;
    assert_ne!(url_of(&api, &id).await, url);
    api.pass(3_000).await;
    assert_eq!(open(&api, "GET", &url).await.status, 302);
    api.pass(600).await;
    open(&api, "GET", &url).await.is_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn a_forged_url_tells_nothing() {
    let api = Api::start().await;
    let id = recorded(&api, STORED).await;
    let other = recorded(&api, STORED).await;
    let url = url_of(&api, &id).await;
    let attempt = api.load(&id).await.attempt.unwrap().id;
    let until = api.world.clock.now().plus_seconds(3_600);
    let of_nothing = callbacks(patchbay_simulators::world::REFERENCE_KEY);
    for forged in [
        url.replace(&id, &other),
        url.replacen("main.", "acme.", 1),
        url[..url.len() - 1].to_owned(),
        format!("{PUBLIC_URL}/recordings/"),
        format!("{PUBLIC_URL}/recordings/{}", "a".repeat(2_000)),
        callbacks("another key that is good enough for it").recording_url(&key(&id), attempt, until),
        // Signed by us, but of an attempt and of an interaction that do not exist.
        of_nothing.recording_url(&key(&id), patchbay::ids::Nonce::new(7), until),
        of_nothing.recording_url(&key("6b1f0000-0000-4000-8000-00000000dead"), attempt, until),
    ] {
        let answer = open(&api, "GET", &forged).await;
        answer.is_problem(404, "not-found");
        assert!(!answer.headers.contains_key("location"), "{forged}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_recording_of_a_forgotten_customer_is_gone() {
    let api = Api::start().await;
    let id = recorded(&api, STORED).await;
    let url = url_of(&api, &id).await;
    let shown = api.get(&format!("/api/v1/calls/{id}")).await;
    let customer = format!("/v1/customers/{}", shown.text("/customerId"));
    assert_eq!(api.ask("DELETE", &customer, &Value::Null).await.status, 204);
    open(&api, "GET", &url).await.is_problem(404, "not-found");
    assert_eq!(url_of(&api, &id).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_hostile_recording_has_no_url() {
    let api = Api::start().await;
    let long = format!("https://media.example.org/{}", "a".repeat(3_000));
    for recording in [
        "http://media.example.org/r.wav",
        "https://me:secret@media.example.org/r.wav",
        "https://169.254.169.254/latest/meta-data",
        "javascript:alert(1)",
        "RE0001",
        &long,
    ] {
        let id = recorded(&api, recording).await;
        assert_eq!(url_of(&api, &id).await, "", "{recording}");
        let own = api.get(&format!("/v1/interactions/{id}")).await;
        assert_eq!(own.json["recording"], Value::Null, "{recording}");
        let attempt = api.load(&id).await.attempt.unwrap().id;
        let until = api.world.clock.now().plus_seconds(60);
        let signed = api.deps.callbacks.recording_url(&key(&id), attempt, until);
        open(&api, "GET", &signed).await.is_problem(404, "not-found");
    }
}
