//! Builds the dependencies of the deployed function from its environment.

use patchbay::aws::Aws;
use patchbay::config::{ConfigError, targets};
use patchbay::keyring::Keyring;
use patchbay::voice::voice_providers;

use crate::Deps;

impl Deps {
    /// Reads the environment variables; none of them names a secret.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn load() -> Result<Keyring<Self, 0>, ConfigError> {
        let aws = Aws::load()?;
        let (engine, targets, providers) = (aws.engine()?, targets()?, voice_providers()?);
        aws.keyring([], move |[]| {
            Ok(Self {
                engine: engine.clone(),
                targets: targets.clone(),
                providers: providers.iter().map(|provider| provider.name()).collect(),
            })
        })
    }
}
