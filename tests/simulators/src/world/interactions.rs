//! The network of text messages and the mail of a world, and the three functions that contact customers.

use std::sync::Arc;

use aws_sdk_dynamodb::config::Credentials;
use patchbay::chat::Platform;
use patchbay::engine::Engine;
use patchbay::http::HttpClient;
use patchbay::ids::Tenant;
use patchbay::ledger::Interactions;
use patchbay::messaging::Account;
use patchbay::providers::ses::{ConfigurationSet, Settings, SubjectForm};
use patchbay::providers::{elemente as elemente_client, routee, ses as ses_client, twilio};
use patchbay::secret::{Randomness, Secret};
use patchbay::voice;
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::target::Targets;

use super::environment::{Clocks, Network, Queues};
use super::functions::signatures;
use super::{Options, ROUTEE_APPLICATION, TENANT, WorldError};
use crate::aws::Aws;
use crate::elemente::{self, Elemente};
use crate::exchange::Provider;
use crate::messages::{self, Messages, Mobiles};
use crate::rng::Rng;
use crate::ses::{self, EventShape, Mailboxes, Ses};
use crate::twilio::ACCOUNT;
use crate::twilio::outbound::API_KEY;

/// The customers of a world, and how the providers that reach them behave.
#[derive(Clone, Debug, Default)]
pub struct InteractionOptions {
    /// The customers' mobile phones.
    pub mobiles: Mobiles,
    /// How the message APIs behave where their documentation is silent.
    pub messages: messages::Switches,
    /// The customers' mailboxes.
    pub mailboxes: Mailboxes,
    /// How Amazon SES behaves where its documentation is silent.
    pub ses: ses::Switches,
    /// How Elemente behaves where its documentation is silent.
    pub elemente: elemente::Switches,
}

/// The credentials that the simulated Elemente accepts.
pub const ELEMENTE_CREDENTIALS: &str = "local:local-password";

/// What reaches customers.
pub(super) struct Reach {
    pub(super) messages: Messages,
    pub(super) ses: Ses,
    pub(super) elemente: Elemente,
}

impl Reach {
    pub(super) fn new(options: &Options, clocks: &Clocks, network: &Network) -> Self {
        let (clock, seed) = (clocks.reference.clone(), options.seed);
        let InteractionOptions {
            mobiles,
            messages,
            mailboxes,
            ses,
            elemente,
        } = options.interactions.clone();
        let providers = (network.twilio.clone(), network.routee.clone());
        Self {
            messages: Messages::new(clock.clone(), providers, messages, mobiles, seed),
            elemente: Elemente::new(clock.clone(), ELEMENTE_CREDENTIALS, elemente, Rng::new(seed)),
            ses: Ses::new(clock, ses, mailboxes, seed),
        }
    }

    /// Connects the webhooks, with the URLs that an operator enters at the providers.
    pub(super) fn connect(&self, router: &HttpClient, callbacks: &CallbackUrls) -> Result<(), WorldError> {
        let tenant: Tenant = TENANT.parse().map_err(|error| WorldError::SetUp(format!("{error}")))?;
        self.messages.set_webhooks(router.clone());
        for provider in [Provider::Routee, Provider::Twilio] {
            let url = callbacks.incoming_message_url(provider, &tenant);
            self.messages.set_incoming_url(provider, url);
        }
        self.ses.set_webhooks(router.clone());
        let url = callbacks.email_events_url(&tenant);
        self.ses.publish_to_url(url, EventShape::EventBridge);
        Ok(())
    }
}

/// Everything that the three functions are built from.
pub(super) struct InteractionParts<'a> {
    pub(super) aws: &'a Aws,
    pub(super) reach: &'a Reach,
    pub(super) engine: &'a Engine,
    pub(super) queues: &'a Queues,
    pub(super) callbacks: &'a CallbackUrls,
    pub(super) voice: voice::Settings,
    pub(super) chat: Platform,
}

/// The functions behind the API, and that behind the queue, once for each machine that it runs on.
pub(super) type Functions = (calls::Deps, message_event::Deps, Arc<[Arc<messenger::Deps>]>);

impl InteractionParts<'_> {
    /// The dependencies of the functions. Their clocks and their randomness are their own: nothing else in a world
    /// depends on how many interactions there are.
    pub(super) fn functions(&self, mut clocks: Clocks, seed: u64) -> Result<Functions, WorldError> {
        let random = Randomness::seeded(seed);
        let calls = calls::Deps {
            interactions: self.interactions(&mut clocks, &random),
            callbacks: self.callbacks.clone(),
            targets: Targets::any(),
        };
        let events = message_event::Deps {
            interactions: self.interactions(&mut clocks, &random),
            callbacks: self.callbacks.clone(),
            signatures: signatures(),
            settings: self.voice,
        };
        let messengers = (0..clocks.machines()).map(|_| {
            let interactions = self.interactions(&mut clocks, &random);
            self.messenger(interactions).map(Arc::new)
        });
        let messengers = messengers.collect::<Result<_, _>>()?;
        Ok((calls, events, messengers))
    }

    fn messenger(&self, interactions: Interactions) -> Result<messenger::Deps, WorldError> {
        Ok(messenger::Deps {
            outbox: self.queues.outbox(&self.queues.interactions, &interactions.clock),
            back_ends: messenger::BackEnds {
                twilio: messenger::Setup::Ready(self.twilio()),
                routee: messenger::Setup::Ready(self.routee()),
                calls: messenger::CallSettings {
                    scripts: self.voice,
                    ..messenger::CallSettings::default()
                },
                email: Some(self.email()?),
                elemente: messenger::Setup::Ready(self.elemente()?),
                chat: Some(self.chat),
            },
            callbacks: self.callbacks.clone(),
            interactions,
        })
    }

    /// What changes interactions, with the clock of another machine.
    fn interactions(&self, clocks: &mut Clocks, random: &Randomness) -> Interactions {
        let queue = self.queues.sender(&self.queues.interactions);
        let notifications = self.queues.sender(&self.queues.notifications);
        Interactions::new(self.engine.store.clone(), queue, clocks.next_clock(), random.clone())
            .with_notifications(notifications)
    }

    /// A client of both message APIs. What is no message goes on to the providers' simulators.
    fn http(&self) -> HttpClient {
        self.aws.http(HttpClient::new(self.reach.messages.clone()))
    }

    fn twilio(&self) -> Account {
        let (user, password) = API_KEY;
        let credentials = twilio::calls::Credentials {
            account: ACCOUNT.to_owned(),
            user: user.to_owned(),
            password: Secret::new(password),
        };
        Account::Twilio(twilio::calls::Twilio::new(
            self.http(),
            &credentials,
            twilio::calls::ENDPOINT,
        ))
    }

    fn routee(&self) -> Account {
        let credentials = routee::Credentials {
            application_id: ROUTEE_APPLICATION.0.into(),
            application_secret: Secret::new(ROUTEE_APPLICATION.1),
        };
        let endpoints = routee::Endpoints::default();
        Account::Routee(routee::Routee::new(
            self.http(),
            self.aws.clock().clone(),
            credentials,
            endpoints,
        ))
    }

    fn elemente(&self) -> Result<elemente_client::Elemente, WorldError> {
        let credentials = elemente_client::Credentials::parse("ELEMENTE", &Secret::new(ELEMENTE_CREDENTIALS));
        let credentials = credentials.map_err(|error| WorldError::SetUp(error.to_string()))?;
        let http = self.aws.http(HttpClient::new(self.reach.elemente.clone()));
        Ok(elemente_client::Elemente::new(
            http,
            &credentials,
            elemente_client::ENDPOINT,
        ))
    }

    fn email(&self) -> Result<messenger::EmailBackEnd, WorldError> {
        let settings = Settings {
            region: ses::REGION.to_owned(),
            endpoint: patchbay::partition::endpoint("email", ses::REGION, false, false),
            credentials: Credentials::new(ses::ACCESS_KEY, ses::SECRET_KEY, None, None, "simulated"),
            subject: SubjectForm::default(),
        };
        let http = self.aws.http(HttpClient::new(self.reach.ses.clone()));
        let set = ConfigurationSet::parse(ses::CONFIGURATION_SET);
        Ok(messenger::EmailBackEnd {
            client: ses_client::Ses::new(http, self.aws.clock().clone(), settings),
            configuration_set: set.map_err(|error| WorldError::SetUp(error.to_string()))?,
        })
    }
}
