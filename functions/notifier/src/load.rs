//! What the deployed function works with.

use lambda_runtime::Error;
use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config;
use patchbay::http::HttpClient;
use patchbay::web::outbound::Outbound;

use crate::{Deps, POST_TIMEOUT};

impl Deps {
    /// By the function's environment.
    ///
    /// # Errors
    /// When a variable or a parameter is missing or wrong.
    pub async fn load() -> Result<Self, Error> {
        let aws = Aws::load()?;
        let targets = config::targets()?;
        Ok(Self {
            store: aws.store()?,
            queue: aws.notifications()?,
            http: HttpClient::new(Outbound::new(targets.clone(), POST_TIMEOUT)?),
            clock: Clock::system(),
            signer: aws.signer().await?,
            targets,
        })
    }
}
