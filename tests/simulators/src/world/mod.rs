//! All of patchbay in one process: the deployed handlers, an embedded DynamoDB, queues, the providers and the phones.
//!
//! As on Lambda, a function receives HTTP requests as API Gateway events and messages as SQS events. Its requests to
//! providers leave through the HTTP client interface that the deployed functions use. Only what is outside patchbay is
//! simulated.

pub mod chat;
mod environment;
mod functions;
mod interactions;
mod routing;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use patchbay::chat::Platform;
use patchbay::clock::{Clock, Timestamp};
use patchbay::http::{HttpClient, Request, Response, SendError};
use patchbay::ids::Tenant;
use patchbay::secret::{Randomness, Secret};
use patchbay::store::Store;
use patchbay::voice;
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::reference::ReferenceSigner;
use patchbay::web::standard_webhooks::Signer;
use tokio::task::AbortHandle;

pub use self::chat::ChatOptions;
use self::chat::ChatParts;
use self::environment::{Clocks, Environment, Network, Queues, open_table, signer};
use self::functions::{
    Api, NOTIFIERS, Workers, abilities, accounts, dialer_deps, notifier_deps, run_sentinel_every, sentinel_deps,
};
pub use self::interactions::{ELEMENTE_CREDENTIALS, InteractionOptions};
use self::interactions::{InteractionParts, Reach};
use self::routing::{ProviderRouter, Requester};
use crate::aws::{self, Aws, InvocationOutcome};
use crate::back_ends::{self, BackEnds};
use crate::chat::Chat;
use crate::elemente::Elemente;
use crate::exchange::{CallId, Exchange, PlacedCall, Provider};
use crate::journal::JournalError;
use crate::messages::Messages;
use crate::phones::Phones;
use crate::routee::{Routee, Switches};
use crate::ses::Ses;
use crate::shipstation::ShipStation;
use crate::twilio::{self, Twilio};

/// The name of a world's table.
pub const TABLE: &str = "patchbay";
/// The default URL of the API.
pub const PUBLIC_URL: &str = "https://hooks.example.org";
/// An API token with all scopes, which every world has.
pub const TOKEN: &str = "pb_0000000000000000000000000000000000000000000000000000000000000000";
/// The host of the requester's webhook URLs in a world without a network.
pub const REQUESTER: &str = "requester.example.org";
/// Id and secret of the Routee application that the simulator accepts.
pub const ROUTEE_APPLICATION: (&str, &str) = ("local-application", "local-secret");
/// The key that signs the references in callback URLs.
pub const REFERENCE_KEY: &str = "a key that is good enough for one machine";
/// The credentials that the simulated `ShipStation` accepts; also the secret `shipstation` of the world's tenant.
pub const SHIPSTATION_CREDENTIALS: &str = "local-api-key:local-api-secret";
/// The URL that the sentinel of a world calls while all is well, if [`Options::heartbeat`] is set.
pub const HEARTBEAT_URL: &str = "https://heartbeat.example.org/patchbay";
/// The tenant of [`TOKEN`].
pub const TENANT: &str = "main";
/// The key that signs the webhooks of a world (base64 of 24 bytes).
pub const WEBHOOK_KEY: &str = "whsec_bG9jYWwga2V5LCBuby1vbmUncyBzZWNyZXQ=";

/// The visibility timeout of the queues.
const VISIBILITY: Duration = Duration::from_mins(1);
/// The number of receives after which SQS moves a message to the dead-letter queue.
const MAX_RECEIVES: u32 = 1_000;
/// The settings of a world.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time at which its clock starts.
    pub start: Timestamp,
    /// How fast its clock runs, relative to tokio's.
    pub speed: f64,
    /// The most by which the functions' clocks differ.
    pub skew: Duration,
    /// The seed of everything random.
    pub seed: u64,
    /// How Routee behaves where its documentation is silent.
    pub switches: Switches,
    /// How Twilio behaves where its documentation is silent.
    pub twilio_switches: twilio::Switches,
    /// The providers with which patchbay has accounts, in order of preference.
    pub providers: Vec<Provider>,
    /// The phones, by number.
    pub phones: Phones,
    /// The file for everything that must survive a `kill -9`; without it all state is in memory. State that the file
    /// already has is restored, and its work continues at once.
    pub data: Option<String>,
    /// The URL of the API; callback URLs begin with it.
    pub public_url: String,
    /// The client for webhooks of the simulated providers to any other origin than `public_url`. Without it this
    /// world's API receives those as well.
    pub other_hosts: Option<HttpClient>,
    /// The least milliseconds between two calls that an account allows.
    pub call_interval: i64,
    /// How the providers render scripts.
    pub voice: voice::Settings,
    /// The interval of the sentinel's schedule; `None` turns the schedule off.
    pub sentinel: Option<Duration>,
    /// The receiver of the sentinel's heartbeats.
    pub heartbeat: Option<HttpClient>,
    /// The client that sends webhooks to requesters. Without it a simulated requester accepts them all:
    /// [`World::notifications`].
    pub requester: Option<HttpClient>,
    /// The client for the requests of task chains and bots to hosts that are not simulated. Without it those fail.
    pub back_ends: Option<HttpClient>,
    /// The secrets of task chains and bots, by `TENANT/HOST/NAME`, in addition to `ShipStation`'s.
    pub secrets: HashMap<String, Secret>,
    /// The chat platform.
    pub chat: ChatOptions,
    /// The customers that interactions are with.
    pub interactions: InteractionOptions,
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
            other_hosts: None,
            call_interval: 1_000,
            voice: voice::Settings::default(),
            sentinel: Some(Duration::from_mins(1)),
            heartbeat: None,
            requester: None,
            back_ends: None,
            secrets: HashMap::new(),
            chat: ChatOptions::default(),
            interactions: InteractionOptions::default(),
        }
    }
}

/// Why a world did not start, or could not handle an event.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The embedded DynamoDB could not be opened.
    #[error("the embedded DynamoDB: {0}")]
    Database(String),
    /// The state of an earlier process could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The table or the token could not be written.
    #[error("the table: {0}")]
    Table(String),
    /// The event is not one of API Gateway.
    #[error("the event: {0}")]
    Event(String),
    /// An option or a constant of this module is invalid.
    #[error("set-up: {0}")]
    SetUp(String),
}

/// A webhook that the simulated requester received.
#[derive(Clone, Debug)]
pub struct Notification {
    /// When it was received.
    pub at: Timestamp,
    /// The request, with headers and body.
    pub request: Request,
}

impl Notification {
    /// The body; null if it is not JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.request.body()).unwrap_or_default()
    }
}

/// A running patchbay with its simulated environment. Dropping it stops it.
#[derive(Debug)]
pub struct World {
    /// The clock of the simulation, without the skew of a function's clock.
    pub clock: Clock,
    /// DynamoDB and SQS.
    pub aws: Aws,
    /// The telephone network, and with it the phones.
    pub exchange: Exchange,
    /// Routee.
    pub routee: Routee,
    /// `ShipStation`.
    pub shipstation: ShipStation,
    /// The back ends that task chains and bots query.
    pub back_ends: BackEnds,
    /// The chat platform, with the people at both ends.
    pub chat: Chat,
    /// Twilio: its calls with callers and with employees.
    pub twilio: Twilio,
    /// The network of text messages, with the customers' phones.
    pub messages: Messages,
    /// Amazon SES, with the customers' mailboxes.
    pub ses: Ses,
    /// Elemente, whose own agents contact customers.
    pub elemente: Elemente,
    /// Access to the table, for assertions.
    pub store: Store,
    /// The signer of the webhooks to requesters.
    pub signer: Signer,
    api: HttpClient,
    functions: Api,
    workers: Workers,
    sentinel: Arc<sentinel::Deps>,
    requester: Requester,
    callbacks: CallbackUrls,
    chat_platform: Platform,
    tasks: Vec<AbortHandle>,
}

impl Drop for World {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// The clock of signatures. A real receiver compares a webhook's timestamp with its own clock, and refuses an old one.
fn signing_clock(options: &Options, clock: &Clock) -> Clock {
    match &options.requester {
        Some(_) => Clock::system(),
        None => clock.clone(),
    }
}

fn callback_urls(public_url: &str) -> CallbackUrls {
    CallbackUrls::new(public_url, ReferenceSigner::new(Secret::new(REFERENCE_KEY), None))
}

impl World {
    /// Creates and starts a world. Must be called inside a tokio runtime.
    #[expect(clippy::too_many_lines, reason = "one list: every part is made from those before it")]
    pub async fn start(options: Options) -> Result<Self, WorldError> {
        let Environment {
            aws,
            journal,
            clock,
            seed,
        } = Environment::open(&options)?;
        let (dynamodb, sqs) = aws::function_clients(&aws);
        let store = open_table(dynamodb).await?;

        // A real requester takes real time, however fast this world's clock runs: the visibility timeout must not end
        // while a webhook is being posted.
        let real_time = options.requester.as_ref().map_or(1.0, |_| options.speed.max(1.0));
        let queues = Queues::create(&aws, sqs, VISIBILITY.mul_f64(real_time))?;

        let network = Network::new(&options, &clock, seed);
        let interaction_clocks = Clocks::new(&clock, options.skew, seed.rotate_left(1));
        let reach = Reach::new(&options, &interaction_clocks, &network);
        let requester = Requester::new(&clock);
        let signing_clock = signing_clock(&options, &clock);
        let webhooks = options.requester.unwrap_or_else(|| HttpClient::new(requester.clone()));
        let signer = signer()?;

        let engine = queues.engine(&store, &clock, Randomness::seeded(seed));
        let callbacks = callback_urls(&options.public_url);
        let mut clocks = Clocks::new(&clock, options.skew, seed);
        let accounts = || accounts(&options.providers, &aws, &network, options.call_interval, options.voice);
        let dialers = (0..clocks.machines()).map(|_| {
            let engine = clocks.on_next_machine(&engine);
            Ok(Arc::new(dialer_deps(engine, &queues, accounts()?, &callbacks)))
        });
        let dialers = dialers.collect::<Result<_, WorldError>>()?;
        let webhooks = aws.http(webhooks);
        let notifier = |_| {
            let clocks = (clocks.next_clock(), signing_clock.clone());
            Arc::new(notifier_deps(&store, &queues, &webhooks, clocks, &signer))
        };
        let notifiers = (0..NOTIFIERS).map(notifier).collect();
        let sentinel = Arc::new(sentinel_deps(
            &clocks.on_next_machine(&engine),
            &queues,
            &aws,
            options.heartbeat,
        )?);
        let shipstation = ShipStation::new(clock.clone(), SHIPSTATION_CREDENTIALS);
        let back_ends = BackEnds::new(&shipstation, options.back_ends);
        let fetcher = back_ends::fetcher(&aws, &back_ends, options.secrets.clone());
        let chains = back_ends::chain_link_deps(&engine, &callbacks, &aws, &back_ends, options.secrets);
        let abilities = abilities(&options.providers);
        let chat = ChatParts {
            aws: &aws,
            chat: &network.chat,
            options: &options.chat,
            engine: &engine,
            queues: &queues,
            callbacks: &callbacks,
            fetcher: &fetcher,
            abilities: &abilities,
        };
        let (bot, responders) = chat.functions(Clocks::new(&clock, options.skew, !seed), !seed)?;
        let fixed = (abilities.clone(), chains, bot);
        let interactions = InteractionParts {
            aws: &aws,
            reach: &reach,
            engine: &engine,
            queues: &queues,
            callbacks: &callbacks,
            voice: options.voice,
            chat: options.chat.platform,
        };
        let (calls, events, messengers) = interactions.functions(interaction_clocks, seed.rotate_left(1))?;
        let events = (calls, events);
        let functions = Api::new(&aws, &engine, &mut clocks, (&callbacks, options.voice), fixed, events);
        let workers = Workers {
            aws: aws.clone(),
            dialers,
            turn: Arc::default(),
            notifiers,
            responders,
            messengers,
            has_malformed_secrets: Arc::default(),
        };
        let api = HttpClient::new(functions.clone());
        let router = ProviderRouter::from_providers(&options.public_url, &api, options.other_hosts, &journal)?;
        let Network {
            exchange,
            routee,
            twilio,
            chat,
        } = network.connect(&router, &journal)?;
        reach.connect(&router, &callbacks)?;
        let mut tasks = workers.poll_all(queues);
        if let Some(interval) = options.sentinel {
            tasks.push(run_sentinel_every(interval, aws.clone(), Arc::clone(&sentinel)));
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
            chat,
            twilio,
            messages: reach.messages,
            ses: reach.ses,
            elemente: reach.elemente,
            store,
            signer,
            api,
            functions,
            workers,
            sentinel,
            requester,
            callbacks,
            chat_platform: options.chat.platform,
            tasks,
        })
    }

    /// The voice webhook URL of this world's number at Twilio.
    pub fn transfer_url(&self) -> Result<String, WorldError> {
        let tenant: Tenant = TENANT.parse().map_err(|error| WorldError::SetUp(format!("{error}")))?;
        Ok(self.callbacks.transfer_url(&tenant))
    }

    /// Sends a request through API Gateway.
    pub async fn send(&self, request: Request) -> Result<Response, SendError> {
        self.api.send(request).await
    }

    /// Invokes the function that an event of API Gateway (HTTP API, payload version 2.0) is routed to.
    ///
    /// # Errors
    /// When it is not such an event.
    pub async fn invoke(&self, event: &str) -> Result<Response, WorldError> {
        let request =
            patchbay::web::gateway::parse_event(event).map_err(|error| WorldError::Event(error.to_string()))?;
        Ok(self.functions.handle(request).await)
    }

    /// Invokes `function` with an event, whatever its path: the route may have matched before the path was decoded. AWS
    /// does not document whether API Gateway matches routes before or after it decodes the path.
    ///
    /// # Errors
    /// When it is not an event of API Gateway (HTTP API, payload version 2.0).
    pub async fn invoke_as(&self, function: &'static str, event: &str) -> Result<Response, WorldError> {
        let request =
            patchbay::web::gateway::parse_event(event).map_err(|error| WorldError::Event(error.to_string()))?;
        Ok(self.functions.invoke_function(Some(function), request).await)
    }

    /// Invokes a function that consumes a queue with an event of SQS. `None` if an injected crash killed it.
    pub async fn consume(&self, function: &'static str, event: SqsEvent) -> Option<SqsBatchResponse> {
        match self.workers.consume(function, event).await {
            InvocationOutcome::Done(response) => Some(response),
            InvocationOutcome::Crashed => None,
        }
    }

    /// Invokes the sentinel with an event of its schedule: one check of everything that is due. `None` if an injected
    /// crash killed it.
    pub async fn run_sentinel(&self, event: serde_json::Value) -> Option<sentinel::Report> {
        let outcome = self.aws.invoke("sentinel", sentinel::handle(&self.sentinel, event));
        outcome.await.done()
    }

    /// Makes the secrets of Twilio, Routee and Elemente in the messenger malformed, or repairs them.
    pub fn spoil_secrets(&self, are_malformed: bool) {
        self.workers
            .has_malformed_secrets
            .store(are_malformed, Ordering::Relaxed);
    }

    /// An HTTP client whose requests all go to the API.
    pub fn api(&self) -> HttpClient {
        self.api.clone()
    }

    /// The webhooks that the simulated requester has received, in order.
    pub fn notifications(&self) -> Vec<Notification> {
        self.requester
            .received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// All calls to employees at all providers, in the order of creation.
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

    /// Picks up a ringing phone. False if there is no such live call.
    pub fn pick_up(&self, provider: Provider, call: CallId) -> bool {
        match provider {
            Provider::Routee => self.routee.pick_up(call),
            Provider::Twilio => self.twilio.pick_up(call),
        }
    }

    /// Presses a key in an answered call. False if there is no such live call.
    pub fn press(&self, provider: Provider, call: CallId, key: char) -> bool {
        match provider {
            Provider::Routee => self.routee.press(call, key),
            Provider::Twilio => self.twilio.press(call, key),
        }
    }

    /// Hangs up, or rejects a ringing call. False if there is no such live call.
    pub fn hang_up(&self, provider: Provider, call: CallId) -> bool {
        match provider {
            Provider::Routee => self.routee.hang_up(call),
            Provider::Twilio => self.twilio.hang_up(call),
        }
    }

    /// Whether the world is idle: no message is queued, no call is live, and nobody is chatting.
    pub fn is_idle(&self) -> bool {
        let queues = ["dialing", "notifications", "conversations", "interactions"];
        let empty = |name: &&str| self.aws.sqs().queue(name).is_none_or(|queue| queue.is_empty());
        let no_calls = self.routee.live_calls().is_empty() && self.twilio.live_calls().is_empty();
        let nobody_writes = self.chat.is_idle() && self.messages.is_idle() && self.ses.is_idle();
        queues.iter().all(empty) && no_calls && nobody_writes
    }

    /// Waits until the world is idle, for at most `limit`. False if it is not idle by then.
    pub async fn settle(&self, limit: Duration) -> bool {
        let end = self
            .clock
            .now()
            .plus_millis(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX));
        while !self.is_idle() {
            if self.clock.now() >= end {
                return false;
            }
            self.clock.sleep(Duration::from_secs(30)).await;
        }
        true
    }
}
