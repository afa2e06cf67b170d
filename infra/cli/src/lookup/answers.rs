//! What Lambda, SSM and `CloudWatch` Logs answer, as far as it is asked for.

use std::collections::BTreeMap;

use patchbay::secret::Secret;
use serde::Deserialize;

/// What is known of a function.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Function {
    /// Seconds after which it is ended.
    #[serde(default)]
    pub(crate) timeout: u32,
    #[serde(default)]
    environment: Environment,
    /// `Active` when it can be called. Stand-ins for AWS leave this and what follows out.
    pub(crate) state: Option<String>,
    pub(crate) state_reason: Option<String>,
    /// `Successful` when the newest change of it is in force.
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
    /// A variable that is set, and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let value = self.environment.variables.get(name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

/// What is reserved for a function.
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

/// That a queue's messages are handed to a function.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Mapping {
    #[serde(rename = "UUID", default)]
    pub(crate) uuid: String,
    /// `Enabled` when it does so.
    #[serde(default)]
    pub(crate) state: String,
    /// Who brought it into that state.
    pub(crate) state_transition_reason: Option<String>,
    event_source_arn: Option<String>,
    last_processing_result: Option<String>,
}

impl Mapping {
    /// Whether it is the queue called `name` whose messages it hands over.
    pub(crate) fn is_of(&self, name: &str) -> bool {
        let arn = self.event_source_arn.as_deref().unwrap_or_default();
        arn.rsplit(':').next() == Some(name)
    }

    /// What went wrong the last time, if something did: "PROBLEM: Function call failed".
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

/// A line of a function's log, as far as it says that something went wrong.
#[derive(Default, Deserialize)]
struct LogLine {
    level: Option<String>,
    record: Option<Record>,
}

/// What Lambda says of an invocation.
#[derive(Deserialize)]
struct Record {
    status: Option<String>,
}

impl Events {
    /// How many of them are complaints.
    pub(super) fn complaints(&self) -> usize {
        let lines = self
            .events
            .iter()
            .map(|event| serde_json::from_str(&event.message).unwrap_or_default());
        lines.filter(LogLine::is_complaint).count()
    }
}

impl LogLine {
    fn is_complaint(&self) -> bool {
        let status = self.record.as_ref().and_then(|record| record.status.as_deref());
        self.level.as_deref() == Some("ERROR") || matches!(status, Some("error" | "failure" | "timeout"))
    }
}

#[derive(Deserialize)]
pub(super) struct Parameters {
    #[serde(default, rename = "Parameters")]
    pub(super) found: Vec<Parameter>,
}
