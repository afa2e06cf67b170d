//! What the dialer works with, from its environment.

use patchbay::aws::Aws;
use patchbay::config::variables::REFERENCE_KEYS_PARAM;
use patchbay::config::{ConfigError, public_url, references};
use patchbay::keyring::Keyring;
use patchbay::outbox::Outbox;
use patchbay::voice::AccountsConfig;
use patchbay::web::callbacks::Callbacks;

use crate::Deps;

impl Deps {
    /// By the function's environment, and the secrets that it names.
    /// The second part is where messages go while those secrets cannot be read.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn load() -> Result<(Keyring<Self, 3>, Outbox), ConfigError> {
        let aws = Aws::load()?;
        let engine = aws.engine()?;
        let outbox = aws.outbox_of_dialing()?;
        let url = public_url()?;
        let config = AccountsConfig::load()?;
        let kept = outbox.clone();
        let [one, other] = AccountsConfig::SECRETS;
        let keyring = aws.keyring([one, other, REFERENCE_KEYS_PARAM], move |[one, other, keys]| {
            Ok(Self {
                engine: engine.clone(),
                outbox: outbox.clone(),
                accounts: config.open([one, other])?,
                callbacks: Callbacks::new(&url, references(REFERENCE_KEYS_PARAM, keys)?),
            })
        })?;
        Ok((keyring, kept))
    }
}
