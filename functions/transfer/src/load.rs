//! What the function works with, from its environment.

use patchbay::aws::Aws;
use patchbay::clock::Clock;
use patchbay::config::variables::{REFERENCE_KEYS_PARAM, TWILIO_AUTH_TOKENS_PARAM as AUTH_TOKENS};
use patchbay::config::{ConfigError, one_or_two, optional};
use patchbay::providers::twilio::signature::Signatures;

use crate::{Deps, PaySettings};

const ATTEMPTS: &str = "PATCHBAY_TWILIO_PAY_ATTEMPTS";

impl Deps {
    /// Reads the environment and the secrets that it names.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub async fn load() -> Result<Self, ConfigError> {
        let aws = Aws::load()?.with_secrets(&[AUTH_TOKENS, REFERENCE_KEYS_PARAM]).await?;
        let (current, previous) = one_or_two(AUTH_TOKENS, &aws.secret(AUTH_TOKENS).await?)?;
        let default = PaySettings::default();
        let attempts = optional(ATTEMPTS).map(|text| text.parse().ok().filter(|attempts| (1..=3).contains(attempts)));
        let expected = "must be 1, 2 or 3";
        Ok(Self {
            store: aws.store()?,
            clock: Clock::system(),
            callbacks: aws.callbacks().await?,
            signatures: Signatures::new(current, previous),
            pay: PaySettings {
                connector: optional("PATCHBAY_TWILIO_PAY_CONNECTOR").unwrap_or(default.connector),
                max_attempts: match attempts {
                    None => default.max_attempts,
                    Some(attempts) => attempts.ok_or(ConfigError::Wrong {
                        name: ATTEMPTS,
                        expected,
                    })?,
                },
            },
        })
    }
}
