//! Builds the dependencies of the deployed function from its environment.

use std::time::Duration;

use patchbay::api::dispatches::Abilities;
use patchbay::aws::Aws;
use patchbay::bot_source::BotSource;
use patchbay::chat::ChatConfig;
use patchbay::clock::Clock;
use patchbay::config::{ConfigError, default_country, targets};
use patchbay::fetch::{Fetcher, RateLimits};
use patchbay::http::HttpClient;
use patchbay::keyring::Keyring;
use patchbay::outbox::Outbox;
use patchbay::target::Targets;
use patchbay::voice::voice_providers;
use patchbay::web::outbound::Outbound;

use crate::Deps;

/// Maximum time-out of a request to a back end. A document may set a shorter one.
const HTTP_TIMEOUT: Duration = Duration::from_millis(15_100);

impl Deps {
    /// Reads the environment variables, and the secrets that they name. The outbox, returned next to them, is where
    /// messages are sent back to while the secrets cannot be read.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn load() -> Result<(Keyring<Self, 1>, Outbox), ConfigError> {
        let aws = Aws::load()?;
        let (conversations, outbox, engine) = (aws.conversations()?, aws.conversations_outbox()?, aws.engine()?);
        let (config, home) = (ChatConfig::load()?, default_country()?);
        let abilities = Abilities {
            providers: voice_providers()?.iter().map(|provider| provider.name()).collect(),
            targets: targets()?,
        };
        let public = Targets::public_only();
        let fetcher = Fetcher {
            http: HttpClient::new(Outbound::lazy(public.clone(), HTTP_TIMEOUT)),
            targets: public,
            secrets: aws.parameters("PATCHBAY_LINK_SECRETS_PARAM")?,
            clock: Clock::system(),
            limits: RateLimits::default(),
        };
        let bots = BotSource::new(conversations.store.clone(), conversations.clock.clone());
        let fallback = outbox.clone();
        let keyring = aws.keyring([config.secret()], move |[credentials]| {
            Ok(Self {
                conversations: conversations.clone(),
                outbox: outbox.clone(),
                bots: bots.clone(),
                fetcher: fetcher.clone(),
                client: config.client(credentials)?,
                engine: engine.clone(),
                abilities: abilities.clone(),
                home: home.clone(),
            })
        })?;
        Ok((keyring, fallback))
    }
}
