//! What the dialer works with, from its environment.

use std::time::Duration;

use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config::variables::{
    REFERENCE_KEYS_PARAM, ROUTEE_AUTH_URL, ROUTEE_CONNECT_URL, ROUTEE_CREDENTIALS_PARAM as CREDENTIALS,
};
use patchbay::config::{ConfigError, optional, required};
use patchbay::http::HttpClient;
use patchbay::providers::routee::{Credentials, Endpoints, Routee};
use patchbay::web::outbound::Outbound;
use patchbay::web::target::Targets;

use crate::Deps;

/// How long one request to Routee may take. A token and a call fit twice into the function's 30 s, with the wait for a
/// slot before them and the records after them.
const ROUTEE_TIMEOUT: Duration = Duration::from_secs(6);
const INTERVAL: &str = "PATCHBAY_ROUTEE_CALL_INTERVAL_MS";

impl Deps {
    /// Reads the environment and the secrets that it names.
    pub async fn load() -> Result<Self, lambda_runtime::Error> {
        let aws = Aws::load()?;
        let aws = aws.with_secrets(&[CREDENTIALS, REFERENCE_KEYS_PARAM]).await?;
        let credentials = Credentials::parse(CREDENTIALS, &aws.secret(CREDENTIALS).await?)?;
        // Routee's own endpoints, or the operator's: never a requester's, so any address will do.
        let http = HttpClient::new(Outbound::new(Targets::any(), ROUTEE_TIMEOUT)?);
        let endpoints = Endpoints::default();
        let endpoints = Endpoints {
            auth: optional(ROUTEE_AUTH_URL).unwrap_or(endpoints.auth),
            connect: optional(ROUTEE_CONNECT_URL).unwrap_or(endpoints.connect),
        };
        let call_interval = optional(INTERVAL).map_or(Ok(1_000), |text| text.parse());
        let expected = "must be a number of milliseconds";
        Ok(Self {
            engine: aws.engine()?,
            notifications: aws.notifications()?,
            routee: Routee::new(http, Clock::system(), credentials, endpoints),
            callbacks: aws.callbacks().await?,
            from: required("PATCHBAY_ROUTEE_FROM")?,
            call_interval: call_interval.map_err(|_| ConfigError::Wrong {
                name: INTERVAL,
                expected,
            })?,
        })
    }
}
