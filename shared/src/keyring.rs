//! Dependencies of a function that are built from its secrets, and rebuilt when a secret changes.
//!
//! Nothing is read while a function starts. The first invocation reads all secrets with one request and builds the
//! dependencies from them. Secrets older than five minutes are read again before an invocation; if one has changed, all
//! dependencies are rebuilt: keys, and provider clients with their cached tokens. A handler uses one set of secrets
//! from start to end. There is no background refresh: Lambda gives a sandbox one invocation at a time and freezes it in
//! between, and a sandbox that was frozen for an hour must not answer with keys that are an hour old.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lambda_http::{Body, Response};
use tokio::sync::Mutex;

use crate::clock::{Clock, Timestamp};
use crate::config::ConfigError;
use crate::parameters::{CACHE_SECONDS, ParameterError, RETRY_SECONDS, ReadParameters};
use crate::secret::Secret;
use crate::timeouts::SECRETS_OPERATION_TIMEOUT;
use crate::web::problem::Problem;

/// Time limit for the first read, retries included. Without it the function cannot work. The notifier's time-out of 30
/// s leaves this much next to a record that takes its maximum time.
const FIRST_LIMIT: Duration = SECRETS_OPERATION_TIMEOUT;
/// Time limit for a later read. A provider waits 2 s for the response to a status callback; this is what is left of it
/// after the limits for DynamoDB and the queue.
const RENEWAL_LIMIT: Duration = Duration::from_millis(400);

/// Builds the dependencies from the secrets, which come in the order of their variables.
type Build<D, const N: usize> = dyn Fn(&[Secret; N]) -> Result<D, ConfigError> + Send + Sync;

/// The dependencies `D` of a function, built from `N` secrets and rebuilt when one changes.
pub struct Keyring<D, const N: usize> {
    source: Arc<dyn ReadParameters>,
    clock: Clock,
    parameters: [NamedParameter; N],
    build: Box<Build<D, N>>,
    /// Locked while secrets are read, so that concurrent invocations share one request.
    cached: Mutex<Option<Cached<D, N>>>,
}

struct NamedParameter {
    /// The environment variable with the name.
    variable: &'static str,
    /// The name in SSM; empty if not configured.
    name: String,
}

struct Cached<D, const N: usize> {
    secrets: [Secret; N],
    deps: Arc<D>,
    /// When the secrets are read again.
    refresh_at: Timestamp,
}

impl<D, const N: usize> fmt::Debug for Keyring<D, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")
    }
}

impl<D, const N: usize> Keyring<D, N> {
    /// A keyring for these pairs of variable and parameter name. Reads nothing yet. A parameter with an empty name is
    /// not configured: it is never requested, and its secret is empty.
    pub(crate) fn new(
        source: Arc<dyn ReadParameters>,
        clock: Clock,
        parameters: [(&'static str, String); N],
        build: impl Fn(&[Secret; N]) -> Result<D, ConfigError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            source,
            clock,
            parameters: parameters.map(|(variable, name)| NamedParameter { variable, name }),
            build: Box::new(build),
            cached: Mutex::const_new(None),
        }
    }

    /// The current dependencies. Call this at every invocation. A changed secret takes effect within five minutes. If
    /// the secrets cannot be read again, or are malformed, the previous dependencies stay in use.
    ///
    /// # Errors
    /// When the secrets have never been read successfully, or have always been invalid. The error is logged, and the
    /// next invocation tries again.
    pub async fn current(&self) -> Result<Arc<D>, ConfigError> {
        let mut cached = self.cached.lock().await;
        let now = self.clock.now();
        if let Some(cached) = cached.as_mut() {
            if cached.refresh_at <= now {
                self.renew(cached, now).await;
            }
            return Ok(Arc::clone(&cached.deps));
        }
        let first = self.read(FIRST_LIMIT).await.and_then(|secrets| {
            let deps = Arc::new((self.build)(&secrets)?);
            let refresh_at = now.plus_seconds(CACHE_SECONDS);
            Ok(Cached {
                secrets,
                deps,
                refresh_at,
            })
        });
        match first {
            Ok(first) => Ok(Arc::clone(&cached.insert(first).deps)),
            Err(error) => {
                tracing::error!(
                    %error,
                    parameters = names(&self.parameters),
                    "cannot read the secrets: the function cannot work without them"
                );
                Err(error)
            }
        }
    }

    /// Handles a request with the current dependencies; answers 503 if there are none.
    pub async fn answer<F>(&self, handle: impl FnOnce(Arc<D>) -> F) -> Response<Body>
    where
        F: Future<Output = Response<Body>>,
    {
        match self.current().await {
            Ok(deps) => handle(deps).await,
            Err(_) => Problem::unavailable(1).into_response(),
        }
    }

    /// Reads the secrets again, and rebuilds the dependencies if one has changed.
    async fn renew(&self, cached: &mut Cached<D, N>, now: Timestamp) {
        let renewed = self.read(RENEWAL_LIMIT).await.and_then(|secrets| {
            if secrets != cached.secrets {
                cached.deps = Arc::new((self.build)(&secrets)?);
                let pairs = self.parameters.iter().zip(secrets.iter().zip(&cached.secrets));
                let changed = pairs.filter(|(_, (new, old))| new != old).map(|(one, _)| one);
                tracing::info!(
                    parameters = names(changed),
                    "secrets have changed: now using the new ones"
                );
                cached.secrets = secrets;
            }
            Ok(())
        });
        let seconds = match renewed {
            Ok(()) => CACHE_SECONDS,
            Err(error) => {
                let parameters = names(&self.parameters);
                tracing::error!(%error, parameters, "cannot refresh the secrets: the previous ones stay in use");
                RETRY_SECONDS
            }
        };
        cached.refresh_at = now.plus_seconds(seconds);
    }

    /// Reads all configured secrets, with one request.
    async fn read(&self, limit: Duration) -> Result<[Secret; N], ConfigError> {
        let configured = self.parameters.iter().filter(|one| !one.name.is_empty());
        let names: Vec<String> = configured.map(|one| one.name.clone()).collect();
        let found = if names.is_empty() {
            Ok(HashMap::new())
        } else {
            let found = tokio::time::timeout(limit, self.source.read(names)).await;
            found.unwrap_or_else(|_| Err(ParameterError("time-out".to_owned())))
        };
        let value = |one: &NamedParameter| match &found {
            _ if one.name.is_empty() => Ok(Secret::new("")),
            Ok(found) => found.get(&one.name).cloned().ok_or("the parameter does not exist"),
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

/// The names of `parameters`, for the log.
fn names<'a>(parameters: impl IntoIterator<Item = &'a NamedParameter>) -> String {
    let names: Vec<&str> = parameters.into_iter().map(|one| one.name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
