//! Helpers of the commands' tests: a simulated world, an AWS account around it, and the output of a command.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use bytes::Bytes;
use patchbay::http::{HttpClient, Request, Response, ResponseFuture, SendError, SendHttp};
use patchbay::voice::Provider;
use patchbay_simulators::aws;
use patchbay_simulators::chat::{SANGOMA_AUTH_HOST, SANGOMA_HOST};
use patchbay_simulators::phones::{Behavior, Phones, When};
use patchbay_simulators::world::{Options, PUBLIC_URL, World};
use serde_json::{Value, json};

use crate::account::{Account as SimulatedAccount, Locations, action};
use crate::aws::{Clients, Deployment};
use crate::lookup::Lookup;
use crate::output::{Format, Output};

const REGION: &str = "eu-west-1";

/// A world in which Anna (…01) never picks up and Ben (…02) presses 1.
pub(crate) async fn world() -> World {
    let mut phones = Phones::new();
    let number = |text: &str| patchbay::phone::PhoneNumber::parse(text).expect("a number");
    phones.set(number("+12025550101"), Behavior::NeverPicksUp);
    phones.set(number("+12025550102"), Behavior::presses("1", When::OptionsSay(1)));
    let options = Options {
        phones,
        // Tests of tokens run for months of virtual time: the sentinel would run in each of their minutes.
        sentinel: None,
        ..Options::default()
    };
    World::start(options).await.expect("a world")
}

/// The text output of a command.
pub(crate) async fn text_of(command: impl AsyncFnOnce(&mut Output<'_>) -> anyhow::Result<()>) -> String {
    console::set_colors_enabled(false);
    capture(Format::Text, command).await
}

/// The JSON output of a command.
pub(crate) async fn json_of(command: impl AsyncFnOnce(&mut Output<'_>) -> anyhow::Result<()>) -> Value {
    serde_json::from_str(&capture(Format::Json, command).await).expect("JSON")
}

async fn capture(format: Format, command: impl AsyncFnOnce(&mut Output<'_>) -> anyhow::Result<()>) -> String {
    let mut buffer = Vec::new();
    command(&mut Output::new(&mut buffer, format))
        .await
        .expect("the command succeeds");
    String::from_utf8(buffer).expect("text")
}

/// The table and queue URLs of a world.
pub(crate) fn deployment() -> Deployment {
    let url = |name: &str| format!("https://sqs.{REGION}.amazonaws.com/000000000000/{name}");
    Deployment {
        table: "patchbay".into(),
        dialing_queue: url("dialing"),
        notifications_queue: url("notifications"),
    }
}

/// The URL of a world's conversations queue.
pub(crate) fn conversations_queue() -> String {
    format!("https://sqs.{REGION}.amazonaws.com/000000000000/conversations")
}

/// The URL of the interactions queue of a stack that has one.
pub(crate) fn interactions_queue() -> String {
    format!("https://sqs.{REGION}.amazonaws.com/000000000000/interactions")
}

/// Clients of the world, in a healthy account.
pub(crate) fn clients(world: &World) -> Clients {
    clients_in(world, &Account::default())
}

/// Clients of the world, in this account.
pub(crate) fn clients_in(world: &World, account: &Account) -> Clients {
    let (dynamodb, sqs) = aws::clients(&world.aws, &aws::retries());
    let http = HttpClient::new(FakeNetwork {
        api: world.api(),
        routee: HttpClient::new(world.routee.clone()),
        twilio: HttpClient::new(world.twilio.clone()),
        chat: HttpClient::new(world.chat.clone()),
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

/// Functions and parameters as Lambda and SSM return them. Tests break them with [`Account::change`].
#[derive(Clone)]
pub(crate) struct Account(Arc<Mutex<State>>);

pub(crate) struct State {
    deployed: SimulatedAccount,
    /// Actions that the caller has no permission for.
    pub(crate) denied: BTreeSet<&'static str>,
    /// Number of requests still to be throttled.
    pub(crate) throttled: usize,
    /// Whether the account accepts the caller's credentials.
    pub(crate) credentials_valid: bool,
    /// Whether the account can be reached.
    pub(crate) reachable: bool,
    /// Actions that were requested.
    requested: BTreeSet<String>,
    /// Delay of each response.
    pub(crate) delay: Duration,
    /// How far AWS's clock is ahead of the world's.
    pub(crate) clock_ahead_seconds: u32,
}

impl Default for Account {
    fn default() -> Self {
        Self::phoning_over(&[Provider::Routee])
    }
}

impl Account {
    /// An account whose employees are phoned over these providers, in order of preference.
    pub(crate) fn phoning_over(providers: &[Provider]) -> Self {
        Self::new(providers, None)
    }

    /// An account that has the API for calls, too.
    pub(crate) fn contacting_customers() -> Self {
        Self::new(&[Provider::Routee], Some(&interactions_queue()))
    }

    fn new(providers: &[Provider], interactions_queue: Option<&str>) -> Self {
        let locations = deployment();
        let deployed = SimulatedAccount::healthy(&Locations {
            public_url: PUBLIC_URL,
            table: &locations.table,
            dialing_queue: &locations.dialing_queue,
            notifications_queue: &locations.notifications_queue,
            conversations_queue: &conversations_queue(),
            interactions_queue,
            providers_url: "",
            providers,
            chat_secret: None,
        });
        let state = State {
            deployed,
            denied: BTreeSet::new(),
            throttled: 0,
            credentials_valid: true,
            reachable: true,
            requested: BTreeSet::new(),
            delay: Duration::ZERO,
            clock_ahead_seconds: 0,
        };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().expect("not poisoned"));
    }

    /// Actions that were requested, without their service prefix.
    pub(crate) fn requested_actions(&self) -> BTreeSet<String> {
        self.0.lock().expect("not poisoned").requested.clone()
    }

    fn answer(&self, request: &Request) -> (u16, Value) {
        assert!(
            request.headers()["authorization"]
                .to_str()
                .expect("text")
                .contains("/eu-west-1/"),
            "the request is not signed"
        );
        let mut state = self.0.lock().expect("not poisoned");
        if !state.credentials_valid {
            return (403, json!({ "__type": "UnrecognizedClientException" }));
        }
        if state.throttled > 0 {
            state.throttled -= 1;
            return (429, json!({ "__type": "TooManyRequestsException" }));
        }
        let action = action(request).expect("one of the account's actions");
        state.requested.insert(action.to_owned());
        if state.denied.contains(action) {
            return (
                403,
                json!({ "__type": "AccessDeniedException", "Message": "not authorized" }),
            );
        }
        let (status, body) = state.answer(action, request);
        assert_ne!(status, 400, "{action}");
        (status, body)
    }
}

impl Deref for State {
    type Target = SimulatedAccount;

    fn deref(&self) -> &SimulatedAccount {
        &self.deployed
    }
}

impl DerefMut for State {
    fn deref_mut(&mut self) -> &mut SimulatedAccount {
        &mut self.deployed
    }
}

/// Routes HTTP requests to the simulators by host.
struct FakeNetwork {
    api: HttpClient,
    routee: HttpClient,
    twilio: HttpClient,
    chat: HttpClient,
    account: Account,
    clock: patchbay::clock::Clock,
}

impl SendHttp for FakeNetwork {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        Box::pin(async move {
            if host.ends_with("routee.net") {
                return self.routee.send(request).await;
            }
            if host == "api.twilio.com" {
                return self.twilio.send(request).await;
            }
            if [SANGOMA_AUTH_HOST, SANGOMA_HOST].contains(&host.as_str()) {
                return self.chat.send(request).await;
            }
            if host.ends_with(".invalid") {
                return Err(SendError::NotSent("the host name does not resolve".into()));
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
            let ahead = self.account.0.lock().expect("not poisoned").clock_ahead_seconds;
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
