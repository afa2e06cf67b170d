//! What the function works with, from its environment.

use std::time::Duration;

use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config::ConfigError;
use patchbay::fetch::{Cache, Fetcher, Limits};
use patchbay::http::HttpClient;
use patchbay::keyring::Keyring;
use patchbay::secret::Randomness;
use patchbay::target::Targets;
use patchbay::web::outbound::Outbound;

use crate::Deps;

/// Longest time that a request to a back end may take: a document may say less.
const HTTP_TIMEOUT: Duration = Duration::from_millis(3_600);

impl Deps {
    /// By the function's environment, and the key that it names.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn load() -> Result<Keyring<Self, 1>, ConfigError> {
        let aws = Aws::load()?;
        let (store, targets) = (aws.store()?, Targets::public_only());
        let fetcher = Fetcher {
            http: HttpClient::new(Outbound::on_demand(targets.clone(), HTTP_TIMEOUT)),
            targets,
            secrets: aws.parameters("PATCHBAY_LINK_SECRETS_PARAM")?,
            clock: Clock::system(),
            limits: Limits::default(),
        };
        let cache = Cache::default();
        aws.with_callbacks(move |callbacks| Self {
            store: store.clone(),
            clock: Clock::system(),
            random: Randomness::default(),
            callbacks,
            fetcher: fetcher.clone(),
            cache: cache.clone(),
        })
    }
}
