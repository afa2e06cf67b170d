//! The secrets: there, encrypted, and of the form that the functions want. Their values are never shown.

use patchbay::config::{self, ConfigError, variables};
use patchbay::providers::routee::Credentials;
use patchbay::providers::twilio::calls as twilio;
use patchbay::secret::Secret;
use patchbay::voice::Provider;
use patchbay::web::reference::References;

use super::finding::Finding;
use super::functions::Settings;
use super::mend::{Value, word};
use super::{Known, unknown};
use crate::aws::Clients;

/// What is needed of them for further checks.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    pub(super) references: Option<References>,
    pub(super) credentials: Option<Credentials>,
    pub(super) twilio_credentials: Option<twilio::Credentials>,
    /// The auth token with which Twilio signs.
    pub(super) twilio: Option<Secret>,
}

/// A kind of secret.
struct Kind<T> {
    check: &'static str,
    /// What it is, in words.
    what: &'static str,
    /// Where a good one comes from.
    value: Value,
    read: fn(&Secret) -> Result<T, ConfigError>,
    /// How many keys there are of those that change one by one.
    keys: fn(&str) -> usize,
}

/// Of what is changed two are there for a while.
fn all_keys(value: &str) -> usize {
    value.split(',').count()
}

/// Twilio's shared keys, with a colon, stand beside the tokens that change.
fn tokens_only(value: &str) -> usize {
    value.split(',').filter(|key| !key.contains(':')).count()
}

/// A secret that is changed at once.
const fn one(_: &str) -> usize {
    1
}

pub(super) async fn check(clients: &Clients, settings: &Settings) -> (Secrets, Vec<Finding>) {
    let references = Kind {
        check: "secret.reference-keys",
        what: "the key of callback URLs",
        value: Value::Made(r#""$(openssl rand -hex 32)""#),
        read: |secret| config::references(variables::REFERENCE_KEYS_PARAM, secret),
        keys: all_keys,
    };
    let webhooks = Kind {
        check: "secret.webhook-keys",
        what: "the key of webhooks",
        value: Value::Made(r#""whsec_$(openssl rand -base64 32)""#),
        read: |secret| config::signer(variables::WEBHOOK_KEYS_PARAM, secret),
        keys: all_keys,
    };
    let credentials = Kind {
        check: "secret.routee-credentials",
        what: "Routee's credentials",
        value: Value::Known("APPLICATION_ID:APPLICATION_SECRET"),
        read: |secret| Credentials::parse(variables::ROUTEE_CREDENTIALS_PARAM, secret),
        keys: one,
    };
    let twilio_credentials = Kind {
        check: "secret.twilio-credentials",
        what: "Twilio's credentials",
        value: Value::Known("ACCOUNT_SID:API_KEY_SID:API_KEY_SECRET"),
        read: |secret| twilio::Credentials::parse(variables::TWILIO_CREDENTIALS_PARAM, secret),
        keys: one,
    };
    let tokens = Kind {
        check: "secret.twilio-auth-tokens",
        what: "Twilio's auth token",
        value: Value::Known("AUTH_TOKEN"),
        read: |secret| config::twilio_auth_token(variables::TWILIO_AUTH_TOKENS_PARAM, secret),
        keys: tokens_only,
    };
    let transfers = async {
        let parameter = settings.twilio_auth_tokens.as_deref()?;
        Some(tokens.examine(clients, settings, Some(parameter)).await)
    };
    let ((references, first), (_, second), over_routee, over_twilio, transfers, agents) = tokio::join!(
        references.examine(clients, settings, settings.reference_keys.as_deref()),
        webhooks.examine(clients, settings, settings.webhook_keys.as_deref()),
        credentials.of(
            Provider::Routee,
            clients,
            settings,
            settings.routee_credentials.as_deref()
        ),
        twilio_credentials.of(
            Provider::Twilio,
            clients,
            settings,
            settings.twilio_credentials.as_deref()
        ),
        transfers,
        agents(clients, settings),
    );
    let mut findings = vec![first, second];
    let (credentials, third) = over_routee.unzip();
    findings.extend(third);
    let (twilio_credentials, third) = over_twilio.unzip();
    findings.extend(third);
    let (twilio, fourth) = transfers.unzip();
    findings.extend(fourth);
    findings.extend(agents);
    let secrets = Secrets {
        references,
        credentials: credentials.flatten(),
        twilio_credentials: twilio_credentials.flatten(),
        twilio: twilio.flatten(),
    };
    (secrets, findings)
}

/// The secrets of voice agents that have one.
async fn agents(clients: &Clients, settings: &Settings) -> Vec<Finding> {
    let vapi = Kind {
        check: "secret.vapi-secrets",
        what: "Vapi's secret",
        value: Value::Known("SECRET"),
        read: |secret| config::one_or_two(variables::VAPI_SECRETS_PARAM, secret),
        keys: all_keys,
    };
    let retell = Kind {
        check: "secret.retell-keys",
        what: "Retell's API key",
        value: Value::Known("API_KEY"),
        read: |secret| config::one_or_two(variables::RETELL_KEYS_PARAM, secret),
        keys: all_keys,
    };
    let mut findings = Vec::new();
    for (kind, name) in [(vapi, &settings.vapi_secrets), (retell, &settings.retell_keys)] {
        if let Some(name) = name {
            findings.push(kind.examine(clients, settings, Some(name)).await.1);
        }
    }
    findings
}

impl<T> Kind<T> {
    /// The same of a secret that is needed only when `provider` phones.
    async fn of(
        &self,
        provider: Provider,
        clients: &Clients,
        settings: &Settings,
        name: Known<'_>,
    ) -> Option<(Option<T>, Finding)> {
        if !settings.phones_over(provider) {
            return None;
        }
        Some(self.examine(clients, settings, name).await)
    }

    async fn examine(&self, clients: &Clients, settings: &Settings, name: Known<'_>) -> (Option<T>, Finding) {
        let Some(name) = name else {
            let what = format!("the parameter with {}", self.what);
            return (None, unknown(self.check, &what, settings));
        };
        let put = |options: &str| settings.mends.put_secret(name, self.value, options);
        let parameter = match clients.lookup.parameter(name).await {
            Ok(Some(parameter)) => parameter,
            Ok(None) => {
                let what = format!("there is no parameter {name} with {}", self.what);
                return (None, Finding::fail(self.check, what, put("")));
            }
            Err(error) => {
                let mend = settings.mends.aws(&format!(
                    "ssm get-parameters --names {} --with-decryption    # is a right missing?",
                    word(name)
                ));
                return (None, Finding::fail(self.check, error.to_string(), mend));
            }
        };
        let value = match (self.read)(&parameter.value) {
            Ok(value) => value,
            Err(ConfigError::Wrong { expected, .. }) => {
                // "must name a parameter with …" is said of a variable; this is said of the parameter.
                let expected = expected.trim_start_matches("must name a parameter ");
                let what = format!("{name} is not a parameter {expected}");
                return (None, Finding::fail(self.check, what, put("--overwrite ")));
            }
            Err(error) => {
                return (None, Finding::fail(self.check, error.to_string(), put("--overwrite ")));
            }
        };
        if !parameter.is_encrypted() {
            let what = format!("{name} is not encrypted: everybody who may read parameters sees it");
            // The type of a parameter cannot be changed.
            let delete = settings
                .mends
                .aws(&format!("ssm delete-parameter --name {}", word(name)));
            let mend = format!("{delete} && {}", put(""));
            return (Some(value), Finding::warn(self.check, what, mend));
        }
        let keys = (self.keys)(parameter.value.expose());
        let rotation = if keys > 1 {
            ", two keys: a rotation is under way"
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
    fn a_colon_is_only_twilios() {
        assert_eq!((all_keys("a:b"), all_keys("a:b,c:d")), (1, 2));
        let (one, two) = (
            "token,webhooks_sharedkey_1:secret",
            "token,older,webhooks_sharedkey_1:secret",
        );
        assert_eq!((tokens_only(one), tokens_only(two)), (1, 2));
    }
}
