//! Requests to back ends: allowed targets, time limits, and secrets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use patchbay::http::{HttpClient, Request, Response, ResponseFuture, SendError, SendHttp};
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;
use patchbay_simulators::world::{SHIPSTATION_CREDENTIALS, World};
use serde_json::{Value, json};

use crate::{endpoint, one_rule, post, put, qualified, quiet_world};

/// A back end that records requests and always gives the same response.
#[derive(Clone)]
struct BackEnd {
    seen: Arc<Mutex<Vec<Request>>>,
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: &'static str,
    delay: Duration,
}

impl BackEnd {
    fn new(status: u16, body: &'static str) -> Self {
        Self {
            seen: Arc::default(),
            status,
            headers: Vec::new(),
            body,
            delay: Duration::ZERO,
        }
    }

    fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

impl SendHttp for BackEnd {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        self.seen.lock().unwrap().push(request);
        Box::pin(async move {
            tokio::time::sleep(self.delay).await;
            let mut response = Response::new(self.body.into());
            *response.status_mut() = self.status.try_into().unwrap();
            for (name, value) in &self.headers {
                response.headers_mut().insert(*name, (*value).try_into().unwrap());
            }
            Ok(response)
        })
    }
}

async fn with_back_end(rule: &str, back_end: &BackEnd) -> (World, String) {
    let world = quiet_world().await;
    world
        .back_ends
        .set("api.example.org", HttpClient::new(back_end.clone()));
    let url = endpoint(&put(&world, "a", &one_rule(rule)).await);
    (world, url)
}

const SHOWS_OUTCOME: &str = "{fetch: [{name: f, url: 'https://api.example.org/x/{{ context.text }}'}], content: '{{ fetch.f.outcome }} {{ fetch.f.status }}'}";

#[tokio::test(start_paused = true)]
async fn every_response_status_has_an_outcome() {
    for (status, body, expected) in [
        (200, "{}", "ok 200"),
        (204, "", "ok 204"),
        (200, "<html>", "failed 200"),
        (302, "{}", "failed 302"),
        (400, "{}", "failed 400"),
        (404, "", "not_found 404"),
        (410, "{}", "not_found 410"),
        (429, "{}", "rate_limited 429"),
        (500, "{}", "server_error 500"),
        (503, "no", "server_error 503"),
    ] {
        let (world, url) = with_back_end(SHOWS_OUTCOME, &BackEnd::new(status, body)).await;
        let answer = post(&world, &url, &qualified("a", &json!({ "text": "1" }))).await;
        assert_eq!(answer.text("/content"), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_for_an_outcome_precedes_the_rules_own_answer() {
    let rule = "{fetch: [{name: f, url: 'https://api.example.org/', on: {not_found: {content: N}, rate_limited: {content: '{{ fetch.f.retry_after }}'}, server_error: {content: S}, timed_out: {content: T}, failed: {content: F}}}], content: C}";
    for (status, expected) in [(200, "C"), (404, "N"), (500, "S"), (403, "F")] {
        let (world, url) = with_back_end(rule, &BackEnd::new(status, "{}")).await;
        assert_eq!(
            post(&world, &url, &qualified("a", &json!({}))).await.text("/content"),
            expected
        );
    }
    let mut limited = BackEnd::new(429, "{}");
    limited.headers.push(("retry-after", "17"));
    let (world, url) = with_back_end(rule, &limited).await;
    assert_eq!(
        post(&world, &url, &qualified("a", &json!({}))).await.text("/content"),
        "17"
    );
    tokio::time::sleep(Duration::from_secs(7)).await;
    // The back end asked for 17 s without a request: none is sent.
    assert_eq!(
        post(&world, &url, &qualified("a", &json!({}))).await.text("/content"),
        "10"
    );
    assert_eq!(limited.seen().len(), 1);
    tokio::time::sleep(Duration::from_secs(11)).await;
    post(&world, &url, &qualified("a", &json!({}))).await;
    assert_eq!(limited.seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_takes_less_than_five_seconds_with_four_slow_back_ends() {
    let fetch = |n: u8| format!("{{name: f{n}, timeout_ms: 3500, url: 'https://api.example.org/{n}'}}");
    let fetches: Vec<String> = (0..4).map(fetch).collect();
    let rule = format!(
        "{{fetch: [{}], content: '{{{{ fetch.f0.outcome }}}} {{{{ fetch.f1.outcome }}}} {{{{ fetch.f2.ok }}}} {{{{ fetch.f3.ok }}}}'}}",
        fetches.join(", ")
    );
    let mut slow = BackEnd::new(200, "{}");
    slow.delay = Duration::from_hours(1);
    let (world, url) = with_back_end(&rule, &slow).await;
    let start = tokio::time::Instant::now();
    let answer = post(&world, &url, &qualified("a", &json!({}))).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(answer.text("/content"), "timed_out timed_out false false");
}

#[tokio::test(start_paused = true)]
async fn a_value_cannot_leave_its_place_in_the_url() {
    let back_end = BackEnd::new(200, "{}");
    let (world, url) = with_back_end(SHOWS_OUTCOME, &back_end).await;
    for text in [
        "a/../../b",
        "x?y=1#z",
        "..%2f",
        "a@evil.example",
        "{{ key }}",
        "\u{e9}\u{0}",
        "//evil.example",
    ] {
        let answer = post(&world, &url, &qualified("a", &json!({ "text": text }))).await;
        assert_eq!(answer.text("/content"), "ok 200", "{text}");
    }
    for request in back_end.seen() {
        assert_eq!(request.uri().host(), Some("api.example.org"));
        assert_eq!(request.uri().query(), None, "{}", request.uri());
        assert_eq!(request.uri().path().matches('/').count(), 2, "{}", request.uri());
    }
    let before = back_end.seen().len();
    for text in ["..", "."] {
        let answer = post(&world, &url, &qualified("a", &json!({ "text": text }))).await;
        assert_eq!(answer.text("/content"), "FALLBACK", "{text}");
    }
    assert_eq!(back_end.seen().len(), before);
}

#[tokio::test(start_paused = true)]
async fn headers_and_bodies_carry_values_as_data() {
    let rule = "{fetch: [{name: f, method: POST, url: 'https://api.example.org/', headers: {X-Text: 'a {{ context.text }}'}, json: {text: '{{ context.text }}', inner: ['{{ context.other }}', 'n {{ context.text }}']}}], content: '{{ fetch.f.ok }}'}";
    let back_end = BackEnd::new(200, "{}");
    let (world, url) = with_back_end(rule, &back_end).await;
    let text = "\"}, \"admin\": true, {\r\nX-Evil: 1";
    post(&world, &url, &qualified("a", &json!({ "text": text, "other": 7 }))).await;
    let request = back_end.seen().remove(0);
    assert_eq!(request.headers()["x-text"], "a \"}, \"admin\": true, { X-Evil: 1");
    assert!(!request.headers().contains_key("x-evil"));
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    assert_eq!(body, json!({ "text": text, "inner": [7, format!("n {text}")] }));
}

#[tokio::test(start_paused = true)]
async fn without_its_secret_a_request_is_not_sent() {
    let rule = "{fetch: [{name: f, url: 'https://api.example.org/', auth: {bearer: nobody}}], content: '{{ fetch.f.outcome }}'}";
    let back_end = BackEnd::new(200, "{}");
    let (world, url) = with_back_end(rule, &back_end).await;
    assert_eq!(
        post(&world, &url, &qualified("a", &json!({}))).await.text("/content"),
        "failed"
    );
    assert!(back_end.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_one_host_never_goes_to_another() {
    let rule = "{fetch: [{name: f, url: 'https://api.example.org/', auth: {basic: shipstation}}], content: '{{ fetch.f.outcome }}'}";
    let back_end = BackEnd::new(200, "{}");
    let (world, url) = with_back_end(rule, &back_end).await;
    assert_eq!(
        post(&world, &url, &qualified("a", &json!({}))).await.text("/content"),
        "failed"
    );
    assert!(back_end.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_secret_echoed_by_a_back_end_is_not_answered() {
    let world = quiet_world().await;
    world.shipstation.add_order("X", "shipped", &json!({}));
    world
        .shipstation
        .set_mode(patchbay_simulators::shipstation::ResponseMode::Echoes);
    for place in [
        "content: '{{ v }}'",
        "state: {seen: '{{ v }}'}",
        "actions: [{name: sms, context: {message: '{{ v }}'}}]",
    ] {
        let rule = format!(
            "{{fetch: [{{name: f, url: 'https://ssapi.shipstation.com/orders?orderNumber=X', auth: {{basic: shipstation}}, on: {{failed: {{}}}}}}], \
             let: [{{name: v, value: \"fetch.f | at('json.orders.0.orderStatus')\"}}], {place}}}"
        );
        let url = endpoint(&put(&world, "a", &one_rule(&rule)).await);
        let answer = post(&world, &url, &qualified("a", &json!({}))).await;
        assert_eq!(answer.text("/content"), "FALLBACK", "{place}");
        let text = answer.json.to_string();
        assert!(
            !text.contains(SHIPSTATION_CREDENTIALS) && !text.contains("local-api-secret") && !text.contains("Basic "),
            "{text}"
        );
    }
    assert_eq!(world.shipstation.requests().len(), 3);
}

/// The HTTP client of the deployed function, which reaches this machine's network.
struct Guarded(Outbound);

impl SendHttp for Guarded {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        self.0.send(request)
    }
}

#[tokio::test]
async fn a_host_that_resolves_to_a_private_address_is_never_reached() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = quiet_world().await;
    let guarded = Outbound::new(Targets::public_only(), Duration::from_secs(2)).unwrap();
    world.back_ends.set("localhost", HttpClient::new(Guarded(guarded)));
    let rule =
        format!("{{fetch: [{{name: f, url: 'https://localhost:{port}/'}}], content: '{{{{ fetch.f.outcome }}}}'}}");
    let url = endpoint(&put(&world, "a", &one_rule(&rule)).await);
    assert_eq!(
        post(&world, &url, &qualified("a", &json!({}))).await.text("/content"),
        "failed"
    );
    // A connection would be pending by now.
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

/// A client whose error message contains the credentials of the request.
struct LeakyError;

impl SendHttp for LeakyError {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(async move {
            Err(SendError::NoResponse(format!(
                "{:?}",
                request.headers()["authorization"].to_str()
            )))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_message_of_the_client_is_not_logged() {
    let world = quiet_world().await;
    world
        .back_ends
        .set("ssapi.shipstation.com", HttpClient::new(LeakyError));
    let rule = "{fetch: [{name: f, url: 'https://ssapi.shipstation.com/', auth: {basic: shipstation}}], content: '{{ fetch.f.outcome }}'}";
    let url = endpoint(&put(&world, "a", &one_rule(rule)).await);
    let lines = crate::hostile::logged(post(&world, &url, &qualified("a", &json!({})))).await;
    assert!(lines.contains("no complete response"), "{lines}");
    assert!(!lines.contains("Basic") && !lines.contains("local-api"), "{lines}");
}

#[tokio::test(start_paused = true)]
async fn a_whole_number_of_a_back_end_is_the_same_in_every_notation() {
    let rule = "{fetch: [{name: f, url: 'https://api.example.org/', on: {failed: {content: F}}}], let: [{name: n, value: 'fetch.f.json.n'}], \
                content: '{{ n | digits }} {{ n | spell }} {{ n ~ 1 }} {{ [n] | join }} {{ n in [3] }} {{ fetch.f.json.list[0] | string }}', state: {seen: '{{ fetch.f.json.list | string }}'}}";
    for body in [r#"{"n":3.0,"list":[1009.0]}"#, r#"{"n":3,"list":[1.009e3]}"#] {
        let (world, url) = with_back_end(rule, &BackEnd::new(200, body)).await;
        let answer = post(&world, &url, &qualified("a", &json!({}))).await;
        assert_eq!(answer.text("/content"), "3 3 31 3 true 1009", "{body}");
        // The same in a list.
        assert_eq!(answer.text("/state/seen"), "[1009]", "{body}");
    }
}
