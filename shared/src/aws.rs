//! The way to AWS, as a function has it.
//!
//! Lambda tells a function its region and credentials by variables, so nothing else is searched for them: the SDK's usual
//! search (profiles, container, instance, web identity) makes clients of its own, which is a fifth of a cold start.

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
    DIALING_DEAD_LETTERS_URL, DIALING_QUEUE_URL, NOTIFICATIONS_DEAD_LETTERS_URL, NOTIFICATIONS_QUEUE_URL,
    REFERENCE_KEYS_PARAM, RETELL_KEYS_PARAM, TABLE, TWILIO_AUTH_TOKENS_PARAM, VAPI_SECRETS_PARAM,
};
use crate::config::{ConfigError, optional, proofs, public_url_if_any, references, required, twilio_signatures_if_any};
use crate::engine::Engine;
use crate::keyring::Keyring;
use crate::outbox::Outbox;
use crate::parameters::Parameters;
use crate::partition;
use crate::patience;
use crate::providers::protegee::proof::Proofs;
use crate::providers::twilio::signature::Signatures;
use crate::queue::{Queue, Sqs};
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

/// A client for the table, with a function's patience: a command far away from its region needs more.
fn table_client(config: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let config = config.to_builder().timeout_config(patience::of_table());
    store::client(&config.build())
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
                .unwrap_or_else(|| partition::endpoint("ssm", &region, fips, dual_stack)),
            region: region.clone(),
            credentials: credentials.clone(),
            http_client: http_client.clone(),
            retries: patience::retries_for_secrets(),
            timeouts: patience::of_secrets(),
            quota: "SSM".to_owned(),
        });
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client)
            .retry_config(patience::retries())
            .timeout_config(patience::of_queues())
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
        Ok(Store::on_demand(move || table_client(&config), required(TABLE)?))
    }

    /// The `dialing` queue.
    pub fn dialing(&self) -> Result<Queue, ConfigError> {
        self.queue(DIALING_QUEUE_URL)
    }

    /// The `notifications` queue.
    pub fn notifications(&self) -> Result<Queue, ConfigError> {
        self.queue(NOTIFICATIONS_QUEUE_URL)
    }

    /// How the dialer consumes its queue.
    pub fn outbox_of_dialing(&self) -> Result<Outbox, ConfigError> {
        self.outbox(DIALING_QUEUE_URL, DIALING_DEAD_LETTERS_URL)
    }

    /// How the notifier consumes its queue.
    pub fn outbox_of_notifications(&self) -> Result<Outbox, ConfigError> {
        self.outbox(NOTIFICATIONS_QUEUE_URL, NOTIFICATIONS_DEAD_LETTERS_URL)
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

    /// Dispatches, on the system's clock.
    pub fn engine(&self) -> Result<Engine, ConfigError> {
        Ok(Engine {
            store: self.store()?,
            dialing: self.dialing()?,
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

    /// What a function works with that voice providers call: made of the key of our references, and of what tells Twilio
    /// from everybody else.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn callbacks_and_signatures<D>(
        &self,
        make: impl Fn(Callbacks, Signatures) -> D + Send + Sync + 'static,
    ) -> Result<Keyring<D, 2>, ConfigError> {
        let url = public_url_if_any()?;
        self.keyring(
            [REFERENCE_KEYS_PARAM, TWILIO_AUTH_TOKENS_PARAM],
            move |[keys, tokens]| {
                let callbacks = Callbacks::new(&url, references(REFERENCE_KEYS_PARAM, keys)?);
                Ok(make(
                    callbacks,
                    twilio_signatures_if_any(TWILIO_AUTH_TOKENS_PARAM, tokens)?,
                ))
            },
        )
    }

    /// What `make` makes of the callbacks of a function behind the API, which are signed with the reference keys.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn with_callbacks<D>(
        &self,
        make: impl Fn(Callbacks) -> D + Send + Sync + 'static,
    ) -> Result<Keyring<D, 1>, ConfigError> {
        let url = public_url_if_any()?;
        self.keyring([REFERENCE_KEYS_PARAM], move |[keys]| {
            Ok(make(Callbacks::new(&url, references(REFERENCE_KEYS_PARAM, keys)?)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// What becomes of a connection that was used once.
    #[derive(Clone, Copy, Debug)]
    enum End {
        /// It was closed while nobody looked.
        Closed,
        /// It takes what is sent, and nothing ever answers.
        Silent,
    }

    /// Answers one request.
    async fn answer(stream: &mut TcpStream) -> std::io::Result<()> {
        let mut request = Vec::new();
        // The whole body of the request.
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

    /// A DynamoDB whose first connection ends like this after one answer; all others are good. Counts connections.
    async fn service(end: End) -> std::io::Result<(String, Arc<AtomicUsize>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
                tokio::spawn(async move {
                    answer(&mut stream).await?;
                    match end {
                        End::Closed if first => return Ok(()),
                        End::Silent if first => {
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
    async fn a_connection_that_died_in_a_frozen_sandbox_costs_one_try() {
        for end in [End::Closed, End::Silent] {
            let (url, connections) = service(end).await.expect("a service");
            let config = SdkConfig::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new("eu-west-1"))
                .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
                .http_client(https_client())
                .endpoint_url(url)
                .build();
            let client = table_client(&config);
            for request in 0..3 {
                let listed = client.list_tables().send().await;
                assert!(listed.is_ok(), "{end:?}, request {request}: {listed:?}");
            }
            assert_eq!(connections.load(Ordering::SeqCst), 2, "{end:?}");
        }
    }
}
