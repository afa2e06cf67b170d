//! A function's configuration: environment variables, and SSM parameters for secrets.
//!
//! | variable | meaning |
//! |---|---|
//! | `PATCHBAY_TABLE` | name of the DynamoDB table |
//! | `PATCHBAY_DIALING_QUEUE_URL`, `PATCHBAY_NOTIFICATIONS_QUEUE_URL` | URLs of the queues |
//! | `PATCHBAY_DIALING_DEAD_LETTERS_URL`, `PATCHBAY_NOTIFICATIONS_DEAD_LETTERS_URL` | URLs of their dead-letter queues |
//! | `PATCHBAY_CONVERSATIONS_QUEUE_URL`, `PATCHBAY_CONVERSATIONS_DEAD_LETTERS_URL` | the same for the queue of chats |
//! | `PATCHBAY_INTERACTIONS_QUEUE_URL`, `PATCHBAY_INTERACTIONS_DEAD_LETTERS_URL` | the same for the queue of interactions |
//! | `PATCHBAY_PUBLIC_URL` | base URL of the API as providers see it; optional for a function behind the API: see [`crate::web::callbacks::CallbackUrls::with_fallback_base`] |
//! | `PATCHBAY_REFERENCE_KEYS_PARAM` | SSM parameter: the key of callback references, or the new and the old key, separated by a comma |
//! | `PATCHBAY_PROVIDERS` | the providers that call employees, the preferred one first: `routee`, `twilio`, or both, separated by a comma; default `routee` |
//! | `PATCHBAY_ROUTEE_CREDENTIALS_PARAM` | SSM parameter: `applicationId:applicationSecret` |
//! | `PATCHBAY_ROUTEE_FROM` | caller ID of calls: a number or a name |
//! | `PATCHBAY_ROUTEE_AUTH_URL`, `PATCHBAY_ROUTEE_CONNECT_URL` | Routee's endpoints, if not the public ones |
//! | `PATCHBAY_ELEMENTE_CREDENTIALS_PARAM` | SSM parameter: `username:password` of an account with Elemente; optional |
//! | `PATCHBAY_ELEMENTE_URL` | base URL of Elemente; only for another server with its API |
//! | `PATCHBAY_SES_CONFIGURATION_SET` | the configuration set through which Amazon SES publishes the outcome of e-mails; without it no e-mail is sent |
//! | `PATCHBAY_TWILIO_CREDENTIALS_PARAM` | SSM parameter: `accountSid:apiKeySid:apiKeySecret` or `accountSid:authToken` |
//! | `PATCHBAY_TWILIO_FROM` | caller ID of calls: a number |
//! | `PATCHBAY_TWILIO_API_URL` | Twilio's endpoint, if not the public one |
//! | `PATCHBAY_TWILIO_CALL_INTERVAL_MS` | minimum milliseconds between two calls; default 1000 |
//! | `PATCHBAY_ROUTEE_CALL_INTERVAL_MS` | minimum milliseconds between two calls; default 1000 |
//! | `PATCHBAY_ROUTEE_COLLECT` | position of COLLECT in a dial plan: `first` (default) or `last` |
//! | `PATCHBAY_ROUTEE_SUBMIT_ON_HASH` | `true`: `#` submits the keys at once; default `false` |
//! | `PATCHBAY_PRIVATE_ORIGINS` | non-public origins that webhooks may be sent to, separated by commas |
//! | `PATCHBAY_DEFAULT_COUNTRY` | calling code for callers' numbers without a `+`, such as `1`; without it such numbers are refused |
//! | `PATCHBAY_TWILIO_AUTH_TOKENS_PARAM` | SSM parameter: the auth token of the Twilio account, or the new and the old token, separated by a comma; then up to two shared keys for webhooks, each as `id:secret` |
//! | `PATCHBAY_VAPI_SECRETS_PARAM`, `PATCHBAY_RETELL_KEYS_PARAM` | SSM parameters: Vapi's secret and Retell's API key, or the new and the old value of each, separated by a comma; without them the API token alone authenticates the platform |
//! | `PATCHBAY_TWILIO_PAY_CONNECTOR` | name of the pay connector; default `Default` |
//! | `PATCHBAY_TWILIO_PAY_ATTEMPTS` | attempts that a caller has to pay, 1 to 3; default 3 |
//! | `PATCHBAY_WEBHOOK_KEYS_PARAM` | SSM parameter: the signing key of outgoing webhooks (`whsec_…`), or the new and the old key, separated by a comma |
//! | `PATCHBAY_LINK_SECRETS_PARAM` | prefix of the SSM parameters with the secrets of task chains: `PREFIX/TENANT/HOST/NAME` |
//! | `PATCHBAY_CHAT_PLATFORM` | the platform whose chats bots answer: `sangoma` or `chatwoot` |
//! | `PATCHBAY_SANGOMA_TENANT_DOMAIN` | the tenant at Sangoma, such as `acme.cx.sangoma.com` |
//! | `PATCHBAY_SANGOMA_CREDENTIALS_PARAM` | SSM parameter: `clientId:clientSecret` |
//! | `PATCHBAY_SANGOMA_PATHS` | generation of Sangoma's paths and bodies: `new` (default) or `old` |
//! | `PATCHBAY_SANGOMA_AUTH_URL`, `PATCHBAY_SANGOMA_API_URL` | Sangoma's endpoints, if not the public ones; that of the API without `/api/v1` |
//! | `PATCHBAY_CHATWOOT_URL`, `PATCHBAY_CHATWOOT_ACCOUNT` | base URL of the Chatwoot installation, and the number of the account |
//! | `PATCHBAY_CHATWOOT_TOKENS_PARAM` | SSM parameter: the bot's token, or that token and a user's token, separated by a comma |
//! | `PATCHBAY_CHAT_SECRETS_PARAM` | SSM parameter: one to four secrets that sign the platform's events, separated by commas; without it the references in URLs alone authenticate the platform |
//! | `PATCHBAY_HEARTBEAT_URL` | URL that the sentinel requests once a minute while everything is well; optional |
//! | `PATCHBAY_STACK` | name of the stack, a dimension of its metrics; optional |
//!
//! A function with a missing or invalid variable does not start; its error names the variable and the reason.
//! Parameters are read at the first invocation and every five minutes ([`crate::keyring`]); errors in them appear then.

use crate::phone::CallingCode;
use crate::providers::protegee::verify::PlatformVerifier;
use crate::providers::twilio::signature::{SharedKey, SignatureVerifier};
use crate::secret::Secret;
use crate::web::reference::ReferenceSigner;
use crate::web::standard_webhooks::{Signer, SigningKey};
use crate::web::target::Targets;

/// The names of the environment variables.
#[expect(missing_docs, reason = "documented in the table above")]
pub mod variables {
    pub const TABLE: &str = "PATCHBAY_TABLE";
    pub const DIALING_QUEUE_URL: &str = "PATCHBAY_DIALING_QUEUE_URL";
    pub const NOTIFICATIONS_QUEUE_URL: &str = "PATCHBAY_NOTIFICATIONS_QUEUE_URL";
    pub const DIALING_DEAD_LETTERS_URL: &str = "PATCHBAY_DIALING_DEAD_LETTERS_URL";
    pub const NOTIFICATIONS_DEAD_LETTERS_URL: &str = "PATCHBAY_NOTIFICATIONS_DEAD_LETTERS_URL";
    pub const CONVERSATIONS_QUEUE_URL: &str = "PATCHBAY_CONVERSATIONS_QUEUE_URL";
    pub const CONVERSATIONS_DEAD_LETTERS_URL: &str = "PATCHBAY_CONVERSATIONS_DEAD_LETTERS_URL";
    pub const INTERACTIONS_QUEUE_URL: &str = "PATCHBAY_INTERACTIONS_QUEUE_URL";
    pub const INTERACTIONS_DEAD_LETTERS_URL: &str = "PATCHBAY_INTERACTIONS_DEAD_LETTERS_URL";
    pub const PUBLIC_URL: &str = "PATCHBAY_PUBLIC_URL";
    pub const REFERENCE_KEYS_PARAM: &str = "PATCHBAY_REFERENCE_KEYS_PARAM";
    pub const WEBHOOK_KEYS_PARAM: &str = "PATCHBAY_WEBHOOK_KEYS_PARAM";
    pub const ROUTEE_CREDENTIALS_PARAM: &str = "PATCHBAY_ROUTEE_CREDENTIALS_PARAM";
    pub const ROUTEE_AUTH_URL: &str = "PATCHBAY_ROUTEE_AUTH_URL";
    pub const ROUTEE_CONNECT_URL: &str = "PATCHBAY_ROUTEE_CONNECT_URL";
    pub const TWILIO_CREDENTIALS_PARAM: &str = "PATCHBAY_TWILIO_CREDENTIALS_PARAM";
    pub const TWILIO_API_URL: &str = "PATCHBAY_TWILIO_API_URL";
    pub const TWILIO_AUTH_TOKENS_PARAM: &str = "PATCHBAY_TWILIO_AUTH_TOKENS_PARAM";
    pub const VAPI_SECRETS_PARAM: &str = "PATCHBAY_VAPI_SECRETS_PARAM";
    pub const RETELL_KEYS_PARAM: &str = "PATCHBAY_RETELL_KEYS_PARAM";
    pub const SANGOMA_CREDENTIALS_PARAM: &str = "PATCHBAY_SANGOMA_CREDENTIALS_PARAM";
    pub const SANGOMA_AUTH_URL: &str = "PATCHBAY_SANGOMA_AUTH_URL";
    pub const SANGOMA_API_URL: &str = "PATCHBAY_SANGOMA_API_URL";
    pub const CHATWOOT_TOKENS_PARAM: &str = "PATCHBAY_CHATWOOT_TOKENS_PARAM";
    pub const ELEMENTE_CREDENTIALS_PARAM: &str = "PATCHBAY_ELEMENTE_CREDENTIALS_PARAM";
    pub const CHAT_SECRETS_PARAM: &str = "PATCHBAY_CHAT_SECRETS_PARAM";
}
use variables::{PUBLIC_URL, RETELL_KEYS_PARAM, VAPI_SECRETS_PARAM};

/// Minimum length of a signing key, in characters.
const MIN_KEY_CHARS: usize = 32;
/// Begins a reference key that was rotated out.
const RETIRED_PREFIX: &str = "retired:";

/// Why a function cannot start, or cannot use its secrets.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A required variable is not set.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// The value of a variable or a secret is invalid.
    #[error("{name} {expected}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What the value must be: the rest of a sentence that begins with the variable.
        expected: &'static str,
    },
    /// A parameter could not be read from SSM.
    #[error("the SSM parameter {parameter} (named by {name}) cannot be read: {cause}")]
    Parameter {
        /// The variable that names the parameter.
        name: &'static str,
        /// The name of the parameter in SSM.
        parameter: String,
        /// SSM's error.
        cause: String,
    },
}

/// The value of a variable that must be set.
pub fn required(name: &'static str) -> Result<String, ConfigError> {
    optional(name).ok_or(ConfigError::Missing(name))
}

/// The value of an optional variable. An empty value counts as not set, because a SAM template cannot omit a variable
/// conditionally.
pub fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Parses the current and, if present, the previous key from `value`, the parameter that the variable `name` names.
pub fn current_and_previous(name: &'static str, value: &Secret) -> Result<(Secret, Option<Secret>), ConfigError> {
    let mut keys = value.expose().split(',').map(|key| Secret::new(key.trim()));
    let filled = |key: &Secret| !key.expose().is_empty();
    match (keys.next(), keys.next(), keys.next()) {
        (Some(current), previous, None) if filled(&current) && previous.as_ref().is_none_or(filled) => {
            Ok((current, previous))
        }
        _ => Err(ConfigError::Invalid {
            name,
            expected: "must name a parameter with one key, or the new and the old key separated by a comma",
        }),
    }
}

/// The secrets that authenticate requests of Vapi and Retell. An empty value means not configured.
pub fn platform_verifier(vapi: &Secret, retell: &Secret) -> Result<PlatformVerifier, ConfigError> {
    let read = |name, value: &Secret| {
        let configured = !value.expose().is_empty();
        configured.then(|| current_and_previous(name, value)).transpose()
    };
    Ok(PlatformVerifier::new(
        read(VAPI_SECRETS_PARAM, vapi)?,
        read(RETELL_KEYS_PARAM, retell)?,
    ))
}

/// Parses the keys that verify Twilio's signatures: one or two auth tokens and up to two shared keys, from `value`, the
/// parameter that the variable `name` names.
pub fn twilio_verifier(name: &'static str, value: &Secret) -> Result<SignatureVerifier, ConfigError> {
    let (current, previous, shared) = twilio_keys(name, value)?;
    Ok(SignatureVerifier::new(current, previous).with_shared_keys(shared))
}

/// Like [`twilio_verifier`], for an optional parameter. With an empty value, which means not configured, no request
/// passes as Twilio's.
pub fn optional_twilio_verifier(name: &'static str, value: &Secret) -> Result<SignatureVerifier, ConfigError> {
    if value.expose().is_empty() {
        return Ok(SignatureVerifier::new(Secret::new(""), None));
    }
    twilio_verifier(name, value)
}

/// The current auth token in such a parameter.
pub fn twilio_auth_token(name: &'static str, value: &Secret) -> Result<Secret, ConfigError> {
    twilio_keys(name, value).map(|(current, ..)| current)
}

type TwilioKeys = (Secret, Option<Secret>, Vec<SharedKey>);

fn twilio_keys(name: &'static str, value: &Secret) -> Result<TwilioKeys, ConfigError> {
    let invalid = |_| ConfigError::Invalid {
        name,
        expected: "must name a parameter with one auth token, or the new and the old token separated by a comma, then \
                   at most two shared keys as id:secret",
    };
    // An auth token is a hexadecimal number, so an entry with a colon is a shared key.
    let entries = value.expose().split(',').map(str::trim);
    let (shared, tokens): (Vec<&str>, Vec<&str>) = entries.partition(|entry| entry.contains(':'));
    let (current, previous) = current_and_previous(name, &Secret::new(tokens.join(","))).map_err(invalid)?;
    let key = |entry: &str| {
        let (id, secret) = entry.split_once(':')?;
        let (id, secret) = (id.trim().to_owned(), secret.trim());
        let filled = !id.is_empty() && !secret.is_empty();
        filled.then(|| SharedKey {
            id,
            secret: Secret::new(secret),
        })
    };
    let keys: Option<Vec<SharedKey>> = shared.into_iter().map(key).collect();
    let keys = keys.filter(|keys| keys.len() <= 2);
    let keys = keys.ok_or(ConfigError::Missing(name)).map_err(invalid)?;
    Ok((current, previous, keys))
}

/// Callback references that are signed with the keys in `value`: the current key, perhaps the previous one, and after
/// them those that were rotated out, each with the prefix `retired:`.
pub fn reference_signer(name: &'static str, value: &Secret) -> Result<ReferenceSigner, ConfigError> {
    let keys = value.expose().split(',').map(str::trim);
    let (retired, in_use): (Vec<&str>, Vec<&str>) = keys.partition(|key| key.starts_with(RETIRED_PREFIX));
    let retired = retired.into_iter().filter_map(|key| key.strip_prefix(RETIRED_PREFIX));
    let retired: Vec<Secret> = retired.map(|key| Secret::new(key.trim())).collect();
    let (current, previous) = current_and_previous(name, &Secret::new(in_use.join(",")))?;
    let long_enough = |key: &Secret| key.expose().chars().count() >= MIN_KEY_CHARS;
    if ![&current].into_iter().chain(&previous).chain(&retired).all(long_enough) {
        let expected = "must name a parameter with one or two keys of at least 32 characters";
        return Err(ConfigError::Invalid { name, expected });
    }
    Ok(ReferenceSigner::new(current, previous).with_retired(retired))
}

/// The signer of outgoing webhooks, with the keys in `value`.
pub fn webhook_signer(name: &'static str, value: &Secret) -> Result<Signer, ConfigError> {
    let (current, previous) = current_and_previous(name, value)?;
    let key = |text: &Secret| {
        let expected =
            "must name a parameter with one or two keys of the form whsec_ followed by 24 to 64 bytes in base64";
        SigningKey::parse(text).map_err(|_| ConfigError::Invalid { name, expected })
    };
    Ok(Signer::new(key(&current)?, previous.as_ref().map(key).transpose()?))
}

/// The public base URL of the deployed API.
pub fn public_url() -> Result<String, ConfigError> {
    let url = required(PUBLIC_URL)?;
    base_url(&url)?;
    Ok(url)
}

/// The public base URL for a function behind the API; empty if not configured.
pub fn optional_public_url() -> Result<String, ConfigError> {
    let url = optional(PUBLIC_URL).unwrap_or_default();
    if !url.is_empty() {
        base_url(&url)?;
    }
    Ok(url)
}

/// Checks that `text` is an HTTP or HTTPS URL.
pub fn base_url(text: &str) -> Result<&str, ConfigError> {
    if text.starts_with("https://") || text.starts_with("http://") {
        return Ok(text);
    }
    Err(ConfigError::Invalid {
        name: PUBLIC_URL,
        expected: "must begin with https://",
    })
}

/// The targets that requests to URLs of users may be sent to.
pub fn targets() -> Result<Targets, ConfigError> {
    let name = "PATCHBAY_PRIVATE_ORIGINS";
    let expected = "must be a comma-separated list of origins such as https://hooks.internal.example";
    Targets::public_and(&optional(name).unwrap_or_default()).map_err(|_| ConfigError::Invalid { name, expected })
}

/// The calling code for numbers without a `+`, if configured.
pub fn default_country() -> Result<Option<CallingCode>, ConfigError> {
    let invalid = |_| ConfigError::Invalid {
        name: "PATCHBAY_DEFAULT_COUNTRY",
        expected: "must be a country's calling code, such as 1 or 49",
    };
    optional("PATCHBAY_DEFAULT_COUNTRY")
        .map(|code| code.parse().map_err(invalid))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::variables::{
        REFERENCE_KEYS_PARAM, ROUTEE_CREDENTIALS_PARAM, TWILIO_AUTH_TOKENS_PARAM, WEBHOOK_KEYS_PARAM,
    };
    use super::*;
    use crate::providers::routee::Credentials;
    use crate::web::reference::Purpose;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const WEBHOOK_KEY: &str = "whsec_bG9jYWwga2V5LCBuby1vbmUncyBzZWNyZXQ=";

    #[track_caller]
    fn assert_error<T>(result: Result<T, ConfigError>, expected: &str) {
        let Err(error) = result else {
            panic!("accepted; expected: {expected}")
        };
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_missing_variable_is_named_in_the_error() {
        // A name that no environment sets, because a test cannot change its environment safely.
        assert_error(
            required("PATCHBAY_NOBODY_SETS_THIS"),
            "the environment variable PATCHBAY_NOBODY_SETS_THIS is not set",
        );
        assert_eq!(optional("PATCHBAY_NOBODY_SETS_THIS"), None);
    }

    #[test]
    fn an_unreadable_parameter_is_named_together_with_its_variable() {
        let error = ConfigError::Parameter {
            name: REFERENCE_KEYS_PARAM,
            parameter: "/patchbay/reference-keys".into(),
            cause: "the parameter does not exist".into(),
        };
        assert_error::<()>(
            Err(error),
            "the SSM parameter /patchbay/reference-keys (named by PATCHBAY_REFERENCE_KEYS_PARAM) cannot be read: the \
             parameter does not exist",
        );
    }

    #[test]
    fn one_or_two_keys_are_accepted_and_nothing_else() {
        let keys = |text: &str| current_and_previous(REFERENCE_KEYS_PARAM, &Secret::new(text));
        assert_eq!(keys("new").expect("one"), (Secret::new("new"), None));
        assert_eq!(
            keys(" new , old\n").expect("two"),
            (Secret::new("new"), Some(Secret::new("old")))
        );
        for text in ["", " ", ",", "new,", ",old", "a,b,c"] {
            assert_error(
                keys(text),
                "PATCHBAY_REFERENCE_KEYS_PARAM must name a parameter with one key, or the new and the old key \
                 separated by a comma",
            );
        }
    }

    #[test]
    fn a_platform_secret_is_optional_but_a_malformed_one_is_refused() {
        let with = |vapi: &str, retell: &str| platform_verifier(&Secret::new(vapi), &Secret::new(retell));
        for (vapi, retell) in [("", ""), ("a", ""), ("", "a,b"), ("a,b", "a")] {
            assert!(with(vapi, retell).is_ok(), "{vapi} {retell}");
        }
        for (vapi, retell) in [(" ", ""), ("", ","), ("a,", ""), ("", "a,b,c")] {
            assert!(with(vapi, retell).is_err(), "{vapi} {retell}");
        }
    }

    #[test]
    fn twilio_has_auth_tokens_and_shared_keys_in_one_parameter() {
        let keys = |text: &str| twilio_keys(TWILIO_AUTH_TOKENS_PARAM, &Secret::new(text));
        let (current, previous, shared) =
            keys("new , old, webhooks_sharedkey_a:s:1 ,webhooks_sharedkey_b: s2\n").expect("all");
        assert_eq!((current, previous), (Secret::new("new"), Some(Secret::new("old"))));
        let shared: Vec<_> = shared
            .iter()
            .map(|key| (key.id.as_str(), key.secret.expose()))
            .collect();
        assert_eq!(
            shared,
            [("webhooks_sharedkey_a", "s:1"), ("webhooks_sharedkey_b", "s2")]
        );
        assert!(keys("token").expect("one").2.is_empty());
        for text in [
            "",
            "a:b",
            "token,",
            "token,a:",
            "token,:b",
            "token,a:b,c:d,e:f",
            "a,b,c",
        ] {
            assert!(keys(text).is_err(), "{text}");
        }
        let newest = twilio_auth_token(TWILIO_AUTH_TOKENS_PARAM, &Secret::new("new,old,a:b"));
        assert_eq!(newest.expect("the new one"), Secret::new("new"));
    }

    #[test]
    fn a_short_reference_key_is_refused_in_either_position() {
        let with = |text: &str| reference_signer(REFERENCE_KEYS_PARAM, &Secret::new(text));
        assert!(with(KEY).is_ok());
        assert!(with(&format!("{KEY},{KEY}")).is_ok());
        for text in ["short", &format!("{KEY},short"), &format!("short,{KEY}")] {
            assert_error(
                with(text),
                "PATCHBAY_REFERENCE_KEYS_PARAM must name a parameter with one or two keys of at least 32 characters",
            );
        }
    }

    #[test]
    fn retired_reference_keys_follow_those_in_use() {
        let with = |text: &str| reference_signer(REFERENCE_KEYS_PARAM, &Secret::new(text));
        let old = KEY.replacen(|_: char| true, "o", 1);
        let signed = with(&old).expect("a key").sign(Purpose::OptOut, "acme", "");
        let check = |text: &str| with(text).expect("keys").check(Purpose::OptOut, &signed, "").is_ok();
        assert!(!check(KEY));
        assert!(check(&format!("{KEY},retired:{old}")));
        assert!(check(&format!("{KEY}, {KEY}, retired: {KEY}, retired: {old}")));
        for text in [
            &format!("{KEY},retired:short"),
            &format!("retired:{KEY}"),
            &format!("{KEY},{KEY},{KEY}"),
        ] {
            assert!(with(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_malformed_webhook_key_is_refused_without_showing_it() {
        let with = |text: &str| webhook_signer(WEBHOOK_KEYS_PARAM, &Secret::new(text));
        assert!(with(WEBHOOK_KEY).is_ok());
        assert!(with(&format!("{WEBHOOK_KEY}, {WEBHOOK_KEY}")).is_ok());
        for text in ["whsec_c2hvcnQ=", KEY, &format!("{WEBHOOK_KEY},{KEY}")] {
            assert_error(
                with(text),
                "PATCHBAY_WEBHOOK_KEYS_PARAM must name a parameter with one or two keys of the form whsec_ followed by \
                 24 to 64 bytes in base64",
            );
        }
    }

    #[test]
    fn routee_credentials_are_an_id_and_a_secret() {
        let with = |text: &str| Credentials::parse(ROUTEE_CREDENTIALS_PARAM, &Secret::new(text));
        let credentials = with("app:se:cret\n").expect("good ones");
        assert_eq!(
            (
                credentials.application_id.as_str(),
                credentials.application_secret.expose()
            ),
            ("app", "se:cret")
        );
        for text in ["", "app", "app:", ":secret", " : "] {
            assert_error(
                with(text),
                "PATCHBAY_ROUTEE_CREDENTIALS_PARAM must name a parameter of the form applicationId:applicationSecret",
            );
        }
    }

    #[test]
    fn the_public_url_must_have_a_scheme() {
        assert!(base_url("https://hooks.example.org").is_ok());
        assert_error(
            base_url("hooks.example.org"),
            "PATCHBAY_PUBLIC_URL must begin with https://",
        );
    }
}
