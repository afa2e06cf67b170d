//! Builds the dependencies of the deployed function from its environment.

use patchbay::aws::Aws;
use patchbay::config::variables::REFERENCE_KEYS_PARAM;
use patchbay::config::{ConfigError, public_url, reference_signer};
use patchbay::keyring::Keyring;
use patchbay::outbox::Outbox;
use patchbay::voice::AccountsConfig;
use patchbay::web::callbacks::CallbackUrls;

use crate::Deps;

impl Deps {
    /// Reads the environment variables, and the secrets that they name. The outbox, returned next to them, is where
    /// messages are sent back to while the secrets cannot be read.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn load() -> Result<(Keyring<Self, 3>, Outbox), ConfigError> {
        let aws = Aws::load()?;
        let engine = aws.engine()?;
        let outbox = aws.dialing_outbox()?;
        let url = public_url()?;
        let config = AccountsConfig::load()?;
        let fallback = outbox.clone();
        let [one, other] = AccountsConfig::SECRETS;
        let keyring = aws.keyring([one, other, REFERENCE_KEYS_PARAM], move |[one, other, keys]| {
            Ok(Self {
                engine: engine.clone(),
                outbox: outbox.clone(),
                accounts: config.with_secrets([one, other])?,
                callbacks: CallbackUrls::new(&url, reference_signer(REFERENCE_KEYS_PARAM, keys)?),
            })
        })?;
        Ok((keyring, fallback))
    }
}
