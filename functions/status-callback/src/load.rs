//! Builds the dependencies of the deployed function from its environment.

use patchbay::aws::Aws;
use patchbay::config::ConfigError;
use patchbay::keyring::Keyring;

use crate::Deps;

impl Deps {
    /// Reads the environment variables, and the secrets that they name.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn load() -> Result<Keyring<Self, 2>, ConfigError> {
        let aws = Aws::load()?;
        let engine = aws.engine()?;
        aws.callbacks_and_signatures_keyring(move |callbacks, signatures| Self {
            engine: engine.clone(),
            callbacks,
            signatures,
        })
    }
}
