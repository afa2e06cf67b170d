//! Checks of the chat bot: the URL to which the platform posts events, the platform itself, and which bot answers which
//! inbox. No customer gets a message.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::StatusCode;
use patchbay::chat::{ChatClient, ChatConfig};
use patchbay::config::{base_url, variables};
use patchbay::ids::{DocumentName, Tenant};
use patchbay::secret::Secret;
use patchbay::store::{ChatConnection, DocumentKey, DocumentKind};
use patchbay::web::callbacks::CallbackUrls;
use patchbay::web::reference::ReferenceSigner;

use super::api::{ApiResponse, BAD_REFERENCE, BAD_SIGNATURE, unreachable};
use super::finding::Finding;
use super::fix::FixCommands;
use super::functions::{CHAT_FUNCTIONS, Settings};
use super::secrets::Secrets;
use super::unknown;
use crate::aws::Clients;
use crate::lookup::Function;
use crate::output::counted;

/// The tenant of tokens that name none.
const TENANT: &str = "main";
/// An event that no platform sends: it is acknowledged, and nothing is done.
const UNKNOWN_EVENT: &[u8] = br#"{"event":"doctor"}"#;

/// The settings of the chat platform.
#[derive(Debug)]
pub(super) struct ChatSettings {
    /// Reads the client's settings, and builds the client from its secret.
    pub(super) config: ChatConfig,
    /// The SSM parameter with the platform's credentials.
    pub(super) credentials: Option<String>,
    /// The SSM parameter with the secrets that sign webhooks; none if the signed URL is enough.
    pub(super) secrets: Option<String>,
}

/// Reads the settings of the chat platform from the functions that were found, and checks whether nothing is missing.
/// None for a stack without one.
pub(super) fn read_settings(
    clients: &Clients,
    found: &[(&str, Function)],
    fixes: &FixCommands,
) -> (Option<ChatSettings>, Option<Finding>) {
    let check = "settings.chat";
    let deployed: Vec<&(&str, Function)> = found.iter().filter(|(name, _)| CHAT_FUNCTIONS.contains(name)).collect();
    let (_, responder) = match deployed.as_slice() {
        [] => return (None, None),
        [_, responder] => responder,
        [(name, _), ..] => {
            let message = format!("of the two functions of the chat bot, only {name} is deployed");
            return (None, Some(Finding::fail(check, message, fixes.deploy())));
        }
    };
    let get = |name: &'static str| responder.variable(name).map(str::to_owned);
    let config = match ChatConfig::from_variables(clients.http.clone(), get) {
        Ok(config) => config,
        Err(error) => {
            let message = format!("{error}, so no chat is answered");
            let fix = format!("set it in samconfig.toml, then: {}", fixes.deploy());
            return (None, Some(Finding::fail(check, message, fix)));
        }
    };
    let message = format!("chats are answered over {}", config.platform());
    let settings = ChatSettings {
        credentials: get(config.secret()),
        secrets: found
            .iter()
            .find_map(|(_, function)| function.variable(variables::CHAT_SECRETS_PARAM))
            .map(str::to_owned),
        config,
    };
    (Some(settings), Some(Finding::ok(check, message)))
}

/// Runs the checks, if the deployment has a chat platform.
pub(super) async fn check(
    clients: &Clients,
    public_url: Option<&str>,
    is_reachable: bool,
    settings: &Settings,
    secrets: &Secrets,
) -> Vec<Finding> {
    let Some(chat) = &settings.chat else {
        return Vec::new();
    };
    let Ok(tenant) = TENANT.parse() else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    // A missing, malformed or unreachable URL is reported with the other routes.
    let base = public_url.or(settings.public_url.as_deref());
    let base = base
        .filter(|base| base_url(base).is_ok())
        .map(|base| base.trim_end_matches('/'));
    if let Some(base) = base.filter(|_| is_reachable) {
        findings.push(check_webhook(clients, base, &tenant, chat, settings, secrets).await);
    }
    findings.push(check_platform(chat, settings, secrets.chat.as_ref()).await);
    findings.push(check_connection(clients, base, &tenant, settings).await);
    findings
}

/// Checks that a forged reference is rejected and a valid one accepted; with a secret that signs events, also that an
/// unsigned event is rejected.
async fn check_webhook(
    clients: &Clients,
    base: &str,
    tenant: &Tenant,
    chat: &ChatSettings,
    settings: &Settings,
    secrets: &Secrets,
) -> Finding {
    let (check, platform) = ("api.bot", chat.config.platform());
    let route = format!("POST /{platform}/bot/{{ref}}");
    let post = async |references: ReferenceSigner| {
        let url = CallbackUrls::new(base, references).bot_url(platform, tenant);
        let request = http::Request::post(url).header("content-type", "application/json");
        ApiResponse::fetch(clients, request.body(Bytes::from_static(UNKNOWN_EVENT))).await
    };
    // Signed with a key that is not ours: the URL.
    match post(ReferenceSigner::new(Secret::new(base), None)).await {
        Err(error) => return unreachable(check, base, &error),
        Ok(response) if response.status.is_success() => {
            let message = format!("{route} accepts a forged reference: anyone can write as a customer");
            return Finding::fail(check, message, settings.fixes.deploy());
        }
        Ok(response) if response.is_problem(BAD_REFERENCE) => {}
        Ok(response) => return response.unexpected(&settings.fixes, check, &route, "bot"),
    }
    let Some(references) = secrets.references.clone() else {
        let message = format!("{route} rejects a forged reference; no reference key to sign a valid one with");
        return Finding::warn(check, message, "fix secret.reference-keys, see above");
    };
    let response = match post(references).await {
        Ok(response) => response,
        Err(error) => return unreachable(check, base, &error),
    };
    if response.is_problem(BAD_REFERENCE) {
        let message = format!("{route} rejects references signed with the current key");
        return Finding::fail(check, message, settings.wait_for_secret("bot"));
    }
    match (chat.secrets.is_some(), response.status) {
        (false, StatusCode::OK) => Finding::ok(check, "a forged reference is rejected, a valid one is accepted"),
        (true, _) if response.is_problem(BAD_SIGNATURE) => {
            Finding::ok(check, "forged references and unsigned events are rejected")
        }
        (true, StatusCode::OK) => {
            let message = format!("{route} accepts unsigned events, although secrets are configured");
            Finding::fail(check, message, settings.wait_for_secret("bot"))
        }
        _ => response.unexpected(&settings.fixes, check, &route, "bot"),
    }
}

/// Lists the inboxes of the platform.
async fn check_platform(chat: &ChatSettings, settings: &Settings, client: Option<&ChatClient>) -> Finding {
    let (check, platform) = ("chat", chat.config.platform());
    let Some(client) = client else {
        let message = "not checked: the credentials are unknown";
        return Finding::warn(check, message, format!("fix the secret of {platform}, see above"));
    };
    match client.inboxes().await {
        Ok(inboxes) => {
            let count = counted(inboxes.len(), "inbox", "inboxes");
            Finding::ok(check, format!("{platform} accepts the credentials, and has {count}"))
        }
        Err(error) => {
            let doctor = settings.fixes.patchbay("doctor");
            let fix = format!("check the credentials (secret.{platform}-…) and the platform's status, then: {doctor}");
            Finding::fail(check, format!("{platform} does not list its inboxes: {error}"), fix)
        }
    }
}

/// Checks that every connected inbox has a bot, and that the platform posts to this deployment.
async fn check_connection(clients: &Clients, base: Option<&str>, tenant: &Tenant, settings: &Settings) -> Finding {
    let check = "chat.connection";
    let Some(table) = &settings.table else {
        return unknown(check, "the table", settings);
    };
    let store = clients.store(table);
    let connect = || settings.fixes.patchbay("bot connect");
    let connection = match store.connection(tenant).await {
        Ok(Some(connection)) => connection,
        Ok(None) => {
            let message = format!("no bot of the tenant {tenant} is connected to an inbox yet: patchbay bot connect");
            return Finding::ok(check, message);
        }
        Err(error) => {
            let fix = "allow dynamodb:GetItem on the table to the identity that runs this command";
            return Finding::fail(check, error.to_string(), fix);
        }
    };
    if base.is_some_and(|base| !connection.bot_url.starts_with(&format!("{base}/"))) {
        let message = "the platform posts events to another URL than the deployment's";
        return Finding::warn(check, message, connect());
    }
    let mut missing = Vec::new();
    for name in documents(&connection) {
        let key = DocumentKey {
            tenant: tenant.clone(),
            kind: DocumentKind::Bot,
            name: name.clone(),
        };
        match store.document(&key).await {
            Ok(Some(_)) => {}
            Ok(None) => missing.push(name.to_string()),
            Err(error) => return Finding::fail(check, error.to_string(), connect()),
        }
    }
    if let Some(first) = missing.first() {
        let message = format!(
            "an inbox is connected to a bot that does not exist: {}",
            missing.join(", ")
        );
        return Finding::fail(check, message, format!("patchbay bot push {first} FILE"));
    }
    let answered = connection
        .inboxes
        .iter()
        .map(|(inbox, name)| format!("inbox {inbox} is answered by {name}"));
    Finding::ok(check, answered.collect::<Vec<_>>().join(", "))
}

/// The documents that answer inboxes.
fn documents(connection: &ChatConnection) -> BTreeSet<&DocumentName> {
    connection.inboxes.values().collect()
}
