//! The whole of patchbay on one machine: the deployed handlers, an embedded DynamoDB, queues, Routee and the phones.
//!
//! HTTP requests reach a function as API Gateway events, messages as SQS events, as on Lambda; requests to Routee
//! leave by the door that the deployed functions use. Only what is outside patchbay is simulated.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use bytes::Bytes;
use http::{Method, StatusCode};
use patchbay::clock::{Clock, Timestamp};
use patchbay::engine::Engine;
use patchbay::http::{HttpClient, Request, Response, SendError, SendHttp, Sending};
use patchbay::ids::Tenant;
use patchbay::providers::routee::{Credentials, Endpoints};
use patchbay::providers::twilio::signature::Signatures;
use patchbay::queue::Queue;
use patchbay::secret::{Randomness, Secret};
use patchbay::store::Store;
use patchbay::web::auth::{Scope, TokenRecord, token_hash};
use patchbay::web::callbacks::Callbacks;
use patchbay::web::reference::References;
use patchbay::web::standard_webhooks::{Signer, SigningKey};
use patchbay::web::target::Targets;
use patchbay::web::tokens::Tokens;
use tokio::task::AbortHandle;

use crate::aws::sqs::{Invocation, Polling};
use crate::aws::{self, Aws, Outcome};
use crate::phones::Phones;
use crate::routee::{Routee, Switches};
use crate::twilio::{self, Twilio};
use crate::{gateway, table};

const TABLE: &str = "patchbay";
/// Where the API is, as far as the simulated Routee knows.
pub const PUBLIC_URL: &str = "https://hooks.example.org";
/// The token that a world gives out: everything is allowed with it.
pub const TOKEN: &str = "pb_0000000000000000000000000000000000000000000000000000000000000000";
/// The host to which requesters' webhooks go in a world without a network.
pub const REQUESTER: &str = "requester.example.org";
const APPLICATION: (&str, &str) = ("local-application", "local-secret");
/// Signs the references in callback URLs.
pub const REFERENCE_KEY: &str = "a key that is good enough for one machine";
/// Base64 of 24 bytes; signs the webhooks of a world.
const WEBHOOK_KEY: &str = "whsec_bG9jYWwga2V5LCBuby1vbmUncyBzZWNyZXQ=";

/// How a world is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// What its clock shows at first.
    pub start: Timestamp,
    /// How fast its clock runs beside tokio's.
    pub speed: f64,
    /// From which everything follows that happens by chance.
    pub seed: u64,
    /// How Routee behaves where its contract is silent.
    pub switches: Switches,
    /// Who has a phone.
    pub phones: Phones,
    /// File in which the table is kept; in memory when there is none.
    pub data: Option<String>,
    /// Milliseconds between two calls that the account allows.
    pub call_interval: i64,
    /// Who sends webhooks to requesters; none keeps them inside the world.
    pub requester: Option<HttpClient>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            start: Timestamp::from_millis(1_795_402_800_000),
            speed: 1.0,
            seed: 1,
            switches: Switches::default(),
            phones: Phones::default(),
            data: None,
            call_interval: 1_000,
            requester: None,
        }
    }
}

/// Why there is no world.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The embedded DynamoDB does not open.
    #[error("the embedded DynamoDB: {0}")]
    Database(String),
    /// The table or the token cannot be written.
    #[error("the table: {0}")]
    Table(String),
    /// A constant of this module is wrong; a bug.
    #[error("set-up: {0}")]
    SetUp(String),
}

/// A webhook that a requester got.
#[derive(Clone, Debug)]
pub struct Notification {
    /// When.
    pub at: Timestamp,
    /// The whole request.
    pub request: Request,
}

impl Notification {
    /// Its body.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.request.body()).unwrap_or_default()
    }
}

/// A running patchbay and everything around it. It stops when it is dropped.
#[derive(Debug)]
pub struct World {
    /// The time.
    pub clock: Clock,
    /// DynamoDB and SQS.
    pub aws: Aws,
    /// Routee and the phones.
    pub routee: Routee,
    /// Twilio and the callers.
    pub twilio: Twilio,
    /// The table, for looking into it.
    pub store: Store,
    /// Signs what requesters get.
    pub signer: Signer,
    api: HttpClient,
    requester: Requester,
    pollers: Vec<AbortHandle>,
}

impl Drop for World {
    fn drop(&mut self) {
        for poller in &self.pollers {
            poller.abort();
        }
    }
}

impl World {
    /// Makes a world and starts it. Must be called inside a tokio runtime.
    pub async fn start(options: Options) -> Result<Self, WorldError> {
        let clock = Clock::starting_at(options.start, options.speed);
        let aws = match &options.data {
            Some(path) => Aws::in_file(path, clock.clone(), options.seed),
            None => Aws::in_memory(clock.clone(), options.seed),
        }
        .map_err(|error| WorldError::Database(error.to_string()))?;
        let (dynamodb, sqs) = aws::clients(&aws, &aws::retries());
        table::create(&dynamodb, TABLE)
            .await
            .map_err(|error| WorldError::Table(error.to_string()))?;
        let store = Store::new(dynamodb, TABLE);
        give_token(&store).await?;

        // As in infra/template.yaml: six times the functions' time-outs.
        let calls = aws.sqs().create_queue_with_dlq("calls", Duration::from_mins(3), 5);
        let notifications = aws
            .sqs()
            .create_queue_with_dlq("notifications", Duration::from_mins(3), 5);
        let calls_queue = Queue::new(sqs.clone(), calls.url());
        let notifications_queue = Queue::new(sqs, notifications.url());

        let routee = Routee::new(clock.clone(), options.switches, options.phones, options.seed);
        routee.set_credentials(APPLICATION.0, APPLICATION.1);
        let requester = Requester {
            clock: clock.clone(),
            got: Arc::default(),
        };
        let webhooks = options.requester.unwrap_or_else(|| HttpClient::new(requester.clone()));
        let signer = signer()?;

        let random = Randomness::seeded(options.seed);
        let engine = Engine {
            store: store.clone(),
            calls: calls_queue,
            clock: clock.clone(),
            random,
        };
        let callbacks = Callbacks::new(PUBLIC_URL, References::new(Secret::new(REFERENCE_KEY), None));
        let api = HttpClient::new(Api {
            aws: aws.clone(),
            dispatches: Arc::new(dispatches::Deps {
                engine: engine.clone(),
                targets: Targets::any(),
            }),
            collect: Arc::new(collect_event::Deps {
                engine: engine.clone(),
                callbacks: callbacks.clone(),
            }),
            status: Arc::new(status_callback::Deps {
                engine: engine.clone(),
                callbacks: callbacks.clone(),
            }),
            set_context: Arc::new(set_context_deps(&engine)),
            get_context: Arc::new(get_context_deps(&engine)),
            transfer: Arc::new(transfer_deps(&engine, &callbacks)),
        });
        let twilio = Twilio::new(clock.clone(), api.clone());
        routee.set_webhooks(api.clone());

        let dialer = Arc::new(dialer::Deps {
            engine,
            notifications: notifications_queue.clone(),
            routee: client_of(&aws, &routee),
            callbacks,
            from: "12025550100".into(),
            call_interval: options.call_interval,
        });
        let notifier = Arc::new(notifier::Deps {
            store: store.clone(),
            queue: notifications_queue,
            http: aws.http(webhooks),
            clock: clock.clone(),
            signer: signer.clone(),
            targets: Targets::any(),
        });
        let one_by_one = Polling {
            batch_size: 1,
            max_concurrency: 10,
        };
        let pollers = vec![
            poll(&aws, "dialer", calls, one_by_one, move |event| {
                let deps = Arc::clone(&dialer);
                async move { dialer::handle(&deps, event).await }
            }),
            poll(&aws, "notifier", notifications, Polling::default(), move |event| {
                let deps = Arc::clone(&notifier);
                async move { notifier::handle(&deps, event).await }
            }),
        ];
        Ok(Self {
            clock,
            aws,
            routee,
            twilio,
            store,
            signer,
            api,
            requester,
            pollers,
        })
    }

    /// The voice webhook of this world's number at Twilio.
    pub fn transfer_url(&self) -> Result<String, WorldError> {
        let tenant: Tenant = "local".parse().map_err(|error| WorldError::SetUp(format!("{error}")))?;
        let callbacks = Callbacks::new(PUBLIC_URL, References::new(Secret::new(REFERENCE_KEY), None));
        Ok(callbacks.transfer_url(&tenant))
    }

    /// Sends a request through API Gateway.
    pub async fn send(&self, request: Request) -> Result<Response, SendError> {
        self.api.send(request).await
    }

    /// The API, as something that sends requests.
    pub fn api(&self) -> HttpClient {
        self.api.clone()
    }

    /// Webhooks that the requester inside this world got so far.
    pub fn notifications(&self) -> Vec<Notification> {
        self.requester
            .got
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether nothing is on its way any more: no message, no call.
    pub fn is_quiet(&self) -> bool {
        let queues = ["calls", "notifications"];
        let empty = |name: &&str| self.aws.sqs().queue(name).is_none_or(|queue| queue.is_empty());
        queues.iter().all(empty) && self.routee.live_calls().is_empty()
    }

    /// Lets time pass until nothing is on its way any more, for at most `limit`: tells whether it came to that.
    pub async fn settle(&self, limit: Duration) -> bool {
        let end = self
            .clock
            .now()
            .plus_millis(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX));
        while !self.is_quiet() {
            if self.clock.now() >= end {
                return false;
            }
            self.clock.sleep(Duration::from_secs(30)).await;
        }
        true
    }
}

/// patchbay's own client, on its way to the simulated Routee.
fn client_of(aws: &Aws, routee: &Routee) -> patchbay::providers::routee::Routee {
    let credentials = Credentials {
        application_id: APPLICATION.0.into(),
        application_secret: Secret::new(APPLICATION.1),
    };
    let http = aws.http(HttpClient::new(routee.clone()));
    patchbay::providers::routee::Routee::new(http, aws.clock().clone(), credentials, Endpoints::default())
}

fn set_context_deps(engine: &Engine) -> set_context::Deps {
    set_context::Deps {
        tokens: Tokens::new(engine.store.clone(), engine.clock.clone()),
        store: engine.store.clone(),
        clock: engine.clock.clone(),
        random: engine.random.clone(),
        home: None,
    }
}

fn get_context_deps(engine: &Engine) -> get_context::Deps {
    get_context::Deps {
        tokens: Tokens::new(engine.store.clone(), engine.clock.clone()),
        store: engine.store.clone(),
        clock: engine.clock.clone(),
        home: None,
    }
}

fn transfer_deps(engine: &Engine, callbacks: &Callbacks) -> transfer::Deps {
    transfer::Deps {
        store: engine.store.clone(),
        clock: engine.clock.clone(),
        callbacks: callbacks.clone(),
        signatures: Signatures::new(Secret::new(twilio::AUTH_TOKEN), None),
        pay: transfer::PaySettings::default(),
    }
}

fn poll<F, H>(aws: &Aws, function: &'static str, queue: aws::sqs::Queue, polling: Polling, handle: F) -> AbortHandle
where
    F: Fn(SqsEvent) -> H + Send + Sync + 'static,
    H: Future<Output = SqsBatchResponse> + Send + 'static,
{
    let aws = aws.clone();
    let handler = move |event| {
        let (aws, handled) = (aws.clone(), handle(event));
        async move {
            match aws.invoke(function, handled).await {
                Outcome::Done(response) => Invocation::Done(response),
                Outcome::Crashed => Invocation::Crashed,
            }
        }
    };
    tokio::spawn(async move { queue.poll(polling, handler).await }).abort_handle()
}

async fn give_token(store: &Store) -> Result<(), WorldError> {
    let tenant: Tenant = "local".parse().map_err(|error| WorldError::SetUp(format!("{error}")))?;
    let record = TokenRecord {
        tenant,
        scopes: Scope::ALL.into_iter().collect(),
        expires_at: None,
        revoked: false,
    };
    store
        .put_token(&token_hash(TOKEN), &record)
        .await
        .map_err(|error| WorldError::Table(error.to_string()))
}

fn signer() -> Result<Signer, WorldError> {
    let key = SigningKey::parse(&Secret::new(WEBHOOK_KEY)).map_err(|error| WorldError::SetUp(error.to_string()))?;
    Ok(Signer::new(key, None))
}

/// The functions behind API Gateway, by their routes in `infra/template.yaml`.
struct Api {
    aws: Aws,
    dispatches: Arc<dispatches::Deps>,
    collect: Arc<collect_event::Deps>,
    status: Arc<status_callback::Deps>,
    set_context: Arc<set_context::Deps>,
    get_context: Arc<get_context::Deps>,
    transfer: Arc<transfer::Deps>,
}

impl SendHttp for Api {
    fn send(&self, request: Request) -> Sending<'_> {
        Box::pin(async move {
            let event = gateway::to_function(&request, self.aws.clock().now())
                .map_err(|error| SendError::NoAnswer(error.to_string()))?;
            let path = request.uri().path();
            let outcome = if path == "/v1/dispatches" || path.starts_with("/v1/dispatches/") {
                self.aws
                    .invoke("dispatches", dispatches::handle(&self.dispatches, event))
                    .await
            } else if path.starts_with("/routee/collect/") {
                self.aws
                    .invoke("collect-event", collect_event::handle(&self.collect, event))
                    .await
            } else if path.starts_with("/routee/status/") {
                self.aws
                    .invoke("status-callback", status_callback::handle(&self.status, event))
                    .await
            } else if is_of_context(request.method(), path, "set-context", &Method::DELETE) {
                self.aws
                    .invoke("set-context", set_context::handle(&self.set_context, event))
                    .await
            } else if is_of_context(request.method(), path, "get-context", &Method::GET) {
                self.aws
                    .invoke("get-context", get_context::handle(&self.get_context, event))
                    .await
            } else if is_of_twilio(path) {
                self.aws
                    .invoke("transfer", transfer::handle(&self.transfer, event))
                    .await
            } else {
                return Ok(plain(StatusCode::NOT_FOUND, r#"{"message":"Not Found"}"#));
            };
            Ok(match outcome {
                Outcome::Done(response) => gateway::from_function(response),
                // What API Gateway says when a function dies.
                Outcome::Crashed => plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    r#"{"message":"Internal Server Error"}"#,
                ),
            })
        })
    }
}

/// Whether it is the platforms' route that ends in `verb`, or our own with `method`.
fn is_of_context(of_request: &Method, path: &str, verb: &str, method: &Method) -> bool {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["voice", "api", "v1", _, last] => of_request == Method::POST && *last == verb,
        ["v1", "contexts", _] => of_request == method,
        _ => false,
    }
}

/// Whether it is one of Twilio's routes.
fn is_of_twilio(path: &str) -> bool {
    ["transfer", "payment", "handback"]
        .iter()
        .any(|verb| path.starts_with(&format!("/twilio/{verb}/")))
}

fn plain(status: StatusCode, body: &'static str) -> Response {
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    response
}

/// A requester that takes every webhook.
#[derive(Clone, Debug)]
struct Requester {
    clock: Clock,
    got: Arc<Mutex<Vec<Notification>>>,
}

impl SendHttp for Requester {
    fn send(&self, request: Request) -> Sending<'_> {
        let notification = Notification {
            at: self.clock.now(),
            request,
        };
        self.got
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(notification);
        Box::pin(async { Ok(plain(StatusCode::NO_CONTENT, "")) })
    }
}
