//! Parameters of SSM: where they are read, and secrets of a tenant's own by name, found when they are needed and kept for
//! some minutes.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{Clock, Timestamp};
use crate::secret::Secret;

/// Seconds that a secret is kept: a changed one is in use after that.
pub(crate) const KEPT_SECONDS: u32 = 300;
/// Seconds for which a secret is kept on when it was due and could not be read anew.
pub(crate) const RETRY_SECONDS: u32 = 30;
/// Seconds for which one that is not there is not asked for again: somebody may be about to put it there.
const MISSED_SECONDS: u32 = 10;

/// The parameters could not be had.
#[derive(Clone, Debug, thiserror::Error)]
#[error("SSM: {0}")]
pub struct ParameterError(pub(crate) String);

/// What parameters are waited for.
pub(crate) type Reading<'a> =
    Pin<Box<dyn Future<Output = Result<HashMap<String, Secret>, ParameterError>> + Send + 'a>>;

/// Where parameters are.
pub(crate) trait ReadParameters: Send + Sync {
    /// The values of these, at most ten, by name; of those that are there. One request.
    fn read(&self, names: Vec<String>) -> Reading<'_>;
}

impl ReadParameters for HashMap<String, Secret> {
    fn read(&self, names: Vec<String>) -> Reading<'_> {
        Box::pin(async move {
            let found = names.into_iter().filter_map(|name| self.get_key_value(&name));
            Ok(found.map(|(name, secret)| (name.clone(), secret.clone())).collect())
        })
    }
}

/// Secrets below a common prefix.
#[derive(Clone)]
pub struct Parameters {
    source: Arc<dyn ReadParameters>,
    prefix: String,
    clock: Clock,
    kept: Arc<Mutex<HashMap<String, Kept>>>,
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
    pub(crate) fn new(source: Arc<dyn ReadParameters>, prefix: &str, clock: Clock) -> Self {
        Self::of(source, format!("{}/", prefix.trim_end_matches('/')), clock)
    }

    /// Those that are given, for a run on one machine.
    pub fn fixed(secrets: HashMap<String, Secret>, clock: Clock) -> Self {
        Self::of(Arc::new(secrets), String::new(), clock)
    }

    fn of(source: Arc<dyn ReadParameters>, prefix: String, clock: Clock) -> Self {
        Self {
            source,
            prefix,
            clock,
            kept: Arc::default(),
        }
    }

    /// The secret called `name` (below the prefix), if there is one. One request to SSM in five minutes; a secret that
    /// was had before is kept on while SSM does not answer.
    ///
    /// # Errors
    /// When SSM does not answer, or does not let us.
    pub async fn get(&self, name: &str) -> Result<Option<Secret>, ParameterError> {
        let now = self.clock.now();
        let kept = self.lock().get(name).cloned();
        if let Some(kept) = kept.as_ref().filter(|kept| kept.until > now) {
            return Ok(kept.secret.clone());
        }
        let full = format!("{}{name}", self.prefix);
        let (secret, seconds) = match self.source.read(vec![full.clone()]).await {
            Ok(mut found) => match found.remove(&full) {
                Some(secret) => (Some(secret), KEPT_SECONDS),
                None => (None, MISSED_SECONDS),
            },
            Err(error) => match kept.and_then(|kept| kept.secret) {
                Some(secret) => {
                    tracing::error!(parameter = full, %error, "a secret cannot be read anew, and is kept as it was");
                    (Some(secret), RETRY_SECONDS)
                }
                None => return Err(error),
            },
        };
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

/// A stand-in for SSM.
#[cfg(test)]
pub(crate) mod testing {
    use std::time::Duration;

    use super::*;

    /// Parameters that a test changes under way. Clones share them.
    #[derive(Clone, Default)]
    pub(crate) struct Source(Arc<Mutex<State>>);

    #[derive(Default)]
    struct State {
        values: HashMap<String, Secret>,
        asked: Vec<Vec<String>>,
        trouble: Option<ParameterError>,
        delay: Duration,
    }

    impl Source {
        pub(crate) fn put(&self, name: &str, value: &str) {
            self.lock().values.insert(name.to_owned(), Secret::new(value));
        }

        pub(crate) fn delete(&self, name: &str) {
            self.lock().values.remove(name);
        }

        /// From now on it answers nothing but this.
        pub(crate) fn fail(&self, cause: &str) {
            self.lock().trouble = Some(ParameterError(cause.to_owned()));
        }

        pub(crate) fn recover(&self) {
            self.lock().trouble = None;
        }

        /// From now on every answer takes so long.
        pub(crate) fn take(&self, delay: Duration) {
            self.lock().delay = delay;
        }

        /// What it was asked for, request by request.
        pub(crate) fn asked(&self) -> Vec<Vec<String>> {
            self.lock().asked.clone()
        }

        fn lock(&self) -> std::sync::MutexGuard<'_, State> {
            self.0.lock().expect("no panic")
        }
    }

    impl ReadParameters for Source {
        fn read(&self, names: Vec<String>) -> Reading<'_> {
            Box::pin(async move {
                let delay = self.lock().delay;
                self.lock().asked.push(names.clone());
                tokio::time::sleep(delay).await;
                let state = self.lock();
                if let Some(trouble) = &state.trouble {
                    return Err(trouble.clone());
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
        let secret = parameters.get("acme/shop").await.expect("an answer");
        secret.map(|secret| secret.expose().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_secret_is_in_use_after_five_minutes_and_asked_for_once_in_them() {
        let source = Source::default();
        source.put("/link-secrets/acme/shop", "old");
        let parameters = parameters(&source);
        assert_eq!(value(&parameters).await.as_deref(), Some("old"));
        source.put("/link-secrets/acme/shop", "new");
        tokio::time::advance(Duration::from_secs(299)).await;
        assert_eq!(value(&parameters).await.as_deref(), Some("old"));
        assert_eq!(source.asked().len(), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(value(&parameters).await.as_deref(), Some("new"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_is_not_there_is_looked_for_again_soon() {
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
    async fn a_secret_is_kept_on_while_ssm_does_not_answer_but_never_made_up() {
        let source = Source::default();
        source.put("/link-secrets/acme/shop", "old");
        let parameters = parameters(&source);
        assert_eq!(value(&parameters).await.as_deref(), Some("old"));
        source.fail("throttled");
        assert!(parameters.get("acme/another").await.is_err());
        tokio::time::advance(Duration::from_mins(5)).await;
        let before = source.asked().len();
        for _ in 0..2 {
            assert_eq!(value(&parameters).await.as_deref(), Some("old"));
        }
        assert_eq!(source.asked().len(), before + 1);
        source.recover();
        source.put("/link-secrets/acme/shop", "new");
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(value(&parameters).await.as_deref(), Some("new"));
        source.delete("/link-secrets/acme/shop");
        tokio::time::advance(Duration::from_mins(5)).await;
        assert_eq!(value(&parameters).await, None);
    }
}
