//! Responses of Lambda, SSM and `CloudWatch` Logs: the fields that the commands use.

use std::collections::BTreeMap;

use patchbay::secret::Secret;
use serde::Deserialize;

/// The configuration of a function.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Function {
    /// Time-out in seconds.
    #[serde(default)]
    pub(crate) timeout: u32,
    #[serde(default)]
    environment: Environment,
    /// `Active` if it can be invoked. AWS emulators omit this field and those below.
    pub(crate) state: Option<String>,
    pub(crate) state_reason: Option<String>,
    /// `Successful` if the latest update has taken effect.
    pub(crate) last_update_status: Option<String>,
    pub(crate) last_update_status_reason: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

impl Function {
    /// An environment variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let value = self.environment.variables.get(name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

/// The reserved concurrency of a function.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Concurrency {
    pub(super) reserved_concurrent_executions: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Mappings {
    #[serde(default)]
    pub(super) event_source_mappings: Vec<Mapping>,
}

/// An event source mapping: it delivers the messages of a queue to a function.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Mapping {
    #[serde(rename = "UUID", default)]
    pub(crate) uuid: String,
    /// `Enabled` if it delivers messages.
    #[serde(default)]
    pub(crate) state: String,
    /// Why it is in that state, such as `USER_INITIATED`.
    pub(crate) state_transition_reason: Option<String>,
    event_source_arn: Option<String>,
    last_processing_result: Option<String>,
}

impl Mapping {
    /// Whether it reads the queue called `name`.
    pub(crate) fn is_for_queue(&self, name: &str) -> bool {
        let arn = self.event_source_arn.as_deref().unwrap_or_default();
        arn.rsplit(':').next() == Some(name)
    }

    /// The last processing result if it is a problem: "PROBLEM: Function call failed".
    pub(crate) fn problem(&self) -> Option<&str> {
        let result = self.last_processing_result.as_deref()?;
        result.starts_with("PROBLEM").then_some(result)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AccountSettings {
    pub(super) account_limit: AccountLimit,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AccountLimit {
    pub(super) unreserved_concurrent_executions: u32,
}

/// A parameter, decrypted.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Parameter {
    pub(crate) value: Secret,
    #[serde(rename = "Type", default)]
    kind: String,
}

impl Parameter {
    pub(crate) fn is_encrypted(&self) -> bool {
        self.kind == "SecureString"
    }
}

#[derive(Deserialize)]
pub(super) struct Events {
    #[serde(default)]
    events: Vec<LogEvent>,
}

#[derive(Deserialize)]
struct LogEvent {
    message: String,
}

/// The fields of a log line that indicate an error.
#[derive(Default, Deserialize)]
struct LogLine {
    level: Option<String>,
    record: Option<Record>,
}

/// Lambda's report on an invocation.
#[derive(Deserialize)]
struct Record {
    status: Option<String>,
}

impl Events {
    /// The number of error lines.
    pub(super) fn count_errors(&self) -> usize {
        let lines = self
            .events
            .iter()
            .map(|event| serde_json::from_str(&event.message).unwrap_or_default());
        lines.filter(LogLine::is_error).count()
    }
}

impl LogLine {
    fn is_error(&self) -> bool {
        let status = self.record.as_ref().and_then(|record| record.status.as_deref());
        self.level.as_deref() == Some("ERROR") || matches!(status, Some("error" | "failure" | "timeout"))
    }
}

#[derive(Deserialize)]
pub(super) struct Parameters {
    #[serde(default, rename = "Parameters")]
    pub(super) found: Vec<Parameter>,
}
