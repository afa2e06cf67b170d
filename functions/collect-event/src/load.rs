//! What the deployed function works with.

use patchbay::aws::Aws;
use patchbay::config::ConfigError;
use patchbay::keyring::Keyring;
use patchbay::voice;

use crate::Deps;

impl Deps {
    /// By the function's environment, and the secrets that it names.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn load() -> Result<Keyring<Self, 2>, ConfigError> {
        let aws = Aws::load()?;
        let engine = aws.engine()?;
        let settings = voice::Settings::load()?;
        aws.callbacks_and_signatures(move |callbacks, signatures| Self {
            engine: engine.clone(),
            callbacks,
            signatures,
            settings,
        })
    }
}
