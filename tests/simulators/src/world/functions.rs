//! The functions and their dependencies, behind the routes and queues of `infra/template.yaml`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use http::{Method, StatusCode};
use lambda_http::RequestExt as _;
use notifier::receivers::Receivers;
use patchbay::api::dispatches::Abilities;
use patchbay::clock::Clock;
use patchbay::engine::Engine;
use patchbay::http::{HttpClient, Request, Response, ResponseFuture, SendError, SendHttp};
use patchbay::providers::protegee::verify::PlatformVerifier;
use patchbay::providers::routee::{Credentials, Endpoints};
use patchbay::providers::twilio::calls;
use patchbay::providers::twilio::signature::{SharedKey, SignatureVerifier};
use patchbay::secret::Secret;
use patchbay::store::Store;
use patchbay::tokens::Tokens;
use patchbay::voice::{self, Account, Accounts, Provider, RouteeAccount, TwilioAccount};
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::standard_webhooks::Signer;
use patchbay::web::target::Targets;
use tokio::task::AbortHandle;

use super::environment::{Clocks, Network, Queues};
use super::routing::response_with;
use super::{HEARTBEAT_URL, ROUTEE_APPLICATION, WorldError};
use crate::aws::sqs::{BatchOutcome, Polling};
use crate::aws::{self, Aws, InvocationOutcome};
use crate::gateway;
use crate::routee::Routee;
use crate::twilio::outbound::{API_KEY, OUR_NUMBERS};
use crate::twilio::{self, ACCOUNT, Twilio};

/// Concurrent invocations of the notifier.
pub(super) const NOTIFIERS: usize = 2;

/// The dialer receives one message at a time.
const DIALER_POLLING: Polling = Polling {
    batch_size: 1,
    max_concurrency: 10,
};
/// The notifier receives batches.
const NOTIFIER_POLLING: Polling = Polling {
    batch_size: 10,
    max_concurrency: NOTIFIERS,
};

/// The messenger receives one message at a time.
const MESSENGER_POLLING: Polling = Polling {
    batch_size: 1,
    max_concurrency: 5,
};

/// The responder receives one message at a time.
const RESPONDER_POLLING: Polling = Polling {
    batch_size: 1,
    max_concurrency: 5,
};

/// patchbay's accounts with these providers, connected to the simulators.
pub(super) fn accounts(
    providers: &[Provider],
    aws: &Aws,
    network: &Network,
    call_interval: i64,
    settings: voice::Settings,
) -> Result<Accounts, WorldError> {
    let account = |provider: &Provider| match provider {
        Provider::Routee => routee_account(aws, &network.routee, call_interval, settings),
        Provider::Twilio => twilio_account(aws, &network.twilio, call_interval),
    };
    let accounts = Accounts::new(providers.iter().map(account).collect());
    accounts.ok_or_else(|| WorldError::SetUp("no voice provider, or the same one twice".to_owned()))
}

fn twilio_account(aws: &Aws, twilio: &Twilio, call_interval: i64) -> Account {
    let (user, password) = API_KEY;
    let credentials = calls::Credentials {
        account: ACCOUNT.to_owned(),
        user: user.to_owned(),
        password: Secret::new(password),
    };
    let http = aws.http(HttpClient::new(twilio.clone()));
    let [from, ..] = OUR_NUMBERS;
    Account::Twilio(TwilioAccount {
        client: calls::Twilio::new(http, &credentials, calls::ENDPOINT),
        from: from.to_owned(),
        call_interval,
    })
}

fn routee_account(aws: &Aws, routee: &Routee, call_interval: i64, settings: voice::Settings) -> Account {
    let credentials = Credentials {
        application_id: ROUTEE_APPLICATION.0.into(),
        application_secret: Secret::new(ROUTEE_APPLICATION.1),
    };
    let http = aws.http(HttpClient::new(routee.clone()));
    let client = patchbay::providers::routee::Routee::new(http, aws.clock().clone(), credentials, Endpoints::default());
    Account::Routee(RouteeAccount {
        client,
        from: "12025550100".into(),
        call_interval,
        settings: settings.routee,
    })
}

/// What a stack with these providers can do for a dispatch.
pub(super) fn abilities(providers: &[Provider]) -> Abilities {
    Abilities {
        providers: providers.iter().map(|provider| provider.name()).collect(),
        targets: Targets::any(),
    }
}

pub(super) fn set_context_deps(engine: &Engine) -> set_context::Deps {
    set_context::Deps {
        tokens: Tokens::new(engine.store.clone(), engine.clock.clone()),
        store: engine.store.clone(),
        clock: engine.clock.clone(),
        random: engine.random.clone(),
        home: None,
        verifier: PlatformVerifier::default(),
    }
}

pub(super) fn get_context_deps(engine: &Engine) -> get_context::Deps {
    get_context::Deps {
        tokens: Tokens::new(engine.store.clone(), engine.clock.clone()),
        store: engine.store.clone(),
        clock: engine.clock.clone(),
        home: None,
        verifier: PlatformVerifier::default(),
    }
}

/// Verifies that a request comes from the simulated Twilio.
pub(super) fn signatures() -> SignatureVerifier {
    SignatureVerifier::new(Secret::new(twilio::AUTH_TOKEN), None).with_shared_keys([SharedKey {
        id: twilio::SHARED_KEY.0.to_owned(),
        secret: Secret::new(twilio::SHARED_KEY.1),
    }])
}

pub(super) fn transfer_deps(engine: &Engine, callbacks: &CallbackUrls) -> transfer::Deps {
    transfer::Deps {
        store: engine.store.clone(),
        clock: engine.clock.clone(),
        callbacks: callbacks.clone(),
        signatures: signatures(),
        pay: transfer::PaySettings::default(),
    }
}

pub(super) fn dialer_deps(
    engine: Engine,
    queues: &Queues,
    accounts: Accounts,
    callbacks: &CallbackUrls,
) -> dialer::Deps {
    dialer::Deps {
        outbox: queues.outbox(&queues.dialing, &engine.clock),
        engine,
        accounts,
        callbacks: callbacks.clone(),
    }
}

/// The dependencies of a notifier, with its clock and that of its signatures.
pub(super) fn notifier_deps(
    store: &Store,
    queues: &Queues,
    webhooks: &HttpClient,
    (clock, signing_clock): (Clock, Clock),
    signer: &Signer,
) -> notifier::Deps {
    notifier::Deps {
        store: store.clone(),
        outbox: queues.outbox(&queues.notifications, &clock),
        http: webhooks.clone(),
        clock,
        signing_clock,
        signer: signer.clone(),
        targets: Targets::any(),
        receivers: Receivers::default(),
    }
}

pub(super) fn sentinel_deps(
    engine: &Engine,
    queues: &Queues,
    aws: &Aws,
    heartbeat: Option<HttpClient>,
) -> Result<sentinel::Deps, WorldError> {
    let heartbeat = heartbeat.map(|http| sentinel::Heartbeat::new(aws.http(http), HEARTBEAT_URL));
    Ok(sentinel::Deps {
        store: engine.store.clone(),
        dialing: engine.dialing.clone(),
        conversations: Some(queues.sender(&queues.conversations)),
        interactions: Some(queues.sender(&queues.interactions)),
        clock: engine.clock.clone(),
        heartbeat: heartbeat
            .transpose()
            .map_err(|error| WorldError::SetUp(error.to_string()))?,
    })
}

/// The schedule: invokes the sentinel at this interval.
pub(super) fn run_sentinel_every(interval: Duration, aws: Aws, sentinel: Arc<sentinel::Deps>) -> AbortHandle {
    let schedule = async move {
        loop {
            sentinel.clock.sleep(interval).await;
            aws.invoke("sentinel", sentinel::handle(&sentinel, serde_json::Value::Null))
                .await;
        }
    };
    tokio::spawn(schedule).abort_handle()
}

/// The functions behind API Gateway, by their routes in `infra/template.yaml`.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) aws: Aws,
    pub(super) bot: Arc<bot::Deps>,
    pub(super) calls: Arc<::calls::Deps>,
    pub(super) message_event: Arc<message_event::Deps>,
    pub(super) chains: Arc<chain_link::Deps>,
    pub(super) dispatches: Arc<dispatches::Deps>,
    pub(super) collect: Arc<collect_event::Deps>,
    pub(super) status: Arc<status_callback::Deps>,
    pub(super) set_context: Arc<set_context::Deps>,
    pub(super) get_context: Arc<get_context::Deps>,
    pub(super) transfer: Arc<transfer::Deps>,
}

impl Api {
    pub(super) fn new(
        aws: &Aws,
        engine: &Engine,
        clocks: &mut Clocks,
        (callbacks, settings): (&CallbackUrls, voice::Settings),
        (abilities, chains, bot): (Abilities, chain_link::Deps, bot::Deps),
        (calls, message_event): (::calls::Deps, message_event::Deps),
    ) -> Self {
        Self {
            aws: aws.clone(),
            bot: Arc::new(bot),
            calls: Arc::new(calls),
            message_event: Arc::new(message_event),
            chains: Arc::new(chains),
            dispatches: Arc::new(dispatches::Deps {
                engine: clocks.on_next_machine(engine),
                abilities,
            }),
            collect: Arc::new(collect_event::Deps {
                engine: clocks.on_next_machine(engine),
                callbacks: callbacks.clone(),
                signatures: signatures(),
                settings,
            }),
            transfer: Arc::new(transfer_deps(&clocks.on_next_machine(engine), callbacks)),
            set_context: Arc::new(set_context_deps(&clocks.on_next_machine(engine))),
            get_context: Arc::new(get_context_deps(&clocks.on_next_machine(engine))),
            status: Arc::new(status_callback::Deps {
                engine: clocks.on_next_machine(engine),
                callbacks: callbacks.clone(),
                signatures: signatures(),
            }),
        }
    }

    pub(super) async fn handle(&self, request: lambda_http::Request) -> Response {
        let function = function_of(request.method(), request.raw_http_path());
        self.invoke_function(function, request).await
    }

    pub(super) async fn invoke_function(
        &self,
        function: Option<&'static str>,
        request: lambda_http::Request,
    ) -> Response {
        let aws = &self.aws;
        let outcome = match function {
            Some(name @ "dispatches") => aws.invoke(name, dispatches::handle(&self.dispatches, request)).await,
            Some(name @ "bot") => aws.invoke(name, bot::handle(&self.bot, request)).await,
            Some(name @ "calls") => aws.invoke(name, ::calls::handle(&self.calls, request)).await,
            Some(name @ "message-event") => {
                aws.invoke(name, message_event::handle(&self.message_event, request))
                    .await
            }
            Some(name @ "chain-link") => aws.invoke(name, chain_link::handle(&self.chains, request)).await,
            Some(name @ "collect-event") => aws.invoke(name, collect_event::handle(&self.collect, request)).await,
            Some(name @ "status-callback") => aws.invoke(name, status_callback::handle(&self.status, request)).await,
            Some(name @ "transfer") => aws.invoke(name, transfer::handle(&self.transfer, request)).await,
            Some(name @ "set-context") => aws.invoke(name, set_context::handle(&self.set_context, request)).await,
            Some(name @ "get-context") => aws.invoke(name, get_context::handle(&self.get_context, request)).await,
            _ => return response_with(StatusCode::NOT_FOUND, r#"{"message":"Not Found"}"#),
        };
        match outcome {
            InvocationOutcome::Done(response) => gateway::from_function(response),
            // API Gateway's response when a function crashes.
            InvocationOutcome::Crashed => response_with(
                StatusCode::INTERNAL_SERVER_ERROR,
                r#"{"message":"Internal Server Error"}"#,
            ),
        }
    }
}

/// The base path of a custom domain's API mapping. As at API Gateway, it stays in the path that functions receive.
pub(super) const MAPPED_PATH: &str = "mapped";

/// The function that a request is routed to. Except for contexts, the method is not part of the route: functions check
/// it.
pub(super) fn function_of(method: &Method, path: &str) -> Option<&'static str> {
    let segments: Vec<&str> = path
        .split('/')
        .skip(1)
        .skip_while(|first| *first == MAPPED_PATH)
        .collect();
    match segments.as_slice() {
        ["v1", "dispatches", ..] => Some("dispatches"),
        ["v1", "links", ..] | ["agent4", _, _] => Some("chain-link"),
        ["v1", "bots" | "conversations" | "chat", ..]
        | ["sangoma" | "chatwoot", "bot" | "events", _]
        | ["chat", ..] => Some("bot"),
        ["api", "v1", "calls", ..]
        | ["recordings", _]
        | [
            "v1",
            "interactions" | "customers" | "agents" | "skills" | "opt-outs",
            ..,
        ] => Some("calls"),
        [
            "routee" | "twilio",
            "message-status" | "messages" | "announcement-status" | "announcement-keys",
            ..,
        ]
        | ["ses", ..] => Some("message-event"),
        ["routee" | "twilio", "collect", ..] => Some("collect-event"),
        ["routee" | "twilio", "status", ..] => Some("status-callback"),
        ["twilio", "transfer" | "payment" | "handback", ..] => Some("transfer"),
        ["voice", "api", "v1", _, "set-context"] => Some("set-context"),
        ["voice", "api", "v1", _, "get-context"] => Some("get-context"),
        ["v1", "contexts", _] if method == Method::DELETE => Some("set-context"),
        ["v1", "contexts", _] if method == Method::GET => Some("get-context"),
        _ => None,
    }
}

impl SendHttp for Api {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(async move {
            let Some(event) = gateway::event(&request, self.aws.clock().now()) else {
                return Ok(gateway::bad_request());
            };
            let event = event.to_string();
            let request = patchbay::web::gateway::parse_event(&event)
                .map_err(|error| SendError::NoResponse(error.to_string()))?;
            Ok(self.handle(request).await)
        })
    }
}

/// The messenger as it is built from malformed secrets.
fn with_malformed_secrets(deps: &messenger::Deps) -> messenger::Deps {
    let mut deps = deps.clone();
    deps.back_ends.twilio = messenger::Setup::Unusable;
    deps.back_ends.routee = messenger::Setup::Unusable;
    deps.back_ends.elemente = messenger::Setup::Unusable;
    deps
}

/// The functions behind the queues. Separate from [`Api`], because the simulated providers hold the API: if the API
/// held the dialers, which hold the providers, none of them would ever be dropped.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    pub(super) aws: Aws,
    /// One for each machine that dialers run on. Each machine has its own clock.
    pub(super) dialers: Arc<[Arc<dialer::Deps>]>,
    /// The number of invocations so far: machines take turns.
    pub(super) turn: Arc<AtomicUsize>,
    /// One for each machine that notifiers run on. Each learns separately which receivers do not answer.
    pub(super) notifiers: Arc<[Arc<notifier::Deps>]>,
    /// One for each machine that responders run on. Each caches bots separately.
    pub(super) responders: Arc<[Arc<responder::Deps>]>,
    /// One for each machine that messengers run on. Each machine has its own clock.
    pub(super) messengers: Arc<[Arc<messenger::Deps>]>,
    /// Whether the secrets of those who contact customers are malformed.
    pub(super) has_malformed_secrets: Arc<AtomicBool>,
}

impl Workers {
    pub(super) async fn consume(&self, function: &'static str, event: SqsEvent) -> InvocationOutcome<SqsBatchResponse> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let dialer = self.dialers.get(turn % self.dialers.len().max(1));
        let notifier = self.notifiers.get(turn % self.notifiers.len().max(1));
        let responder = self.responders.get(turn % self.responders.len().max(1));
        let messenger = self.messengers.get(turn % self.messengers.len().max(1));
        if let ("messenger", Some(messenger)) = (function, messenger) {
            if self.has_malformed_secrets.load(Ordering::Relaxed) {
                let messenger = with_malformed_secrets(messenger);
                return self.aws.invoke(function, messenger::handle(&messenger, event)).await;
            }
            return self.aws.invoke(function, messenger::handle(messenger, event)).await;
        }
        match (function, dialer, notifier, responder) {
            ("dialer", Some(dialer), ..) => self.aws.invoke(function, dialer::handle(dialer, event)).await,
            ("notifier", _, Some(notifier), _) => self.aws.invoke(function, notifier::handle(notifier, event)).await,
            ("responder", .., Some(responder)) => self.aws.invoke(function, responder::handle(responder, event)).await,
            _ => InvocationOutcome::Crashed,
        }
    }

    /// Starts to invoke the functions with the messages of their queues.
    pub(super) fn poll_all(&self, queues: Queues) -> Vec<AbortHandle> {
        vec![
            self.poll(queues.dialing, DIALER_POLLING, "dialer"),
            self.poll(queues.notifications, NOTIFIER_POLLING, "notifier"),
            self.poll(queues.conversations, RESPONDER_POLLING, "responder"),
            self.poll(queues.interactions, MESSENGER_POLLING, "messenger"),
        ]
    }

    /// Starts to invoke `function` with the messages of a queue.
    fn poll(&self, queue: aws::sqs::Queue, polling: Polling, function: &'static str) -> AbortHandle {
        let workers = self.clone();
        let handler = move |event| {
            let workers = workers.clone();
            async move {
                match workers.consume(function, event).await {
                    InvocationOutcome::Done(response) => BatchOutcome::Done(response),
                    InvocationOutcome::Crashed => BatchOutcome::Crashed,
                }
            }
        };
        tokio::spawn(async move { queue.poll(polling, handler).await }).abort_handle()
    }
}
