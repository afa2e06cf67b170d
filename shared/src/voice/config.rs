//! Loads the accounts with voice providers from the environment and the secrets of a function.

use std::time::Duration;

use super::settings::voice_providers;
use super::{Account, Accounts, Provider, RouteeAccount, Settings, TwilioAccount};
use crate::clock::Clock;
use crate::config::variables::{
    ROUTEE_AUTH_URL, ROUTEE_CONNECT_URL, ROUTEE_CREDENTIALS_PARAM, TWILIO_API_URL, TWILIO_CREDENTIALS_PARAM,
};
use crate::config::{ConfigError, optional, required};
use crate::http::HttpClient;
use crate::providers::routee::{Credentials, Endpoints, Routee};
use crate::providers::twilio::calls as twilio;
use crate::secret::Secret;
use crate::web::outbound::Outbound;
use crate::web::target::Targets;

/// Time-out of one request to a provider. Fetching a token and placing a call, both with a retry, fit into the dialer's
/// 30 s, together with the wait for a call slot before and the writes after.
const TIMEOUT: Duration = Duration::from_secs(6);
/// Names of environment variables, see [`crate::config`].
const ROUTEE_FROM: &str = "PATCHBAY_ROUTEE_FROM";
const ROUTEE_INTERVAL: &str = "PATCHBAY_ROUTEE_CALL_INTERVAL_MS";
const TWILIO_FROM: &str = "PATCHBAY_TWILIO_FROM";
const TWILIO_INTERVAL: &str = "PATCHBAY_TWILIO_CALL_INTERVAL_MS";

/// The configuration of the accounts, without their secrets.
#[derive(Clone, Debug)]
pub struct AccountsConfig {
    http: HttpClient,
    /// In order of preference.
    accounts: Vec<AccountConfig>,
}

/// The configuration of one account.
#[derive(Clone, Debug)]
enum AccountConfig {
    Routee {
        endpoints: Endpoints,
        from: String,
        call_interval: i64,
        settings: Settings,
    },
    Twilio {
        endpoint: String,
        from: String,
        call_interval: i64,
    },
}

impl AccountsConfig {
    /// The variables that name the parameters with the secrets. A variable is unset if its provider places no calls.
    pub const SECRETS: [&'static str; 2] = [ROUTEE_CREDENTIALS_PARAM, TWILIO_CREDENTIALS_PARAM];

    /// Loads the configuration from the environment.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn load() -> Result<Self, ConfigError> {
        let accounts = voice_providers()?.into_iter().map(AccountConfig::load);
        Ok(Self {
            // The endpoints come from the provider or the operator, never from a requester, so any address is allowed.
            http: HttpClient::new(Outbound::lazy(Targets::any(), TIMEOUT)),
            accounts: accounts.collect::<Result<_, _>>()?,
        })
    }

    /// Builds the accounts with the values of [`Self::SECRETS`]. An account with an invalid secret is skipped as long
    /// as another one remains, so that calls are still placed.
    ///
    /// # Errors
    /// No account has a valid secret.
    pub fn with_secrets(&self, secrets: [&Secret; 2]) -> Result<Accounts, ConfigError> {
        let (mut valid, mut first_error) = (Vec::new(), None);
        for account in &self.accounts {
            match account.with_secret(&self.http, secrets) {
                Ok(account) => valid.push(account),
                Err(error) => {
                    tracing::error!(%error, "skipping a voice provider whose secret is invalid: fix the secret");
                    first_error.get_or_insert(error);
                }
            }
        }
        // `voice_providers` guarantees at least one provider and no duplicates.
        Accounts::new(valid).ok_or(first_error.unwrap_or(ConfigError::Missing(ROUTEE_CREDENTIALS_PARAM)))
    }
}

impl AccountConfig {
    fn load(provider: Provider) -> Result<Self, ConfigError> {
        match provider {
            Provider::Routee => {
                let endpoints = Endpoints::default();
                Ok(Self::Routee {
                    endpoints: Endpoints {
                        auth: optional(ROUTEE_AUTH_URL).unwrap_or(endpoints.auth),
                        connect: optional(ROUTEE_CONNECT_URL).unwrap_or(endpoints.connect),
                    },
                    from: required(ROUTEE_FROM)?,
                    call_interval: interval(ROUTEE_INTERVAL)?,
                    settings: Settings::load()?,
                })
            }
            Provider::Twilio => Ok(Self::Twilio {
                endpoint: optional(TWILIO_API_URL).unwrap_or_else(|| twilio::ENDPOINT.to_owned()),
                from: required(TWILIO_FROM)?,
                call_interval: interval(TWILIO_INTERVAL)?,
            }),
        }
    }

    fn with_secret(&self, http: &HttpClient, [routee, twilio]: [&Secret; 2]) -> Result<Account, ConfigError> {
        match self.clone() {
            Self::Routee {
                endpoints,
                from,
                call_interval,
                settings,
            } => {
                let credentials = Credentials::parse(ROUTEE_CREDENTIALS_PARAM, routee)?;
                // The new client starts without a token: a cached one may belong to another application.
                Ok(Account::Routee(RouteeAccount {
                    client: Routee::new(http.clone(), Clock::system(), credentials, endpoints),
                    from,
                    call_interval,
                    settings: settings.routee,
                }))
            }
            Self::Twilio {
                endpoint,
                from,
                call_interval,
            } => {
                let credentials = twilio::Credentials::parse(TWILIO_CREDENTIALS_PARAM, twilio)?;
                Ok(Account::Twilio(TwilioAccount {
                    client: twilio::Twilio::new(http.clone(), &credentials, &endpoint),
                    from,
                    call_interval,
                }))
            }
        }
    }
}

/// Minimum interval between two calls of the account with `provider`, in milliseconds.
///
/// # Errors
/// The variable has an invalid value.
pub fn call_interval(provider: Provider) -> Result<i64, ConfigError> {
    interval(match provider {
        Provider::Routee => ROUTEE_INTERVAL,
        Provider::Twilio => TWILIO_INTERVAL,
    })
}

/// Minimum interval between two calls in milliseconds. The default is 1 s.
fn interval(name: &'static str) -> Result<i64, ConfigError> {
    let interval = optional(name).map_or(Ok(1_000), |text| text.parse());
    interval.map_err(|_| ConfigError::Invalid {
        name,
        expected: "must be a number of milliseconds",
    })
}
