//! What the deployed function works with.

use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config::variables::WEBHOOK_KEYS_PARAM;
use patchbay::config::{ConfigError, signer, targets};
use patchbay::http::HttpClient;
use patchbay::keyring::Keyring;
use patchbay::outbox::Outbox;
use patchbay::web::outbound::Outbound;

use crate::receivers::Receivers;
use crate::{Deps, POST_TIMEOUT};

impl Deps {
    /// By the function's environment, and the key that it names.
    /// The second part is where messages go while those secrets cannot be read.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn load() -> Result<(Keyring<Self, 1>, Outbox), ConfigError> {
        let aws = Aws::load()?;
        let (store, targets) = (aws.store()?, targets()?);
        let outbox = aws.outbox_of_notifications()?;
        let http = HttpClient::new(Outbound::on_demand(targets.clone(), POST_TIMEOUT).opening_only());
        let receivers = Receivers::default();
        let kept = outbox.clone();
        let keyring = aws.keyring([WEBHOOK_KEYS_PARAM], move |[keys]| {
            Ok(Self {
                store: store.clone(),
                outbox: outbox.clone(),
                http: http.clone(),
                clock: Clock::system(),
                signing_clock: Clock::system(),
                signer: signer(WEBHOOK_KEYS_PARAM, keys)?,
                targets: targets.clone(),
                receivers: receivers.clone(),
            })
        })?;
        Ok((keyring, kept))
    }
}
