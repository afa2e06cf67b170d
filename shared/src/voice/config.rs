//! Accounts, from the environment and the secrets of a function.

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

/// How long one request to a provider may take. A token and a call fit twice into the dialer's 30 s, with the wait for a
/// slot before them and the records after them.
const TIMEOUT: Duration = Duration::from_secs(6);
/// Names of variables, see [`crate::config`].
const ROUTEE_FROM: &str = "PATCHBAY_ROUTEE_FROM";
const ROUTEE_INTERVAL: &str = "PATCHBAY_ROUTEE_CALL_INTERVAL_MS";
const TWILIO_FROM: &str = "PATCHBAY_TWILIO_FROM";
const TWILIO_INTERVAL: &str = "PATCHBAY_TWILIO_CALL_INTERVAL_MS";

/// Accounts, but for their secrets.
#[derive(Clone, Debug)]
pub struct AccountsConfig {
    http: HttpClient,
    /// In order of preference.
    accounts: Vec<AccountConfig>,
}

/// One of them.
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
    /// The variables that name the parameters with the secrets. One without a value belongs to nobody who phones.
    pub const SECRETS: [&'static str; 2] = [ROUTEE_CREDENTIALS_PARAM, TWILIO_CREDENTIALS_PARAM];

    /// By the function's environment.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn load() -> Result<Self, ConfigError> {
        let accounts = voice_providers()?.into_iter().map(AccountConfig::load);
        Ok(Self {
            // The providers' own endpoints, or the operator's: never a requester's, so any address will do.
            http: HttpClient::new(Outbound::on_demand(Targets::any(), TIMEOUT)),
            accounts: accounts.collect::<Result<_, _>>()?,
        })
    }

    /// The accounts, with the values of [`Self::SECRETS`]. One whose value is not what it must be is left out, as long as
    /// there is another one: nobody is to miss a ticket for it.
    ///
    /// # Errors
    /// When no value is what it must be.
    pub fn open(&self, secrets: [&Secret; 2]) -> Result<Accounts, ConfigError> {
        let (mut open, mut wrong) = (Vec::new(), None);
        for account in &self.accounts {
            match account.open(&self.http, secrets) {
                Ok(account) => open.push(account),
                Err(error) => {
                    tracing::error!(%error, "no calls are placed over a provider whose secret is wrong: mend it");
                    wrong.get_or_insert(error);
                }
            }
        }
        // Each provider is named once, and one is: `voice_providers` has seen to that.
        Accounts::new(open).ok_or(wrong.unwrap_or(ConfigError::Missing(ROUTEE_CREDENTIALS_PARAM)))
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

    fn open(&self, http: &HttpClient, [routee, twilio]: [&Secret; 2]) -> Result<Account, ConfigError> {
        match self.clone() {
            Self::Routee {
                endpoints,
                from,
                call_interval,
                settings,
            } => {
                let credentials = Credentials::parse(ROUTEE_CREDENTIALS_PARAM, routee)?;
                // A new client has no token yet: that of other credentials may be another application's.
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

/// Milliseconds between two calls; a second when nothing is said.
fn interval(name: &'static str) -> Result<i64, ConfigError> {
    let interval = optional(name).map_or(Ok(1_000), |text| text.parse());
    interval.map_err(|_| ConfigError::Wrong {
        name,
        expected: "must be a number of milliseconds",
    })
}
