//! Builds the dependencies of the deployed function from its environment.

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
/// Longest that the heartbeat may take, response included. The next one follows in a minute.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(5);

impl Deps {
    /// Reads the environment variables; none of them names a secret.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn load() -> Result<Keyring<Self, 0>, ConfigError> {
        let aws = Aws::load()?;
        // The URL is the operator's, never a requester's: any address is allowed.
        let http = HttpClient::new(Outbound::lazy(Targets::any(), HEARTBEAT_TIMEOUT));
        let heartbeat = |url: String| {
            Heartbeat::new(http, &url).map_err(|_| ConfigError::Invalid {
                name: HEARTBEAT_URL,
                expected: "must be a URL",
            })
        };
        let (store, dialing) = (aws.store()?, aws.dialing()?);
        let (conversations, interactions) = (aws.optional_conversations(), aws.optional_interactions());
        let heartbeat = optional(HEARTBEAT_URL).map(heartbeat).transpose()?;
        aws.keyring([], move |[]| {
            Ok(Self {
                store: store.clone(),
                dialing: dialing.clone(),
                conversations: conversations.clone(),
                interactions: interactions.clone(),
                clock: Clock::system(),
                heartbeat: heartbeat.clone(),
            })
        })
    }
}
