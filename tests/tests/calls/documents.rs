//! `/v1/agents` and `/v1/skills`.

use serde_json::{Value, json};

use crate::common::with_token;
use crate::{AGENT, Api, SKILL, sms};

#[tokio::test(start_paused = true)]
async fn documents_are_written_listed_read_and_deleted() {
    let api = Api::start().await;
    for (collection, kind, id, name) in [
        ("agents", "agent", AGENT, "Leo"),
        ("skills", "skill", SKILL, "Delivery"),
    ] {
        let path = format!("/v1/{collection}/{id}");
        let shown = api.get(&path).await;
        assert_eq!((shown.status, shown.text("/document/name")), (200, name), "{shown:?}");
        assert_eq!(shown.json["warnings"], json!([]));
        let list = api.get(&format!("/v1/{collection}")).await;
        assert_eq!(list.text(&format!("/{collection}/0/{kind}")), id, "{list:?}");
        assert_eq!(api.ask("DELETE", &path, &Value::Null).await.status, 204);
        api.get(&path).await.is_problem(404, "not-found");
    }
    let answer = api.post(&sms()).await;
    assert_eq!(answer.is_problem(422, "invalid-field"), ["agentId", "skillId"]);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_document_is_refused_with_every_error_and_its_line() {
    let api = Api::empty().await;
    let yaml = "name: Leo\nchannels:\n  sms: {over: ses, from: x}\n  fax: {}\n";
    let request = with_token("PUT", "/v1/agents/leo").header("content-type", "application/yaml");
    let answer = api.send(request.body(yaml.into()).unwrap()).await;
    let named = answer.is_problem(422, "invalid-field");
    assert_eq!(named.len(), 2, "{answer:?}");
    for line in ["line 3", "line 4"] {
        assert!(answer.json.to_string().contains(line), "{answer:?}");
    }
    api.get("/v1/agents/leo").await.is_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn the_documents_in_the_examples_are_valid() {
    let api = Api::empty().await;
    for (path, yaml) in [
        (
            "/v1/agents/leo",
            include_str!("../../../functions/calls/examples/agent.yaml"),
        ),
        (
            "/v1/skills/delivery",
            include_str!("../../../functions/calls/examples/skill.yaml"),
        ),
    ] {
        let request = with_token("PUT", path).header("content-type", "application/yaml");
        let answer = api.send(request.body(yaml.into()).unwrap()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}
