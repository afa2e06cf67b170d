//! Helpers of the end-to-end tests: employees with phones, requests to the API, simulated time.

#![allow(dead_code, reason = "each test uses a part of it")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::request::Builder;
use patchbay::context::{ContextDraft, ContextKey};
use patchbay::dispatch::{Dispatch, Entry};
use patchbay::http::{Request, Response};
use patchbay::ids::{AttemptId, DispatchId, DispatchKey, Nonce};
use patchbay::phone::PhoneNumber;
use patchbay::secret::Secret;
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::reference::ReferenceSigner;
use patchbay_simulators::aws::{InvocationEnd, InvocationRecord, Service};
use patchbay_simulators::phones::{Phones, Script};
use patchbay_simulators::routee::CallRecord;
use patchbay_simulators::world::{Options, PUBLIC_URL, REFERENCE_KEY, TOKEN, World};
use serde_json::{Value, json};

/// Every employee who is phoned: id, name and number.
pub(crate) const PEOPLE: [(&str, &str, &str); 4] = [
    ("anna", "Anna", "+12025550101"),
    ("ben", "Ben", "+12025550102"),
    ("carla", "Carla", "+12025550103"),
    ("dora", "Dora", "+12025550104"),
];
pub(crate) const TICKET: &str = "Pump four has stopped. The tank overflows soon.";

/// Phones of the first `N` employees of [`PEOPLE`].
pub(crate) fn phones<const N: usize>(scripts: [Script; N]) -> Phones {
    let mut phones = Phones::new();
    for ((_, _, number), script) in PEOPLE.into_iter().zip(scripts) {
        phones.set(phone(number), script);
    }
    phones
}

pub(crate) fn phone(number: &str) -> PhoneNumber {
    PhoneNumber::parse(number).unwrap()
}

/// A world in which the first `N` employees of [`PEOPLE`] have phones.
pub(crate) async fn world<const N: usize>(scripts: [Script; N]) -> World {
    let options = Options {
        phones: phones(scripts),
        // Its repairs would hide the bugs that a test looks for, and its requests would be counted.
        sentinel: None,
        ..Options::default()
    };
    World::start(options).await.unwrap()
}

/// Body of a request for a dispatch to the first `count` employees of [`PEOPLE`].
pub(crate) fn dispatch_body(count: usize, policy: &Value) -> Value {
    let employees: Vec<Value> = PEOPLE
        .into_iter()
        .take(count)
        .map(|(id, name, number)| json!({ "id": id, "name": name, "phone": number }))
        .collect();
    json!({
        "ticket": { "reference": "INC-4711", "text": TICKET },
        "employees": employees,
        "policy": policy,
        "webhook": { "url": "https://requester.example.org/hook" },
    })
}

/// A response with its JSON body; null if the body is not JSON.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            json: serde_json::from_slice(response.body()).unwrap_or_default(),
        }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        text(&self.json, pointer)
    }

    /// Asserts that this is a problem document of this status and type. Returns the fields that it names.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, name: &str) -> Vec<String> {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.text("/type"), format!("urn:patchbay:problem:{name}"), "{self:?}");
        assert_eq!(self.json.pointer("/status"), Some(&json!(status)), "{self:?}");
        assert!(
            !self.text("/title").is_empty() && !self.text("/detail").is_empty(),
            "{self:?}"
        );
        let errors = self.json.pointer("/errors").and_then(Value::as_array);
        let field = |error: &Value| text(error, "/field").to_owned();
        errors.map_or_else(Vec::new, |errors| errors.iter().map(field).collect())
    }
}

/// The string at `pointer`, or an empty one.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The list at `pointer`.
#[track_caller]
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    match value.pointer(pointer).and_then(Value::as_array) {
        Some(list) => list,
        None => panic!("no list {pointer} in {value}"),
    }
}

/// A request without a token. `url` is a URL, or a path of our API.
pub(crate) fn request(method: &str, url: &str) -> Builder {
    let url = if url.starts_with('/') {
        format!("{PUBLIC_URL}{url}")
    } else {
        url.to_owned()
    };
    http::Request::builder().method(method).uri(url)
}

/// As [`request`], with the world's token.
pub(crate) fn with_token(method: &str, url: &str) -> Builder {
    request(method, url).header("authorization", format!("Bearer {TOKEN}"))
}

pub(crate) async fn send(world: &World, request: Request) -> Answer {
    world.send(request).await.unwrap().into()
}

/// Sends a JSON request with the world's token; a null body is sent empty.
pub(crate) async fn ask(world: &World, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() {
        Bytes::new()
    } else {
        body.to_string().into()
    };
    let request = with_token(method, path).header("content-type", "application/json");
    send(world, request.body(body).unwrap()).await
}

pub(crate) async fn get(world: &World, path: &str) -> Answer {
    ask(world, "GET", path, &Value::Null).await
}

/// Creates a dispatch, and returns its key.
pub(crate) async fn create(world: &World, body: &Value) -> DispatchKey {
    let answer = ask(world, "POST", "/v1/dispatches", body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(
        answer.header("location"),
        format!("/v1/dispatches/{}", answer.text("/id"))
    );
    DispatchKey {
        tenant: "main".parse().unwrap(),
        id: answer.text("/id").parse().unwrap(),
    }
}

/// Cancels or resolves a dispatch: `verb` is `cancel` or `resolve`.
pub(crate) async fn change(world: &World, key: &DispatchKey, verb: &str) -> Answer {
    ask(
        world,
        "POST",
        &format!("/v1/dispatches/{}/{verb}", key.id),
        &Value::Null,
    )
    .await
}

/// The dispatch as the API shows it.
pub(crate) async fn show(world: &World, key: &DispatchKey) -> Value {
    let answer = get(world, &format!("/v1/dispatches/{}", key.id)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json
}

/// Texts of the timeline, without `status`, `planned` and `placed` lines.
pub(crate) async fn story(world: &World, key: &DispatchKey) -> Vec<String> {
    let shown = show(world, key).await;
    let is_shown = |line: &&Value| !["status", "planned", "placed"].contains(&text(line, "/event"));
    list(&shown, "/timeline")
        .iter()
        .filter(is_shown)
        .map(|line| text(line, "/text").to_owned())
        .collect()
}

pub(crate) async fn load(world: &World, key: &DispatchKey) -> Dispatch {
    world.store.load(key).await.unwrap().unwrap()
}

pub(crate) async fn entries(world: &World, key: &DispatchKey) -> Vec<Entry> {
    world.store.timeline(key, None, 500).await.unwrap().entries
}

/// Lets time pass.
pub(crate) async fn pass(world: &World, seconds: u64) {
    world.clock.sleep(Duration::from_secs(seconds)).await;
}

/// Lets time pass until `condition` is true. Panics after an hour.
#[track_caller]
pub(crate) fn until<'a>(world: &'a World, what: &'a str, condition: impl Fn(&World) -> bool + 'a) -> impl Future + 'a {
    async move {
        let end = world.clock.now().plus_seconds(3_600);
        while !condition(world) {
            assert!(world.clock.now() < end, "did not happen within an hour: {what}");
            world.clock.sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Lets time pass until nothing is left to do. Panics after 48 hours.
pub(crate) async fn settle(world: &World) {
    assert!(world.settle(Duration::from_hours(48)).await, "not idle after 48 hours");
}

/// Deletes every message on a queue.
pub(crate) async fn purge(world: &World, queue: &str) {
    let queue = world.aws.sqs().queue(queue).unwrap();
    let (_, sqs) = patchbay_simulators::aws::clients(&world.aws, &patchbay_simulators::aws::retries());
    sqs.purge_queue().queue_url(queue.url()).send().await.unwrap();
    assert!(queue.is_empty());
}

/// Calls so far to the employee at `index` of [`PEOPLE`].
pub(crate) fn calls_to(world: &World, index: usize) -> Vec<CallRecord> {
    let number = PEOPLE.get(index).map(|(_, _, number)| *number);
    let mut calls = world.routee.calls();
    calls.retain(|call| Some(call.to.as_str()) == number);
    calls
}

/// Newest call to the employee at `index` of [`PEOPLE`].
pub(crate) fn call_to(world: &World, index: usize) -> CallRecord {
    calls_to(world, index).pop().unwrap()
}

/// Lets time pass until the phone of the employee at `index` rings for the first time after `calls` earlier calls.
pub(crate) async fn rings(world: &World, index: usize, calls: usize) -> CallRecord {
    let ringing = |world: &World| {
        calls_to(world, index)
            .get(calls)
            .is_some_and(|call| call.status_names().contains(&"Ringing"))
    };
    until(world, "a phone rings", ringing).await;
    call_to(world, index)
}

/// Whether a text that contains `part` was spoken in this call.
pub(crate) fn heard(call: &CallRecord, part: &str) -> bool {
    call.texts().iter().any(|text| text.contains(part))
}

/// Callback URLs signed with `key`.
pub(crate) fn callbacks(key: &str) -> CallbackUrls {
    CallbackUrls::new(PUBLIC_URL, ReferenceSigner::new(Secret::new(key), None))
}

/// Callback URLs signed with the world's key.
pub(crate) fn our_callbacks() -> CallbackUrls {
    callbacks(REFERENCE_KEY)
}

/// An attempt of a dispatch that does not exist.
pub(crate) fn unknown_attempt() -> (DispatchKey, AttemptId) {
    let key = DispatchKey {
        tenant: "main".parse().unwrap(),
        id: DispatchId::new(7),
    };
    let attempt = AttemptId {
        ordinal: 1,
        employee: 0,
        nonce: Nonce::new(7),
    };
    (key, attempt)
}

/// A webhook as Routee sends it.
pub(crate) fn webhook(url: &str, body: impl Into<Bytes>) -> Request {
    let request = request("POST", url).header("content-type", "application/json");
    request.body(body.into()).unwrap()
}

/// A COLLECT event with these keys.
pub(crate) fn keys_event(keys: &str) -> Value {
    json!({
        "messageId": "5f9138288b71de3617a87cd9",
        "conversationTrackingId": "5f9138288b71de3617a87cd8",
        "collectedTones": keys,
    })
}

/// A status callback with this status.
pub(crate) fn status_event(name: &str) -> Value {
    json!({
        "messageId": "5f9138288b71de3617a87cd9",
        "conversationTrackingId": "5f9138288b71de3617a87cd8",
        "status": { "name": name, "updatedDate": "2026-11-23T09:00:31.44Z" },
    })
}

/// Requests of a function's newest invocation: to DynamoDB, to SQS, and over HTTP.
pub(crate) fn cost(world: &World, function: &str) -> (u32, u32, u32) {
    let run = world.aws.recorder().last(function).unwrap();
    assert_eq!(run.end, Some(InvocationEnd::Done), "{function}");
    cost_of(&run)
}

pub(crate) fn cost_of(run: &InvocationRecord) -> (u32, u32, u32) {
    (run.dynamodb, run.sqs, run.http)
}

/// Writes to the table, sent messages and HTTP requests of all functions since the recorder was cleared.
pub(crate) fn effects(world: &World) -> usize {
    world.aws.recorder().count(|request| {
        let writes = match request.service {
            Service::DynamoDb => !["GetItem", "Query"].contains(&request.operation.as_str()),
            Service::Sqs => request.operation.starts_with("SendMessage"),
            Service::Http => true,
        };
        request.run.is_some() && writes
    })
}

/// Key of the context of `caller`.
pub(crate) fn context_key(caller: &str) -> ContextKey {
    ContextKey {
        tenant: "main".parse().unwrap(),
        caller: phone(caller),
    }
}

/// The smallest valid purchase of `caller`, with the description `what`.
pub(crate) fn draft(caller: &str, what: &str) -> ContextDraft {
    let some = |text: &str| Some(text.to_owned());
    ContextDraft {
        caller: some(caller),
        description: some(what),
        price: some("42.00"),
        vendor: some("acme-stage"),
        ..ContextDraft::default()
    }
}
