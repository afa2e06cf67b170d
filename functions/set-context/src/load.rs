//! What the function works with, from its environment.

use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config::{ConfigError, default_country};
use patchbay::keyring::Keyring;
use patchbay::secret::Randomness;
use patchbay::tokens::Tokens;

use crate::Deps;

impl Deps {
    /// By the function's environment, and the secrets that it names; mostly it names none, and none is read.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn load() -> Result<Keyring<Self, 2>, ConfigError> {
        let aws = Aws::load()?;
        let (store, clock, home) = (aws.store()?, Clock::system(), default_country()?);
        Ok(aws.with_proofs(move |proofs| Self {
            tokens: Tokens::new(store.clone(), clock.clone()),
            store: store.clone(),
            clock: clock.clone(),
            random: Randomness::default(),
            home: home.clone(),
            proofs,
        }))
    }
}
