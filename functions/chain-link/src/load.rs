//! Builds the dependencies from the environment of the function.

use std::time::Duration;

use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config::ConfigError;
use patchbay::fetch::{DocumentCache, Fetcher, RateLimits};
use patchbay::http::HttpClient;
use patchbay::keyring::Keyring;
use patchbay::secret::Randomness;
use patchbay::target::Targets;
use patchbay::web::outbound::Outbound;

use crate::Deps;

/// Maximum time-out of a request to a back end. A document may set a shorter one.
const HTTP_TIMEOUT: Duration = Duration::from_millis(3_600);

impl Deps {
    /// Builds the dependencies from the environment and the key that it names.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn load() -> Result<Keyring<Self, 1>, ConfigError> {
        let aws = Aws::load()?;
        let (store, targets) = (aws.store()?, Targets::public_only());
        let fetcher = Fetcher {
            http: HttpClient::new(Outbound::lazy(targets.clone(), HTTP_TIMEOUT)),
            targets,
            secrets: aws.parameters("PATCHBAY_LINK_SECRETS_PARAM")?,
            clock: Clock::system(),
            limits: RateLimits::default(),
        };
        let cache = DocumentCache::default();
        aws.callbacks_keyring(move |callbacks| Self {
            store: store.clone(),
            clock: Clock::system(),
            random: Randomness::default(),
            callbacks,
            fetcher: fetcher.clone(),
            cache: cache.clone(),
        })
    }
}
