//! What the function works with, from its environment.

use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config::variables::{RETELL_KEYS_PARAM, VAPI_SECRETS_PARAM};
use patchbay::config::{ConfigError, default_country, proofs};
use patchbay::keyring::Keyring;
use patchbay::web::tokens::Tokens;

use crate::Deps;

impl Deps {
    /// By the function's environment, and the secrets that it names; mostly it names none, and none is read.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn load() -> Result<Keyring<Self, 2>, ConfigError> {
        let aws = Aws::load()?;
        let (store, clock, home) = (aws.store()?, Clock::system(), default_country()?);
        let make = move |[vapi, retell]: &[_; 2]| {
            Ok(Self {
                tokens: Tokens::new(store.clone(), clock.clone()),
                store: store.clone(),
                clock: clock.clone(),
                home: home.clone(),
                proofs: proofs(vapi, retell)?,
            })
        };
        Ok(aws.keyring_of_optional([VAPI_SECRETS_PARAM, RETELL_KEYS_PARAM], make))
    }
}
