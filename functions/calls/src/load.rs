//! Builds the dependencies of the deployed function from its environment.

use patchbay::aws::Aws;
use patchbay::config::{ConfigError, targets};
use patchbay::keyring::Keyring;

use crate::Deps;

impl Deps {
    /// Reads the environment variables; and the key that they name.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn load() -> Result<Keyring<Self, 1>, ConfigError> {
        let aws = Aws::load()?;
        let (interactions, targets) = (aws.interactions()?, targets()?);
        aws.callbacks_keyring(move |callbacks| Self {
            interactions: interactions.clone(),
            callbacks,
            targets: targets.clone(),
        })
    }
}
