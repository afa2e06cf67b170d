//! Checks of the secrets: they exist, are encrypted and are well-formed. Their values are never printed.

use patchbay::chat::signature::SignatureVerifier;
use patchbay::chat::{ChatClient, Platform};
use patchbay::config::{self, ConfigError, variables};
use patchbay::providers::elemente;
use patchbay::providers::routee::Credentials;
use patchbay::providers::twilio::calls as twilio;
use patchbay::providers::{chatwoot, sangoma};
use patchbay::secret::Secret;
use patchbay::voice::Provider;
use patchbay::web::reference::ReferenceSigner;

use super::finding::Finding;
use super::fix::{SecretSource, shell_word};
use super::functions::Settings;
use super::{Setting, unknown};
use crate::aws::Clients;

/// The secrets that later checks need; none where a secret could not be read.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    pub(super) references: Option<ReferenceSigner>,
    pub(super) credentials: Option<Credentials>,
    pub(super) twilio_credentials: Option<twilio::Credentials>,
    /// The auth token that Twilio signs webhooks with.
    pub(super) twilio: Option<Secret>,
    /// The client of the chat platform, with its credentials.
    pub(super) chat: Option<ChatClient>,
}

/// A secret in an SSM parameter, and how to check it.
struct SecretKind<T> {
    check: &'static str,
    /// What the secret is, for messages.
    description: &'static str,
    /// Where the value for the fix command comes from.
    source: SecretSource,
    parse: fn(&Secret) -> Result<T, ConfigError>,
    /// Counts the keys in the value; more than one means that a rotation is in progress.
    count_keys: fn(&str) -> usize,
}

/// Counts the comma-separated keys: during a rotation there are two.
fn all_keys(value: &str) -> usize {
    value.split(',').count()
}

/// Counts the auth tokens only: Twilio's shared keys, which contain a colon, are listed next to them and do not rotate.
fn tokens_only(value: &str) -> usize {
    value.split(',').filter(|key| !key.contains(':')).count()
}

/// A secret that is replaced in one step.
const fn single_key(_: &str) -> usize {
    1
}

pub(super) async fn check(clients: &Clients, settings: &Settings) -> (Secrets, Vec<Finding>) {
    let references = SecretKind {
        check: "secret.reference-keys",
        description: "the key of callback URLs",
        source: SecretSource::Generated(r#""$(openssl rand -hex 32)""#),
        parse: |secret| config::reference_signer(variables::REFERENCE_KEYS_PARAM, secret),
        count_keys: all_keys,
    };
    let webhooks = SecretKind {
        check: "secret.webhook-keys",
        description: "the key of webhooks",
        source: SecretSource::Generated(r#""whsec_$(openssl rand -base64 32)""#),
        parse: |secret| config::webhook_signer(variables::WEBHOOK_KEYS_PARAM, secret),
        count_keys: all_keys,
    };
    let credentials = SecretKind {
        check: "secret.routee-credentials",
        description: "Routee's credentials",
        source: SecretSource::Prompted("APPLICATION_ID:APPLICATION_SECRET"),
        parse: |secret| Credentials::parse(variables::ROUTEE_CREDENTIALS_PARAM, secret),
        count_keys: single_key,
    };
    let twilio_credentials = SecretKind {
        check: "secret.twilio-credentials",
        description: "Twilio's credentials",
        source: SecretSource::Prompted("ACCOUNT_SID:API_KEY_SID:API_KEY_SECRET"),
        parse: |secret| twilio::Credentials::parse(variables::TWILIO_CREDENTIALS_PARAM, secret),
        count_keys: single_key,
    };
    let tokens = SecretKind {
        check: "secret.twilio-auth-tokens",
        description: "Twilio's auth token",
        source: SecretSource::Prompted("AUTH_TOKEN"),
        parse: |secret| config::twilio_auth_token(variables::TWILIO_AUTH_TOKENS_PARAM, secret),
        count_keys: tokens_only,
    };
    let twilio_tokens = async {
        let parameter = settings.twilio_auth_tokens.as_deref()?;
        Some(tokens.run(clients, settings, Some(parameter)).await)
    };
    let ((references, first), (_, second), over_routee, over_twilio, twilio_tokens, agents, chat) = tokio::join!(
        references.run(clients, settings, settings.reference_keys.as_deref()),
        webhooks.run(clients, settings, settings.webhook_keys.as_deref()),
        credentials.run_if_used(
            Provider::Routee,
            clients,
            settings,
            settings.routee_credentials.as_deref()
        ),
        twilio_credentials.run_if_used(
            Provider::Twilio,
            clients,
            settings,
            settings.twilio_credentials.as_deref()
        ),
        twilio_tokens,
        agents(clients, settings),
        chat(clients, settings),
    );
    let mut findings = vec![first, second];
    let (credentials, third) = over_routee.unzip();
    findings.extend(third);
    let (twilio_credentials, third) = over_twilio.unzip();
    findings.extend(third);
    let (twilio, fourth) = twilio_tokens.unzip();
    findings.extend(fourth);
    findings.extend(agents);
    let (chat, chat_findings) = chat;
    findings.extend(chat_findings);
    findings.extend(elemente(clients, settings).await);
    let secrets = Secrets {
        references,
        credentials: credentials.flatten(),
        twilio_credentials: twilio_credentials.flatten(),
        twilio: twilio.flatten(),
        chat,
    };
    (secrets, findings)
}

/// Checks the secrets of the chat platform, if there is one. Returns its client, if its credentials are well-formed.
async fn chat(clients: &Clients, settings: &Settings) -> (Option<ChatClient>, Vec<Finding>) {
    let Some(chat) = &settings.chat else {
        return (None, Vec::new());
    };
    let credentials = match chat.config.platform() {
        Platform::Sangoma => SecretKind {
            check: "secret.sangoma-credentials",
            description: "Sangoma's credentials",
            source: SecretSource::Prompted("CLIENT_ID:CLIENT_SECRET"),
            parse: |secret| {
                sangoma::Credentials::parse(variables::SANGOMA_CREDENTIALS_PARAM, secret)?;
                Ok(secret.clone())
            },
            count_keys: single_key,
        },
        Platform::Chatwoot => SecretKind {
            check: "secret.chatwoot-tokens",
            description: "Chatwoot's access tokens",
            source: SecretSource::Prompted("BOT_TOKEN,ADMINISTRATOR_TOKEN"),
            parse: |secret| {
                chatwoot::Tokens::parse(variables::CHATWOOT_TOKENS_PARAM, secret)?;
                Ok(secret.clone())
            },
            count_keys: single_key,
        },
    };
    let (secret, finding) = credentials.run(clients, settings, chat.credentials.as_deref()).await;
    let mut findings = vec![finding];
    if chat.secrets.is_some() {
        let signatures = SecretKind {
            check: "secret.chat-secrets",
            description: "the secrets that sign the platform's events",
            source: SecretSource::Prompted("SECRET"),
            parse: |secret| SignatureVerifier::parse(variables::CHAT_SECRETS_PARAM, secret),
            // The bot and the account may have a secret each.
            count_keys: single_key,
        };
        let (_, finding) = signatures.run(clients, settings, chat.secrets.as_deref()).await;
        findings.push(finding);
    }
    let client = secret.and_then(|secret| chat.config.client(&secret).ok());
    (client, findings)
}

/// Checks the secrets of voice agent platforms, as far as they are configured.
async fn agents(clients: &Clients, settings: &Settings) -> Vec<Finding> {
    let vapi = SecretKind {
        check: "secret.vapi-secrets",
        description: "Vapi's secret",
        source: SecretSource::Prompted("SECRET"),
        parse: |secret| config::current_and_previous(variables::VAPI_SECRETS_PARAM, secret),
        count_keys: all_keys,
    };
    let retell = SecretKind {
        check: "secret.retell-keys",
        description: "Retell's API key",
        source: SecretSource::Prompted("API_KEY"),
        parse: |secret| config::current_and_previous(variables::RETELL_KEYS_PARAM, secret),
        count_keys: all_keys,
    };
    let mut findings = Vec::new();
    for (kind, name) in [(vapi, &settings.vapi_secrets), (retell, &settings.retell_keys)] {
        if let Some(name) = name {
            findings.push(kind.run(clients, settings, Some(name)).await.1);
        }
    }
    findings
}

/// Checks the credentials for Elemente, if customers are contacted over it.
async fn elemente(clients: &Clients, settings: &Settings) -> Option<Finding> {
    let kind = SecretKind {
        check: "secret.elemente-credentials",
        description: "Elemente's credentials",
        source: SecretSource::Prompted("USERNAME:PASSWORD"),
        parse: |secret| elemente::Credentials::parse(variables::ELEMENTE_CREDENTIALS_PARAM, secret),
        count_keys: single_key,
    };
    let name = settings.elemente_credentials.as_deref()?;
    Some(kind.run(clients, settings, Some(name)).await.1)
}

impl<T> SecretKind<T> {
    /// [`Self::run`], but only if employees are phoned, or customers contacted, over `provider`.
    async fn run_if_used(
        &self,
        provider: Provider,
        clients: &Clients,
        settings: &Settings,
        name: Setting<'_>,
    ) -> Option<(Option<T>, Finding)> {
        if !settings.phones_over(provider) && name.is_none() {
            return None;
        }
        Some(self.run(clients, settings, name).await)
    }

    async fn run(&self, clients: &Clients, settings: &Settings, name: Setting<'_>) -> (Option<T>, Finding) {
        let Some(name) = name else {
            let message = format!("the parameter with {}", self.description);
            return (None, unknown(self.check, &message, settings));
        };
        let put = |options: &str| settings.fixes.put_secret(name, self.source, options);
        let parameter = match clients.lookup.parameter(name).await {
            Ok(Some(parameter)) => parameter,
            Ok(None) => {
                let message = format!("the parameter {name} with {} does not exist", self.description);
                return (None, Finding::fail(self.check, message, put("")));
            }
            Err(error) => {
                let fix = settings.fixes.aws(&format!(
                    "ssm get-parameters --names {} --with-decryption    # is a permission missing?",
                    shell_word(name)
                ));
                return (None, Finding::fail(self.check, error.to_string(), fix));
            }
        };
        let value = match (self.parse)(&parameter.value) {
            Ok(value) => value,
            Err(ConfigError::Invalid { expected, .. }) => {
                // The expectation is phrased for the variable ("must name a parameter with …"), this message for the
                // parameter.
                let expected = expected.trim_start_matches("must name a parameter ");
                let message = format!("{name} is not a parameter {expected}");
                return (None, Finding::fail(self.check, message, put("--overwrite ")));
            }
            Err(error) => {
                return (None, Finding::fail(self.check, error.to_string(), put("--overwrite ")));
            }
        };
        if !parameter.is_encrypted() {
            let message = format!("{name} is not encrypted: everyone with access to parameters can read it");
            // The type of a parameter cannot be changed.
            let delete = settings
                .fixes
                .aws(&format!("ssm delete-parameter --name {}", shell_word(name)));
            let fix = format!("{delete} && {}", put(""));
            return (Some(value), Finding::warn(self.check, message, fix));
        }
        let keys = (self.count_keys)(parameter.value.expose());
        let rotation = if keys > 1 {
            ", two keys: a rotation is in progress"
        } else {
            ""
        };
        (
            Some(value),
            Finding::ok(self.check, format!("{name} is well-formed{rotation}")),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_keys_with_a_colon_count_only_outside_twilio() {
        assert_eq!((all_keys("a:b"), all_keys("a:b,c:d")), (1, 2));
        let (one, two) = (
            "token,webhooks_sharedkey_1:secret",
            "token,older,webhooks_sharedkey_1:secret",
        );
        assert_eq!((tokens_only(one), tokens_only(two)), (1, 2));
    }
}
