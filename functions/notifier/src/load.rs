//! What the deployed function works with.

use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config::variables::WEBHOOK_KEYS_PARAM;
use patchbay::config::{ConfigError, signer, targets};
use patchbay::http::HttpClient;
use patchbay::keyring::Keyring;
use patchbay::web::outbound::Outbound;

use crate::{Deps, POST_TIMEOUT};

impl Deps {
    /// By the function's environment, and the key that it names.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn load() -> Result<Keyring<Self, 1>, ConfigError> {
        let aws = Aws::load()?;
        let (store, queue, targets) = (aws.store()?, aws.notifications()?, targets()?);
        let http = HttpClient::new(Outbound::on_demand(targets.clone(), POST_TIMEOUT));
        aws.keyring([WEBHOOK_KEYS_PARAM], move |[keys]| {
            Ok(Self {
                store: store.clone(),
                queue: queue.clone(),
                http: http.clone(),
                clock: Clock::system(),
                signing_clock: Clock::system(),
                signer: signer(WEBHOOK_KEYS_PARAM, keys)?,
                targets: targets.clone(),
            })
        })
    }
}
