//! The whole of patchbay on one machine: the deployed handlers, an embedded DynamoDB, queues, Routee and the phones.
//!
//! HTTP requests reach a function as API Gateway events, messages as SQS events, as on Lambda; requests to Routee
//! leave by the door that the deployed functions use. Only what is outside patchbay is simulated.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use bytes::Bytes;
use http::{Method, StatusCode};
use lambda_http::RequestExt as _;
use notifier::receivers::Receivers;
use patchbay::access::{Scope, TokenRecord};
use patchbay::clock::{Clock, Timestamp};
use patchbay::engine::Engine;
use patchbay::http::{HttpClient, Request, Response, SendError, SendHttp, Sending};
use patchbay::ids::Tenant;
use patchbay::outbox::Outbox;
use patchbay::providers::protegee::proof::Proofs;
use patchbay::providers::routee::{Credentials, Endpoints};
use patchbay::providers::twilio::signature::{SharedKey, Signatures};
use patchbay::queue::Queue;
use patchbay::secret::{Randomness, Secret};
use patchbay::store::Store;
use patchbay::tokens::Tokens;
use patchbay::voice::{self, Account, RouteeAccount};
use patchbay::web::auth::token_hash;
use patchbay::web::callbacks::Callbacks;
use patchbay::web::reference::References;
use patchbay::web::standard_webhooks::{Signer, SigningKey};
use patchbay::web::target::Targets;
use tokio::task::AbortHandle;

use crate::aws::dynamodb::DynamoDb;
use crate::aws::sqs::{Invocation, Polling};
use crate::aws::{self, Aws, Outcome};
use crate::back_ends::{self, BackEnds};
use crate::journal::{Journal, JournalError};
use crate::phones::Phones;
use crate::rng::Rng;
use crate::routee::{Routee, Switches};
use crate::shipstation::ShipStation;
use crate::twilio::{self, Twilio};
use crate::{gateway, table};

/// The name of a world's table.
pub const TABLE: &str = "patchbay";
/// Where the API is, unless the options say otherwise.
pub const PUBLIC_URL: &str = "https://hooks.example.org";
/// The token that a world gives out: everything is allowed with it.
pub const TOKEN: &str = "pb_0000000000000000000000000000000000000000000000000000000000000000";
/// The host to which requesters' webhooks go in a world without a network.
pub const REQUESTER: &str = "requester.example.org";
/// Id and secret of the application that the simulated Routee knows.
pub const ROUTEE_APPLICATION: (&str, &str) = ("local-application", "local-secret");
/// Signs the references in callback URLs.
pub const REFERENCE_KEY: &str = "a key that is good enough for one machine";
/// What opens the simulated `ShipStation`: as the secret `shipstation` of the world's tenant, too.
pub const SHIPSTATION_CREDENTIALS: &str = "local-api-key:local-api-secret";
/// What the sentinel of a world calls while all is well, if anybody is there.
pub const HEARTBEAT_URL: &str = "https://heartbeat.example.org/patchbay";
/// The tenant of a world.
pub const TENANT: &str = "main";
/// Signs the webhooks of a world (base64 of 24 bytes).
pub const WEBHOOK_KEY: &str = "whsec_bG9jYWwga2V5LCBuby1vbmUncyBzZWNyZXQ=";

/// How long a message that was handed out stays hidden.
const VISIBILITY: Duration = Duration::from_mins(1);
/// Receives after which SQS itself gives a message up.
const MAX_RECEIVES: u32 = 1_000;
/// Notifiers at a time.
const NOTIFIERS: usize = 2;

/// How the dialer's queue is worked off.
const ONE_BY_ONE: Polling = Polling {
    batch_size: 1,
    max_concurrency: 10,
};
/// How the notifier's queue is worked off.
const SIDE_BY_SIDE: Polling = Polling {
    batch_size: 10,
    max_concurrency: NOTIFIERS,
};

/// How a world is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// What its clock shows at first.
    pub start: Timestamp,
    /// How fast its clock runs beside tokio's.
    pub speed: f64,
    /// By how much the functions' clocks differ at the most.
    pub skew: Duration,
    /// From which everything follows that happens by chance.
    pub seed: u64,
    /// How Routee behaves where its contract is silent.
    pub switches: Switches,
    /// Who has a phone.
    pub phones: Phones,
    /// File in which everything is kept that must go on after a `kill -9`; in memory when there is none. What was kept
    /// there before goes on at once.
    pub data: Option<String>,
    /// Where the API is; callback URLs begin with it.
    pub public_url: String,
    /// Who takes what the simulated providers send to any other place than `public_url`; without it all of that comes
    /// to this world's API.
    pub elsewhere: Option<HttpClient>,
    /// Milliseconds between two calls that the account allows.
    pub call_interval: i64,
    /// How scripts are said.
    pub voice: voice::Settings,
    /// How often the sentinel looks at everything that is due; none leaves it out.
    pub sentinel: Option<Duration>,
    /// Whom the sentinel tells that all is well.
    pub heartbeat: Option<HttpClient>,
    /// Who sends webhooks to requesters; none keeps them inside the world.
    pub requester: Option<HttpClient>,
    /// Who answers task chains that look something up; none lets only what is simulated answer.
    pub back_ends: Option<HttpClient>,
    /// Secrets that task chains name beside `ShipStation`'s, `TENANT/HOST/NAME`.
    pub secrets: HashMap<String, Secret>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            start: Timestamp::from_millis(1_795_402_800_000),
            speed: 1.0,
            skew: Duration::ZERO,
            seed: 1,
            switches: Switches::default(),
            phones: Phones::default(),
            data: None,
            public_url: PUBLIC_URL.to_owned(),
            elsewhere: None,
            call_interval: 1_000,
            voice: voice::Settings::default(),
            sentinel: Some(Duration::from_mins(1)),
            heartbeat: None,
            requester: None,
            back_ends: None,
            secrets: HashMap::new(),
        }
    }
}

/// Why there is no world.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The embedded DynamoDB does not open.
    #[error("the embedded DynamoDB: {0}")]
    Database(String),
    /// What was kept cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The table or the token cannot be written.
    #[error("the table: {0}")]
    Table(String),
    /// An event that no function can read.
    #[error("the event: {0}")]
    Event(String),
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
    /// `ShipStation`.
    pub shipstation: ShipStation,
    /// What task chains look things up at.
    pub back_ends: BackEnds,
    /// Twilio and the callers.
    pub twilio: Twilio,
    /// The table, for looking into it.
    pub store: Store,
    /// Signs what requesters get.
    pub signer: Signer,
    api: HttpClient,
    functions: Api,
    workers: Workers,
    sentinel: Arc<sentinel::Deps>,
    requester: Requester,
    callbacks: Callbacks,
    tasks: Vec<AbortHandle>,
}

impl Drop for World {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl World {
    /// Makes a world and starts it. Must be called inside a tokio runtime.
    pub async fn start(options: Options) -> Result<Self, WorldError> {
        let Ground {
            aws,
            journal,
            clock,
            seed,
        } = Ground::lay(&options)?;
        let (dynamodb, sqs) = aws::clients_of_functions(&aws);
        let store = open_table(dynamodb).await?;

        // A requester in the real world takes real time, whatever this world's clock says: what is being posted must not
        // be handed out once more meanwhile.
        let real_time = options.requester.as_ref().map_or(1.0, |_| options.speed.max(1.0));
        let queues = Queues::make(&aws, sqs, VISIBILITY.mul_f64(real_time))?;

        let routee = Routee::new(clock.clone(), options.switches, options.phones, seed);
        routee.set_credentials(ROUTEE_APPLICATION.0, ROUTEE_APPLICATION.1);
        let requester = Requester {
            clock: clock.clone(),
            got: Arc::default(),
        };
        // A receiver in the real world refuses a webhook that was not signed just now, by its own clock.
        let signing_clock = match &options.requester {
            Some(_) => Clock::system(),
            None => clock.clone(),
        };
        let webhooks = options.requester.unwrap_or_else(|| HttpClient::new(requester.clone()));
        let signer = signer()?;

        let random = Randomness::seeded(seed);
        let engine = Engine {
            store: store.clone(),
            calls: queues.way_to(&queues.calls),
            notifications: queues.way_to(&queues.notifications),
            clock: clock.clone(),
            random,
        };
        let callbacks = Callbacks::new(&options.public_url, References::new(Secret::new(REFERENCE_KEY), None));
        let mut clocks = Clocks::new(&clock, options.skew, seed);
        let account = || account(&aws, &routee, options.call_interval, options.voice);
        let dialer = |engine| dialer_deps(engine, &queues, account(), &callbacks);
        let dialers = (0..clocks.machines()).map(|_| Arc::new(dialer(clocks.on_another(&engine))));
        let dialers = dialers.collect();
        let webhooks = aws.http(webhooks);
        let notifier = |clock: Clock| notifier::Deps {
            store: store.clone(),
            outbox: queues.outbox(&queues.notifications, &clock),
            http: webhooks.clone(),
            clock,
            signing_clock: signing_clock.clone(),
            signer: signer.clone(),
            targets: Targets::any(),
            receivers: Receivers::default(),
        };
        let notifiers = (0..NOTIFIERS).map(|_| Arc::new(notifier(clocks.next()))).collect();
        let workers = Workers {
            aws: aws.clone(),
            dialers,
            turn: Arc::default(),
            notifiers,
        };
        let sentinel = Arc::new(sentinel_deps(&clocks.on_another(&engine), &aws, options.heartbeat)?);
        let shipstation = ShipStation::new(clock.clone(), SHIPSTATION_CREDENTIALS);
        let back_ends = BackEnds::new(&shipstation, options.back_ends);
        let chains = back_ends::chains(&engine, &callbacks, &aws, &back_ends, options.secrets);
        let functions = Api::new(&aws, &engine, &mut clocks, &callbacks, options.voice, chains);
        let api = HttpClient::new(functions.clone());
        let lines = Lines::from_providers(&options.public_url, &api, options.elsewhere, &journal)?;
        routee.set_webhooks(lines.clone());
        routee.go_on(journal.clone())?;
        let twilio = Twilio::new(clock.clone(), lines);
        let mut tasks = vec![
            workers.poll(queues.calls, ONE_BY_ONE, "dialer"),
            workers.poll(queues.notifications, SIDE_BY_SIDE, "notifier"),
        ];
        if let Some(interval) = options.sentinel {
            tasks.push(look_every(interval, aws.clone(), Arc::clone(&sentinel)));
        }
        if options.data.is_some() {
            tasks.push(tokio::spawn(journal.keep_time(clock.clone(), options.speed)).abort_handle());
        }
        Ok(Self {
            clock,
            aws,
            routee,
            shipstation,
            back_ends,
            twilio,
            store,
            signer,
            api,
            functions,
            workers,
            sentinel,
            requester,
            callbacks,
            tasks,
        })
    }

    /// The voice webhook of this world's number at Twilio.
    pub fn transfer_url(&self) -> Result<String, WorldError> {
        let tenant: Tenant = TENANT.parse().map_err(|error| WorldError::SetUp(format!("{error}")))?;
        Ok(self.callbacks.transfer_url(&tenant))
    }

    /// Sends a request through API Gateway.
    pub async fn send(&self, request: Request) -> Result<Response, SendError> {
        self.api.send(request).await
    }

    /// Hands an event of API Gateway (HTTP API, payload version 2.0) to the function that its path leads to.
    ///
    /// # Errors
    /// When it is no such event.
    pub async fn invoke(&self, event: &str) -> Result<Response, WorldError> {
        let request = patchbay::web::gateway::request(event).map_err(|error| WorldError::Event(error.to_string()))?;
        Ok(self.functions.answer(request).await)
    }

    /// The same for the function to which a route leads that matched before the path was decoded; whether API Gateway
    /// matches before or after that is written nowhere.
    ///
    /// # Errors
    /// When it is no such event.
    pub async fn invoke_as(&self, function: &'static str, event: &str) -> Result<Response, WorldError> {
        let request = patchbay::web::gateway::request(event).map_err(|error| WorldError::Event(error.to_string()))?;
        Ok(self.functions.answer_by(Some(function), request).await)
    }

    /// Hands an event of SQS to a function that works off a queue; none when the function was killed.
    pub async fn work_off(&self, function: &'static str, event: SqsEvent) -> Option<SqsBatchResponse> {
        match self.workers.work_off(function, event).await {
            Outcome::Done(response) => Some(response),
            Outcome::Crashed => None,
        }
    }

    /// Hands an event of the schedule to the sentinel: one look at everything that is due; none when it was killed.
    pub async fn look(&self, event: serde_json::Value) -> Option<sentinel::Report> {
        let looked = self.aws.invoke("sentinel", sentinel::handle(&self.sentinel, event));
        looked.await.done()
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

/// The queues of a world, and the way to them.
struct Queues {
    calls: aws::sqs::Queue,
    notifications: aws::sqs::Queue,
    client: aws_sdk_sqs::Client,
}

impl Queues {
    /// As in `infra/template.yaml`.
    fn make(aws: &Aws, client: aws_sdk_sqs::Client, of_notices: Duration) -> Result<Self, JournalError> {
        let make = |name, visibility| aws.sqs().create_queue_with_dlq(name, visibility, MAX_RECEIVES);
        let (calls, notifications) = (make("calls", VISIBILITY), make("notifications", of_notices));
        aws.sqs().go_on()?;
        Ok(Self {
            calls,
            notifications,
            client,
        })
    }

    fn way_to(&self, queue: &aws::sqs::Queue) -> Queue {
        Queue::new(self.client.clone(), queue.url())
    }

    /// Where messages of `queue` go that could not be worked off.
    fn outbox(&self, queue: &aws::sqs::Queue, clock: &Clock) -> Outbox {
        let dead = queue.dlq().map_or_else(String::new, |dead| dead.url());
        Outbox {
            queue: self.way_to(queue),
            dead_letters: Queue::new(self.client.clone(), dead),
            clock: clock.clone(),
        }
    }
}

/// The clocks of the machines that functions run on.
struct Clocks {
    right: Clock,
    skew: Duration,
    rng: Rng,
}

impl Clocks {
    /// Machines that dialers run on when their clocks differ.
    const MACHINES: usize = 3;

    fn new(right: &Clock, skew: Duration, seed: u64) -> Self {
        Self {
            right: right.clone(),
            skew,
            rng: Rng::new(seed ^ 0x000c_10c5),
        }
    }

    const fn machines(&self) -> usize {
        if self.skew.is_zero() { 1 } else { Self::MACHINES }
    }

    /// The clock of one more machine.
    fn next(&mut self) -> Clock {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(0);
        let ahead = self.rng.between(Duration::ZERO, self.skew);
        self.right.ahead_by(millis(ahead) - millis(self.skew) / 2)
    }

    /// The engine, on one more machine.
    fn on_another(&mut self, engine: &Engine) -> Engine {
        Engine {
            clock: self.next(),
            ..engine.clone()
        }
    }
}

/// What a world stands on.
struct Ground {
    aws: Aws,
    journal: Journal,
    clock: Clock,
    seed: u64,
}

impl Ground {
    /// An account in memory, or one that goes on with what a file has: at a moment that is not before anything in it,
    /// and with other chances than it had before, as repeated ones would make the same ids again.
    fn lay(options: &Options) -> Result<Self, WorldError> {
        let failed = |error: dynoxide::DynoxideError| WorldError::Database(error.to_string());
        let Some(path) = &options.data else {
            let clock = Clock::starting_at(options.start, options.speed);
            return Ok(Self {
                aws: Aws::in_memory(clock.clone(), options.seed).map_err(failed)?,
                journal: Journal::default(),
                clock,
                seed: options.seed,
            });
        };
        let dynamodb = DynamoDb::in_file(path).map_err(failed)?;
        let journal = Journal::open(dynamodb.engine().clone())?;
        let start = journal.time()?.map_or(options.start, |time| time.max(options.start));
        let seed = match journal.count_start()? {
            0 => options.seed,
            starts => Rng::new(options.seed ^ starts.rotate_left(32)).bits(),
        };
        let clock = Clock::starting_at(start, options.speed);
        Ok(Self {
            aws: Aws::kept(dynamodb, journal.clone(), clock.clone(), seed),
            journal,
            clock,
            seed,
        })
    }
}

/// What leaves the simulated providers: to this world's API, or to somewhere else.
#[derive(Clone)]
struct Lines {
    /// Scheme and authority of the API.
    origin: String,
    /// Those that it had in earlier processes: calls that were placed then come back to them.
    earlier: Vec<String>,
    api: HttpClient,
    elsewhere: HttpClient,
}

impl Lines {
    fn from_providers(
        public_url: &str,
        api: &HttpClient,
        elsewhere: Option<HttpClient>,
        journal: &Journal,
    ) -> Result<HttpClient, JournalError> {
        let Some(elsewhere) = elsewhere else {
            return Ok(api.clone());
        };
        let origin = public_url.trim_end_matches('/').to_owned();
        Ok(HttpClient::new(Self {
            earlier: journal.origins(&origin)?,
            origin,
            api: api.clone(),
            elsewhere,
        }))
    }

    fn is_ours(&self, uri: &http::Uri) -> bool {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let origin = format!("{}://{authority}", uri.scheme_str().unwrap_or_default());
        let is_callback = ["/routee/", "/twilio/"]
            .iter()
            .any(|prefix| uri.path().starts_with(prefix));
        origin == self.origin || (is_callback && self.earlier.contains(&origin))
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

impl SendHttp for Lines {
    fn send(&self, request: Request) -> Sending<'_> {
        let client = if self.is_ours(request.uri()) {
            &self.api
        } else {
            &self.elsewhere
        };
        Box::pin(client.send(request))
    }
}

/// patchbay's own account, on its way to the simulated Routee.
fn account(aws: &Aws, routee: &Routee, call_interval: i64, settings: voice::Settings) -> Account {
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

fn set_context_deps(engine: &Engine) -> set_context::Deps {
    set_context::Deps {
        tokens: Tokens::new(engine.store.clone(), engine.clock.clone()),
        store: engine.store.clone(),
        clock: engine.clock.clone(),
        random: engine.random.clone(),
        home: None,
        proofs: Proofs::default(),
    }
}

fn get_context_deps(engine: &Engine) -> get_context::Deps {
    get_context::Deps {
        tokens: Tokens::new(engine.store.clone(), engine.clock.clone()),
        store: engine.store.clone(),
        clock: engine.clock.clone(),
        home: None,
        proofs: Proofs::default(),
    }
}

fn transfer_deps(engine: &Engine, callbacks: &Callbacks) -> transfer::Deps {
    transfer::Deps {
        store: engine.store.clone(),
        clock: engine.clock.clone(),
        callbacks: callbacks.clone(),
        signatures: Signatures::new(Secret::new(twilio::AUTH_TOKEN), None).with_shared_keys([SharedKey {
            id: twilio::SHARED_KEY.0.to_owned(),
            secret: Secret::new(twilio::SHARED_KEY.1),
        }]),
        pay: transfer::PaySettings::default(),
    }
}

fn dialer_deps(engine: Engine, queues: &Queues, account: Account, callbacks: &Callbacks) -> dialer::Deps {
    dialer::Deps {
        outbox: queues.outbox(&queues.calls, &engine.clock),
        engine,
        account,
        callbacks: callbacks.clone(),
    }
}

fn sentinel_deps(engine: &Engine, aws: &Aws, heartbeat: Option<HttpClient>) -> Result<sentinel::Deps, WorldError> {
    let heartbeat = heartbeat.map(|http| sentinel::Heartbeat::new(aws.http(http), HEARTBEAT_URL));
    Ok(sentinel::Deps {
        store: engine.store.clone(),
        calls: engine.calls.clone(),
        clock: engine.clock.clone(),
        heartbeat: heartbeat
            .transpose()
            .map_err(|error| WorldError::SetUp(error.to_string()))?,
    })
}

/// The schedule: lets the sentinel look again and again.
fn look_every(interval: Duration, aws: Aws, sentinel: Arc<sentinel::Deps>) -> AbortHandle {
    let looks = async move {
        loop {
            sentinel.clock.sleep(interval).await;
            aws.invoke("sentinel", sentinel::handle(&sentinel, serde_json::Value::Null))
                .await;
        }
    };
    tokio::spawn(looks).abort_handle()
}

async fn open_table(dynamodb: aws_sdk_dynamodb::Client) -> Result<Store, WorldError> {
    table::create(&dynamodb, TABLE)
        .await
        .map_err(|error| WorldError::Table(error.to_string()))?;
    let store = Store::new(dynamodb, TABLE);
    give_token(&store).await?;
    Ok(store)
}

async fn give_token(store: &Store) -> Result<(), WorldError> {
    let tenant: Tenant = TENANT.parse().map_err(|error| WorldError::SetUp(format!("{error}")))?;
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
#[derive(Clone, Debug)]
struct Api {
    aws: Aws,
    chains: Arc<chain_link::Deps>,
    dispatches: Arc<dispatches::Deps>,
    collect: Arc<collect_event::Deps>,
    status: Arc<status_callback::Deps>,
    set_context: Arc<set_context::Deps>,
    get_context: Arc<get_context::Deps>,
    transfer: Arc<transfer::Deps>,
}

impl Api {
    fn new(
        aws: &Aws,
        engine: &Engine,
        clocks: &mut Clocks,
        callbacks: &Callbacks,
        settings: voice::Settings,
        chains: chain_link::Deps,
    ) -> Self {
        Self {
            aws: aws.clone(),
            chains: Arc::new(chains),
            dispatches: Arc::new(dispatches::Deps {
                engine: clocks.on_another(engine),
                targets: Targets::any(),
            }),
            collect: Arc::new(collect_event::Deps {
                engine: clocks.on_another(engine),
                callbacks: callbacks.clone(),
                settings,
            }),
            transfer: Arc::new(transfer_deps(&clocks.on_another(engine), callbacks)),
            set_context: Arc::new(set_context_deps(&clocks.on_another(engine))),
            get_context: Arc::new(get_context_deps(&clocks.on_another(engine))),
            status: Arc::new(status_callback::Deps {
                engine: clocks.on_another(engine),
                callbacks: callbacks.clone(),
            }),
        }
    }

    async fn answer(&self, request: lambda_http::Request) -> Response {
        let function = function_of(request.method(), request.raw_http_path());
        self.answer_by(function, request).await
    }

    async fn answer_by(&self, function: Option<&'static str>, request: lambda_http::Request) -> Response {
        let aws = &self.aws;
        let outcome = match function {
            Some(name @ "dispatches") => aws.invoke(name, dispatches::handle(&self.dispatches, request)).await,
            Some(name @ "chain-link") => aws.invoke(name, chain_link::handle(&self.chains, request)).await,
            Some(name @ "collect-event") => aws.invoke(name, collect_event::handle(&self.collect, request)).await,
            Some(name @ "status-callback") => aws.invoke(name, status_callback::handle(&self.status, request)).await,
            Some(name @ "transfer") => aws.invoke(name, transfer::handle(&self.transfer, request)).await,
            Some(name @ "set-context") => aws.invoke(name, set_context::handle(&self.set_context, request)).await,
            Some(name @ "get-context") => aws.invoke(name, get_context::handle(&self.get_context, request)).await,
            _ => return plain(StatusCode::NOT_FOUND, r#"{"message":"Not Found"}"#),
        };
        match outcome {
            Outcome::Done(response) => gateway::from_function(response),
            // What API Gateway says when a function dies.
            Outcome::Crashed => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                r#"{"message":"Internal Server Error"}"#,
            ),
        }
    }
}

/// A path that a custom domain maps to the API. It stays in the path that functions see, as at API Gateway.
const MAPPED: &str = "mapped";

/// The function to which a route leads; whether that takes the method is, but for the contexts, its own business.
fn function_of(method: &Method, path: &str) -> Option<&'static str> {
    let segments: Vec<&str> = path.split('/').skip(1).skip_while(|first| *first == MAPPED).collect();
    match segments.as_slice() {
        ["v1", "dispatches", ..] => Some("dispatches"),
        ["v1", "links", ..] | ["agent4", _, _] => Some("chain-link"),
        ["routee", "collect", ..] => Some("collect-event"),
        ["routee", "status", ..] => Some("status-callback"),
        ["twilio", "transfer" | "payment" | "handback", ..] => Some("transfer"),
        ["voice", "api", "v1", _, "set-context"] => Some("set-context"),
        ["voice", "api", "v1", _, "get-context"] => Some("get-context"),
        ["v1", "contexts", _] if method == Method::DELETE => Some("set-context"),
        ["v1", "contexts", _] if method == Method::GET => Some("get-context"),
        _ => None,
    }
}

impl SendHttp for Api {
    fn send(&self, request: Request) -> Sending<'_> {
        Box::pin(async move {
            let Some(event) = gateway::event(&request, self.aws.clock().now()) else {
                return Ok(gateway::bad_request());
            };
            let event = event.to_string();
            let request =
                patchbay::web::gateway::request(&event).map_err(|error| SendError::NoAnswer(error.to_string()))?;
            Ok(self.answer(request).await)
        })
    }
}

/// The functions behind the queues. Apart from [`Api`]: a Routee that calls back to whoever places calls with it would
/// never be dropped.
#[derive(Clone, Debug)]
struct Workers {
    aws: Aws,
    /// One for each machine that dialers run on: each has its own clock.
    dialers: Arc<[Arc<dialer::Deps>]>,
    /// Whose turn it is.
    turn: Arc<AtomicUsize>,
    /// One for each machine that notifiers run on: each learns for itself which receivers do not answer.
    notifiers: Arc<[Arc<notifier::Deps>]>,
}

impl Workers {
    async fn work_off(&self, function: &'static str, event: SqsEvent) -> Outcome<SqsBatchResponse> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let dialer = self.dialers.get(turn % self.dialers.len().max(1));
        let notifier = self.notifiers.get(turn % self.notifiers.len().max(1));
        match (function, dialer, notifier) {
            ("dialer", Some(dialer), _) => self.aws.invoke(function, dialer::handle(dialer, event)).await,
            ("notifier", _, Some(notifier)) => self.aws.invoke(function, notifier::handle(notifier, event)).await,
            _ => Outcome::Crashed,
        }
    }

    /// Lets `function` work off a queue.
    fn poll(&self, queue: aws::sqs::Queue, polling: Polling, function: &'static str) -> AbortHandle {
        let workers = self.clone();
        let handler = move |event| {
            let workers = workers.clone();
            async move {
                match workers.work_off(function, event).await {
                    Outcome::Done(response) => Invocation::Done(response),
                    Outcome::Crashed => Invocation::Crashed,
                }
            }
        };
        tokio::spawn(async move { queue.poll(polling, handler).await }).abort_handle()
    }
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
