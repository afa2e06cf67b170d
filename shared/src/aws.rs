//! The way to AWS, as a function has it.
//!
//! Lambda tells a function its region and credentials by variables, so nothing else is searched for them: the SDK's usual
//! search (profiles, container, instance, web identity) makes clients of its own, which is a fifth of a cold start.

use std::collections::HashMap;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::aws_error::in_words;
use crate::clock::Clock;
use crate::config::variables::{
    CALLS_QUEUE_URL, NOTIFICATIONS_QUEUE_URL, PUBLIC_URL, REFERENCE_KEYS_PARAM, TABLE, WEBHOOK_KEYS_PARAM,
};
use crate::config::{ConfigError, base_url, optional, references, required, signer};
use crate::engine::Engine;
use crate::parameters::Parameters;
use crate::queue::Queue;
use crate::secret::{Randomness, Secret};
use crate::store::Store;
use crate::trust::tls_context;
use crate::web::callbacks::Callbacks;
use crate::web::standard_webhooks::Signer;

/// The client through which the SDK reaches AWS.
pub fn https_client() -> SharedHttpClient {
    // ring: see Cargo.toml.
    let client = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls_context())
        .build_https();
    SharedHttpClient::new(OnDemand(client))
}

/// An HTTP client that makes its connector for the first request.
///
/// The SDK's own makes one more for the client of every service, only to see that it can, and parses the roots anew for
/// each: a fifth of a cold start.
#[derive(Debug)]
struct OnDemand(SharedHttpClient);

impl HttpClient for OnDemand {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

/// The way to AWS: one HTTP client, one set of credentials.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    /// By the variable that names the parameter.
    secrets: HashMap<&'static str, Secret>,
}

impl Aws {
    /// By the variables that Lambda sets. `AWS_ENDPOINT_URL` names a stand-in for AWS; `AWS_USE_FIPS_ENDPOINT` and
    /// `AWS_USE_DUALSTACK_ENDPOINT` are heeded too.
    ///
    /// # Errors
    /// When there is no region, or there are no credentials.
    pub fn load() -> Result<Self, ConfigError> {
        let credentials = Credentials::new(
            required("AWS_ACCESS_KEY_ID")?,
            required("AWS_SECRET_ACCESS_KEY")?,
            optional("AWS_SESSION_TOKEN"),
            None,
            "Environment",
        );
        // Below every function's own time limit, and below what a webhook may take.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(1))
            .operation_timeout(Duration::from_secs(4))
            .build();
        let switched_on = |name| optional(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(required("AWS_REGION")?))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(https_client())
            .retry_config(RetryConfig::standard())
            .timeout_config(timeouts)
            .use_fips(switched_on("AWS_USE_FIPS_ENDPOINT"))
            .use_dual_stack(switched_on("AWS_USE_DUALSTACK_ENDPOINT"));
        if let Some(url) = optional("AWS_ENDPOINT_URL") {
            config = config.endpoint_url(url);
        }
        Ok(Self {
            config: config.build(),
            secrets: HashMap::new(),
        })
    }

    /// Reads the SSM parameters that these variables name, at most ten, with one request: for a function that needs
    /// more than one of them.
    pub async fn with_secrets(mut self, names: &[&'static str]) -> Result<Self, ConfigError> {
        let parameters = names.iter().map(|&name| Ok((name, required(name)?)));
        self.secrets = self
            .read_secrets(parameters.collect::<Result<_, ConfigError>>()?)
            .await?;
        Ok(self)
    }

    /// The table.
    pub fn store(&self) -> Result<Store, ConfigError> {
        Ok(Store::new(
            aws_sdk_dynamodb::Client::new(&self.config),
            required(TABLE)?,
        ))
    }

    /// The `calls` queue.
    pub fn calls(&self) -> Result<Queue, ConfigError> {
        self.queue(CALLS_QUEUE_URL)
    }

    /// The `notifications` queue.
    pub fn notifications(&self) -> Result<Queue, ConfigError> {
        self.queue(NOTIFICATIONS_QUEUE_URL)
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
        let references = references(REFERENCE_KEYS_PARAM, &self.secret(REFERENCE_KEYS_PARAM).await?)?;
        Ok(Callbacks::new(base_url(&required(PUBLIC_URL)?)?, references))
    }

    /// The secrets below the prefix that the variable `name` names.
    pub fn parameters(&self, name: &'static str) -> Result<Parameters, ConfigError> {
        let client = aws_sdk_ssm::Client::new(&self.config);
        Ok(Parameters::ssm(client, &required(name)?, Clock::system()))
    }

    /// What signs webhooks.
    pub async fn signer(&self) -> Result<Signer, ConfigError> {
        signer(WEBHOOK_KEYS_PARAM, &self.secret(WEBHOOK_KEYS_PARAM).await?)
    }

    /// The SSM parameter that the variable `name` names, decrypted.
    pub async fn secret(&self, name: &'static str) -> Result<Secret, ConfigError> {
        match self.secrets.get(name) {
            Some(secret) => Ok(secret.clone()),
            None => self
                .read_secrets(vec![(name, required(name)?)])
                .await?
                .remove(name)
                .ok_or(ConfigError::Missing(name)),
        }
    }

    /// Reads these parameters, each with the variable that names it.
    async fn read_secrets(
        &self,
        parameters: Vec<(&'static str, String)>,
    ) -> Result<HashMap<&'static str, Secret>, ConfigError> {
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
