//! The way to AWS, as a function has it.
//!
//! Lambda tells a function its region and credentials by variables, so nothing else is searched for them: the SDK's usual
//! search (profiles, container, instance, web identity) makes clients of its own, which is a fifth of a cold start.

use std::sync::Arc;
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

use crate::clock::Clock;
use crate::config::variables::{
    CALLS_DEAD_LETTERS_URL, CALLS_QUEUE_URL, NOTIFICATIONS_DEAD_LETTERS_URL, NOTIFICATIONS_QUEUE_URL,
    REFERENCE_KEYS_PARAM, RETELL_KEYS_PARAM, TABLE, VAPI_SECRETS_PARAM,
};
use crate::config::{ConfigError, optional, proofs, public_url, references, required};
use crate::engine::Engine;
use crate::keyring::Keyring;
use crate::parameters::Parameters;
use crate::providers::protegee::proof::Proofs;
use crate::queue::{Queue, Returns, Sqs};
use crate::secret::{Randomness, Secret};
use crate::ssm::{self, Ssm};
use crate::store::{self, Store};
use crate::trust::tls_context;
use crate::web::callbacks::Callbacks;

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
    sqs: Sqs,
    ssm: Arc<Ssm>,
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
        let (fips, dual_stack) = (
            switched_on("AWS_USE_FIPS_ENDPOINT"),
            switched_on("AWS_USE_DUALSTACK_ENDPOINT"),
        );
        let region = required("AWS_REGION")?;
        let http_client = https_client();
        let stand_in = optional("AWS_ENDPOINT_URL");
        let ssm = Ssm::new(ssm::Settings {
            endpoint: stand_in
                .clone()
                .unwrap_or_else(|| ssm::endpoint(&region, fips, dual_stack)),
            region: region.clone(),
            credentials: credentials.clone(),
            http_client: http_client.clone(),
            retries: RetryConfig::standard(),
            timeouts: timeouts.clone(),
        });
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client)
            .retry_config(RetryConfig::standard())
            .timeout_config(timeouts)
            .use_fips(fips)
            .use_dual_stack(dual_stack);
        if let Some(url) = stand_in {
            config = config.endpoint_url(url);
        }
        let config = config.build();
        let for_sqs = config.clone();
        Ok(Self {
            config,
            sqs: Sqs::on_demand(move || aws_sdk_sqs::Client::new(&for_sqs)),
            ssm: Arc::new(ssm),
        })
    }

    /// The table.
    pub fn store(&self) -> Result<Store, ConfigError> {
        let config = self.config.clone();
        Ok(Store::on_demand(move || store::client(&config), required(TABLE)?))
    }

    /// The `calls` queue.
    pub fn calls(&self) -> Result<Queue, ConfigError> {
        self.queue(CALLS_QUEUE_URL)
    }

    /// The `notifications` queue.
    pub fn notifications(&self) -> Result<Queue, ConfigError> {
        self.queue(NOTIFICATIONS_QUEUE_URL)
    }

    /// Where messages go that the dialer could not work off.
    pub fn returns_of_calls(&self) -> Result<Returns, ConfigError> {
        self.returns(CALLS_QUEUE_URL, CALLS_DEAD_LETTERS_URL)
    }

    /// Where messages go that the notifier could not work off.
    pub fn returns_of_notifications(&self) -> Result<Returns, ConfigError> {
        self.returns(NOTIFICATIONS_QUEUE_URL, NOTIFICATIONS_DEAD_LETTERS_URL)
    }

    fn returns(&self, queue: &'static str, dead_letters: &'static str) -> Result<Returns, ConfigError> {
        Ok(Returns {
            queue: self.queue(queue)?,
            dead_letters: self.queue(dead_letters)?,
            clock: Clock::system(),
        })
    }

    fn queue(&self, name: &'static str) -> Result<Queue, ConfigError> {
        Ok(self.sqs.queue(required(name)?))
    }

    /// Dispatches, on the system's clock.
    pub fn engine(&self) -> Result<Engine, ConfigError> {
        Ok(Engine {
            store: self.store()?,
            calls: self.calls()?,
            notifications: self.notifications()?,
            clock: Clock::system(),
            random: Randomness::default(),
        })
    }

    /// The secrets below the prefix that the variable `name` names.
    pub fn parameters(&self, name: &'static str) -> Result<Parameters, ConfigError> {
        Ok(Parameters::new(self.ssm.clone(), &required(name)?, Clock::system()))
    }

    /// What `make` makes of the secrets whose SSM parameters these variables name, at most ten; see [`Keyring`].
    ///
    /// # Errors
    /// When one of the variables is not set.
    pub fn keyring<D, const N: usize>(
        &self,
        variables: [&'static str; N],
        make: impl Fn(&[Secret; N]) -> Result<D, ConfigError> + Send + Sync + 'static,
    ) -> Result<Keyring<D, N>, ConfigError> {
        let mut parameters = variables.map(|variable| (variable, String::new()));
        for (variable, name) in &mut parameters {
            *name = required(variable)?;
        }
        Ok(Keyring::new(self.ssm.clone(), Clock::system(), parameters, make))
    }

    /// What `make` makes of the proofs that voice platforms are asked for. Mostly no variable names a secret of theirs,
    /// and none is read.
    pub fn with_proofs<D>(&self, make: impl Fn(Proofs) -> D + Send + Sync + 'static) -> Keyring<D, 2> {
        let parameters =
            [VAPI_SECRETS_PARAM, RETELL_KEYS_PARAM].map(|variable| (variable, optional(variable).unwrap_or_default()));
        Keyring::new(self.ssm.clone(), Clock::system(), parameters, move |[vapi, retell]| {
            Ok(make(proofs(vapi, retell)?))
        })
    }

    /// What `make` makes of the callbacks, which are signed with the reference keys.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn with_callbacks<D>(
        &self,
        make: impl Fn(Callbacks) -> D + Send + Sync + 'static,
    ) -> Result<Keyring<D, 1>, ConfigError> {
        let url = public_url()?;
        self.keyring([REFERENCE_KEYS_PARAM], move |[keys]| {
            Ok(make(Callbacks::new(&url, references(REFERENCE_KEYS_PARAM, keys)?)))
        })
    }
}
