//! How scripts are said, where a provider's contract leaves a choice.

use crate::config::{ConfigError, optional};
use crate::providers::routee::dialplan::{self, Position};

/// Names of variables, see [`crate::config`].
const COLLECT: &str = "PATCHBAY_ROUTEE_COLLECT";
const SUBMIT_ON_HASH: &str = "PATCHBAY_ROUTEE_SUBMIT_ON_HASH";

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
