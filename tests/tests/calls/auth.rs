//! Who may use the API: HTTP Basic and Bearer, scopes and tenants.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use patchbay::access::Scope;
use patchbay_simulators::world::TOKEN;
use serde_json::{Value, json};

use crate::{Api, anonymous, json_request, sms};

/// Every route of the function, with a body that it would accept.
fn routes(id: &str) -> Vec<(Method, String, Value)> {
    let agent = json!({ "name": "A", "channels": { "sms": { "over": "twilio", "from": "+12025550100" } } });
    let call = format!("/api/v1/calls/{id}");
    vec![
        (Method::POST, "/api/v1/calls".to_owned(), sms()),
        (Method::GET, "/api/v1/calls".to_owned(), Value::Null),
        (Method::GET, call.clone(), Value::Null),
        (Method::PUT, call, json!({ "note": "x" })),
        (Method::GET, format!("/v1/interactions/{id}"), Value::Null),
        (Method::GET, "/v1/agents".to_owned(), Value::Null),
        (Method::PUT, "/v1/agents/other".to_owned(), agent),
        (Method::GET, "/v1/agents/other".to_owned(), Value::Null),
        (Method::DELETE, "/v1/agents/other".to_owned(), Value::Null),
        (Method::GET, "/v1/skills".to_owned(), Value::Null),
        (Method::PUT, "/v1/skills/other".to_owned(), json!({ "name": "S" })),
        (Method::GET, "/v1/skills/other".to_owned(), Value::Null),
        (Method::DELETE, "/v1/skills/other".to_owned(), Value::Null),
        (Method::PUT, "/v1/opt-outs/+12025550149".to_owned(), Value::Null),
        (Method::GET, "/v1/opt-outs/+12025550149".to_owned(), Value::Null),
        (Method::DELETE, "/v1/opt-outs/+12025550149".to_owned(), Value::Null),
        (
            Method::DELETE,
            "/v1/customers/6b1f0000-0000-4000-8000-0000000000cc".to_owned(),
            Value::Null,
        ),
    ]
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test(start_paused = true)]
async fn every_route_accepts_basic_and_bearer() {
    let api = Api::start().await;
    let id = api.create(&sms()).await;
    for authorization in [basic("anything", TOKEN), basic("", TOKEN), format!("Bearer {TOKEN}")] {
        for (method, path, body) in routes(&id) {
            let request = anonymous(method.as_str(), &path).header("authorization", &authorization);
            let answer = api.send(json_request(request, &body)).await;
            let expected = if path.contains("customers") {
                [404, 404, 404]
            } else {
                [200, 201, 204]
            };
            assert!(expected.contains(&answer.status), "{method} {path}: {answer:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_route_refuses_everything_else_and_says_how_to_authenticate() {
    let api = Api::start().await;
    let id = api.create(&sms()).await;
    api.world.aws.recorder().clear();
    let unknown = format!("pb_{}", "9".repeat(64));
    for authorization in [
        String::new(),
        basic("user", "password"),
        basic(TOKEN, ""),
        basic("user", &unknown),
        format!("Basic {TOKEN}"),
        "Basic %%%".to_owned(),
        format!("Bearer {unknown}"),
    ] {
        for (method, path, body) in routes(&id) {
            let request = anonymous(method.as_str(), &path);
            let request = if authorization.is_empty() {
                request
            } else {
                request.header("authorization", &authorization)
            };
            let answer = api.send(json_request(request, &body)).await;
            answer.is_problem(401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), r#"Basic realm="patchbay", Bearer"#);
        }
    }
    assert_eq!(api.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn reading_and_writing_need_their_scopes() {
    let api = Api::start().await;
    let id = api.create(&sms()).await;
    let all = |without: Scope| -> Vec<Scope> { Scope::ALL.into_iter().filter(|scope| *scope != without).collect() };
    let (reader, writer) = (format!("pb_{}", "2".repeat(64)), format!("pb_{}", "3".repeat(64)));
    api.put_token(&reader, "main", &all(Scope::CallsWrite)).await;
    api.put_token(&writer, "main", &all(Scope::CallsRead)).await;
    api.world.aws.recorder().clear();
    for (method, path, body) in routes(&id) {
        let is_reading = method == Method::GET;
        let (token, scope) = if is_reading {
            (&writer, "calls:read")
        } else {
            (&reader, "calls:write")
        };
        let request = anonymous(method.as_str(), &path).header("authorization", basic("x", token));
        let answer = api.send(json_request(request, &body)).await;
        answer.is_problem(403, "forbidden");
        assert!(answer.text("/detail").contains(scope), "{method} {path}: {answer:?}");
    }
    assert_eq!(api.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_another_tenant_is_not_found() {
    let api = Api::start().await;
    let id = api.create(&sms()).await;
    let token = format!("pb_{}", "4".repeat(64));
    api.put_token(&token, "other", &Scope::ALL).await;
    for (method, path, body) in [
        ("GET", format!("/api/v1/calls/{id}"), Value::Null),
        ("PUT", format!("/api/v1/calls/{id}"), json!({ "status": "closed" })),
        ("GET", format!("/v1/interactions/{id}"), Value::Null),
    ] {
        let request = anonymous(method, &path).header("authorization", format!("Bearer {token}"));
        let answer = api.send(json_request(request, &body)).await;
        answer.is_problem(404, "not-found");
    }
    let list = anonymous("GET", "/api/v1/calls").header("authorization", format!("Bearer {token}"));
    assert_eq!(api.send(json_request(list, &Value::Null)).await.json, json!([]));
    let create = anonymous("POST", "/api/v1/calls").header("authorization", format!("Bearer {token}"));
    let answer = api.send(json_request(create, &sms())).await;
    assert_eq!(answer.is_problem(422, "invalid-field"), ["agentId", "skillId"]);
}

#[tokio::test(start_paused = true)]
async fn other_methods_and_paths_are_refused() {
    let api = Api::start().await;
    for (method, path, allow) in [
        ("DELETE", "/api/v1/calls", "GET, POST"),
        ("POST", "/api/v1/calls/x", "GET, PUT"),
        ("POST", "/v1/interactions/x", "GET"),
        ("GET", "/v1/customers/x", "DELETE"),
        ("POST", "/v1/opt-outs/x", "DELETE, GET, PUT"),
        ("POST", "/v1/agents", "GET"),
        ("POST", "/v1/skills/x", "DELETE, GET, PUT"),
    ] {
        let answer = api.ask(method, path, &Value::Null).await;
        answer.is_problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
    for path in ["/v1/calls", "/api/v1", "/api/v1/calls/x/y", "/v1/opt-outs"] {
        api.get(path).await.is_problem(404, "not-found");
    }
}
