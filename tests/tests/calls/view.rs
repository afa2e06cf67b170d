//! `GET /v1/interactions/{id}` and `GET /api/v1/calls/{id}`: what is shown of an interaction.

use patchbay::interaction::{
    AttemptOutcome, Channel, Clearance, Event, Interaction, Progress, Reply, Report, SendResult,
};
use serde_json::{Value, json};

use crate::common::text;
use crate::{Api, sms, sms_with};

fn attempt(interaction: &Interaction) -> patchbay::ids::Nonce {
    interaction.attempt.as_ref().unwrap().id
}

/// Sends what is planned.
pub(crate) async fn deliver(api: &Api, id: &str, provider_id: &str, progress: Progress) {
    api.apply(id, |interaction| Event::SendBegins {
        attempt: attempt(interaction),
        clearance: Clearance::Granted,
    })
    .await;
    let provider_id = || provider_id.to_owned();
    api.apply(id, |interaction| Event::SendEnds {
        attempt: attempt(interaction),
        result: SendResult::Sent {
            provider_id: provider_id(),
            progress: None,
        },
    })
    .await;
    let report = Report {
        progress: Some(progress),
        ..Report::default()
    };
    api.apply(id, |interaction| Event::Reported {
        attempt: attempt(interaction),
        report: report.clone(),
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn messages_have_sender_status_and_time() {
    let api = Api::start().await;
    let id = api.create(&sms()).await;
    deliver(&api, &id, "SM1", Progress::Delivered).await;
    api.pass(42).await;
    let reply = Reply {
        id: "SM2".to_owned(),
        channel: Channel::Sms,
        attempt: None,
        text: "Thanks!".to_owned(),
        at: api.world.clock.now(),
        is_opt_out: false,
    };
    api.apply(&id, |_| Event::Replied { reply: reply.clone() }).await;
    let shown = api.get(&format!("/api/v1/calls/{id}")).await;
    assert_eq!(
        (shown.text("/status"), shown.text("/duration")),
        ("open", "42"),
        "{shown:?}"
    );
    let messages = shown.json["messages"].as_array().unwrap();
    let of = |index: usize, name: &str| text(&messages[index], &format!("/{name}")).to_owned();
    for (index, sid, sender, content, status) in [
        (0, "SM1", "agent", "Hi Ana, Leo here.", "delivered"),
        (1, "SM2", "customer", "Thanks!", "received"),
    ] {
        assert_eq!(
            [
                of(index, "sid"),
                of(index, "sender"),
                of(index, "content"),
                of(index, "status")
            ],
            [sid, sender, content, status]
        );
        assert!(of(index, "timestamp").ends_with('Z') && of(index, "mediaUrl").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_over_elemente_shows_what_elemente_gives() {
    let api = Api::start().await;
    let id = api.create(&sms_with(&json!({ "channel": "call" }))).await;
    deliver(&api, &id, "el-1", Progress::Answered).await;
    let shown = api.get(&format!("/api/v1/calls/{id}")).await;
    assert_eq!(shown.text("/recordingUrl"), "", "{shown:?}");
    let report = Report {
        outcome: Some(AttemptOutcome::TalkedTo),
        talk_seconds: Some(95),
        recording: Some("https://media.example.org/r.wav".to_owned()),
        transcript: Some("Hi Ana".to_owned()),
        ..Report::default()
    };
    api.apply(&id, |interaction| Event::Reported {
        attempt: attempt(interaction),
        report: report.clone(),
    })
    .await;
    let shown = api.get(&format!("/api/v1/calls/{id}")).await;
    for (pointer, expected) in [("/transcription", "Hi Ana"), ("/duration", "95")] {
        assert_eq!(shown.text(pointer), expected, "{shown:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn our_own_view_has_plan_attempts_thread_and_timeline() {
    let api = Api::start().await;
    let id = api.create(&sms()).await;
    let fresh = api.get(&format!("/v1/interactions/{id}")).await;
    assert_eq!(fresh.text("/attempts/0/phase/is"), "planned", "{fresh:?}");
    assert_eq!(fresh.text("/next_at"), fresh.text("/created_at"));
    deliver(&api, &id, "SM1", Progress::Delivered).await;
    let shown = api.get(&format!("/v1/interactions/{id}")).await;
    for (pointer, expected) in [
        ("/id", id.as_str()),
        ("/state", "sent"),
        ("/channel", "sms"),
        ("/agent/name", "Leo"),
        ("/customer/name", "Ana Ruiz"),
        ("/plan/legs/0/back_end", "twilio"),
        ("/attempts/0/provider_id", "SM1"),
        ("/attempts/0/phase/is", "sent"),
        ("/attempts/0/progress", "delivered"),
        ("/thread/0/text", "Hi Ana, Leo here."),
        ("/timeline/0/fact", "created"),
    ] {
        assert_eq!(shown.text(pointer), expected, "{pointer}: {shown:?}");
    }
    assert_eq!(shown.json.pointer("/reason"), None);
    api.ask("PUT", &format!("/api/v1/calls/{id}"), &json!({ "status": "closed" }))
        .await;
    let ended = api.get(&format!("/v1/interactions/{id}")).await;
    for (pointer, expected) in [
        ("/state", "ended"),
        ("/reason", "closed"),
        ("/attempts/0/outcome/is", "canceled"),
    ] {
        assert_eq!(ended.text(pointer), expected, "{pointer}: {ended:?}");
    }
    assert_eq!(ended.json.pointer("/next_at"), None);
}

#[tokio::test(start_paused = true)]
async fn a_timeline_goes_on_after_its_cursor() {
    let api = Api::start().await;
    let id = api.create(&sms()).await;
    for index in 0..3 {
        let note = json!({ "note": format!("note {index}") });
        api.ask("PUT", &format!("/api/v1/calls/{id}"), &note).await;
    }
    let all = api.get(&format!("/v1/interactions/{id}")).await;
    let entries = all.json["timeline"].as_array().unwrap();
    assert!(entries.len() >= 4, "{all:?}");
    let cursor = text(&entries[1], "/id");
    let rest = api
        .get(&format!("/v1/interactions/{id}?timeline_cursor={cursor}"))
        .await;
    assert_eq!(rest.json["timeline"].as_array().unwrap().as_slice(), &entries[2..]);
    for wrong in ["", "a%20b", "%23", &"0".repeat(101)] {
        let answer = api.get(&format!("/v1/interactions/{id}?timeline_cursor={wrong}")).await;
        assert_eq!(answer.is_problem(422, "invalid-field"), ["timeline_cursor"], "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn our_own_view_has_no_secret_and_no_fingerprint() {
    let api = Api::start().await;
    let created = api.post_once("k", &sms()).await;
    let shown = api.get(&format!("/v1/interactions/{}", created.text("/id"))).await;
    let Value::Object(fields) = &shown.json else {
        unreachable!("{shown:?}")
    };
    assert!(
        fields.contains_key("plan") && !fields.contains_key("fingerprint"),
        "{shown:?}"
    );
}
