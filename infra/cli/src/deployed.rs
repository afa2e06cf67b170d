//! The settings and secrets of a deployed function, read from AWS.

use anyhow::Context as _;
use patchbay::chat::ChatConfig;
use patchbay::config::{base_url, reference_signer, variables};
use patchbay::secret::Secret;
use patchbay::web::callbacks::CallbackUrls;

use crate::aws::Clients;
use crate::lookup::Function;

/// A deployed function with its name.
pub(crate) struct DeployedFunction {
    name: String,
    function: Function,
}

impl DeployedFunction {
    /// An environment variable that must be set.
    fn variable(&self, name: &str) -> anyhow::Result<&str> {
        let value = self.function.variable(name);
        value.with_context(|| format!("the function {} has no {name}", self.name))
    }
}

/// Reads a function of the stack that exists only with a template parameter.
pub(crate) async fn read_function(
    clients: &Clients,
    stack: &str,
    name: &str,
    parameter: &str,
) -> anyhow::Result<DeployedFunction> {
    let name = format!("{stack}-{name}");
    let function = clients.lookup.function(&name).await.with_context(|| {
        format!("cannot read the function {name} (is --stack right, and was the stack deployed with {parameter}?)")
    })?;
    Ok(DeployedFunction { name, function })
}

/// The callback URLs that `function` verifies: below the public URL in the dialer's settings, signed with the reference
/// key that it checks against.
pub(crate) async fn callback_urls(
    clients: &Clients,
    stack: &str,
    function: &DeployedFunction,
) -> anyhow::Result<CallbackUrls> {
    // Functions behind the API have no PUBLIC_URL variable, the dialer has.
    let dialer = format!("{stack}-dialer");
    let dialer_settings = clients.lookup.function(&dialer).await;
    let dialer_settings = dialer_settings.with_context(|| format!("cannot read the function {dialer}"))?;
    let base = dialer_settings.variable(variables::PUBLIC_URL);
    let base = base_url(base.with_context(|| format!("the function {dialer} has no {}", variables::PUBLIC_URL))?)?;
    let keys = read_secret(clients, function, variables::REFERENCE_KEYS_PARAM).await?;
    Ok(CallbackUrls::new(
        base,
        reference_signer(variables::REFERENCE_KEYS_PARAM, &keys)?,
    ))
}

/// The secret in the SSM parameter that a function's variable names.
pub(crate) async fn read_secret(
    clients: &Clients,
    function: &DeployedFunction,
    variable: &str,
) -> anyhow::Result<Secret> {
    let name = function.variable(variable)?;
    let parameter = clients.lookup.parameter(name).await?;
    Ok(parameter
        .with_context(|| format!("there is no SSM parameter {name}"))?
        .value)
}

/// The configuration of the chat platform, as the function has it.
pub(crate) fn chat_config(clients: &Clients, function: &DeployedFunction) -> anyhow::Result<ChatConfig> {
    let variable = |name: &str| function.function.variable(name).map(str::to_owned);
    let config = ChatConfig::from_variables(clients.http.clone(), variable);
    config.with_context(|| format!("the settings of the function {} are not valid", function.name))
}
