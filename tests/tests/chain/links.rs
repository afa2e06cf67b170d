//! `/v1/links`: documents are validated as a whole, versioned, and visible to their tenant only.

use bytes::Bytes;
use patchbay_simulators::world::World;
use serde_json::{Value, json};

use crate::common::{Answer, request, send, text, with_token};
use crate::{PIN, SHIPSTATION, SMS, api, endpoint, one_rule, put, quiet_world};

async fn put_with(world: &World, headers: &[(&str, &str)], document: &str) -> Answer {
    let builder = headers
        .iter()
        .fold(with_token("PUT", "/v1/links/a"), |builder, (name, value)| {
            builder.header(*name, *value)
        });
    send(world, builder.body(Bytes::from(document.to_owned())).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn a_document_is_stored_read_listed_and_deleted() {
    let world = quiet_world().await;
    for (name, document) in [("sms", SMS), ("orders", SHIPSTATION), ("pin", PIN)] {
        let answer = put(&world, name, document).await;
        assert!(
            endpoint(&answer).starts_with("https://hooks.example.org/agent4/main."),
            "{answer:?}"
        );
        assert_eq!(answer.text("/chain"), name);
    }
    let got = api(&world, "GET", "/v1/links/sms", &Value::Null).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.text("/document/links/0/name"), "send_code");
    assert_eq!(got.header("etag"), format!("\"{}\"", got.json["version"]));
    // A document that was read can be written back as JSON.
    let again = put_with(
        &world,
        &[("content-type", "application/json")],
        &got.json["document"].to_string(),
    )
    .await;
    assert_eq!(again.status, 200, "{again:?}");

    let list = api(&world, "GET", "/v1/links?limit=3", &Value::Null).await;
    let names: Vec<&str> = list.json["links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| text(link, "/chain"))
        .collect();
    assert_eq!(names, ["a", "orders", "pin"]);
    let rest = api(
        &world,
        "GET",
        &format!("/v1/links?cursor={}", list.text("/next_cursor")),
        &Value::Null,
    )
    .await;
    assert_eq!(rest.json["links"][0]["chain"], "sms");
    assert_eq!(rest.json["next_cursor"], Value::Null);

    assert_eq!(api(&world, "DELETE", "/v1/links/sms", &Value::Null).await.status, 204);
    api(&world, "DELETE", "/v1/links/sms", &Value::Null)
        .await
        .is_problem(404, "not-found");
    api(&world, "GET", "/v1/links/sms", &Value::Null)
        .await
        .is_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn a_concurrent_change_fails_the_precondition() {
    let world = quiet_world().await;
    let document = one_rule("{content: x}");
    let first = put_with(&world, &[("if-none-match", "*")], &document).await;
    assert_eq!(first.status, 201, "{first:?}");
    let other = one_rule("{content: y}");
    put_with(&world, &[("if-none-match", "*")], &other)
        .await
        .is_problem(412, "precondition-failed");
    let tag = first.header("etag").to_owned();
    let second = put_with(&world, &[("if-match", &tag)], &document).await;
    assert_eq!(second.status, 200, "{second:?}");
    assert!(second.json["version"].as_i64() > first.json["version"].as_i64());
    put_with(&world, &[("if-match", &tag)], &other)
        .await
        .is_problem(412, "precondition-failed");
    assert_eq!(put_with(&world, &[("if-match", "*")], &document).await.status, 200);
    let delete = |tag: &str| {
        with_token("DELETE", "/v1/links/a")
            .header("if-match", tag)
            .body(Bytes::new())
            .unwrap()
    };
    send(&world, delete(&tag)).await.is_problem(412, "precondition-failed");
    let now = api(&world, "GET", "/v1/links/a", &Value::Null).await;
    assert_eq!(send(&world, delete(now.header("etag"))).await.status, 204);
    put_with(&world, &[("if-match", "*")], &document)
        .await
        .is_problem(412, "precondition-failed");
    for (headers, field) in [
        (vec![("if-match", "soon")], "If-Match"),
        (vec![("if-none-match", "soon")], "If-None-Match"),
        (vec![("if-match", "*"), ("if-none-match", "*")], "If-Match"),
    ] {
        let refused = put_with(&world, &headers, &document).await;
        assert_eq!(refused.is_problem(422, "invalid-field"), [field]);
    }
}

#[tokio::test(start_paused = true)]
async fn entity_tags_are_compared_as_rfc_9110_requires() {
    let world = quiet_world().await;
    let first = put_with(&world, &[], &one_rule("{content: x}")).await;
    let tag = first.header("etag").to_owned();
    let (weak, foreign) = (format!("W/{tag}"), "\"a-tag-of-someone-else\"");
    let document = one_rule("{content: y}");
    for refused in [weak.as_str(), foreign, "\"1\", \"2\"", &format!("{weak}, {foreign}")] {
        put_with(&world, &[("if-match", refused)], &document)
            .await
            .is_problem(412, "precondition-failed");
        let delete = with_token("DELETE", "/v1/links/a").header("if-match", refused);
        let answer = send(&world, delete.body(Bytes::new()).unwrap()).await;
        answer.is_problem(412, "precondition-failed");
    }
    for refused in [tag.as_str(), &weak, &format!("{foreign}, {weak}")] {
        put_with(&world, &[("if-none-match", refused)], &document)
            .await
            .is_problem(412, "precondition-failed");
        let get = with_token("GET", "/v1/links/a").header("if-none-match", refused);
        let same = send(&world, get.body(Bytes::new()).unwrap()).await;
        assert_eq!((same.status, same.header("etag")), (304, tag.as_str()), "{same:?}");
    }
    let get = with_token("GET", "/v1/links/a").header("if-match", foreign);
    let answer = send(&world, get.body(Bytes::new()).unwrap()).await;
    answer.is_problem(412, "precondition-failed");
    let listed = put_with(&world, &[("if-match", &format!("{foreign}, {tag}"))], &document).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    let other = put_with(&world, &[("if-none-match", &tag)], &one_rule("{content: z}")).await;
    assert_eq!(other.status, 200, "{other:?}");
}

#[tokio::test(start_paused = true)]
async fn a_repeated_conditional_write_succeeds_if_it_wrote_the_same() {
    let world = quiet_world().await;
    let document = one_rule("{content: x}");
    let created = put_with(&world, &[("if-none-match", "*")], &document).await;
    assert_eq!(created.status, 201, "{created:?}");
    let again = put_with(&world, &[("if-none-match", "*")], &document).await;
    assert_eq!((again.status, again.header("etag")), (200, created.header("etag")));
    assert_eq!(again.json, created.json);

    let (tag, next) = (created.header("etag").to_owned(), one_rule("{content: y}"));
    let changed = put_with(&world, &[("if-match", &tag)], &next).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    for tags in [tag.clone(), format!("\"a\", {tag}")] {
        let again = put_with(&world, &[("if-match", &tags)], &next).await;
        assert_eq!(
            (again.status, again.header("etag")),
            (200, changed.header("etag")),
            "{again:?}"
        );
    }
    // That does not apply to a weak tag, nor to a version that does not exist yet.
    for tags in [format!("W/{tag}"), "\"99999999999999\"".to_owned()] {
        put_with(&world, &[("if-match", &tags)], &next)
            .await
            .is_problem(412, "precondition-failed");
    }
}

#[tokio::test(start_paused = true)]
async fn every_error_is_reported_with_its_line_and_changes_nothing() {
    let world = quiet_world().await;
    let valid = put(&world, "orders", SHIPSTATION).await;
    let broken = SHIPSTATION
        .replace(
            "{name: switch_task, context: {name: order_talk}}",
            "{name: switch_task, context: {name: order_chat}}",
        )
        .replace("when: state.misses > 0", "when: state.mises > 0")
        .replace("{{ metadata.greeting }}", "{{ metadata.greeting | shout }}")
        .replace(
            "type: string\n          description: The order number",
            "type: text\n          description: The order number",
        );
    let answer = put(&world, "orders", &broken).await;
    let fields = answer.is_problem(422, "invalid-field");
    for field in [
        "links[0].qualified[1].rules[1].actions[0].context.name",
        "links[0].initial[0].when",
        "links[0].initial[1].content",
        "links[0].qualified_parameters.properties.order_number.type",
        "links[1].name",
    ] {
        assert!(fields.iter().any(|known| known == field), "{field}: {fields:#?}");
    }
    for error in answer.json["errors"].as_array().unwrap() {
        assert!(text(error, "/detail").starts_with("line "), "{error}");
    }
    let line = broken.lines().position(|line| line.contains("state.mises")).unwrap() + 1;
    assert!(
        answer.json["errors"]
            .to_string()
            .contains(&format!("line {line}, column 9: `state.mises` is undefined")),
        "{answer:?}"
    );
    let stored = api(&world, "GET", "/v1/links/orders", &Value::Null).await;
    assert_eq!(stored.json["version"], valid.json["version"]);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_document_is_refused() {
    let world = quiet_world().await;
    for (document, field) in [
        ("", "(document)"),
        ("links: [", "(document)"),
        ("{\"links\": }", "(document)"),
        ("links: []", "links"),
    ] {
        let answer = put(&world, "a", document).await;
        assert!(
            answer
                .is_problem(422, "invalid-field")
                .iter()
                .any(|known| known == field),
            "{document}: {answer:?}"
        );
    }
    put(&world, "a", &format!("description: {}", "x".repeat(360_000)))
        .await
        .is_problem(413, "body-too-large");
    put(&world, "A", SMS).await.is_problem(422, "invalid-field");
    put_with(&world, &[("content-type", "application/xml")], SMS)
        .await
        .is_problem(415, "unsupported-media-type");
    api(&world, "PATCH", "/v1/links/a", &json!({}))
        .await
        .is_problem(405, "method-not-allowed");
    api(&world, "POST", "/v1/links", &json!({}))
        .await
        .is_problem(405, "method-not-allowed");
}

#[tokio::test(start_paused = true)]
async fn every_request_without_a_token_is_refused() {
    let world = quiet_world().await;
    put(&world, "a", SMS).await;
    for (method, path) in [
        ("GET", "/v1/links"),
        ("GET", "/v1/links/a"),
        ("PUT", "/v1/links/a"),
        ("DELETE", "/v1/links/a"),
        ("POST", "/v1/links/a/test"),
        ("GET", "/v1/links/a/endpoint"),
    ] {
        let answer = send(&world, request(method, path).body(Bytes::from_static(b"{}")).unwrap()).await;
        answer.is_problem(401, "unauthorized");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_shows_the_answer_and_fetches_nothing() {
    let world = quiet_world().await;
    put(&world, "orders", SHIPSTATION).await;
    let order = json!({ "orderNumber": "QX-1", "orderStatus": "shipped", "billTo": { "phone": "2025550143" } });
    let sample = json!({
        "request": { "name": "order_start", "action": "qualified", "call_from": "+12025550143", "context": "{\"responses\":\"QX-1\"}" },
        "fetch": { "orders": { "json": { "orders": [order] } } },
    });
    let result = api(&world, "POST", "/v1/links/orders/test", &sample).await;
    assert_eq!(result.status, 200, "{result:?}");
    assert_eq!(result.text("/answered_by"), "links[0].qualified[1].rules[1]");
    assert_eq!(result.text("/answer/actions/0/context/name"), "order_talk");
    let url = "https://ssapi.shipstation.com/orders?orderNumber=QX-1&pageSize=100";
    assert_eq!(
        result.json["fetches"],
        json!([{ "name": "orders", "url": url, "outcome": "ok" }])
    );
    let mut sample = sample;
    sample["fetch"] = json!({});
    let result = api(&world, "POST", "/v1/links/orders/test", &sample).await;
    assert_eq!(
        result.text("/answered_by"),
        "links[0].qualified[1].fetch[0].on.timed_out"
    );
    assert!(world.shipstation.requests().is_empty());
    api(&world, "POST", "/v1/links/none/test", &sample)
        .await
        .is_problem(404, "not-found");
    api(&world, "POST", "/v1/links/orders/test", &json!({ "request": {} }))
        .await
        .is_problem(422, "invalid-field");
}

#[tokio::test(start_paused = true)]
async fn the_url_of_a_chain_is_valid_for_that_chain_only() {
    let world = quiet_world().await;
    let sms = endpoint(&put(&world, "sms", SMS).await);
    endpoint(&put(&world, "pin", PIN).await);
    let shown = api(&world, "GET", "/v1/links/sms/endpoint", &Value::Null).await;
    assert_eq!(shown.text("/endpoint"), sms);
    let link = |name: &str| json!({ "name": name, "endpoint": sms });
    let portal = json!([link("send_code"), link("ask_code"), link("inside")]);
    assert_eq!(shown.json["links"], portal, "the array that the portal accepts");
    api(&world, "GET", "/v1/links/smss/endpoint", &Value::Null)
        .await
        .is_problem(404, "not-found");
    let body = json!({ "name": "send_code", "action": "initial", "call_from": "+12025550143" });
    assert_eq!(crate::post(&world, &sms, &body).await.status, 200);
    for wrong in [
        sms.replace("/sms", "/pin"),
        sms.replace("main.", "other."),
        sms.replace("main.", "main.0"),
        sms.replace("/sms", "/SMS"),
    ] {
        crate::post(&world, &wrong, &body)
            .await
            .is_problem(404, "bad-reference");
    }
    let answer = send(&world, request("GET", &sms).body(Bytes::new()).unwrap()).await;
    answer.is_problem(405, "method-not-allowed");
}
