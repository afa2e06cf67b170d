//! Builds the dependencies of the deployed function from its environment.

use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config::variables::WEBHOOK_KEYS_PARAM;
use patchbay::config::{ConfigError, targets, webhook_signer};
use patchbay::http::HttpClient;
use patchbay::keyring::Keyring;
use patchbay::outbox::Outbox;
use patchbay::web::outbound::Outbound;

use crate::receivers::Receivers;
use crate::{Deps, POST_TIMEOUT};

impl Deps {
    /// Reads the environment variables, and the signing key that they name. The outbox, returned next to it, is where
    /// messages are sent back to while the key cannot be read.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn load() -> Result<(Keyring<Self, 1>, Outbox), ConfigError> {
        let aws = Aws::load()?;
        let (store, targets) = (aws.store()?, targets()?);
        let outbox = aws.notifications_outbox()?;
        let http = HttpClient::new(Outbound::lazy(targets.clone(), POST_TIMEOUT).prefix_only());
        let receivers = Receivers::default();
        let fallback = outbox.clone();
        let keyring = aws.keyring([WEBHOOK_KEYS_PARAM], move |[keys]| {
            Ok(Self {
                store: store.clone(),
                outbox: outbox.clone(),
                http: http.clone(),
                clock: Clock::system(),
                signing_clock: Clock::system(),
                signer: webhook_signer(WEBHOOK_KEYS_PARAM, keys)?,
                targets: targets.clone(),
                receivers: receivers.clone(),
            })
        })?;
        Ok((keyring, fallback))
    }
}
