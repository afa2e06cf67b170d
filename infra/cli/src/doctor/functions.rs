//! The functions: are they there, and do they agree on where everything is?

use std::collections::BTreeSet;
use std::sync::LazyLock;

use futures_util::future::join_all;
use patchbay::config::variables;
use patchbay::providers::routee::Endpoints;
use patchbay::providers::twilio::calls as twilio;
use patchbay::voice::Provider;

use super::finding::Finding;
use super::mend::{Mends, word};
use crate::aws::{Clients, Target};
use crate::lookup::{Function, LookupError};
use crate::template;

/// The functions of the template, and the names of their checks.
static FUNCTIONS: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
    let functions = template::functions();
    functions
        .map(|one| (one.name, format!("function.{}", one.name)))
        .collect()
});

/// The names of all functions that are deployed in any case.
pub(super) fn always_deployed() -> impl Iterator<Item = &'static str> {
    let names = FUNCTIONS.iter().map(|(name, _)| *name);
    names.filter(|name| *name != TRANSFER)
}

/// Who phones employees, the preferred first.
const PROVIDERS: &str = "PATCHBAY_PROVIDERS";
/// What takes the webhooks of calls to employees.
const TOLD_OF_CALLS: [&str; 2] = ["collect-event", "status-callback"];

/// The one that need not be there: without Twilio's auth token it is not deployed.
const TRANSFER: &str = "transfer";

/// What the functions go by, as far as it is known.
#[derive(Debug)]
pub(super) struct Settings {
    /// The stack.
    pub(super) stack: String,
    /// Writes the commands that mend it.
    pub(super) mends: Mends,
    /// The function that knows most of it.
    pub(super) asked: String,
    pub(super) table: Option<String>,
    pub(super) dialing_queue: Option<String>,
    pub(super) notifications_queue: Option<String>,
    pub(super) public_url: Option<String>,
    pub(super) reference_keys: Option<String>,
    pub(super) webhook_keys: Option<String>,
    /// Who phones employees, the preferred first.
    pub(super) providers: Vec<Provider>,
    pub(super) routee_credentials: Option<String>,
    pub(super) routee: Endpoints,
    pub(super) twilio_credentials: Option<String>,
    /// Where Twilio places calls.
    pub(super) twilio: String,
    /// None when Twilio neither phones employees nor transfers callers to us.
    pub(super) twilio_auth_tokens: Option<String>,
    /// None where agents' platforms prove nothing beside the token.
    pub(super) vapi_secrets: Option<String>,
    pub(super) retell_keys: Option<String>,
    /// Seconds after which the dialer, the notifier is ended.
    pub(super) dialer_timeout: Option<u32>,
    pub(super) notifier_timeout: Option<u32>,
}

impl Settings {
    /// Whether employees are phoned over `provider`.
    pub(super) fn phones_over(&self, provider: Provider) -> bool {
        self.providers.contains(&provider)
    }

    /// What to do about a function that does not use a changed secret: mostly wait.
    pub(super) fn wait_for(&self, function: &str) -> String {
        format!(
            "sleep 300; patchbay doctor --stack {}    # {function} takes changed keys within 5 min; if it does not, its \
             log says why",
            self.stack
        )
    }
}

/// Reads the functions' settings; an error when nothing can be asked of this account at all.
pub(super) async fn check(clients: &Clients, target: &Target) -> Result<(Settings, Vec<Finding>), LookupError> {
    let mends = Mends::of(target);
    let mut answers = join_all(FUNCTIONS.iter().map(|(name, _)| ask(clients, target, name))).await;
    if answers
        .iter()
        .all(|answer| matches!(answer, Err(error) if error.is_general()))
        && let Some(Err(error)) = answers.pop()
    {
        return Err(error);
    }
    let mut findings = Vec::new();
    let (mut found, mut reserved) = (Vec::new(), Vec::new());
    for ((name, check), answer) in FUNCTIONS.iter().zip(answers) {
        let (name, check) = (*name, check.as_str());
        let full = format!("{}-{name}", target.stack);
        match answer {
            Ok((function, concurrency)) => {
                findings.push(standing(check, &full, &function, &mends));
                found.push((name, function));
                reserved.push((full, concurrency));
            }
            Err(error) if name == TRANSFER && error.is_not_found() => {
                let what = "not deployed: TwilioAuthTokensParam is not set";
                findings.push(Finding::ok(check, what));
            }
            Err(error) => findings.push(missing(check, &full, &error, &mends, target, clients)),
        }
    }
    findings.extend(switched_off(&reserved, &mends));
    findings.extend(agreement(&found, &mends));
    findings.extend(providers(&found, &mends));
    Ok((settings(target, mends, &found), findings))
}

/// How many of a function may run at a time, when some are reserved for it.
type Reserved = Result<Option<u32>, LookupError>;

/// One request after the other: all functions at once are as much as Lambda takes.
async fn ask(clients: &Clients, target: &Target, name: &str) -> Result<(Function, Reserved), LookupError> {
    let name = format!("{}-{name}", target.stack);
    let function = clients.lookup.function(&name).await?;
    Ok((function, clients.lookup.reserved_concurrency(&name).await))
}

/// Whether a function can be called, and is what was deployed last. What a stand-in does not tell is taken for good.
fn standing(check: &'static str, name: &str, function: &Function, mends: &Mends) -> Finding {
    let because = |state: &str, reason: &Option<String>| match reason.as_deref().unwrap_or_default() {
        "" => state.to_owned(),
        reason => format!("{state}: {reason}"),
    };
    let wait = || format!("wait a minute, then: {}", mends.patchbay("doctor"));
    match function.state.as_deref().unwrap_or_default() {
        "" | "Active" => {}
        state => {
            let what = format!(
                "cannot be called, its state is {}",
                because(state, &function.state_reason)
            );
            let mend = match state {
                "Pending" => wait(),
                // Lambda lays a function to rest that nobody has called for weeks.
                "Inactive" => {
                    let wake = mends.aws(&format!("lambda invoke --function-name {} /dev/null", word(name)));
                    format!("{wake}    # wakes it; this first call fails")
                }
                _ => mends.deploy(),
            };
            return Finding::fail(check, what, mend);
        }
    }
    match function.last_update_status.as_deref().unwrap_or_default() {
        "" | "Successful" => Finding::ok(check, format!("deployed, may run {} s", function.timeout)),
        // What was deployed before runs meanwhile.
        "InProgress" => Finding::warn(check, "is being changed at the moment", wait()),
        status => {
            let status = because(status, &function.last_update_status_reason);
            Finding::fail(
                check,
                format!("is not what was deployed last, its update is {status}"),
                mends.deploy(),
            )
        }
    }
}

/// Which functions may not run at all: somebody has reserved none of the account's concurrency for them.
fn switched_off(reserved: &[(String, Reserved)], mends: &Mends) -> Option<Finding> {
    let check = "concurrency.functions";
    let off = reserved.iter().filter(|(_, answer)| matches!(answer, Ok(Some(0))));
    let off: Vec<&str> = off.map(|(name, _)| name.as_str()).collect();
    if !off.is_empty() {
        let what = format!("switched off, by a reserved concurrency of 0: {}", off.join(", "));
        let switch_on = |name: &&str| {
            mends.aws(&format!(
                "lambda delete-function-concurrency --function-name {}",
                word(name)
            ))
        };
        let mend = off.iter().map(switch_on).collect::<Vec<_>>().join("; ");
        return Some(Finding::fail(check, what, mend));
    }
    let unknown = reserved.iter().find_map(|(_, answer)| answer.as_ref().err());
    match unknown {
        Some(error) => Some(Finding::not_checked(check, error)),
        None if reserved.is_empty() => None,
        None => Some(Finding::ok(check, "no function is switched off")),
    }
}

fn missing(
    check: &'static str,
    name: &str,
    error: &LookupError,
    mends: &Mends,
    target: &Target,
    clients: &Clients,
) -> Finding {
    let region = clients.lookup.region();
    if error.is_not_found() {
        let what = format!("there is no function {name} in {region}");
        let mend = format!(
            "{}    # or is it another --stack than {}, or another --region?",
            mends.deploy(),
            target.stack
        );
        return Finding::fail(check, what, mend);
    }
    let mend = mends.aws(&format!(
        "lambda get-function-configuration --function-name {}    # needs the right lambda:GetFunctionConfiguration",
        word(name)
    ));
    Finding::fail(check, format!("{name} cannot be read: {error}"), mend)
}

/// Whether all functions use the same table, queues, URL and keys.
fn agreement(found: &[(&str, Function)], mends: &Mends) -> Option<Finding> {
    let check = "settings";
    if found.is_empty() {
        return None;
    }
    let mut differing = Vec::new();
    for name in [
        variables::TABLE,
        variables::DIALING_QUEUE_URL,
        variables::NOTIFICATIONS_QUEUE_URL,
        variables::PUBLIC_URL,
        variables::REFERENCE_KEYS_PARAM,
        variables::TWILIO_AUTH_TOKENS_PARAM,
        PROVIDERS,
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
        Finding::fail(check, what, mends.deploy())
    })
}

/// Who phones, as the dialer knows it: Routee when nothing is said. None when nobody could tell.
fn named_providers(found: &[(&str, Function)]) -> Option<Vec<Provider>> {
    let (_, dialer) = found.iter().find(|(name, _)| *name == "dialer")?;
    let Some(list) = dialer.variable(PROVIDERS) else {
        return Some(vec![Provider::Routee]);
    };
    list.split(',').map(|name| Provider::named(name.trim())).collect()
}

/// Whether the functions have what each provider needs that phones.
fn providers(found: &[(&str, Function)], mends: &Mends) -> Option<Finding> {
    let check = "settings.providers";
    if !found.iter().any(|(name, _)| *name == "dialer") {
        return None;
    }
    let set = |parameters: &str| format!("set {parameters} in samconfig.toml, then: {}", mends.deploy());
    let Some(providers) = named_providers(found) else {
        let what = format!("{PROVIDERS} of dialer names a provider that there is not");
        return Some(Finding::fail(check, what, set("VoiceProviders")));
    };
    // Without it what Twilio says of a call is turned away: no key is ever heard.
    let deaf: Vec<&str> = found
        .iter()
        .filter(|(name, function)| {
            TOLD_OF_CALLS.contains(name) && function.variable(variables::TWILIO_AUTH_TOKENS_PARAM).is_none()
        })
        .map(|(name, _)| *name)
        .collect();
    if providers.contains(&Provider::Twilio) && !deaf.is_empty() {
        let what = format!(
            "Twilio phones, and {} has no {}: no key is heard",
            deaf.join(" and "),
            variables::TWILIO_AUTH_TOKENS_PARAM
        );
        return Some(Finding::fail(check, what, set("TwilioAuthTokensParam")));
    }
    let names: Vec<&str> = providers.iter().map(|provider| provider.as_str()).collect();
    let what = format!("employees are phoned over {}", names.join(", then over "));
    Some(Finding::ok(check, what))
}

fn settings(target: &Target, mends: Mends, found: &[(&str, Function)]) -> Settings {
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
        mends,
        asked: format!("{}-dialer", target.stack),
        table: target.table.clone().or_else(|| variable(variables::TABLE)),
        dialing_queue: target
            .dialing_queue
            .clone()
            .or_else(|| variable(variables::DIALING_QUEUE_URL)),
        notifications_queue: target
            .notifications_queue
            .clone()
            .or_else(|| variable(variables::NOTIFICATIONS_QUEUE_URL)),
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
        notifier_timeout: function("notifier").map(|function| function.timeout),
    }
}
