//! Checks of the functions that contact customers: whether all of them are deployed, and over what they can.

use patchbay::config::variables;

use super::finding::Finding;
use super::fix::FixCommands;
use crate::lookup::Function;
use crate::template::CALLS_FUNCTIONS;

/// Variable with the configuration set of Amazon SES.
const CONFIGURATION_SET: &str = "PATCHBAY_SES_CONFIGURATION_SET";
/// The variables of the messenger, each with the back end that has no credentials without it.
const BACK_ENDS: [(&str, &str); 4] = [
    (variables::TWILIO_CREDENTIALS_PARAM, "Twilio"),
    (variables::ROUTEE_CREDENTIALS_PARAM, "Routee"),
    (CONFIGURATION_SET, "Amazon SES"),
    (variables::ELEMENTE_CREDENTIALS_PARAM, "Elemente"),
];

/// Runs the checks on the functions that were found. None for a stack without the API for calls.
pub(super) fn check(found: &[(&str, Function)], fixes: &FixCommands) -> Option<Finding> {
    let check = "settings.calls";
    let find = |wanted: &str| {
        found
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, function)| function)
    };
    let (deployed, missing): (Vec<&str>, Vec<&str>) =
        CALLS_FUNCTIONS.into_iter().partition(|name| find(name).is_some());
    if deployed.is_empty() {
        return None;
    }
    if !missing.is_empty() {
        let message = format!(
            "of the three functions that contact customers, {} is not deployed",
            missing.join(" and ")
        );
        return Some(Finding::fail(check, message, fixes.deploy()));
    }
    let set = |parameters: &str| format!("set {parameters} in samconfig.toml, then: {}", fixes.deploy());
    let has = |function: &str, variable: &str| find(function).is_some_and(|one| one.variable(variable).is_some());
    let back_ends: Vec<&str> = BACK_ENDS
        .into_iter()
        .filter(|(variable, _)| has("messenger", variable))
        .map(|(_, name)| name)
        .collect();
    if back_ends.is_empty() {
        let fix = set("CallsProviders, SesConfigurationSet or ElementeCredentialsParam");
        return Some(Finding::warn(
            check,
            "no customer can be contacted: no back end is configured",
            fix,
        ));
    }
    let is_over_twilio = has("messenger", variables::TWILIO_CREDENTIALS_PARAM);
    if is_over_twilio && !has("message-event", variables::TWILIO_AUTH_TOKENS_PARAM) {
        let message = format!(
            "customers are contacted over Twilio, but message-event has no {}: statuses and answers are rejected",
            variables::TWILIO_AUTH_TOKENS_PARAM
        );
        return Some(Finding::fail(check, message, set("TwilioAuthTokensParam")));
    }
    let message = format!("customers can be contacted over {}", back_ends.join(", "));
    Some(Finding::ok(check, message))
}
