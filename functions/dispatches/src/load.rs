//! Builds the dependencies of the deployed function from its environment.

use patchbay::api::dispatches::Abilities;
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
        let engine = aws.engine()?;
        let abilities = Abilities {
            providers: voice_providers()?.iter().map(|provider| provider.name()).collect(),
            targets: targets()?,
        };
        aws.keyring([], move |[]| {
            Ok(Self {
                engine: engine.clone(),
                abilities: abilities.clone(),
            })
        })
    }
}
