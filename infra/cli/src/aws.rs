//! Access to a deployment: region, credentials, AWS clients, and the names of its table and queues.

use std::time::Duration;

use anyhow::Context as _;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use clap::Args;
use patchbay::aws::https_client;
use patchbay::clock::Clock;
use patchbay::config::variables;
use patchbay::engine::Engine;
use patchbay::http::HttpClient;
use patchbay::queue::Queue;
use patchbay::secret::Randomness;
use patchbay::store::Store;
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;

use crate::clock;
use crate::lookup::{EndpointVariant, Lookup};
use crate::output::Format;

/// Time-out of one request attempt; a long poll of a queue alone takes seconds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The deployment to work on. Region and credentials come from the environment, as for the AWS CLI.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// `CloudFormation` stack of the deployment; the names of table and queues are read from its functions
    #[arg(long, global = true, env = "PATCHBAY_STACK", default_value = "patchbay")]
    pub(crate) stack: String,
    /// AWS region; default: that of the environment
    #[arg(long, global = true)]
    pub(crate) region: Option<String>,
    /// Profile of the AWS configuration; default: that of the environment
    #[arg(long, global = true)]
    pub(crate) profile: Option<String>,
    /// URL of an AWS emulator, used instead of AWS
    #[arg(long, global = true)]
    pub(crate) endpoint_url: Option<String>,
    /// URL of a `patchbay local`, used instead of AWS
    #[arg(long, global = true, conflicts_with_all = ["region", "profile", "endpoint_url"])]
    pub(crate) local: Option<String>,
    /// Name of the DynamoDB table; default: the table that the stack's functions use
    #[arg(long, global = true, env = variables::TABLE)]
    pub(crate) table: Option<String>,
    /// URL of the dialing queue; default: the queue that the stack's functions use
    #[arg(long, global = true, env = variables::DIALING_QUEUE_URL)]
    pub(crate) dialing_queue: Option<String>,
    /// URL of the notifications queue; default: the queue that the stack's functions use
    #[arg(long, global = true, env = variables::NOTIFICATIONS_QUEUE_URL)]
    pub(crate) notifications_queue: Option<String>,
    /// URL of the conversations queue; default: the queue that the stack's functions use, if it has a chat platform
    #[arg(long, global = true, env = variables::CONVERSATIONS_QUEUE_URL)]
    pub(crate) conversations_queue: Option<String>,
    /// URL of the interactions queue; default: the queue that the stack's functions use, if it has the API for calls
    #[arg(long, global = true, env = variables::INTERACTIONS_QUEUE_URL)]
    pub(crate) interactions_queue: Option<String>,
    /// Output format
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) output: Format,
}

/// The clients of a command, and its clock.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    /// Lambda, SSM and `CloudWatch` Logs.
    pub(crate) lookup: Lookup,
    /// For the deployed API and the providers.
    pub(crate) http: HttpClient,
    pub(crate) clock: Clock,
}

impl Clients {
    /// Creates the clients with the region and credentials of `target` and the environment.
    pub(crate) async fn connect(target: &Target) -> anyhow::Result<Self> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(https_client())
            .timeout_config(timeouts);
        if let Some(url) = &target.local {
            loader = loader
                .region(Region::new(patchbay_simulators::aws::REGION))
                .credentials_provider(Credentials::new("local", "local", None, None, "patchbay local"))
                .endpoint_url(url);
        }
        if let Some(region) = &target.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &target.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(url) = &target.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let config = loader.load().await;
        let region = config
            .region()
            .context("no AWS region: set AWS_REGION or pass --region")?;
        let credentials = config
            .credentials_provider()
            .context("no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")?;
        let http = HttpClient::new(Outbound::new(Targets::any(), TIMEOUT)?);
        let clock = match &target.local {
            Some(url) => clock::connect(&http, url).await?,
            None => Clock::system(),
        };
        let endpoint = config.endpoint_url().map(str::to_owned);
        let variant = EndpointVariant {
            fips: config.use_fips().unwrap_or(false),
            dual_stack: config.use_dual_stack().unwrap_or(false),
        };
        Ok(Self {
            // Always on the system clock, even if a local deployment runs faster: requests are signed with it, and its
            // offset from AWS is measured.
            lookup: Lookup::new(http.clone(), region.as_ref(), endpoint, credentials, Clock::system())
                .with_variant(variant),
            dynamodb: patchbay::store::client(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            http,
            clock,
        })
    }

    pub(crate) fn store(&self, table: &str) -> Store {
        Store::new(self.dynamodb.clone(), table)
    }

    /// The engine that the functions change dispatches with.
    pub(crate) fn engine(&self, deployment: &Deployment) -> Engine {
        Engine {
            store: self.store(&deployment.table),
            dialing: Queue::new(self.sqs.clone(), &deployment.dialing_queue),
            notifications: Queue::new(self.sqs.clone(), &deployment.notifications_queue),
            clock: self.clock.clone(),
            random: Randomness::default(),
        }
    }
}

/// The table and the queue URLs of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deployment {
    pub(crate) table: String,
    pub(crate) dialing_queue: String,
    pub(crate) notifications_queue: String,
}

impl Target {
    /// The table's name: the option, or else read from the stack's dialer.
    pub(crate) async fn find_table(&self, clients: &Clients) -> anyhow::Result<String> {
        match &self.table {
            Some(table) => Ok(table.clone()),
            None => Ok(self.find(clients).await?.table),
        }
    }

    /// All names: the options, or else read from the stack's dialer. With all three options no function is read.
    pub(crate) async fn find(&self, clients: &Clients) -> anyhow::Result<Deployment> {
        if let (Some(table), Some(dialing_queue), Some(notifications_queue)) =
            (&self.table, &self.dialing_queue, &self.notifications_queue)
        {
            return Ok(Deployment {
                table: table.clone(),
                dialing_queue: dialing_queue.clone(),
                notifications_queue: notifications_queue.clone(),
            });
        }
        let function = format!("{}-dialer", self.stack);
        let dialer = clients.lookup.function(&function).await.with_context(|| {
            format!(
                "cannot read the names of table and queues from the function {function} (are --stack and the region \
                 right? else pass --table, --dialing-queue and --notifications-queue)"
            )
        })?;
        let resolve = |given: &Option<String>, variable: &str| {
            given
                .clone()
                .or_else(|| dialer.variable(variable).map(str::to_owned))
                .with_context(|| format!("the function {function} has no {variable}"))
        };
        Ok(Deployment {
            table: resolve(&self.table, variables::TABLE)?,
            dialing_queue: resolve(&self.dialing_queue, variables::DIALING_QUEUE_URL)?,
            notifications_queue: resolve(&self.notifications_queue, variables::NOTIFICATIONS_QUEUE_URL)?,
        })
    }

    /// The URL of the conversations queue: the option, or else read from the stack's responder. None if the stack has no
    /// chat platform, or if the options name everything else: then no function is read.
    pub(crate) async fn find_conversations_queue(&self, clients: &Clients) -> anyhow::Result<Option<String>> {
        let given = self.conversations_queue.as_deref();
        self.find_optional_queue(clients, given, "responder", variables::CONVERSATIONS_QUEUE_URL)
            .await
    }

    /// The same for the interactions queue, with the stack's messenger. None if the stack has no API for calls.
    pub(crate) async fn find_interactions_queue(&self, clients: &Clients) -> anyhow::Result<Option<String>> {
        let given = self.interactions_queue.as_deref();
        self.find_optional_queue(clients, given, "messenger", variables::INTERACTIONS_QUEUE_URL)
            .await
    }

    async fn find_optional_queue(
        &self,
        clients: &Clients,
        given: Option<&str>,
        consumer: &str,
        variable: &str,
    ) -> anyhow::Result<Option<String>> {
        let needs_no_function =
            self.table.is_some() && self.dialing_queue.is_some() && self.notifications_queue.is_some();
        if given.is_some() || needs_no_function {
            return Ok(given.map(str::to_owned));
        }
        let function = format!("{}-{consumer}", self.stack);
        match clients.lookup.function(&function).await {
            Ok(function) => Ok(function.variable(variable).map(str::to_owned)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read the function {function}")),
        }
    }
}

/// Runs a future to completion on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?
        .block_on(future)
}
