//! Secrets in SSM parameters: the interface to read them, and a cache of secrets that are looked up by name when they
//! are needed.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{Clock, Timestamp};
use crate::secret::Secret;

/// Seconds for which a secret is cached. A changed secret takes effect after that.
pub(crate) const CACHE_SECONDS: u32 = 300;
/// Seconds until the next attempt after a secret could not be refreshed. The cached secret stays in use.
pub(crate) const RETRY_SECONDS: u32 = 30;
/// Seconds for which it is cached that a secret does not exist. Short, because an operator may be about to create it.
const MISSING_SECONDS: u32 = 10;

/// The parameters could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("SSM: {0}")]
pub struct ParameterError(pub(crate) String);

/// The pending result of [`ReadParameters::read`].
pub(crate) type ReadFuture<'a> =
    Pin<Box<dyn Future<Output = Result<HashMap<String, Secret>, ParameterError>> + Send + 'a>>;

/// A source of parameters.
pub(crate) trait ReadParameters: Send + Sync {
    /// The values of the parameters with these names, by name; at most ten. Parameters that do not exist are left out.
    /// One request.
    fn read(&self, names: Vec<String>) -> ReadFuture<'_>;
}

impl ReadParameters for HashMap<String, Secret> {
    fn read(&self, names: Vec<String>) -> ReadFuture<'_> {
        Box::pin(async move {
            let found = names.into_iter().filter_map(|name| self.get_key_value(&name));
            Ok(found.map(|(name, secret)| (name.clone(), secret.clone())).collect())
        })
    }
}

/// Secrets whose parameter names have a common prefix, cached.
#[derive(Clone)]
pub struct Parameters {
    source: Arc<dyn ReadParameters>,
    prefix: String,
    clock: Clock,
    cache: Arc<Mutex<HashMap<String, CachedSecret>>>,
}

#[derive(Clone)]
struct CachedSecret {
    expires_at: Timestamp,
    /// `None` if the secret does not exist.
    secret: Option<Secret>,
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parameters")
    }
}

impl Parameters {
    /// The secrets whose parameter names begin with `prefix`, such as `/patchbay/link-secrets`.
    pub(crate) fn new(source: Arc<dyn ReadParameters>, prefix: &str, clock: Clock) -> Self {
        Self::with_source(source, format!("{}/", prefix.trim_end_matches('/')), clock)
    }

    /// A fixed set of secrets, for `patchbay local`.
    pub fn fixed(secrets: HashMap<String, Secret>, clock: Clock) -> Self {
        Self::with_source(Arc::new(secrets), String::new(), clock)
    }

    fn with_source(source: Arc<dyn ReadParameters>, prefix: String, clock: Clock) -> Self {
        Self {
            source,
            prefix,
            clock,
            cache: Arc::default(),
        }
    }

    /// The secret with this name below the prefix, if it exists. At most one request to SSM in five minutes. A cached
    /// secret stays in use while SSM is unavailable.
    ///
    /// # Errors
    /// When SSM is unavailable or refuses access, and the secret is not cached.
    pub async fn get(&self, name: &str) -> Result<Option<Secret>, ParameterError> {
        let now = self.clock.now();
        let cached = self.lock().get(name).cloned();
        if let Some(cached) = cached.as_ref().filter(|cached| cached.expires_at > now) {
            return Ok(cached.secret.clone());
        }
        let full = format!("{}{name}", self.prefix);
        let (secret, seconds) = match self.source.read(vec![full.clone()]).await {
            Ok(mut found) => match found.remove(&full) {
                Some(secret) => (Some(secret), CACHE_SECONDS),
                None => (None, MISSING_SECONDS),
            },
            Err(error) => match cached.and_then(|cached| cached.secret) {
                Some(secret) => {
                    tracing::error!(parameter = full, %error, "cannot refresh a secret: the cached one stays in use");
                    (Some(secret), RETRY_SECONDS)
                }
                None => return Err(error),
            },
        };
        let cached = CachedSecret {
            expires_at: now.plus_seconds(seconds),
            secret: secret.clone(),
        };
        self.lock().insert(name.to_owned(), cached);
        Ok(secret)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, CachedSecret>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fake SSM.
#[cfg(test)]
pub(crate) mod testing {
    use std::time::Duration;

    use super::*;

    /// Parameters that a test can change at any time. Clones share them.
    #[derive(Clone, Default)]
    pub(crate) struct Source(Arc<Mutex<State>>);

    #[derive(Default)]
    struct State {
        values: HashMap<String, Secret>,
        requests: Vec<Vec<String>>,
        error: Option<ParameterError>,
        delay: Duration,
    }

    impl Source {
        pub(crate) fn put(&self, name: &str, value: &str) {
            self.lock().values.insert(name.to_owned(), Secret::new(value));
        }

        pub(crate) fn delete(&self, name: &str) {
            self.lock().values.remove(name);
        }

        /// Makes every later request fail with this cause.
        pub(crate) fn fail(&self, cause: &str) {
            self.lock().error = Some(ParameterError(cause.to_owned()));
        }

        pub(crate) fn recover(&self) {
            self.lock().error = None;
        }

        /// Delays every later response.
        pub(crate) fn delay(&self, delay: Duration) {
            self.lock().delay = delay;
        }

        /// The names in each request so far.
        pub(crate) fn requests(&self) -> Vec<Vec<String>> {
            self.lock().requests.clone()
        }

        fn lock(&self) -> std::sync::MutexGuard<'_, State> {
            self.0.lock().expect("no panic")
        }
    }

    impl ReadParameters for Source {
        fn read(&self, names: Vec<String>) -> ReadFuture<'_> {
            Box::pin(async move {
                let delay = self.lock().delay;
                self.lock().requests.push(names.clone());
                tokio::time::sleep(delay).await;
                let state = self.lock();
                if let Some(error) = &state.error {
                    return Err(error.clone());
                }
                let found = names.iter().filter_map(|name| state.values.get_key_value(name));
                Ok(found.map(|(name, value)| (name.clone(), value.clone())).collect())
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::testing::Source;
    use super::*;

    fn parameters(source: &Source) -> Parameters {
        let clock = Clock::starting_at(Timestamp::from_millis(1_795_402_800_000), 1.0);
        Parameters::new(Arc::new(source.clone()), "/link-secrets/", clock)
    }

    async fn value(parameters: &Parameters) -> Option<String> {
        let secret = parameters.get("acme/shop").await.expect("a result");
        secret.map(|secret| secret.expose().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_is_cached_for_five_minutes() {
        let source = Source::default();
        source.put("/link-secrets/acme/shop", "old");
        let parameters = parameters(&source);
        assert_eq!(value(&parameters).await.as_deref(), Some("old"));
        source.put("/link-secrets/acme/shop", "new");
        tokio::time::advance(Duration::from_secs(299)).await;
        assert_eq!(value(&parameters).await.as_deref(), Some("old"));
        assert_eq!(source.requests().len(), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(value(&parameters).await.as_deref(), Some("new"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_secret_is_looked_up_again_after_ten_seconds() {
        let source = Source::default();
        let parameters = parameters(&source);
        assert_eq!(value(&parameters).await, None);
        source.put("/link-secrets/acme/shop", "new");
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(value(&parameters).await, None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(value(&parameters).await.as_deref(), Some("new"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cached_secret_stays_in_use_during_an_ssm_outage() {
        let source = Source::default();
        source.put("/link-secrets/acme/shop", "old");
        let parameters = parameters(&source);
        assert_eq!(value(&parameters).await.as_deref(), Some("old"));
        source.fail("throttled");
        assert!(parameters.get("acme/another").await.is_err());
        tokio::time::advance(Duration::from_mins(5)).await;
        let before = source.requests().len();
        for _ in 0..2 {
            assert_eq!(value(&parameters).await.as_deref(), Some("old"));
        }
        assert_eq!(source.requests().len(), before + 1);
        source.recover();
        source.put("/link-secrets/acme/shop", "new");
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(value(&parameters).await.as_deref(), Some("new"));
        source.delete("/link-secrets/acme/shop");
        tokio::time::advance(Duration::from_mins(5)).await;
        assert_eq!(value(&parameters).await, None);
    }
}
