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
//! | `PATCHBAY_PRIVATE_ORIGINS` | origins, separated by commas, that webhooks may go to although they are not public |
//! | `PATCHBAY_WEBHOOK_KEYS_PARAM` | SSM parameter: the key of outgoing webhooks (`whsec_…`), or the new and the old one, separated by a comma |
//! | `PATCHBAY_LINK_SECRETS_PARAM` | prefix of SSM parameters: the secrets that task chains name, `PREFIX/TENANT/HOST/NAME` |

use std::collections::HashMap;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::aws_error::in_words;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::parameters::Parameters;
use crate::queue::Queue;
use crate::secret::{Randomness, Secret};
use crate::store::Store;
use crate::trust::tls_context;
use crate::web::callbacks::Callbacks;
use crate::web::reference::References;
use crate::web::target::Targets;

/// Names the SSM parameter with the keys of callback references.
pub const REFERENCE_KEYS: &str = "PATCHBAY_REFERENCE_KEYS_PARAM";
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

/// Where requests to URLs of users may go.
pub fn targets() -> Result<Targets, ConfigError> {
    let name = "PATCHBAY_PRIVATE_ORIGINS";
    let expected = "must be origins such as https://hooks.internal.example, separated by commas";
    Targets::public_and(&optional(name).unwrap_or_default()).map_err(|_| ConfigError::Wrong { name, expected })
}

/// The way to AWS: one HTTP client, one set of credentials.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    /// By the variable that names the parameter.
    secrets: HashMap<&'static str, Secret>,
}

impl Aws {
    /// Finds region and credentials. Time limits are below every function's own, and below what a webhook may take.
    pub async fn load() -> Self {
        // ring: see Cargo.toml.
        let http_client = Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls_context())
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(1))
            .operation_timeout(Duration::from_secs(4))
            .build();
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
        Self {
            config: loader.http_client(http_client).timeout_config(timeouts).load().await,
            secrets: HashMap::new(),
        }
    }

    /// Reads the SSM parameters that these variables name, at most ten, with one request: for a function that needs
    /// more than one of them.
    pub async fn with_secrets(mut self, names: &[&'static str]) -> Result<Self, ConfigError> {
        self.secrets = self.read_secrets(names).await?;
        Ok(self)
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
        let (current, previous) = self.keys(REFERENCE_KEYS).await?;
        let long_enough = |key: &Secret| key.expose().chars().count() >= MIN_KEY_CHARS;
        if !long_enough(&current) || !previous.as_ref().is_none_or(long_enough) {
            let expected = "must name a parameter with one or two keys of at least 32 characters";
            return Err(ConfigError::Wrong {
                name: REFERENCE_KEYS,
                expected,
            });
        }
        let base = required("PATCHBAY_PUBLIC_URL")?;
        if !base.starts_with("https://") && !base.starts_with("http://") {
            return Err(ConfigError::Wrong {
                name: "PATCHBAY_PUBLIC_URL",
                expected: "must begin with https://",
            });
        }
        Ok(Callbacks::new(&base, References::new(current, previous)))
    }

    /// The secrets below the prefix that the variable `name` names.
    pub fn parameters(&self, name: &'static str) -> Result<Parameters, ConfigError> {
        let client = aws_sdk_ssm::Client::new(&self.config);
        Ok(Parameters::ssm(client, &required(name)?, Clock::system()))
    }

    /// One or two keys, the new one first, from the SSM parameter that the variable `name` names.
    pub async fn keys(&self, name: &'static str) -> Result<(Secret, Option<Secret>), ConfigError> {
        let value = self.secret(name).await?;
        let mut keys = value.expose().split(',').map(|key| Secret::new(key.trim()));
        let current = keys.next().filter(|key| !key.expose().is_empty());
        let expected = "names an SSM parameter that is empty";
        Ok((current.ok_or(ConfigError::Wrong { name, expected })?, keys.next()))
    }

    /// The SSM parameter that the variable `name` names, decrypted.
    pub async fn secret(&self, name: &'static str) -> Result<Secret, ConfigError> {
        match self.secrets.get(name) {
            Some(secret) => Ok(secret.clone()),
            None => self
                .read_secrets(&[name])
                .await?
                .remove(name)
                .ok_or(ConfigError::Missing(name)),
        }
    }

    async fn read_secrets(&self, names: &[&'static str]) -> Result<HashMap<&'static str, Secret>, ConfigError> {
        let parameters: Vec<(&'static str, String)> = names
            .iter()
            .map(|&name| Ok((name, required(name)?)))
            .collect::<Result<_, ConfigError>>()?;
        let paths = parameters.iter().map(|(_, path)| path.clone()).collect();
        let request = aws_sdk_ssm::Client::new(&self.config).get_parameters();
        let answer = request.set_names(Some(paths)).with_decryption(true).send().await;
        let answer = answer.map_err(|error| in_words(&error));
        let value = |name: &'static str, parameter: String| {
            let found = answer.as_ref().map_err(Clone::clone).and_then(|answer| {
                let found = answer.parameters().iter().find(|one| one.name() == Some(&parameter));
                let value = found.and_then(|one| one.value());
                value.ok_or_else(|| "there is no such parameter".to_owned())
            });
            match found {
                Ok(value) => Ok((name, Secret::new(value))),
                Err(cause) => Err(ConfigError::Parameter { name, parameter, cause }),
            }
        };
        parameters
            .into_iter()
            .map(|(name, parameter)| value(name, parameter))
            .collect()
    }
}
