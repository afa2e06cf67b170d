//! Options for scripts where a provider's contract leaves a choice, from the environment.

use super::Provider;
use crate::config::{ConfigError, optional};
use crate::providers::routee::dialplan::{self, CollectPosition};

/// Names of environment variables, see [`crate::config`].
const PROVIDERS: &str = "PATCHBAY_PROVIDERS";
const COLLECT: &str = "PATCHBAY_ROUTEE_COLLECT";
const SUBMIT_ON_HASH: &str = "PATCHBAY_ROUTEE_SUBMIT_ON_HASH";

/// The providers that phone employees, the preferred first, from the environment. The default is Routee alone.
///
/// # Errors
/// The variable contains an unknown or duplicate provider.
pub fn voice_providers() -> Result<Vec<Provider>, ConfigError> {
    parse_providers(&optional(PROVIDERS).unwrap_or_else(|| Provider::Routee.as_str().to_owned()))
}

fn parse_providers(list: &str) -> Result<Vec<Provider>, ConfigError> {
    let invalid = ConfigError::Invalid {
        name: PROVIDERS,
        expected: "must be a comma-separated list of voice providers (routee, twilio), each at most once",
    };
    let named = list.split(',').map(|name| Provider::from_name(name.trim()));
    let Some(providers) = named.collect::<Option<Vec<_>>>() else {
        return Err(invalid);
    };
    let is_unique = |provider| providers.iter().filter(|other| *other == provider).count() == 1;
    if providers.iter().all(is_unique) {
        Ok(providers)
    } else {
        Err(invalid)
    }
}

/// Options for scripts, per provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Options for Routee's dial plans.
    pub routee: dialplan::Settings,
}

impl Settings {
    /// Loads the options from the environment.
    ///
    /// # Errors
    /// A variable has an invalid value.
    pub fn load() -> Result<Self, ConfigError> {
        let invalid = |name, expected| ConfigError::Invalid { name, expected };
        let collect = match optional(COLLECT).as_deref() {
            None | Some("first") => CollectPosition::First,
            Some("last") => CollectPosition::Last,
            Some(_) => return Err(invalid(COLLECT, "must be first or last")),
        };
        let submit_on_hash = match optional(SUBMIT_ON_HASH).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(invalid(SUBMIT_ON_HASH, "must be true or false")),
        };
        Ok(Self {
            routee: dialplan::Settings {
                collect,
                submit_on_hash,
            },
        })
    }
}
