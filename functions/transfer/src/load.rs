//! Loads the function's dependencies from its environment.

use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config::variables::{REFERENCE_KEYS_PARAM, TWILIO_AUTH_TOKENS_PARAM as AUTH_TOKENS};
use patchbay::config::{ConfigError, optional, optional_public_url, reference_signer, twilio_verifier};
use patchbay::keyring::Keyring;
use patchbay::web::callbacks::CallbackUrls;

use crate::{Deps, PaySettings};

const ATTEMPTS: &str = "PATCHBAY_TWILIO_PAY_ATTEMPTS";

impl Deps {
    /// Loads the dependencies from the function's environment and the secrets that it names.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn load() -> Result<Keyring<Self, 2>, ConfigError> {
        let aws = Aws::load()?;
        let (store, url, pay) = (aws.store()?, optional_public_url()?, PaySettings::load()?);
        aws.keyring([AUTH_TOKENS, REFERENCE_KEYS_PARAM], move |[tokens, keys]| {
            Ok(Self {
                store: store.clone(),
                clock: Clock::system(),
                callbacks: CallbackUrls::new(&url, reference_signer(REFERENCE_KEYS_PARAM, keys)?),
                signatures: twilio_verifier(AUTH_TOKENS, tokens)?,
                pay: pay.clone(),
            })
        })
    }
}

impl PaySettings {
    fn load() -> Result<Self, ConfigError> {
        let default = Self::default();
        let attempts = optional(ATTEMPTS).map(|text| text.parse().ok().filter(|attempts| (1..=3).contains(attempts)));
        let expected = "must be 1, 2 or 3";
        Ok(Self {
            connector: optional("PATCHBAY_TWILIO_PAY_CONNECTOR").unwrap_or(default.connector),
            max_attempts: match attempts {
                None => default.max_attempts,
                Some(attempts) => attempts.ok_or(ConfigError::Invalid {
                    name: ATTEMPTS,
                    expected,
                })?,
            },
        })
    }
}
