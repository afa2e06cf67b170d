//! An account, from the environment and the secret of a function.

use std::time::Duration;

use super::{Account, RouteeAccount, Settings};
use crate::clock::Clock;
use crate::config::variables::{ROUTEE_AUTH_URL, ROUTEE_CONNECT_URL, ROUTEE_CREDENTIALS_PARAM};
use crate::config::{ConfigError, optional, required};
use crate::http::HttpClient;
use crate::providers::routee::{Credentials, Endpoints, Routee};
use crate::secret::Secret;
use crate::web::outbound::Outbound;
use crate::web::target::Targets;

/// How long one request to a provider may take. A token and a call fit twice into the dialer's 30 s, with the wait for a
/// slot before them and the records after them.
const TIMEOUT: Duration = Duration::from_secs(6);
/// Names of variables, see [`crate::config`].
const FROM: &str = "PATCHBAY_ROUTEE_FROM";
const INTERVAL: &str = "PATCHBAY_ROUTEE_CALL_INTERVAL_MS";

/// An account, but for its secret.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    http: HttpClient,
    endpoints: Endpoints,
    from: String,
    call_interval: i64,
    settings: Settings,
}

impl AccountConfig {
    /// The variable that names the parameter with the secret.
    pub const SECRET: &'static str = ROUTEE_CREDENTIALS_PARAM;

    /// By the function's environment.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn load() -> Result<Self, ConfigError> {
        let endpoints = Endpoints::default();
        let call_interval = optional(INTERVAL).map_or(Ok(1_000), |text| text.parse());
        let call_interval = call_interval.map_err(|_| ConfigError::Wrong {
            name: INTERVAL,
            expected: "must be a number of milliseconds",
        })?;
        Ok(Self {
            // The provider's own endpoints, or the operator's: never a requester's, so any address will do.
            http: HttpClient::new(Outbound::on_demand(Targets::any(), TIMEOUT)),
            endpoints: Endpoints {
                auth: optional(ROUTEE_AUTH_URL).unwrap_or(endpoints.auth),
                connect: optional(ROUTEE_CONNECT_URL).unwrap_or(endpoints.connect),
            },
            from: required(FROM)?,
            call_interval,
            settings: Settings::load()?,
        })
    }

    /// The account, with the value of [`Self::SECRET`].
    ///
    /// # Errors
    /// When the value is not what it must be.
    pub fn open(&self, secret: &Secret) -> Result<Account, ConfigError> {
        let credentials = Credentials::parse(Self::SECRET, secret)?;
        // A new client has no token yet: that of other credentials may be another application's.
        let client = Routee::new(self.http.clone(), Clock::system(), credentials, self.endpoints.clone());
        Ok(Account::Routee(RouteeAccount {
            client,
            from: self.from.clone(),
            call_interval: self.call_interval,
            settings: self.settings.routee,
        }))
    }
}
