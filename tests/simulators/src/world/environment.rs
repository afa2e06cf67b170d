//! The environment of a world's functions: AWS account, table, queues, clocks, telephone network.

use std::time::Duration;

use patchbay::access::{Scope, TokenRecord};
use patchbay::clock::Clock;
use patchbay::engine::Engine;
use patchbay::http::HttpClient;
use patchbay::ids::Tenant;
use patchbay::outbox::Outbox;
use patchbay::queue::Queue;
use patchbay::secret::{Randomness, Secret};
use patchbay::store::Store;
use patchbay::web::auth::token_hash;
use patchbay::web::standard_webhooks::{Signer, SigningKey};

use super::{MAX_RECEIVES, Options, ROUTEE_APPLICATION, TABLE, TENANT, TOKEN, VISIBILITY, WEBHOOK_KEY, WorldError};
use crate::aws::dynamodb::DynamoDb;
use crate::aws::{self, Aws};
use crate::chat::Chat;
use crate::exchange::Exchange;
use crate::journal::{Journal, JournalError};
use crate::rng::Rng;
use crate::routee::Routee;
use crate::table;
use crate::twilio::Twilio;

/// The queues of a world, and the client that sends to them.
pub(super) struct Queues {
    pub(super) dialing: aws::sqs::Queue,
    pub(super) notifications: aws::sqs::Queue,
    pub(super) conversations: aws::sqs::Queue,
    pub(super) interactions: aws::sqs::Queue,
    pub(super) client: aws_sdk_sqs::Client,
}

impl Queues {
    /// Creates the queues of `infra/template.yaml`, and restores their messages from the journal.
    pub(super) fn create(
        aws: &Aws,
        client: aws_sdk_sqs::Client,
        notifications_visibility: Duration,
    ) -> Result<Self, JournalError> {
        let create = |name, visibility| aws.sqs().create_queue_with_dlq(name, visibility, MAX_RECEIVES);
        let (dialing, notifications, conversations, interactions) = (
            create("dialing", VISIBILITY),
            create("notifications", notifications_visibility),
            create("conversations", VISIBILITY),
            create("interactions", VISIBILITY),
        );
        aws.sqs().restore()?;
        Ok(Self {
            dialing,
            notifications,
            conversations,
            interactions,
            client,
        })
    }

    /// An engine that sends its messages to these queues.
    pub(super) fn engine(&self, store: &Store, clock: &Clock, random: Randomness) -> Engine {
        Engine {
            store: store.clone(),
            dialing: self.sender(&self.dialing),
            notifications: self.sender(&self.notifications),
            clock: clock.clone(),
            random,
        }
    }

    pub(super) fn sender(&self, queue: &aws::sqs::Queue) -> Queue {
        Queue::new(self.client.clone(), queue.url())
    }

    /// The outbox for messages of `queue` that have to be retried, or moved to the dead-letter queue.
    pub(super) fn outbox(&self, queue: &aws::sqs::Queue, clock: &Clock) -> Outbox {
        let dead = queue.dlq().map_or_else(String::new, |dead| dead.url());
        Outbox {
            queue: self.sender(queue),
            dead_letters: Queue::new(self.client.clone(), dead),
            clock: clock.clone(),
        }
    }
}

/// The clocks of the machines that functions run on.
pub(super) struct Clocks {
    /// The clock from which the others deviate.
    pub(super) reference: Clock,
    pub(super) skew: Duration,
    pub(super) rng: Rng,
}

impl Clocks {
    /// The number of machines that dialers run on when clocks differ.
    const MACHINES: usize = 3;

    pub(super) fn new(reference: &Clock, skew: Duration, seed: u64) -> Self {
        Self {
            reference: reference.clone(),
            skew,
            rng: Rng::new(seed ^ 0x000c_10c5),
        }
    }

    pub(super) const fn machines(&self) -> usize {
        if self.skew.is_zero() { 1 } else { Self::MACHINES }
    }

    /// The clock of another machine: up to half of the skew ahead or behind.
    pub(super) fn next_clock(&mut self) -> Clock {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(0);
        let ahead = self.rng.between(Duration::ZERO, self.skew);
        self.reference.ahead_by(millis(ahead) - millis(self.skew) / 2)
    }

    /// The engine with the clock of another machine.
    pub(super) fn on_next_machine(&mut self, engine: &Engine) -> Engine {
        Engine {
            clock: self.next_clock(),
            ..engine.clone()
        }
    }
}

/// The AWS account of a world, its journal and its clock.
pub(super) struct Environment {
    pub(super) aws: Aws,
    pub(super) journal: Journal,
    pub(super) clock: Clock,
    pub(super) seed: u64,
}

impl Environment {
    /// An account in memory, or one that continues with the state in a file. It continues at a time that is not before
    /// anything in the file, and with another seed than before: the same one would generate the same ids again.
    pub(super) fn open(options: &Options) -> Result<Self, WorldError> {
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
            aws: Aws::persistent(dynamodb, journal.clone(), clock.clone(), seed),
            journal,
            clock,
            seed,
        })
    }
}

/// The telephone network with the providers on it, and the chat platform.
pub(super) struct Network {
    pub(super) exchange: Exchange,
    pub(super) routee: Routee,
    pub(super) twilio: Twilio,
    pub(super) chat: Chat,
}

impl Network {
    pub(super) fn new(options: &Options, clock: &Clock, seed: u64) -> Self {
        let exchange = Exchange::new(options.phones.clone());
        let routee = Routee::on_network(exchange.clone(), clock.clone(), options.switches.clone(), seed);
        routee.set_credentials(ROUTEE_APPLICATION.0, ROUTEE_APPLICATION.1);
        let twilio = Twilio::on_network(exchange.clone(), clock.clone(), options.twilio_switches.clone(), seed);
        let chat = Chat::new(clock.clone(), options.chat.switches.clone(), seed);
        Self {
            exchange,
            routee,
            twilio,
            chat,
        }
    }

    /// Connects the providers' webhooks, and continues the calls and chats that the journal has.
    pub(super) fn connect(self, router: &HttpClient, journal: &Journal) -> Result<Self, JournalError> {
        self.routee.set_webhooks(router.clone());
        self.routee.restore(journal.clone())?;
        self.twilio.set_webhooks(router.clone());
        self.twilio.restore(journal.clone())?;
        self.chat.set_webhooks(router.clone());
        self.chat.restore(journal.clone())?;
        Ok(self)
    }
}

pub(super) async fn open_table(dynamodb: aws_sdk_dynamodb::Client) -> Result<Store, WorldError> {
    table::create(&dynamodb, TABLE)
        .await
        .map_err(|error| WorldError::Table(error.to_string()))?;
    let store = Store::new(dynamodb, TABLE);
    store_token(&store).await?;
    Ok(store)
}

pub(super) async fn store_token(store: &Store) -> Result<(), WorldError> {
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

pub(super) fn signer() -> Result<Signer, WorldError> {
    let key = SigningKey::parse(&Secret::new(WEBHOOK_KEY)).map_err(|error| WorldError::SetUp(error.to_string()))?;
    Ok(Signer::new(key, None))
}
