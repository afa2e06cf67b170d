//! What a function is told at its start: by its environment, and by SSM for what is secret.
//!
//! | variable | meaning |
//! |---|---|
//! | `PATCHBAY_TABLE` | name of the table |
//! | `PATCHBAY_CALLS_QUEUE_URL`, `PATCHBAY_NOTIFICATIONS_QUEUE_URL` | the queues |
//! | `PATCHBAY_PUBLIC_URL` | base URL of the API as providers see it |
//! | `PATCHBAY_REFERENCE_KEYS_PARAM` | SSM parameter: the key of callback references, or the new and the old one, separated by a comma |
//! | `PATCHBAY_ROUTEE_CREDENTIALS_PARAM` | SSM parameter: `applicationId:applicationSecret` |
//! | `PATCHBAY_ROUTEE_FROM` | number or name that calls come from |
//! | `PATCHBAY_ROUTEE_AUTH_URL`, `PATCHBAY_ROUTEE_CONNECT_URL` | Routee's endpoints, when they are not the public ones |
//! | `PATCHBAY_ROUTEE_CALL_INTERVAL_MS` | milliseconds between two calls, 1000 when left out |
//! | `PATCHBAY_DEFAULT_COUNTRY` | calling code of callers' numbers without a `+`, such as `1`; without it they are refused |
//! | `PATCHBAY_TWILIO_AUTH_TOKENS_PARAM` | SSM parameter: the auth token of the account at Twilio, or the new and the old one, separated by a comma |
//! | `PATCHBAY_TWILIO_PAY_CONNECTOR` | name of the pay connector, `Default` when left out |
//! | `PATCHBAY_TWILIO_PAY_ATTEMPTS` | how often a caller may try to pay, 1 to 3; 3 when left out |
//! | `PATCHBAY_WEBHOOK_KEYS_PARAM` | SSM parameter: the key of outgoing webhooks (`whsec_…`), or the new and the old one, separated by a comma |

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::aws_error::in_words;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::phone::CallingCode;
use crate::queue::Queue;
use crate::secret::{Randomness, Secret};
use crate::store::Store;
use crate::web::callbacks::Callbacks;
use crate::web::reference::References;

/// The shortest key that is taken for signing, in characters.
const MIN_KEY_CHARS: usize = 32;

/// Why a function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable is missing.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// A variable or a secret is not what it must be.
    #[error("{name} {expected}")]
    Wrong {
        /// The variable.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// SSM did not give out a parameter.
    #[error("the SSM parameter {parameter} (named by {name}) cannot be read: {cause}")]
    Parameter {
        /// The variable that names it.
        name: &'static str,
        /// The parameter.
        parameter: String,
        /// What SSM says.
        cause: String,
    },
}

/// A variable that must be set.
pub fn required(name: &'static str) -> Result<String, ConfigError> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .ok_or(ConfigError::Missing(name))
}

/// A variable that may be left out.
pub fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The country of numbers without a `+`, if there is one.
pub fn default_country() -> Result<Option<CallingCode>, ConfigError> {
    let wrong = |_| ConfigError::Wrong {
        name: "PATCHBAY_DEFAULT_COUNTRY",
        expected: "must be a country's calling code, such as 1 or 49",
    };
    optional("PATCHBAY_DEFAULT_COUNTRY")
        .map(|code| code.parse().map_err(wrong))
        .transpose()
}

/// The way to AWS: one HTTP client, one set of credentials.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
}

impl Aws {
    /// Finds region and credentials. Time limits are below every function's own, and below what a webhook may take.
    pub async fn load() -> Self {
        // ring: see Cargo.toml.
        let http_client = Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(1))
            .operation_timeout(Duration::from_secs(4))
            .build();
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
        Self {
            config: loader.http_client(http_client).timeout_config(timeouts).load().await,
        }
    }

    /// The table.
    pub fn store(&self) -> Result<Store, ConfigError> {
        Ok(self.store_called(&required("PATCHBAY_TABLE")?))
    }

    /// The table of that name, for a command that is told it.
    pub fn store_called(&self, table: &str) -> Store {
        Store::new(aws_sdk_dynamodb::Client::new(&self.config), table)
    }

    /// The `calls` queue.
    pub fn calls(&self) -> Result<Queue, ConfigError> {
        self.queue("PATCHBAY_CALLS_QUEUE_URL")
    }

    /// The `notifications` queue.
    pub fn notifications(&self) -> Result<Queue, ConfigError> {
        self.queue("PATCHBAY_NOTIFICATIONS_QUEUE_URL")
    }

    fn queue(&self, name: &'static str) -> Result<Queue, ConfigError> {
        Ok(Queue::new(aws_sdk_sqs::Client::new(&self.config), required(name)?))
    }

    /// Dispatches, on the system's clock.
    pub fn engine(&self) -> Result<Engine, ConfigError> {
        Ok(Engine {
            store: self.store()?,
            calls: self.calls()?,
            clock: Clock::system(),
            random: Randomness::default(),
        })
    }

    /// Callback URLs and references.
    pub async fn callbacks(&self) -> Result<Callbacks, ConfigError> {
        let name = "PATCHBAY_REFERENCE_KEYS_PARAM";
        self.callbacks_at(&required("PATCHBAY_PUBLIC_URL")?, &required(name)?)
            .await
    }

    /// Callback URLs below `base`, signed with the keys in this SSM parameter, for a command that is told both.
    pub async fn callbacks_at(&self, base: &str, parameter: &str) -> Result<Callbacks, ConfigError> {
        let name = "PATCHBAY_REFERENCE_KEYS_PARAM";
        let (current, previous) = keys_in(name, &self.parameter(name, parameter).await?)?;
        let long_enough = |key: &Secret| key.expose().chars().count() >= MIN_KEY_CHARS;
        if !long_enough(&current) || !previous.as_ref().is_none_or(long_enough) {
            let expected = "must name a parameter with one or two keys of at least 32 characters";
            return Err(ConfigError::Wrong {
                name: "PATCHBAY_REFERENCE_KEYS_PARAM",
                expected,
            });
        }
        if !base.starts_with("https://") && !base.starts_with("http://") {
            return Err(ConfigError::Wrong {
                name: "PATCHBAY_PUBLIC_URL",
                expected: "must begin with https://",
            });
        }
        Ok(Callbacks::new(base, References::new(current, previous)))
    }

    /// One or two keys, the new one first, from the SSM parameter that the variable `name` names.
    pub async fn keys(&self, name: &'static str) -> Result<(Secret, Option<Secret>), ConfigError> {
        keys_in(name, &self.secret(name).await?)
    }

    /// The SSM parameter that the variable `name` names, decrypted.
    pub async fn secret(&self, name: &'static str) -> Result<Secret, ConfigError> {
        self.parameter(name, &required(name)?).await
    }

    async fn parameter(&self, name: &'static str, parameter: &str) -> Result<Secret, ConfigError> {
        let client = aws_sdk_ssm::Client::new(&self.config);
        let wrong = |cause: String| ConfigError::Parameter {
            name,
            parameter: parameter.to_owned(),
            cause,
        };
        let output = client
            .get_parameters()
            .names(parameter)
            .with_decryption(true)
            .send()
            .await
            .map_err(|error| wrong(in_words(&error)))?;
        let value = output.parameters().first().and_then(|parameter| parameter.value());
        value
            .map(Secret::new)
            .ok_or_else(|| wrong("there is no such parameter".into()))
    }
}

/// One or two keys, the new one first, separated by a comma.
fn keys_in(name: &'static str, value: &Secret) -> Result<(Secret, Option<Secret>), ConfigError> {
    let mut keys = value.expose().split(',').map(|key| Secret::new(key.trim()));
    let current = keys.next().filter(|key| !key.expose().is_empty());
    let expected = "names an SSM parameter that is empty";
    Ok((current.ok_or(ConfigError::Wrong { name, expected })?, keys.next()))
}
