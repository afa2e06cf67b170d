//! What a function works with, as long as its secrets are what they are.
//!
//! Nothing is read while a function starts: the first invocation reads all of its secrets with one request, and what it
//! works with is made of them. After five minutes they are read again, and when one has changed all is made anew: keys,
//! and a client with its token. So a handler sees one set of secrets from its beginning to its end, and nothing that it
//! holds ever changes under its hands. Lambda hands a sandbox one invocation at a time, so there is no better moment
//! than before one: a sandbox that slept for an hour must not answer with the keys of an hour ago.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lambda_http::{Body, Response};
use tokio::sync::Mutex;

use crate::clock::{Clock, Timestamp};
use crate::config::ConfigError;
use crate::parameters::{KEPT_SECONDS, ParameterError, RETRY_SECONDS, ReadParameters};
use crate::patience::SECRETS_OPERATION_LIMIT;
use crate::secret::Secret;
use crate::web::problem::Problem;

/// Longest that the first reading may take, tries again included: without it there is nothing to work with. What the
/// notifier's 30 s leave beside a record that takes all of its time.
const FIRST_LIMIT: Duration = SECRETS_OPERATION_LIMIT;
/// Longest that a later one may take: what a provider's 2 s for a status leave beside what the table and the queue may take.
const LATER_LIMIT: Duration = Duration::from_millis(400);

/// Makes what a function works with of its secrets, in the order of their variables.
type Make<D, const N: usize> = dyn Fn(&[Secret; N]) -> Result<D, ConfigError> + Send + Sync;

/// What a function works with (`D`), made of `N` secrets, and made anew when they change.
pub struct Keyring<D, const N: usize> {
    source: Arc<dyn ReadParameters>,
    clock: Clock,
    parameters: [Named; N],
    make: Box<Make<D, N>>,
    /// Held while secrets are read: whoever comes meanwhile waits for the one request.
    kept: Mutex<Option<Kept<D, N>>>,
}

/// A parameter.
struct Named {
    /// The variable that names it.
    variable: &'static str,
    name: String,
}

struct Kept<D, const N: usize> {
    secrets: [Secret; N],
    made: Arc<D>,
    /// When they are read again.
    until: Timestamp,
}

impl<D, const N: usize> fmt::Debug for Keyring<D, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")
    }
}

impl<D, const N: usize> Keyring<D, N> {
    /// For these parameters, each after the variable that names it. Reads none of them yet. One without a name is not
    /// configured: it is never asked for, and its secret is empty.
    pub(crate) fn new(
        source: Arc<dyn ReadParameters>,
        clock: Clock,
        parameters: [(&'static str, String); N],
        make: impl Fn(&[Secret; N]) -> Result<D, ConfigError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            source,
            clock,
            parameters: parameters.map(|(variable, name)| Named { variable, name }),
            make: Box::new(make),
            kept: Mutex::const_new(None),
        }
    }

    /// What to work with now; to be asked for at every invocation. A secret that has changed is in it after five
    /// minutes. While the secrets cannot be read anew, or are malformed, it stays as it was.
    ///
    /// # Errors
    /// When they could never be read, or never were what they must be. It is in the log then, and the next invocation
    /// tries again.
    pub async fn current(&self) -> Result<Arc<D>, ConfigError> {
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        if let Some(kept) = kept.as_mut() {
            if kept.until <= now {
                self.renew(kept, now).await;
            }
            return Ok(Arc::clone(&kept.made));
        }
        let first = self.read(FIRST_LIMIT).await.and_then(|secrets| {
            let made = Arc::new((self.make)(&secrets)?);
            let until = now.plus_seconds(KEPT_SECONDS);
            Ok(Kept { secrets, made, until })
        });
        match first {
            Ok(first) => Ok(Arc::clone(&kept.insert(first).made)),
            Err(error) => {
                tracing::error!(%error, parameters = names(&self.parameters), "without secrets nothing can be done");
                Err(error)
            }
        }
    }

    /// Answers a request with what there is to work with now, and with 503 while there is nothing.
    pub async fn answer<F>(&self, handle: impl FnOnce(Arc<D>) -> F) -> Response<Body>
    where
        F: Future<Output = Response<Body>>,
    {
        match self.current().await {
            Ok(deps) => handle(deps).await,
            Err(_) => Problem::unavailable(1).into_response(),
        }
    }

    /// Reads the secrets again, and makes all anew when one has changed.
    async fn renew(&self, kept: &mut Kept<D, N>, now: Timestamp) {
        let renewed = self.read(LATER_LIMIT).await.and_then(|secrets| {
            if secrets != kept.secrets {
                kept.made = Arc::new((self.make)(&secrets)?);
                let pairs = self.parameters.iter().zip(secrets.iter().zip(&kept.secrets));
                let changed = pairs.filter(|(_, (new, old))| new != old).map(|(one, _)| one);
                tracing::info!(parameters = names(changed), "changed secrets are in use");
                kept.secrets = secrets;
            }
            Ok(())
        });
        let seconds = match renewed {
            Ok(()) => KEPT_SECONDS,
            Err(error) => {
                let parameters = names(&self.parameters);
                tracing::error!(%error, parameters, "secrets cannot be read anew, and stay as they were");
                RETRY_SECONDS
            }
        };
        kept.until = now.plus_seconds(seconds);
    }

    /// All of them, with one request.
    async fn read(&self, limit: Duration) -> Result<[Secret; N], ConfigError> {
        let configured = self.parameters.iter().filter(|one| !one.name.is_empty());
        let asked: Vec<String> = configured.map(|one| one.name.clone()).collect();
        let found = if asked.is_empty() {
            Ok(HashMap::new())
        } else {
            let found = tokio::time::timeout(limit, self.source.read(asked)).await;
            found.unwrap_or_else(|_| Err(ParameterError("no answer in time".to_owned())))
        };
        let value = |one: &Named| match &found {
            _ if one.name.is_empty() => Ok(Secret::new("")),
            Ok(found) => found.get(&one.name).cloned().ok_or("there is no such parameter"),
            Err(error) => Err(error.0.as_str()),
        };
        let mut secrets = std::array::from_fn(|_| Secret::new(""));
        for (secret, one) in secrets.iter_mut().zip(&self.parameters) {
            *secret = value(one).map_err(|cause| ConfigError::Parameter {
                name: one.variable,
                parameter: one.name.clone(),
                cause: cause.to_owned(),
            })?;
        }
        Ok(secrets)
    }
}

/// Their names, for the log.
fn names<'a>(parameters: impl IntoIterator<Item = &'a Named>) -> String {
    let names: Vec<&str> = parameters.into_iter().map(|one| one.name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
