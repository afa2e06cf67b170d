//! What the deployed function works with.

use patchbay::aws::Aws;
use patchbay::config::variables::REFERENCE_KEYS_PARAM;
use patchbay::config::{ConfigError, public_url, references};
use patchbay::keyring::Keyring;
use patchbay::web::callbacks::Callbacks;

use crate::Deps;

impl Deps {
    /// By the function's environment, and the key that it names.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn load() -> Result<Keyring<Self, 1>, ConfigError> {
        let aws = Aws::load()?;
        let (engine, url) = (aws.engine()?, public_url()?);
        aws.keyring([REFERENCE_KEYS_PARAM], move |[keys]| {
            Ok(Self {
                engine: engine.clone(),
                callbacks: Callbacks::new(&url, references(REFERENCE_KEYS_PARAM, keys)?),
            })
        })
    }
}
