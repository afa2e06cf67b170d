//! What the commands' tests share: a world, the account around it, and what a command says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use bytes::Bytes;
use patchbay::http::{HttpClient, Request, Response, SendError, SendHttp, Sending};
use patchbay_simulators::aws;
use patchbay_simulators::phones::{Behaviour, Phones, When};
use patchbay_simulators::twilio::AUTH_TOKEN;
use patchbay_simulators::world::{Options, PUBLIC_URL, REFERENCE_KEY, World};
use serde_json::{Value, json};

use crate::aws::{Clients, Deployment};
use crate::lookup::Lookup;
use crate::output::{Format, Output};

pub(crate) const WEBHOOK_KEY: &str = "whsec_bG9jYWwga2V5LCBuby1vbmUncyBzZWNyZXQ=";
const REGION: &str = "eu-west-1";

/// A world in which Anna (…01) never picks up and Ben (…02) presses 1.
pub(crate) async fn world() -> World {
    let mut phones = Phones::new();
    let number = |text: &str| patchbay::phone::PhoneNumber::parse(text).expect("a number");
    phones.set(number("+12025550101"), Behaviour::NeverPicksUp);
    phones.set(number("+12025550102"), Behaviour::presses("1", When::OptionsSay(1)));
    let options = Options {
        phones,
        ..Options::default()
    };
    World::start(options).await.expect("a world")
}

/// What a command tells a person.
pub(crate) async fn text_of(command: impl AsyncFnOnce(&mut Output<'_>) -> anyhow::Result<()>) -> String {
    console::set_colors_enabled(false);
    said(Format::Text, command).await
}

/// What a command tells a program.
pub(crate) async fn json_of(command: impl AsyncFnOnce(&mut Output<'_>) -> anyhow::Result<()>) -> Value {
    serde_json::from_str(&said(Format::Json, command).await).expect("JSON")
}

async fn said(format: Format, command: impl AsyncFnOnce(&mut Output<'_>) -> anyhow::Result<()>) -> String {
    let mut buffer = Vec::new();
    command(&mut Output::new(&mut buffer, format)).await.expect("it works");
    String::from_utf8(buffer).expect("text")
}

/// The names of what a world consists of.
pub(crate) fn deployment() -> Deployment {
    let url = |name: &str| format!("https://sqs.{REGION}.amazonaws.com/000000000000/{name}");
    Deployment {
        table: "patchbay".into(),
        calls_queue: url("calls"),
        notifications_queue: url("notifications"),
    }
}

/// What a command asks: the world, in an account as it should be.
pub(crate) fn clients(world: &World) -> Clients {
    clients_in(world, &Account::default())
}

/// The same, in this account.
pub(crate) fn clients_in(world: &World, account: &Account) -> Clients {
    let (dynamodb, sqs) = aws::clients(&world.aws, &aws::retries());
    let http = HttpClient::new(Net {
        api: world.api(),
        routee: HttpClient::new(world.routee.clone()),
        account: account.clone(),
        clock: world.clock.clone(),
    });
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    let credentials = SharedCredentialsProvider::new(credentials);
    let lookup = Lookup::new(http.clone(), REGION, None, credentials, world.clock.clone());
    Clients {
        dynamodb,
        sqs,
        lookup,
        http,
        clock: world.clock.clone(),
    }
}

/// Functions and parameters as Lambda and SSM know them; a test changes what it likes.
#[derive(Clone)]
pub(crate) struct Account(Arc<Mutex<State>>);

pub(crate) struct State {
    /// By name: the answer to `GetFunctionConfiguration`.
    pub(crate) functions: BTreeMap<String, Value>,
    /// By function: what hands it messages.
    pub(crate) mappings: BTreeMap<String, Vec<Value>>,
    /// By function: how many may run at a time.
    pub(crate) reserved: BTreeMap<String, u32>,
    /// How many of all others may.
    pub(crate) unreserved: u32,
    /// By name: type and value.
    pub(crate) parameters: BTreeMap<String, (&'static str, String)>,
    /// Actions that whoever asks has no right to.
    pub(crate) denied: BTreeSet<&'static str>,
    /// So many requests are refused because there are too many.
    pub(crate) throttled: usize,
    /// Whether it knows whoever asks.
    pub(crate) knows_us: bool,
    /// Whether it answers.
    pub(crate) reachable: bool,
    /// Actions that were asked for.
    asked: BTreeSet<String>,
    /// How long it takes to answer.
    pub(crate) delay: Duration,
    /// How far AWS's clock is ahead of the world's.
    pub(crate) ahead_seconds: u32,
}

impl Default for Account {
    fn default() -> Self {
        let Deployment {
            table,
            calls_queue,
            notifications_queue,
        } = deployment();
        let function = |name: &str, timeout: u32, variables: Value| {
            let configuration = json!({ "Timeout": timeout, "Environment": { "Variables": variables } });
            (format!("patchbay-{name}"), configuration)
        };
        let hook = json!({
            "PATCHBAY_TABLE": table, "PATCHBAY_CALLS_QUEUE_URL": calls_queue, "PATCHBAY_PUBLIC_URL": PUBLIC_URL,
            "PATCHBAY_REFERENCE_KEYS_PARAM": "/patchbay/reference-keys",
        });
        let mut dialer = hook.clone();
        dialer["PATCHBAY_NOTIFICATIONS_QUEUE_URL"] = json!(notifications_queue);
        dialer["PATCHBAY_ROUTEE_CREDENTIALS_PARAM"] = json!("/patchbay/routee-credentials");
        dialer["PATCHBAY_ROUTEE_AUTH_URL"] = json!("");
        let mut transfer = hook.clone();
        transfer["PATCHBAY_TWILIO_AUTH_TOKENS_PARAM"] = json!("/patchbay/twilio-auth-tokens");
        let mapping = |function: &str, queue: &str| {
            let mapping = json!({
                "UUID": format!("{function}-mapping"), "State": "Enabled", "StateTransitionReason": "USER_INITIATED",
                "EventSourceArn": format!("arn:aws:sqs:{REGION}:000000000000:{queue}"),
            });
            (format!("patchbay-{function}"), vec![mapping])
        };
        let secret = |name: &str, value: &str| (format!("/patchbay/{name}"), ("SecureString", value.to_owned()));
        let state = State {
            functions: BTreeMap::from([
                function("dispatches", 10, json!({ "PATCHBAY_TABLE": table })),
                function("set-context", 10, json!({ "PATCHBAY_TABLE": table })),
                function("get-context", 10, json!({ "PATCHBAY_TABLE": table })),
                function("collect-event", 10, hook.clone()),
                function("status-callback", 10, hook.clone()),
                function("chain-link", 10, hook),
                function("transfer", 15, transfer),
                function("dialer", 30, dialer),
                function(
                    "notifier",
                    30,
                    json!({
                        "PATCHBAY_TABLE": table, "PATCHBAY_NOTIFICATIONS_QUEUE_URL": notifications_queue,
                        "PATCHBAY_WEBHOOK_KEYS_PARAM": "/patchbay/webhook-keys",
                    }),
                ),
            ]),
            parameters: BTreeMap::from([
                secret("reference-keys", REFERENCE_KEY),
                secret("webhook-keys", WEBHOOK_KEY),
                secret("routee-credentials", "local-application:local-secret"),
                secret("twilio-auth-tokens", AUTH_TOKEN),
            ]),
            mappings: BTreeMap::from([mapping("dialer", "calls"), mapping("notifier", "notifications")]),
            reserved: BTreeMap::new(),
            unreserved: 1_000,
            denied: BTreeSet::new(),
            throttled: 0,
            knows_us: true,
            reachable: true,
            asked: BTreeSet::new(),
            delay: Duration::ZERO,
            ahead_seconds: 0,
        };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl Account {
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().expect("not poisoned"));
    }

    /// Actions that were asked for, without their services.
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        self.0.lock().expect("not poisoned").asked.clone()
    }

    fn answer(&self, request: &Request) -> (u16, Value) {
        assert!(
            request.headers()["authorization"]
                .to_str()
                .expect("text")
                .contains("/eu-west-1/"),
            "a request that is not signed"
        );
        let mut state = self.0.lock().expect("not poisoned");
        if !state.knows_us {
            return (403, json!({ "__type": "UnrecognizedClientException" }));
        }
        if state.throttled > 0 {
            state.throttled -= 1;
            return (429, json!({ "__type": "TooManyRequestsException" }));
        }
        let action = action(request);
        state.asked.insert(action.to_owned());
        if state.denied.contains(action) {
            return (
                403,
                json!({ "__type": "AccessDeniedException", "Message": "not authorized" }),
            );
        }
        state.answer(action, request)
    }
}

/// What a request asks for.
fn action(request: &Request) -> &str {
    let path = request.uri().path();
    match path.trim_matches('/').split('/').collect::<Vec<_>>()[..] {
        ["2015-03-31", "functions", _, "configuration"] => "GetFunctionConfiguration",
        ["2019-09-30", "functions", _, "concurrency"] => "GetFunctionConcurrency",
        ["2015-03-31", "event-source-mappings"] => "ListEventSourceMappings",
        ["2016-08-19", "account-settings"] => "GetAccountSettings",
        _ => {
            let target = request.headers()["x-amz-target"].to_str().expect("text");
            target.rsplit('.').next().expect("a name")
        }
    }
}

impl State {
    fn answer(&self, action: &str, request: &Request) -> (u16, Value) {
        let name = request.uri().path().split('/').nth(3).unwrap_or_default();
        let absent = || (404, json!({ "Message": format!("Function not found: {name}") }));
        match action {
            "GetFunctionConfiguration" => self.functions.get(name).cloned().map_or_else(absent, |it| (200, it)),
            "GetFunctionConcurrency" if !self.functions.contains_key(name) => absent(),
            "GetFunctionConcurrency" => match self.reserved.get(name) {
                Some(count) => (200, json!({ "ReservedConcurrentExecutions": count })),
                None => (200, json!({})),
            },
            "ListEventSourceMappings" => {
                let query = request.uri().query().unwrap_or_default();
                let function = query.strip_prefix("FunctionName=").expect("of a function");
                let mappings = self.mappings.get(function).cloned().unwrap_or_default();
                (200, json!({ "EventSourceMappings": mappings }))
            }
            "GetAccountSettings" => {
                let limit = json!({ "UnreservedConcurrentExecutions": self.unreserved });
                (200, json!({ "AccountLimit": limit }))
            }
            "GetParameters" => {
                let wanted: Value = serde_json::from_slice(request.body()).expect("JSON");
                let name = wanted["Names"][0].as_str().expect("a name");
                let found = self.parameters.get(name);
                let found: Vec<Value> = found
                    .map(|(kind, value)| json!({ "Name": name, "Type": kind, "Value": value }))
                    .into_iter()
                    .collect();
                (200, json!({ "Parameters": found }))
            }
            other => panic!("a request for {other}"),
        }
    }
}

/// Everything that is reached over HTTP, by its host.
struct Net {
    api: HttpClient,
    routee: HttpClient,
    account: Account,
    clock: patchbay::clock::Clock,
}

impl SendHttp for Net {
    fn send(&self, request: Request) -> Sending<'_> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        Box::pin(async move {
            if host.ends_with("routee.net") {
                return self.routee.send(request).await;
            }
            if host.ends_with(".invalid") {
                return Err(SendError::NotSent("the name is not known".into()));
            }
            if !host.ends_with(".amazonaws.com") {
                return self.api.send(request).await;
            }
            if !self.account.0.lock().expect("not poisoned").reachable {
                return Err(SendError::NotSent("no route to host".into()));
            }
            let delay = self.account.0.lock().expect("not poisoned").delay;
            if !delay.is_zero() {
                self.clock.sleep(delay).await;
            }
            let (status, body) = self.account.answer(&request);
            let ahead = self.account.0.lock().expect("not poisoned").ahead_seconds;
            let date = self.clock.now().plus_seconds(ahead).utc();
            let date = date
                .format(&time::format_description::well_known::Rfc2822)
                .expect("a date");
            let response = http::Response::builder()
                .status(status)
                .header("date", date.replace("+0000", "GMT"));
            let response: Response = response.body(Bytes::from(body.to_string())).expect("a response");
            Ok(response)
        })
    }
}
