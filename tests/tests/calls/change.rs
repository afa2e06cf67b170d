//! `PUT /api/v1/calls/{id}`.

use patchbay::interaction::{EndReason, Fact, State};
use serde_json::{Value, json};

use crate::common::Answer;
use crate::{Api, sms};

async fn change(api: &Api, id: &str, body: &Value) -> Answer {
    api.ask("PUT", &format!("/api/v1/calls/{id}"), body).await
}

#[tokio::test(start_paused = true)]
async fn closing_words_end_an_interaction_before_anything_is_sent() {
    let api = Api::start().await;
    for (word, reason, shown) in [
        ("closed", EndReason::Closed, "closed"),
        ("close", EndReason::Closed, "closed"),
        ("resolved", EndReason::Resolved, "resolved"),
        ("canceled", EndReason::Canceled, "canceled"),
    ] {
        let id = api.create(&sms()).await;
        let answer = change(&api, &id, &json!({ "note": "by phone", "status": word })).await;
        assert_eq!((answer.status, answer.text("/status")), (200, shown), "{answer:?}");
        let interaction = api.load(&id).await;
        assert_eq!(interaction.state, State::ended(reason), "{word}");
        assert_eq!((interaction.attempt, interaction.note.as_str()), (None, "by phone"));
        // A repeat changes nothing.
        let again = change(&api, &id, &json!({ "note": "by phone", "status": word })).await;
        assert_eq!((again.status, again.json), (200, answer.json));
    }
}

#[tokio::test(start_paused = true)]
async fn other_words_are_refused_with_those_that_are_possible() {
    let api = Api::start().await;
    let id = api.create(&sms()).await;
    for word in [
        "failed",
        "busy",
        "answer",
        "open",
        "stalled",
        "voicemail",
        "in-progress",
    ] {
        let answer = change(&api, &id, &json!({ "note": "x", "status": word })).await;
        assert_eq!(answer.is_problem(422, "invalid-field"), ["status"], "{word}");
        let detail = answer.text("/errors/0/detail");
        assert_eq!(
            detail,
            "cannot be set: expected one of closed, close, resolved, completed, canceled"
        );
    }
    let unknown = change(&api, &id, &json!({ "status": "done" })).await;
    assert_eq!(unknown.is_problem(422, "invalid-field"), ["status"]);
    let interaction = api.load(&id).await;
    assert_eq!((interaction.version, interaction.note.as_str()), (1, ""));
}

#[tokio::test(start_paused = true)]
async fn the_status_that_it_has_already_may_be_sent_along() {
    let api = Api::start().await;
    let id = api.create(&sms()).await;
    for word in ["queued", "pending"] {
        let answer = change(&api, &id, &json!({ "note": word, "status": word })).await;
        assert_eq!((answer.status, answer.text("/status")), (200, "queued"), "{answer:?}");
        assert_eq!(api.load(&id).await.note, word);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_has_ended_cannot_be_canceled() {
    let api = Api::start().await;
    let id = api.create(&sms()).await;
    change(&api, &id, &json!({ "status": "resolved" })).await;
    let answer = change(&api, &id, &json!({ "note": "late", "status": "canceled" })).await;
    answer.is_problem(409, "conflict");
    assert!(answer.text("/detail").contains("resolved"), "{answer:?}");
    let interaction = api.load(&id).await;
    assert_eq!(
        (interaction.state, interaction.note.as_str()),
        (State::ended(EndReason::Resolved), "")
    );
    // A note may still be added.
    assert_eq!(change(&api, &id, &json!({ "note": "late" })).await.status, 200);
    assert_eq!(api.load(&id).await.note, "late");
}

#[tokio::test(start_paused = true)]
async fn wrapping_up_what_has_ended_shows_how_it_ended_and_keeps_the_note() {
    let api = Api::start().await;
    let id = api.create(&sms()).await;
    change(&api, &id, &json!({ "status": "canceled" })).await;
    for word in ["resolved", "completed", "closed"] {
        let answer = change(&api, &id, &json!({ "note": word, "status": word })).await;
        assert_eq!((answer.status, answer.text("/status")), (200, "canceled"), "{answer:?}");
        assert_eq!(api.load(&id).await.note, word);
    }
}

#[tokio::test(start_paused = true)]
async fn another_agent_takes_over_and_what_is_planned_stays() {
    let api = Api::start().await;
    let mia = json!({ "name": "Mia", "channels": { "sms": { "over": "twilio", "from": "+12025550101" } } });
    api.put("/v1/agents/mia", &mia).await;
    let id = api.create(&sms()).await;
    let before = api.load(&id).await;
    let answer = change(&api, &id, &json!({ "agentId": "mia" })).await;
    assert_eq!(
        (
            answer.text("/agentId"),
            answer.text("/agentPhone"),
            answer.text("/agentEmail")
        ),
        ("mia", "+12025550101", ""),
        "{answer:?}"
    );
    let after = api.load(&id).await;
    assert_eq!((after.plan, after.attempt), (before.plan, before.attempt));
    assert!(api.facts(&id).await.contains(&Fact::AgentChanged {
        agent: "mia".to_owned()
    }));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_agent_changes_nothing() {
    let api = Api::start().await;
    let id = api.create(&sms()).await;
    let answer = change(
        &api,
        &id,
        &json!({ "agentId": "nobody", "status": "closed", "note": "x" }),
    )
    .await;
    assert_eq!(answer.is_problem(422, "invalid-field"), ["agentId"]);
    assert_eq!(api.load(&id).await.version, 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_needs_something_to_change_and_an_interaction() {
    let api = Api::start().await;
    let id = api.create(&sms()).await;
    change(&api, &id, &json!({})).await.is_problem(422, "invalid-field");
    change(&api, &id, &json!([])).await.is_problem(422, "invalid-field");
    let unknown = "6b1f0000-0000-4000-8000-0000000000aa";
    for id in [unknown, "x", "%20", "..%2Fx"] {
        change(&api, id, &json!({ "note": "x" }))
            .await
            .is_problem(404, "not-found");
        api.get(&format!("/api/v1/calls/{id}"))
            .await
            .is_problem(404, "not-found");
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_changes_are_all_made() {
    let api = Api::start().await;
    let id = api.create(&sms()).await;
    let (note, end) = (json!({ "note": "by phone" }), json!({ "status": "resolved" }));
    let (one, two) = tokio::join!(change(&api, &id, &note), change(&api, &id, &end));
    assert_eq!((one.status, two.status), (200, 200));
    let interaction = api.load(&id).await;
    assert_eq!(
        (interaction.note.as_str(), interaction.state),
        ("by phone", State::ended(EndReason::Resolved))
    );
}
