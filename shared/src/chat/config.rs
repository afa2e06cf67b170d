//! Loads the client of the chat platform from the environment and the secrets of a function.

use std::time::Duration;

use super::{ChatClient, Platform};
use crate::clock::Clock;
use crate::config::variables::{CHATWOOT_TOKENS_PARAM, SANGOMA_API_URL, SANGOMA_AUTH_URL, SANGOMA_CREDENTIALS_PARAM};
use crate::config::{ConfigError, optional};
use crate::http::HttpClient;
use crate::providers::{chatwoot, sangoma};
use crate::secret::Secret;
use crate::web::outbound::Outbound;
use crate::web::target::Targets;

/// Time-out of one request to a platform. Fetching a token and posting a message, both with a retry, end before the
/// watch of a step takes the result for lost, and before API Gateway gives a request up.
const TIMEOUT: Duration = Duration::from_secs(7);
/// Names of environment variables, see [`crate::config`].
const PLATFORM: &str = "PATCHBAY_CHAT_PLATFORM";
const TENANT_DOMAIN: &str = "PATCHBAY_SANGOMA_TENANT_DOMAIN";
const PATHS: &str = "PATCHBAY_SANGOMA_PATHS";
const CHATWOOT_URL: &str = "PATCHBAY_CHATWOOT_URL";
const CHATWOOT_ACCOUNT: &str = "PATCHBAY_CHATWOOT_ACCOUNT";

/// The configuration of the chat platform, without its secret.
///
/// A function loads it when it starts, lets a [`crate::keyring::Keyring`] read the parameter that
/// [`ChatConfig::secret`] names, and builds the client from that secret with [`ChatConfig::client`].
///
/// Secrets of signatures are read by [`crate::chat::signature::SignatureVerifier::parse`] from the optional parameter
/// in [`crate::config::variables::CHAT_SECRETS_PARAM`].
#[derive(Clone, Debug)]
pub struct ChatConfig {
    http: HttpClient,
    settings: Settings,
}

#[derive(Clone, Debug)]
enum Settings {
    Sangoma(sangoma::Settings),
    Chatwoot(chatwoot::Settings),
}

impl ChatConfig {
    /// Loads the configuration from the environment.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn load() -> Result<Self, ConfigError> {
        // The endpoints come from the platform or the operator, never from a requester, so any address is allowed.
        let http = HttpClient::new(Outbound::lazy(Targets::any(), TIMEOUT));
        Self::from_variables(http, optional)
    }

    /// Loads the configuration from the variables that `get` returns, for a command that reads those of a deployed
    /// function.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn from_variables(http: HttpClient, get: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let settings = Settings::read(get)?;
        Ok(Self { http, settings })
    }

    /// The configured platform.
    pub const fn platform(&self) -> Platform {
        match self.settings {
            Settings::Sangoma(_) => Platform::Sangoma,
            Settings::Chatwoot(_) => Platform::Chatwoot,
        }
    }

    /// The variable that names the parameter with the platform's credentials.
    pub const fn secret(&self) -> &'static str {
        match self.settings {
            Settings::Sangoma(_) => SANGOMA_CREDENTIALS_PARAM,
            Settings::Chatwoot(_) => CHATWOOT_TOKENS_PARAM,
        }
    }

    /// Builds the client with the value of that parameter. It starts without an access token: a cached one may belong
    /// to other credentials.
    ///
    /// # Errors
    /// The value is invalid.
    pub fn client(&self, secret: &Secret) -> Result<ChatClient, ConfigError> {
        let http = self.http.clone();
        Ok(match &self.settings {
            Settings::Sangoma(settings) => {
                let credentials = sangoma::Credentials::parse(self.secret(), secret)?;
                ChatClient::Sangoma(sangoma::Sangoma::new(
                    http,
                    &Clock::system(),
                    &credentials,
                    settings.clone(),
                ))
            }
            Settings::Chatwoot(settings) => {
                let tokens = chatwoot::Tokens::parse(self.secret(), secret)?;
                ChatClient::Chatwoot(chatwoot::Chatwoot::new(http, tokens, settings))
            }
        })
    }
}

impl Settings {
    /// Reads the settings from the variables that `get` returns.
    fn read(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let needed = |name| get(name).ok_or(ConfigError::Missing(name));
        let invalid = |name, expected| ConfigError::Invalid { name, expected };
        let Some(platform) = Platform::named(&needed(PLATFORM)?) else {
            return Err(invalid(PLATFORM, "must be sangoma or chatwoot"));
        };
        match platform {
            Platform::Sangoma => {
                let endpoints = sangoma::Endpoints::default();
                Ok(Self::Sangoma(sangoma::Settings {
                    tenant_domain: needed(TENANT_DOMAIN)?,
                    generation: match get(PATHS).as_deref() {
                        None | Some("new") => sangoma::Generation::New,
                        Some("old") => sangoma::Generation::Old,
                        Some(_) => return Err(invalid(PATHS, "must be new or old")),
                    },
                    endpoints: sangoma::Endpoints {
                        auth: get(SANGOMA_AUTH_URL).unwrap_or(endpoints.auth),
                        api: get(SANGOMA_API_URL).unwrap_or(endpoints.api),
                    },
                }))
            }
            Platform::Chatwoot => {
                let url = needed(CHATWOOT_URL)?;
                if !url.starts_with("https://") && !url.starts_with("http://") {
                    return Err(invalid(CHATWOOT_URL, "must begin with https://"));
                }
                let account = needed(CHATWOOT_ACCOUNT)?;
                let is_number = account.bytes().all(|byte| byte.is_ascii_digit());
                let account = account.parse().ok().filter(|_| is_number);
                let account = account.ok_or_else(|| invalid(CHATWOOT_ACCOUNT, "must be the number of the account"))?;
                Ok(Self::Chatwoot(chatwoot::Settings { url, account }))
            }
        }
    }
}

#[cfg(test)]
mod tests;
