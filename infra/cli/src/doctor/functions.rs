//! Checks of the functions: whether they are deployed and active, and whether their settings agree.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use futures_util::future::join_all;
use patchbay::config::variables;
use patchbay::providers::routee::Endpoints;
use patchbay::providers::twilio::calls as twilio;
use patchbay::voice::Provider;

use super::calls;
use super::chat::{self, ChatSettings};
use super::finding::Finding;
use super::fix::{FixCommands, shell_word};
use crate::aws::{Clients, Target};
use crate::lookup::{Function, LookupError};
use crate::template::{self, CALLS_FUNCTIONS};

/// The functions of the template with the names of their checks.
static FUNCTIONS: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
    let functions = template::functions();
    functions
        .map(|function| (function.name, format!("function.{}", function.name)))
        .collect()
});

/// The names of the functions that every deployment has.
pub(super) fn always_deployed() -> impl Iterator<Item = &'static str> {
    let names = FUNCTIONS.iter().map(|(name, _)| *name);
    names.filter(|name| reason_for_absence(name).is_none())
}

/// Variable with the chat platform.
const CHAT_PLATFORM: &str = "PATCHBAY_CHAT_PLATFORM";
/// Variable with the providers that phone employees, in order of preference.
const PROVIDERS: &str = "PATCHBAY_PROVIDERS";
/// The functions that receive the webhooks of calls to employees.
const CALL_WEBHOOK_FUNCTIONS: [&str; 2] = ["collect-event", "status-callback"];

/// The functions of the chat bot. Either both are deployed, or neither.
pub(super) const CHAT_FUNCTIONS: [&str; 2] = ["bot", "responder"];

/// Why an optional function may be absent; none for a function that every deployment has.
fn reason_for_absence(name: &str) -> Option<&'static str> {
    match name {
        "transfer" => Some("not deployed: TwilioAuthTokensParam is not set"),
        name if CHAT_FUNCTIONS.contains(&name) => Some("not deployed: ChatPlatform is none"),
        name if CALLS_FUNCTIONS.contains(&name) => Some("not deployed: CallsApi is off"),
        _ => None,
    }
}

/// The settings that the functions use; none where they could not be read.
#[derive(Debug)]
pub(super) struct Settings {
    /// Name of the stack.
    pub(super) stack: String,
    /// Writes the fix commands.
    pub(super) fixes: FixCommands,
    /// Name of the function that holds most settings.
    pub(super) source_function: String,
    pub(super) table: Option<String>,
    pub(super) dialing_queue: Option<String>,
    pub(super) notifications_queue: Option<String>,
    /// None without a chat platform.
    pub(super) conversations_queue: Option<String>,
    /// None without the API for calls.
    pub(super) interactions_queue: Option<String>,
    pub(super) public_url: Option<String>,
    pub(super) reference_keys: Option<String>,
    pub(super) webhook_keys: Option<String>,
    /// The providers that phone employees, in order of preference.
    pub(super) providers: Vec<Provider>,
    pub(super) routee_credentials: Option<String>,
    pub(super) routee: Endpoints,
    pub(super) twilio_credentials: Option<String>,
    /// Base URL of Twilio's API.
    pub(super) twilio: String,
    /// None if Twilio neither phones employees nor transfers callers to us.
    pub(super) twilio_auth_tokens: Option<String>,
    /// None if Vapi's requests are authenticated by the token alone.
    pub(super) vapi_secrets: Option<String>,
    /// None if Retell's requests are authenticated by the token alone.
    pub(super) retell_keys: Option<String>,
    /// Time-out of the dialer in seconds.
    pub(super) dialer_timeout: Option<u32>,
    /// None without a chat platform.
    pub(super) chat: Option<ChatSettings>,
    /// Whether the API for calls is deployed.
    pub(super) has_calls: bool,
    /// None if customers are not contacted over Elemente.
    pub(super) elemente_credentials: Option<String>,
    /// Time-out of the notifier in seconds.
    pub(super) notifier_timeout: Option<u32>,
    /// Time-out of the responder in seconds.
    pub(super) responder_timeout: Option<u32>,
    /// Time-out of the messenger in seconds.
    pub(super) messenger_timeout: Option<u32>,
}

impl Settings {
    /// Whether employees are phoned over `provider`.
    pub(super) fn phones_over(&self, provider: Provider) -> bool {
        self.providers.contains(&provider)
    }

    /// The fix for a function that does not use a changed secret yet: mostly to wait.
    pub(super) fn wait_for_secret(&self, function: &str) -> String {
        format!(
            "sleep 300; patchbay doctor --stack {}    # {function} loads changed keys within 5 min; if it does not, \
             check its log",
            self.stack
        )
    }
}

/// Checks the functions and reads their settings. Fails if AWS is not accessible at all.
pub(super) async fn check(clients: &Clients, target: &Target) -> Result<(Settings, Vec<Finding>), LookupError> {
    let fixes = FixCommands::new(target);
    let mut results = join_all(FUNCTIONS.iter().map(|(name, _)| fetch(clients, target, name))).await;
    if results
        .iter()
        .all(|result| matches!(result, Err(error) if error.affects_every_request()))
        && let Some(Err(error)) = results.pop()
    {
        return Err(error);
    }
    let mut findings = Vec::new();
    let (mut found, mut reserved) = (Vec::new(), Vec::new());
    for ((name, check), result) in FUNCTIONS.iter().zip(results) {
        let (name, check) = (*name, check.as_str());
        let full = format!("{}-{name}", target.stack);
        match result {
            Ok((function, concurrency)) => {
                findings.push(check_state(check, &full, &function, &fixes));
                found.push((name, function));
                reserved.push((full, concurrency));
            }
            Err(error) => match reason_for_absence(name).filter(|_| error.is_not_found()) {
                Some(reason) => findings.push(Finding::ok(check, reason)),
                None => findings.push(not_readable(check, &full, &error, &fixes, target, clients)),
            },
        }
    }
    findings.extend(check_disabled(&reserved, &fixes));
    findings.extend(check_agreement(&found, &fixes));
    findings.extend(check_providers(&found, &fixes));
    let (chat, finding) = chat::read_settings(clients, &found, &fixes);
    findings.extend(finding);
    findings.extend(calls::check(&found, &fixes));
    let settings = Settings {
        chat,
        ..collect_settings(target, fixes, &found)
    };
    Ok((settings, findings))
}

/// The reserved concurrency of a function, if it has a reservation.
type Reserved = Result<Option<u32>, LookupError>;

/// Sends its two requests one after the other: those of all functions together already reach Lambda's rate limit.
async fn fetch(clients: &Clients, target: &Target, name: &str) -> Result<(Function, Reserved), LookupError> {
    let name = format!("{}-{name}", target.stack);
    let function = clients.lookup.function(&name).await?;
    Ok((function, clients.lookup.reserved_concurrency(&name).await))
}

/// Checks whether a function can be invoked and runs the latest deployment. Fields omitted by an emulator count as
/// healthy.
fn check_state(check: &'static str, name: &str, function: &Function, fixes: &FixCommands) -> Finding {
    let with_reason = |state: &str, reason: &Option<String>| match reason.as_deref().unwrap_or_default() {
        "" => state.to_owned(),
        reason => format!("{state}: {reason}"),
    };
    let wait = || format!("wait a minute, then: {}", fixes.patchbay("doctor"));
    match function.state.as_deref().unwrap_or_default() {
        "" | "Active" => {}
        state => {
            let message = format!(
                "cannot be invoked: its state is {}",
                with_reason(state, &function.state_reason)
            );
            let fix = match state {
                "Pending" => wait(),
                // Lambda deactivates a function that was not invoked for weeks.
                "Inactive" => {
                    let invoke = fixes.aws(&format!("lambda invoke --function-name {} /dev/null", shell_word(name)));
                    format!("{invoke}    # activates it; this first invocation fails")
                }
                _ => fixes.deploy(),
            };
            return Finding::fail(check, message, fix);
        }
    }
    match function.last_update_status.as_deref().unwrap_or_default() {
        "" | "Successful" => Finding::ok(check, format!("deployed, time-out {} s", function.timeout)),
        // The previous version runs meanwhile.
        "InProgress" => Finding::warn(check, "an update is in progress", wait()),
        status => {
            let status = with_reason(status, &function.last_update_status_reason);
            Finding::fail(
                check,
                format!("the latest deployment is not active: its update is {status}"),
                fixes.deploy(),
            )
        }
    }
}

/// Checks for functions that cannot run at all because of a reserved concurrency of 0.
fn check_disabled(reserved: &[(String, Reserved)], fixes: &FixCommands) -> Option<Finding> {
    let check = "concurrency.functions";
    let disabled = reserved.iter().filter(|(_, result)| matches!(result, Ok(Some(0))));
    let disabled: Vec<&str> = disabled.map(|(name, _)| name.as_str()).collect();
    if !disabled.is_empty() {
        let message = format!("disabled by a reserved concurrency of 0: {}", disabled.join(", "));
        let enable = |name: &&str| {
            fixes.aws(&format!(
                "lambda delete-function-concurrency --function-name {}",
                shell_word(name)
            ))
        };
        let fix = disabled.iter().map(enable).collect::<Vec<_>>().join("; ");
        return Some(Finding::fail(check, message, fix));
    }
    let unknown = reserved.iter().find_map(|(_, result)| result.as_ref().err());
    match unknown {
        Some(error) => Some(Finding::not_checked(check, error)),
        None if reserved.is_empty() => None,
        None => Some(Finding::ok(check, "no function is disabled")),
    }
}

fn not_readable(
    check: &'static str,
    name: &str,
    error: &LookupError,
    fixes: &FixCommands,
    target: &Target,
    clients: &Clients,
) -> Finding {
    let region = clients.lookup.region();
    if error.is_not_found() {
        let message = format!("the function {name} does not exist in {region}");
        let fix = format!(
            "{}    # or pass the right --stack (now {}) or --region",
            fixes.deploy(),
            target.stack
        );
        return Finding::fail(check, message, fix);
    }
    let fix = fixes.aws(&format!(
        "lambda get-function-configuration --function-name {}    # is the permission missing?",
        shell_word(name)
    ));
    Finding::fail(check, format!("{name} cannot be read: {error}"), fix)
}

/// Checks whether all functions use the same table, queues, URL, keys and providers.
fn check_agreement(found: &[(&str, Function)], fixes: &FixCommands) -> Option<Finding> {
    let check = "settings";
    if found.is_empty() {
        return None;
    }
    let mut differing = Vec::new();
    for name in [
        variables::TABLE,
        variables::DIALING_QUEUE_URL,
        variables::NOTIFICATIONS_QUEUE_URL,
        variables::CONVERSATIONS_QUEUE_URL,
        variables::INTERACTIONS_QUEUE_URL,
        variables::PUBLIC_URL,
        variables::REFERENCE_KEYS_PARAM,
        variables::TWILIO_AUTH_TOKENS_PARAM,
        PROVIDERS,
        CHAT_PLATFORM,
        variables::SANGOMA_CREDENTIALS_PARAM,
        variables::CHATWOOT_TOKENS_PARAM,
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
        let message = format!("the functions do not agree on {}", differing.join(", "));
        Finding::fail(check, message, fixes.deploy())
    })
}

/// The providers in the dialer's settings; Routee if the variable is not set. None without a readable dialer, or if a
/// name is unknown.
fn named_providers(found: &[(&str, Function)]) -> Option<Vec<Provider>> {
    let (_, dialer) = found.iter().find(|(name, _)| *name == "dialer")?;
    let Some(list) = dialer.variable(PROVIDERS) else {
        return Some(vec![Provider::Routee]);
    };
    list.split(',').map(|name| Provider::from_name(name.trim())).collect()
}

/// Checks whether the functions have the settings that the providers need.
fn check_providers(found: &[(&str, Function)], fixes: &FixCommands) -> Option<Finding> {
    let check = "settings.providers";
    if !found.iter().any(|(name, _)| *name == "dialer") {
        return None;
    }
    let set_and_deploy = |parameters: &str| format!("set {parameters} in samconfig.toml, then: {}", fixes.deploy());
    let Some(providers) = named_providers(found) else {
        let message = format!("{PROVIDERS} of the function dialer names an unknown provider");
        return Some(Finding::fail(check, message, set_and_deploy("VoiceProviders")));
    };
    // Without the token these functions reject Twilio's webhooks, so no pressed key arrives.
    let without_tokens: Vec<&str> = found
        .iter()
        .filter(|(name, function)| {
            CALL_WEBHOOK_FUNCTIONS.contains(name) && function.variable(variables::TWILIO_AUTH_TOKENS_PARAM).is_none()
        })
        .map(|(name, _)| *name)
        .collect();
    if providers.contains(&Provider::Twilio) && !without_tokens.is_empty() {
        let message = format!(
            "Twilio phones employees, but {} has no {}: pressed keys are rejected",
            without_tokens.join(" and "),
            variables::TWILIO_AUTH_TOKENS_PARAM
        );
        return Some(Finding::fail(check, message, set_and_deploy("TwilioAuthTokensParam")));
    }
    let names: Vec<&str> = providers.iter().map(|provider| provider.as_str()).collect();
    let message = format!("employees are phoned over {}", names.join(", then over "));
    Some(Finding::ok(check, message))
}

fn collect_settings(target: &Target, fixes: FixCommands, found: &[(&str, Function)]) -> Settings {
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
        fixes,
        source_function: format!("{}-dialer", target.stack),
        table: target.table.clone().or_else(|| variable(variables::TABLE)),
        dialing_queue: target
            .dialing_queue
            .clone()
            .or_else(|| variable(variables::DIALING_QUEUE_URL)),
        notifications_queue: target
            .notifications_queue
            .clone()
            .or_else(|| variable(variables::NOTIFICATIONS_QUEUE_URL)),
        conversations_queue: target
            .conversations_queue
            .clone()
            .or_else(|| variable(variables::CONVERSATIONS_QUEUE_URL)),
        interactions_queue: target
            .interactions_queue
            .clone()
            .or_else(|| variable(variables::INTERACTIONS_QUEUE_URL)),
        public_url: variable(variables::PUBLIC_URL),
        reference_keys: variable(variables::REFERENCE_KEYS_PARAM),
        webhook_keys: variable(variables::WEBHOOK_KEYS_PARAM),
        providers: named_providers(found).unwrap_or_else(|| vec![Provider::Routee]),
        routee_credentials: variable(variables::ROUTEE_CREDENTIALS_PARAM),
        routee: Endpoints {
            auth: variable(variables::ROUTEE_AUTH_URL).unwrap_or(public.auth),
            connect: variable(variables::ROUTEE_CONNECT_URL).unwrap_or(public.connect),
        },
        twilio_credentials: variable(variables::TWILIO_CREDENTIALS_PARAM),
        twilio: variable(variables::TWILIO_API_URL).unwrap_or_else(|| twilio::ENDPOINT.to_owned()),
        twilio_auth_tokens: variable(variables::TWILIO_AUTH_TOKENS_PARAM),
        vapi_secrets: variable(variables::VAPI_SECRETS_PARAM),
        retell_keys: variable(variables::RETELL_KEYS_PARAM),
        dialer_timeout: function("dialer").map(|function| function.timeout),
        chat: None,
        has_calls: function("calls").is_some(),
        elemente_credentials: variable(variables::ELEMENTE_CREDENTIALS_PARAM),
        notifier_timeout: function("notifier").map(|function| function.timeout),
        responder_timeout: function("responder").map(|function| function.timeout),
        messenger_timeout: function("messenger").map(|function| function.timeout),
    }
}
