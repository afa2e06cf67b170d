//! What the deployed function works with.

use std::time::Duration;

use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config::{ConfigError, optional};
use patchbay::http::HttpClient;
use patchbay::keyring::Keyring;
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;

use crate::{Deps, Heartbeat};

const HEARTBEAT_URL: &str = "PATCHBAY_HEARTBEAT_URL";
/// How long the heartbeat may take, answer included. The next one comes in a minute.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(5);

impl Deps {
    /// By the function's environment; it names no secrets.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn load() -> Result<Keyring<Self, 0>, ConfigError> {
        let aws = Aws::load()?;
        // The operator's own URL, never a requester's: any address will do.
        let http = HttpClient::new(Outbound::on_demand(Targets::any(), HEARTBEAT_TIMEOUT));
        let heartbeat = |url: String| {
            Heartbeat::new(http, &url).map_err(|_| ConfigError::Wrong {
                name: HEARTBEAT_URL,
                expected: "must be a URL",
            })
        };
        let (store, dialing) = (aws.store()?, aws.dialing()?);
        let heartbeat = optional(HEARTBEAT_URL).map(heartbeat).transpose()?;
        aws.keyring([], move |[]| {
            Ok(Self {
                store: store.clone(),
                dialing: dialing.clone(),
                clock: Clock::system(),
                heartbeat: heartbeat.clone(),
            })
        })
    }
}
