//! AWS clients for the functions, configured from Lambda's environment variables.
//!
//! Lambda passes a function its region and credentials in environment variables, so no other source is searched. The
//! SDK's default chain (profiles, container, instance, web identity) creates extra clients, which takes a fifth of a
//! cold start.

use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::clock::Clock;
use crate::config::variables::{
    CONVERSATIONS_DEAD_LETTERS_URL, CONVERSATIONS_QUEUE_URL, DIALING_DEAD_LETTERS_URL, DIALING_QUEUE_URL,
    INTERACTIONS_DEAD_LETTERS_URL, INTERACTIONS_QUEUE_URL, NOTIFICATIONS_DEAD_LETTERS_URL, NOTIFICATIONS_QUEUE_URL,
    REFERENCE_KEYS_PARAM, RETELL_KEYS_PARAM, TABLE, TWILIO_AUTH_TOKENS_PARAM, VAPI_SECRETS_PARAM,
};
use crate::config::{
    ConfigError, optional, optional_public_url, optional_twilio_verifier, platform_verifier, reference_signer, required,
};
use crate::engine::Engine;
use crate::keyring::Keyring;
use crate::ledger::{Conversations, Interactions};
use crate::outbox::Outbox;
use crate::parameters::Parameters;
use crate::partition;
use crate::providers::protegee::verify::PlatformVerifier;
use crate::providers::ses;
use crate::providers::twilio::signature::SignatureVerifier;
use crate::queue::{Queue, Sqs};
use crate::secret::{Randomness, Secret};
use crate::ssm::{self, Ssm};
use crate::store::{self, Store};
use crate::timeouts;
use crate::trust::tls_context;
use crate::web::callbacks::CallbackUrls;

/// Names of environment variables that every AWS SDK knows.
const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
const SES_ENDPOINT_URL: &str = "AWS_ENDPOINT_URL_SESV2";
const SSM_ENDPOINT_URL: &str = "AWS_ENDPOINT_URL_SSM";
const FIPS: &str = "AWS_USE_FIPS_ENDPOINT";
const DUAL_STACK: &str = "AWS_USE_DUALSTACK_ENDPOINT";

/// The HTTP client for all requests to AWS.
pub fn https_client() -> SharedHttpClient {
    // Cargo.toml says why ring.
    let client = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls_context())
        .build_https();
    SharedHttpClient::new(LazyHttpClient(client))
}

/// An HTTP client that creates its connector for the first request.
///
/// The SDK's own HTTP client creates an extra connector for each service's client, only to validate its settings, and
/// parses the TLS roots again each time: a fifth of a cold start.
#[derive(Debug)]
struct LazyHttpClient(SharedHttpClient);

impl HttpClient for LazyHttpClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

/// A DynamoDB client with the functions' time-outs, which would be too short for a command outside the region.
fn table_client(config: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let config = config.to_builder().timeout_config(timeouts::table());
    store::client(&config.build())
}

/// The credentials that Lambda gives to a function.
fn credentials() -> Result<Credentials, ConfigError> {
    Ok(Credentials::new(
        required("AWS_ACCESS_KEY_ID")?,
        required("AWS_SECRET_ACCESS_KEY")?,
        optional("AWS_SESSION_TOKEN"),
        None,
        "Environment",
    ))
}

fn is_enabled(name: &'static str) -> bool {
    optional(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The base URL of a service for which we sign requests ourselves. `own` is the variable that overrides only this one.
fn endpoint(service: &str, own: &'static str, region: &str) -> String {
    optional(own)
        .or_else(|| optional(ENDPOINT_URL))
        .unwrap_or_else(|| partition::endpoint(service, region, is_enabled(FIPS), is_enabled(DUAL_STACK)))
}

/// Access to AWS with one HTTP client and one set of credentials.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    sqs: Sqs,
    ssm: Arc<Ssm>,
}

impl Aws {
    /// Reads the environment variables that Lambda sets. `AWS_ENDPOINT_URL` overrides the endpoints of all services,
    /// `AWS_ENDPOINT_URL_SESV2` and similar variables that of one;
    /// `AWS_USE_FIPS_ENDPOINT` and `AWS_USE_DUALSTACK_ENDPOINT` are supported.
    ///
    /// # Errors
    /// When the region or the credentials are missing.
    pub fn load() -> Result<Self, ConfigError> {
        let (credentials, region) = (credentials()?, required("AWS_REGION")?);
        let http_client = https_client();
        let ssm = Ssm::new(ssm::Settings {
            endpoint: endpoint("ssm", SSM_ENDPOINT_URL, &region),
            region: region.clone(),
            credentials: credentials.clone(),
            http_client: http_client.clone(),
            retries: timeouts::secrets_retries(),
            timeouts: timeouts::secrets(),
            retry_partition: "SSM".to_owned(),
        });
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client)
            .retry_config(timeouts::retries())
            .timeout_config(timeouts::queues())
            .use_fips(is_enabled(FIPS))
            .use_dual_stack(is_enabled(DUAL_STACK));
        if let Some(url) = optional(ENDPOINT_URL) {
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

    /// The DynamoDB table.
    ///
    /// # Errors
    /// When its variable is not set.
    pub fn store(&self) -> Result<Store, ConfigError> {
        let config = self.config.clone();
        Ok(Store::on_demand(move || table_client(&config), required(TABLE)?))
    }

    /// The `dialing` queue.
    ///
    /// # Errors
    /// When its variable is not set.
    pub fn dialing(&self) -> Result<Queue, ConfigError> {
        self.queue(DIALING_QUEUE_URL)
    }

    /// The `notifications` queue.
    ///
    /// # Errors
    /// When its variable is not set.
    pub fn notifications(&self) -> Result<Queue, ConfigError> {
        self.queue(NOTIFICATIONS_QUEUE_URL)
    }

    /// The outbox with which the dialer consumes its queue.
    ///
    /// # Errors
    /// When the variable of the queue or of its dead-letter queue is not set.
    pub fn dialing_outbox(&self) -> Result<Outbox, ConfigError> {
        self.outbox(DIALING_QUEUE_URL, DIALING_DEAD_LETTERS_URL)
    }

    /// The outbox with which the notifier consumes its queue.
    ///
    /// # Errors
    /// When the variable of the queue or of its dead-letter queue is not set.
    pub fn notifications_outbox(&self) -> Result<Outbox, ConfigError> {
        self.outbox(NOTIFICATIONS_QUEUE_URL, NOTIFICATIONS_DEAD_LETTERS_URL)
    }

    /// The outbox with which the responder consumes its queue.
    ///
    /// # Errors
    /// When the variable of the queue or of its dead-letter queue is not set.
    pub fn conversations_outbox(&self) -> Result<Outbox, ConfigError> {
        self.outbox(CONVERSATIONS_QUEUE_URL, CONVERSATIONS_DEAD_LETTERS_URL)
    }

    /// The outbox with which the messenger consumes its queue.
    ///
    /// # Errors
    /// When the variable of the queue or of its dead-letter queue is not set.
    pub fn interactions_outbox(&self) -> Result<Outbox, ConfigError> {
        self.outbox(INTERACTIONS_QUEUE_URL, INTERACTIONS_DEAD_LETTERS_URL)
    }

    /// The `conversations` queue, if the variable that names it is set.
    pub fn optional_conversations(&self) -> Option<Queue> {
        optional(CONVERSATIONS_QUEUE_URL).map(|url| self.sqs.queue(url))
    }

    /// The `interactions` queue, if the variable that names it is set.
    pub fn optional_interactions(&self) -> Option<Queue> {
        optional(INTERACTIONS_QUEUE_URL).map(|url| self.sqs.queue(url))
    }

    fn outbox(&self, queue: &'static str, dead_letters: &'static str) -> Result<Outbox, ConfigError> {
        Ok(Outbox {
            queue: self.queue(queue)?,
            dead_letters: self.queue(dead_letters)?,
            clock: Clock::system(),
        })
    }

    fn queue(&self, name: &'static str) -> Result<Queue, ConfigError> {
        Ok(self.sqs.queue(required(name)?))
    }

    /// The engine that changes dispatches, on the system clock.
    ///
    /// # Errors
    /// When a variable of the table or of a queue is not set.
    pub fn engine(&self) -> Result<Engine, ConfigError> {
        Ok(Engine {
            store: self.store()?,
            dialing: self.dialing()?,
            notifications: self.notifications()?,
            clock: Clock::system(),
            random: Randomness::default(),
        })
    }

    /// What changes conversations, on the system clock.
    ///
    /// # Errors
    /// When the variable of the table or of the queue is not set.
    pub fn conversations(&self) -> Result<Conversations, ConfigError> {
        let (store, queue) = (self.store()?, self.queue(CONVERSATIONS_QUEUE_URL)?);
        Ok(Conversations::new(store, queue, Clock::system(), Randomness::default()))
    }

    /// What changes interactions, on the system clock.
    ///
    /// # Errors
    /// When a variable of the table or of a queue is not set.
    pub fn interactions(&self) -> Result<Interactions, ConfigError> {
        let (store, queue) = (self.store()?, self.queue(INTERACTIONS_QUEUE_URL)?);
        let interactions = Interactions::new(store, queue, Clock::system(), Randomness::default());
        Ok(interactions.with_notifications(self.notifications()?))
    }

    /// The settings of a client for Amazon SES.
    ///
    /// # Errors
    /// When the region or the credentials are missing.
    pub fn ses(&self) -> Result<ses::Settings, ConfigError> {
        let region = required("AWS_REGION")?;
        Ok(ses::Settings {
            endpoint: endpoint("email", SES_ENDPOINT_URL, &region),
            region,
            credentials: credentials()?,
            subject: ses::SubjectForm::default(),
        })
    }

    /// The secrets below the prefix in the variable `name`.
    ///
    /// # Errors
    /// When the variable is not set.
    pub fn parameters(&self, name: &'static str) -> Result<Parameters, ConfigError> {
        Ok(Parameters::new(self.ssm.clone(), &required(name)?, Clock::system()))
    }

    /// A [`Keyring`] whose dependencies `build` builds from the secrets in the SSM parameters that these variables
    /// name; at most ten.
    ///
    /// # Errors
    /// When one of the variables is not set.
    pub fn keyring<D, const N: usize>(
        &self,
        variables: [&'static str; N],
        build: impl Fn(&[Secret; N]) -> Result<D, ConfigError> + Send + Sync + 'static,
    ) -> Result<Keyring<D, N>, ConfigError> {
        self.keyring_with_optional(variables, &[], build)
    }

    /// The same with parameters of which those that the variables `may_lack` name need not be configured: their secrets
    /// are then empty.
    ///
    /// # Errors
    /// When one of the other variables is not set.
    pub fn keyring_with_optional<D, const N: usize>(
        &self,
        variables: [&'static str; N],
        may_lack: &[&'static str],
        build: impl Fn(&[Secret; N]) -> Result<D, ConfigError> + Send + Sync + 'static,
    ) -> Result<Keyring<D, N>, ConfigError> {
        let mut parameters = variables.map(|variable| (variable, String::new()));
        for (variable, name) in &mut parameters {
            *name = match optional(variable) {
                Some(name) => name,
                None if may_lack.contains(variable) => String::new(),
                None => return Err(ConfigError::Missing(variable)),
            };
        }
        Ok(Keyring::new(self.ssm.clone(), Clock::system(), parameters, build))
    }

    /// A [`Keyring`] whose dependencies `build` builds from the secrets that authenticate voice platforms. These
    /// secrets are optional; in most deployments none is configured, and nothing is read.
    pub fn verifier_keyring<D>(&self, build: impl Fn(PlatformVerifier) -> D + Send + Sync + 'static) -> Keyring<D, 2> {
        let parameters =
            [VAPI_SECRETS_PARAM, RETELL_KEYS_PARAM].map(|variable| (variable, optional(variable).unwrap_or_default()));
        Keyring::new(self.ssm.clone(), Clock::system(), parameters, move |[vapi, retell]| {
            Ok(build(platform_verifier(vapi, retell)?))
        })
    }

    /// A [`Keyring`] for a function that voice providers call: `build` gets the callback URLs, signed with the
    /// reference keys, and the verifier of Twilio's signatures.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn callbacks_and_signatures_keyring<D>(
        &self,
        build: impl Fn(CallbackUrls, SignatureVerifier) -> D + Send + Sync + 'static,
    ) -> Result<Keyring<D, 2>, ConfigError> {
        let url = optional_public_url()?;
        self.keyring(
            [REFERENCE_KEYS_PARAM, TWILIO_AUTH_TOKENS_PARAM],
            move |[keys, tokens]| {
                let callbacks = CallbackUrls::new(&url, reference_signer(REFERENCE_KEYS_PARAM, keys)?);
                Ok(build(
                    callbacks,
                    optional_twilio_verifier(TWILIO_AUTH_TOKENS_PARAM, tokens)?,
                ))
            },
        )
    }

    /// A [`Keyring`] for a function behind the API: `build` gets the callback URLs, signed with the reference keys.
    ///
    /// # Errors
    /// When a variable is missing or invalid.
    pub fn callbacks_keyring<D>(
        &self,
        build: impl Fn(CallbackUrls) -> D + Send + Sync + 'static,
    ) -> Result<Keyring<D, 1>, ConfigError> {
        let url = optional_public_url()?;
        self.keyring([REFERENCE_KEYS_PARAM], move |[keys]| {
            Ok(build(CallbackUrls::new(
                &url,
                reference_signer(REFERENCE_KEYS_PARAM, keys)?,
            )))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// State of a connection after its first use.
    #[derive(Clone, Copy, Debug)]
    enum Fault {
        /// The server closed it while the client was idle.
        Closed,
        /// The server accepts requests and never responds.
        Silent,
    }

    /// Serves one request.
    async fn answer(stream: &mut TcpStream) -> std::io::Result<()> {
        let mut request = Vec::new();
        // Read up to the end of the body.
        while !request.ends_with(b"{}") {
            if stream.read_buf(&mut request).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let body = "{}";
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\n";
        stream
            .write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes())
            .await
    }

    /// A fake DynamoDB whose first connection fails with `fault` after one response; later connections work. Counts the
    /// connections.
    async fn service(fault: Fault) -> std::io::Result<(String, Arc<AtomicUsize>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
                tokio::spawn(async move {
                    answer(&mut stream).await?;
                    match fault {
                        Fault::Closed if first => return Ok(()),
                        Fault::Silent if first => {
                            let mut buffer = vec![0; 8_192];
                            while stream.read(&mut buffer).await? > 0 {}
                        }
                        _ => while answer(&mut stream).await.is_ok() {},
                    }
                    std::io::Result::Ok(())
                });
            }
        });
        Ok((url, connections))
    }

    #[tokio::test]
    async fn a_connection_that_died_in_a_frozen_sandbox_costs_one_attempt() {
        for fault in [Fault::Closed, Fault::Silent] {
            let (url, connections) = service(fault).await.expect("a service");
            let credentials = Credentials::new("id", "secret", None, None, "Tests");
            let config = SdkConfig::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new("eu-west-1"))
                .credentials_provider(SharedCredentialsProvider::new(credentials))
                .http_client(https_client())
                .endpoint_url(url)
                .build();
            let client = table_client(&config);
            for request in 0..3 {
                let listed = client.list_tables().send().await;
                assert!(listed.is_ok(), "{fault:?}, request {request}: {listed:?}");
            }
            assert_eq!(connections.load(Ordering::SeqCst), 2, "{fault:?}");
        }
    }
}
