//! What a check comes to.

use serde::Serialize;

use crate::lookup::LookupError;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works, but something is amiss; or it could not be checked.
    Warn,
    /// It does not work.
    Fail,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// Its name, which does not change.
    pub(super) check: &'static str,
    pub(super) level: Level,
    /// What was seen.
    pub(super) what: String,
    /// A command that mends it, or what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, what, None)
    }

    pub(super) fn warn(check: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(check, Level::Warn, what, Some(mend.into()))
    }

    pub(super) fn fail(check: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(check, Level::Fail, what, Some(mend.into()))
    }

    /// That the account does not say, most of the time for want of a right; that says nothing of the deployment.
    pub(super) fn not_checked(check: &'static str, error: &LookupError) -> Self {
        let mend = match error.missing_right() {
            Some(right) => format!("allow {right} to whoever runs this"),
            None => "run it again".to_owned(),
        };
        Self::warn(check, format!("not checked: {error}"), mend)
    }

    fn new(check: &'static str, level: Level, what: impl Into<String>, mend: Option<String>) -> Self {
        Self {
            check,
            level,
            what: what.into(),
            mend,
        }
    }
}
