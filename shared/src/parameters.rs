//! Secrets of a tenant's own, by name, from SSM: found when they are needed, and kept for some minutes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::aws_error::in_words;
use crate::clock::{Clock, Timestamp};
use crate::secret::Secret;

/// Seconds that a secret is kept: a changed one is in use after that.
const KEPT_SECONDS: u32 = 300;
/// Seconds for which one that is not there is not asked for again: somebody may be about to put it there.
const MISSED_SECONDS: u32 = 10;

/// The parameter could not be had.
#[derive(Debug, thiserror::Error)]
#[error("SSM: {0}")]
pub struct ParameterError(String);

/// Secrets below a common prefix.
#[derive(Clone)]
pub struct Parameters {
    source: Source,
    clock: Clock,
    kept: Arc<Mutex<HashMap<String, Kept>>>,
}

#[derive(Clone)]
enum Source {
    Ssm {
        client: aws_sdk_ssm::Client,
        prefix: String,
    },
    Fixed(Arc<HashMap<String, Secret>>),
}

#[derive(Clone)]
struct Kept {
    until: Timestamp,
    secret: Option<Secret>,
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parameters")
    }
}

impl Parameters {
    /// Those whose names begin with `prefix`, such as `/patchbay/link-secrets`.
    pub fn ssm(client: aws_sdk_ssm::Client, prefix: &str, clock: Clock) -> Self {
        let prefix = prefix.trim_end_matches('/').to_owned();
        Self::of(Source::Ssm { client, prefix }, clock)
    }

    /// Those that are given, for a run on one machine.
    pub fn fixed(secrets: HashMap<String, Secret>, clock: Clock) -> Self {
        Self::of(Source::Fixed(Arc::new(secrets)), clock)
    }

    fn of(source: Source, clock: Clock) -> Self {
        Self {
            source,
            clock,
            kept: Arc::default(),
        }
    }

    /// The secret called `name` (below the prefix), if there is one. One request to SSM in five minutes.
    ///
    /// # Errors
    /// When SSM does not answer, or does not let us.
    pub async fn get(&self, name: &str) -> Result<Option<Secret>, ParameterError> {
        let now = self.clock.now();
        let kept = self.lock().get(name).filter(|kept| kept.until > now).cloned();
        if let Some(kept) = kept {
            return Ok(kept.secret);
        }
        let secret = match &self.source {
            Source::Fixed(secrets) => secrets.get(name).cloned(),
            Source::Ssm { client, prefix } => {
                let names = format!("{prefix}/{name}");
                let request = client.get_parameters().names(names).with_decryption(true);
                let output = request.send().await.map_err(|error| ParameterError(in_words(&error)))?;
                let parameter = output.parameters().first();
                parameter.and_then(|parameter| parameter.value()).map(Secret::new)
            }
        };
        let seconds = if secret.is_some() { KEPT_SECONDS } else { MISSED_SECONDS };
        let kept = Kept {
            until: now.plus_seconds(seconds),
            secret: secret.clone(),
        };
        self.lock().insert(name.to_owned(), kept);
        Ok(secret)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
