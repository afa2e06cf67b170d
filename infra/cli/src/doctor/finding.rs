//! The result of a check.

use serde::Serialize;

use crate::lookup::LookupError;

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// Healthy.
    Ok,
    /// It works but should be improved, or it could not be checked.
    Warn,
    /// Broken.
    Fail,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// Stable name of the check.
    pub(super) check: &'static str,
    pub(super) level: Level,
    /// What was found.
    pub(super) message: String,
    /// A command that fixes it, or an instruction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, message, None)
    }

    pub(super) fn warn(check: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(check, Level::Warn, message, Some(fix.into()))
    }

    pub(super) fn fail(check: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(check, Level::Fail, message, Some(fix.into()))
    }

    /// A check that could not be made because a lookup failed, mostly for a missing permission. It is only a warning,
    /// because it says nothing about the deployment.
    pub(super) fn not_checked(check: &'static str, error: &LookupError) -> Self {
        let fix = match error.missing_permission() {
            Some(permission) => format!("allow {permission} to the identity that runs this command"),
            None => "run the command again".to_owned(),
        };
        Self::warn(check, format!("not checked: {error}"), fix)
    }

    fn new(check: &'static str, level: Level, message: impl Into<String>, fix: Option<String>) -> Self {
        Self {
            check,
            level,
            message: message.into(),
            fix,
        }
    }
}
