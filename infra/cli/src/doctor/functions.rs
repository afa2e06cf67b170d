//! The functions: are they there, and do they agree on where everything is?

use std::collections::BTreeSet;

use patchbay::config::variables;
use patchbay::providers::routee::Endpoints;

use super::finding::Finding;
use crate::aws::{Clients, Target};
use crate::lookup::{Function, LookupError};

/// The functions, and the names of their checks.
const FUNCTIONS: [(&str, &str); 9] = [
    ("dispatches", "function.dispatches"),
    ("collect-event", "function.collect-event"),
    ("status-callback", "function.status-callback"),
    ("dialer", "function.dialer"),
    ("notifier", "function.notifier"),
    ("set-context", "function.set-context"),
    ("get-context", "function.get-context"),
    ("chain-link", "function.chain-link"),
    (TRANSFER, "function.transfer"),
];
/// The one that need not be there: without Twilio's auth token it is not deployed.
const TRANSFER: &str = "transfer";
const DEPLOY: &str = "sam build && sam deploy";

/// What the functions go by, as far as it is known.
#[derive(Debug)]
pub(super) struct Settings {
    /// The stack.
    stack: String,
    /// The function that knows most of it.
    pub(super) asked: String,
    pub(super) table: Option<String>,
    pub(super) calls_queue: Option<String>,
    pub(super) notifications_queue: Option<String>,
    pub(super) public_url: Option<String>,
    pub(super) reference_keys: Option<String>,
    pub(super) webhook_keys: Option<String>,
    pub(super) routee_credentials: Option<String>,
    pub(super) routee: Endpoints,
    /// None when callers are not transferred to us.
    pub(super) twilio_auth_tokens: Option<String>,
    /// Seconds after which the dialer, the notifier is ended.
    pub(super) dialer_timeout: Option<u32>,
    pub(super) notifier_timeout: Option<u32>,
}

impl Settings {
    /// The command after which a function reads its secrets anew: any change of its configuration does that.
    pub(super) fn start_afresh(&self, function: &str) -> String {
        format!(
            "aws lambda update-function-configuration --function-name {}-{function} --description \"$(date)\"    # it \
             keeps the keys that it started with",
            self.stack
        )
    }
}

/// Reads the functions' settings.
pub(super) async fn check(clients: &Clients, target: &Target) -> (Settings, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut found = Vec::new();
    for (name, check) in FUNCTIONS {
        let full = format!("{}-{name}", target.stack);
        match clients.lookup.function(&full).await {
            Ok(function) => {
                findings.push(Finding::ok(check, format!("deployed, may run {} s", function.timeout)));
                found.push((name, function));
            }
            Err(error) if name == TRANSFER && error.is_not_found() => {
                let what = "not deployed: TwilioAuthTokensParam is not set";
                findings.push(Finding::ok(check, what));
            }
            Err(error) => findings.push(missing(check, &full, &error, target, clients)),
        }
    }
    findings.extend(agreement(&found));
    (settings(target, &found), findings)
}

fn missing(check: &'static str, name: &str, error: &LookupError, target: &Target, clients: &Clients) -> Finding {
    let region = clients.lookup.region();
    if error.is_not_found() {
        let what = format!("there is no function {name} in {region}");
        let mend = format!(
            "{DEPLOY}    # or is it another --stack than {}, or another --region?",
            target.stack
        );
        return Finding::fail(check, what, mend);
    }
    let mend = format!(
        "aws lambda get-function-configuration --region {region} --function-name {name}    # needs the right \
         lambda:GetFunctionConfiguration"
    );
    Finding::fail(check, format!("{name} cannot be read: {error}"), mend)
}

/// Whether all functions use the same table, queues, URL and keys.
fn agreement(found: &[(&str, Function)]) -> Option<Finding> {
    let check = "settings";
    if found.is_empty() {
        return None;
    }
    let mut differing = Vec::new();
    for name in [
        variables::TABLE,
        variables::CALLS_QUEUE_URL,
        variables::NOTIFICATIONS_QUEUE_URL,
        variables::PUBLIC_URL,
        variables::REFERENCE_KEYS_PARAM,
    ] {
        let values: BTreeSet<&str> = found
            .iter()
            .filter_map(|(_, function)| function.variable(name))
            .collect();
        if values.len() > 1 {
            differing.push(name);
        }
    }
    Some(if differing.is_empty() {
        Finding::ok(check, "the functions agree on table, queues, URL and keys")
    } else {
        let what = format!("the functions do not agree on {}", differing.join(", "));
        Finding::fail(check, what, DEPLOY)
    })
}

fn settings(target: &Target, found: &[(&str, Function)]) -> Settings {
    let function = |wanted: &str| {
        found
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, function)| function)
    };
    let variable = |name: &str| {
        let value = found.iter().find_map(|(_, function)| function.variable(name));
        value.map(str::to_owned)
    };
    let public = Endpoints::default();
    Settings {
        stack: target.stack.clone(),
        asked: format!("{}-dialer", target.stack),
        table: target.table.clone().or_else(|| variable(variables::TABLE)),
        calls_queue: target
            .calls_queue
            .clone()
            .or_else(|| variable(variables::CALLS_QUEUE_URL)),
        notifications_queue: target
            .notifications_queue
            .clone()
            .or_else(|| variable(variables::NOTIFICATIONS_QUEUE_URL)),
        public_url: variable(variables::PUBLIC_URL),
        reference_keys: variable(variables::REFERENCE_KEYS_PARAM),
        webhook_keys: variable(variables::WEBHOOK_KEYS_PARAM),
        routee_credentials: variable(variables::ROUTEE_CREDENTIALS_PARAM),
        routee: Endpoints {
            auth: variable(variables::ROUTEE_AUTH_URL).unwrap_or(public.auth),
            connect: variable(variables::ROUTEE_CONNECT_URL).unwrap_or(public.connect),
        },
        twilio_auth_tokens: variable(variables::TWILIO_AUTH_TOKENS_PARAM),
        dialer_timeout: function("dialer").map(|function| function.timeout),
        notifier_timeout: function("notifier").map(|function| function.timeout),
    }
}
