//! How scripts are said, where a provider's contract leaves a choice.

use super::Provider;
use crate::config::{ConfigError, optional};
use crate::providers::routee::dialplan::{self, Position};

/// Names of variables, see [`crate::config`].
const PROVIDERS: &str = "PATCHBAY_PROVIDERS";
const COLLECT: &str = "PATCHBAY_ROUTEE_COLLECT";
const SUBMIT_ON_HASH: &str = "PATCHBAY_ROUTEE_SUBMIT_ON_HASH";

/// Who phones employees, the preferred first, by the function's environment: Routee when nothing is said.
///
/// # Errors
/// When the variable names a provider that there is not, or one twice.
pub fn voice_providers() -> Result<Vec<Provider>, ConfigError> {
    named(&optional(PROVIDERS).unwrap_or_else(|| Provider::Routee.as_str().to_owned()))
}

fn named(list: &str) -> Result<Vec<Provider>, ConfigError> {
    let wrong = ConfigError::Wrong {
        name: PROVIDERS,
        expected: "must be names of voice providers, each once, separated by commas: routee, twilio",
    };
    let named = list.split(',').map(|name| Provider::named(name.trim()));
    let Some(providers) = named.collect::<Option<Vec<_>>>() else {
        return Err(wrong);
    };
    let is_once = |provider| providers.iter().filter(|other| *other == provider).count() == 1;
    if providers.iter().all(is_once) {
        Ok(providers)
    } else {
        Err(wrong)
    }
}

/// How scripts are said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// In Routee's dial plans.
    pub routee: dialplan::Settings,
}

impl Settings {
    /// By the function's environment.
    ///
    /// # Errors
    /// When a variable is wrong.
    pub fn load() -> Result<Self, ConfigError> {
        let wrong = |name, expected| ConfigError::Wrong { name, expected };
        let collect = match optional(COLLECT).as_deref() {
            None | Some("first") => Position::First,
            Some("last") => Position::Last,
            Some(_) => return Err(wrong(COLLECT, "must be first or last")),
        };
        let submit_on_hash = match optional(SUBMIT_ON_HASH).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(wrong(SUBMIT_ON_HASH, "must be true or false")),
        };
        Ok(Self {
            routee: dialplan::Settings {
                collect,
                submit_on_hash,
            },
        })
    }
}
