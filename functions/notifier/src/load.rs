//! What the deployed function works with.

use lambda_runtime::Error;
use patchbay::clock::Clock;
use patchbay::config::{self, Aws};
use patchbay::http::HttpClient;
use patchbay::web::outbound::Outbound;
use patchbay::web::standard_webhooks::{Signer, SigningKey};

use crate::{Deps, POST_TIMEOUT};

impl Deps {
    /// By the function's environment.
    ///
    /// # Errors
    /// When a variable or a parameter is missing or wrong.
    pub async fn load() -> Result<Self, Error> {
        let aws = Aws::load().await;
        let (current, previous) = aws.keys("PATCHBAY_WEBHOOK_KEYS_PARAM").await?;
        let previous = previous.as_ref().map(SigningKey::parse).transpose()?;
        let targets = config::targets()?;
        Ok(Self {
            store: aws.store()?,
            queue: aws.notifications()?,
            http: HttpClient::new(Outbound::new(targets.clone(), POST_TIMEOUT)?),
            clock: Clock::system(),
            signer: Signer::new(SigningKey::parse(&current)?, previous),
            targets,
        })
    }
}
