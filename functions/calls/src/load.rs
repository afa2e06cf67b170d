//! Builds the dependencies of the deployed function from its environment.

use patchbay::aws::Aws;
use patchbay::config::ConfigError;
use patchbay::keyring::Keyring;

use crate::Deps;

impl Deps {
    /// Reads the environment variables; none of them names a secret.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn load() -> Result<Keyring<Self, 0>, ConfigError> {
        let aws = Aws::load()?;
        let interactions = aws.interactions()?;
        aws.keyring([], move |[]| {
            Ok(Self {
                interactions: interactions.clone(),
            })
        })
    }
}
