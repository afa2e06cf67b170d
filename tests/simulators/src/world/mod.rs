//! The whole of patchbay on one machine: the deployed handlers, an embedded DynamoDB, queues, Routee and the phones.
//!
//! HTTP requests reach a function as API Gateway events, messages as SQS events, as on Lambda; requests to Routee
//! leave by the door that the deployed functions use. Only what is outside patchbay is simulated.

mod functions;
mod ground;
mod lines;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use notifier::receivers::Receivers;
use patchbay::clock::{Clock, Timestamp};
use patchbay::http::{HttpClient, Request, Response, SendError};
use patchbay::ids::Tenant;
use patchbay::secret::{Randomness, Secret};
use patchbay::store::Store;
use patchbay::voice;
use patchbay::web::callbacks::Callbacks;
use patchbay::web::reference::References;
use patchbay::web::standard_webhooks::Signer;
use patchbay::web::target::Targets;
use tokio::task::AbortHandle;

use self::functions::{Api, Workers, accounts, dialer_deps, look_every, sentinel_deps};
use self::ground::{Clocks, Ground, Network, Queues, open_table, signer};
use self::lines::{Lines, Requester};
use crate::aws::sqs::Polling;
use crate::aws::{self, Aws, Outcome};
use crate::back_ends::{self, BackEnds};
use crate::exchange::{CallId, Exchange, PlacedCall, Provider};
use crate::journal::JournalError;
use crate::phones::Phones;
use crate::routee::{Routee, Switches};
use crate::shipstation::ShipStation;
use crate::twilio::{self, Twilio};

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

/// How the dialer's queue is consumed.
const ONE_BY_ONE: Polling = Polling {
    batch_size: 1,
    max_concurrency: 10,
};
/// How the notifier's queue is consumed.
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
    /// How Twilio behaves where its contract is silent.
    pub twilio_switches: twilio::Switches,
    /// With whom patchbay has accounts, the preferred first.
    pub providers: Vec<Provider>,
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
            twilio_switches: twilio::Switches::default(),
            providers: vec![Provider::Routee],
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
    /// The telephone network, and with it the phones.
    pub exchange: Exchange,
    /// Routee.
    pub routee: Routee,
    /// `ShipStation`.
    pub shipstation: ShipStation,
    /// What task chains look things up at.
    pub back_ends: BackEnds,
    /// Twilio, for callers and for employees.
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

        let network = Network::lay(&options, &clock, seed);
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

        let engine = queues.engine(&store, &clock, Randomness::seeded(seed));
        let callbacks = Callbacks::new(&options.public_url, References::new(Secret::new(REFERENCE_KEY), None));
        let mut clocks = Clocks::new(&clock, options.skew, seed);
        let accounts = || accounts(&options.providers, &aws, &network, options.call_interval, options.voice);
        let dialers = (0..clocks.machines()).map(|_| {
            let engine = clocks.on_another(&engine);
            Ok(Arc::new(dialer_deps(engine, &queues, accounts()?, &callbacks)))
        });
        let dialers = dialers.collect::<Result<_, WorldError>>()?;
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
        let providers: Vec<_> = options.providers.iter().map(|provider| provider.name()).collect();
        let functions = Api::new(
            &aws,
            &engine,
            &mut clocks,
            &callbacks,
            options.voice,
            &providers,
            chains,
        );
        let api = HttpClient::new(functions.clone());
        let lines = Lines::from_providers(&options.public_url, &api, options.elsewhere, &journal)?;
        let Network {
            exchange,
            routee,
            twilio,
        } = network.connect(&lines, &journal)?;
        let mut tasks = vec![
            workers.poll(queues.dialing, ONE_BY_ONE, "dialer"),
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
            exchange,
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

    /// Hands an event of SQS to a function that consumes a queue; none when the function was killed.
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

    /// Every call to an employee so far, with whichever provider, in the order of creation.
    pub fn calls(&self) -> Vec<PlacedCall> {
        let mut calls: Vec<PlacedCall> = self
            .routee
            .calls()
            .iter()
            .map(crate::routee::CallRecord::placed)
            .collect();
        calls.extend(self.twilio.calls().iter().map(twilio::outbound::OutboundCall::placed));
        calls.sort_by_key(|call| call.created_at);
        calls
    }

    /// Picks up a ringing phone. False when there is no such live call.
    pub fn pick_up(&self, provider: Provider, call: CallId) -> bool {
        match provider {
            Provider::Routee => self.routee.pick_up(call),
            Provider::Twilio => self.twilio.pick_up(call),
        }
    }

    /// Presses a key in an answered call. False when there is no such live call.
    pub fn press(&self, provider: Provider, call: CallId, key: char) -> bool {
        match provider {
            Provider::Routee => self.routee.press(call, key),
            Provider::Twilio => self.twilio.press(call, key),
        }
    }

    /// Hangs up, or rejects a ringing call. False when there is no such live call.
    pub fn hang_up(&self, provider: Provider, call: CallId) -> bool {
        match provider {
            Provider::Routee => self.routee.hang_up(call),
            Provider::Twilio => self.twilio.hang_up(call),
        }
    }

    /// Whether nothing is on its way any more: no message, no call.
    pub fn is_quiet(&self) -> bool {
        let queues = ["dialing", "notifications"];
        let empty = |name: &&str| self.aws.sqs().queue(name).is_none_or(|queue| queue.is_empty());
        queues.iter().all(empty) && self.routee.live_calls().is_empty() && self.twilio.live_calls().is_empty()
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
