//! Builds the dependencies of the deployed function from its environment.

use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config::{ConfigError, default_country};
use patchbay::keyring::Keyring;
use patchbay::tokens::Tokens;

use crate::Deps;

impl Deps {
    /// Reads the environment variables, and the secrets that they name. Most stacks name none; then none is read.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn load() -> Result<Keyring<Self, 2>, ConfigError> {
        let aws = Aws::load()?;
        let (store, clock, home) = (aws.store()?, Clock::system(), default_country()?);
        Ok(aws.verifier_keyring(move |verifier| Self {
            tokens: Tokens::new(store.clone(), clock.clone()),
            store: store.clone(),
            clock: clock.clone(),
            home: home.clone(),
            verifier,
        }))
    }
}
