//! Builds the dependencies of the deployed function from its environment.

use patchbay::aws::Aws;
use patchbay::config::ConfigError;
use patchbay::keyring::Keyring;
use patchbay::voice::Settings;

use crate::Deps;

impl Deps {
    /// Reads the environment variables, and the secrets that they name.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn load() -> Result<Keyring<Self, 2>, ConfigError> {
        let aws = Aws::load()?;
        let (interactions, settings) = (aws.interactions()?, Settings::load()?);
        aws.callbacks_and_signatures_keyring(move |callbacks, signatures| Self {
            interactions: interactions.clone(),
            callbacks,
            signatures,
            settings,
        })
    }
}
