//! What the dialer works with, from its environment.

use std::time::Duration;

use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config::variables::{
    REFERENCE_KEYS_PARAM, ROUTEE_AUTH_URL, ROUTEE_CONNECT_URL, ROUTEE_CREDENTIALS_PARAM as CREDENTIALS,
};
use patchbay::config::{ConfigError, optional, public_url, references, required};
use patchbay::http::HttpClient;
use patchbay::keyring::Keyring;
use patchbay::providers::routee::{Credentials, Endpoints, Routee};
use patchbay::queue::Returns;
use patchbay::web::callbacks::Callbacks;
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;

use crate::Deps;

/// How long one request to Routee may take. A token and a call fit twice into the function's 30 s, with the wait for a
/// slot before them and the records after them.
const ROUTEE_TIMEOUT: Duration = Duration::from_secs(6);
const INTERVAL: &str = "PATCHBAY_ROUTEE_CALL_INTERVAL_MS";

impl Deps {
    /// By the function's environment, and the secrets that it names.
    /// The second part is where messages go while those secrets cannot be read.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn load() -> Result<(Keyring<Self, 2>, Returns), ConfigError> {
        let aws = Aws::load()?;
        let engine = aws.engine()?;
        let returns = aws.returns_of_calls()?;
        let (url, from) = (public_url()?, required("PATCHBAY_ROUTEE_FROM")?);
        // Routee's own endpoints, or the operator's: never a requester's, so any address will do.
        let http = HttpClient::new(Outbound::on_demand(Targets::any(), ROUTEE_TIMEOUT));
        let endpoints = Endpoints::default();
        let endpoints = Endpoints {
            auth: optional(ROUTEE_AUTH_URL).unwrap_or(endpoints.auth),
            connect: optional(ROUTEE_CONNECT_URL).unwrap_or(endpoints.connect),
        };
        let call_interval = optional(INTERVAL).map_or(Ok(1_000), |text| text.parse());
        let expected = "must be a number of milliseconds";
        let call_interval = call_interval.map_err(|_| ConfigError::Wrong {
            name: INTERVAL,
            expected,
        })?;
        let kept = returns.clone();
        let keyring = aws.keyring([CREDENTIALS, REFERENCE_KEYS_PARAM], move |[credentials, keys]| {
            let credentials = Credentials::parse(CREDENTIALS, credentials)?;
            Ok(Self {
                engine: engine.clone(),
                returns: returns.clone(),
                // A new client has no token yet: that of other credentials may be another application's.
                routee: Routee::new(http.clone(), Clock::system(), credentials, endpoints.clone()),
                callbacks: Callbacks::new(&url, references(REFERENCE_KEYS_PARAM, keys)?),
                from: from.clone(),
                call_interval,
            })
        })?;
        Ok((keyring, kept))
    }
}
