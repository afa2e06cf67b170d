//! What a world stands on: the account, the table, the queues, and the clocks of its machines.

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
use crate::exchange::Exchange;
use crate::journal::{Journal, JournalError};
use crate::rng::Rng;
use crate::routee::Routee;
use crate::table;
use crate::twilio::Twilio;

/// The queues of a world, and the way to them.
pub(super) struct Queues {
    pub(super) dialing: aws::sqs::Queue,
    pub(super) notifications: aws::sqs::Queue,
    pub(super) client: aws_sdk_sqs::Client,
}

impl Queues {
    /// As in `infra/template.yaml`.
    pub(super) fn make(aws: &Aws, client: aws_sdk_sqs::Client, of_notices: Duration) -> Result<Self, JournalError> {
        let make = |name, visibility| aws.sqs().create_queue_with_dlq(name, visibility, MAX_RECEIVES);
        let (dialing, notifications) = (make("dialing", VISIBILITY), make("notifications", of_notices));
        aws.sqs().go_on()?;
        Ok(Self {
            dialing,
            notifications,
            client,
        })
    }

    /// What changes dispatches by way of these queues.
    pub(super) fn engine(&self, store: &Store, clock: &Clock, random: Randomness) -> Engine {
        Engine {
            store: store.clone(),
            dialing: self.way_to(&self.dialing),
            notifications: self.way_to(&self.notifications),
            clock: clock.clone(),
            random,
        }
    }

    pub(super) fn way_to(&self, queue: &aws::sqs::Queue) -> Queue {
        Queue::new(self.client.clone(), queue.url())
    }

    /// Where messages of `queue` go that could not be consumed.
    pub(super) fn outbox(&self, queue: &aws::sqs::Queue, clock: &Clock) -> Outbox {
        let dead = queue.dlq().map_or_else(String::new, |dead| dead.url());
        Outbox {
            queue: self.way_to(queue),
            dead_letters: Queue::new(self.client.clone(), dead),
            clock: clock.clone(),
        }
    }
}

/// The clocks of the machines that functions run on.
pub(super) struct Clocks {
    pub(super) right: Clock,
    pub(super) skew: Duration,
    pub(super) rng: Rng,
}

impl Clocks {
    /// Machines that dialers run on when their clocks differ.
    const MACHINES: usize = 3;

    pub(super) fn new(right: &Clock, skew: Duration, seed: u64) -> Self {
        Self {
            right: right.clone(),
            skew,
            rng: Rng::new(seed ^ 0x000c_10c5),
        }
    }

    pub(super) const fn machines(&self) -> usize {
        if self.skew.is_zero() { 1 } else { Self::MACHINES }
    }

    /// The clock of one more machine.
    pub(super) fn next(&mut self) -> Clock {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(0);
        let ahead = self.rng.between(Duration::ZERO, self.skew);
        self.right.ahead_by(millis(ahead) - millis(self.skew) / 2)
    }

    /// The engine, on one more machine.
    pub(super) fn on_another(&mut self, engine: &Engine) -> Engine {
        Engine {
            clock: self.next(),
            ..engine.clone()
        }
    }
}

/// What a world stands on.
pub(super) struct Ground {
    pub(super) aws: Aws,
    pub(super) journal: Journal,
    pub(super) clock: Clock,
    pub(super) seed: u64,
}

impl Ground {
    /// An account in memory, or one that goes on with what a file has: at a moment that is not before anything in it,
    /// and with other chances than it had before, as repeated ones would make the same ids again.
    pub(super) fn lay(options: &Options) -> Result<Self, WorldError> {
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

/// The telephone network, and the providers on it.
pub(super) struct Network {
    pub(super) exchange: Exchange,
    pub(super) routee: Routee,
    pub(super) twilio: Twilio,
}

impl Network {
    pub(super) fn lay(options: &Options, clock: &Clock, seed: u64) -> Self {
        let exchange = Exchange::new(options.phones.clone());
        let routee = Routee::on(exchange.clone(), clock.clone(), options.switches.clone(), seed);
        routee.set_credentials(ROUTEE_APPLICATION.0, ROUTEE_APPLICATION.1);
        let twilio = Twilio::on(exchange.clone(), clock.clone(), options.twilio_switches.clone(), seed);
        Self {
            exchange,
            routee,
            twilio,
        }
    }

    /// Lets webhooks leave, and goes on with what a journal has.
    pub(super) fn connect(self, lines: &HttpClient, journal: &Journal) -> Result<Self, JournalError> {
        self.routee.set_webhooks(lines.clone());
        self.routee.go_on(journal.clone())?;
        self.twilio.set_webhooks(lines.clone());
        self.twilio.go_on(journal.clone())?;
        Ok(self)
    }
}

pub(super) async fn open_table(dynamodb: aws_sdk_dynamodb::Client) -> Result<Store, WorldError> {
    table::create(&dynamodb, TABLE)
        .await
        .map_err(|error| WorldError::Table(error.to_string()))?;
    let store = Store::new(dynamodb, TABLE);
    give_token(&store).await?;
    Ok(store)
}

pub(super) async fn give_token(store: &Store) -> Result<(), WorldError> {
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
