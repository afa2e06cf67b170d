//! What a function is told: by its environment, and by SSM for what is secret.
//!
//! | variable | meaning |
//! |---|---|
//! | `PATCHBAY_TABLE` | name of the table |
//! | `PATCHBAY_DIALING_QUEUE_URL`, `PATCHBAY_NOTIFICATIONS_QUEUE_URL` | the queues |
//! | `PATCHBAY_DIALING_DEAD_LETTERS_URL`, `PATCHBAY_NOTIFICATIONS_DEAD_LETTERS_URL` | where their dead letters go |
//! | `PATCHBAY_PUBLIC_URL` | base URL of the API as providers see it; a function behind the API may go without: see [`crate::web::callbacks::Callbacks::reached_by`] |
//! | `PATCHBAY_REFERENCE_KEYS_PARAM` | SSM parameter: the key of callback references, or the new and the old one, separated by a comma |
//! | `PATCHBAY_PROVIDERS` | who phones employees, the preferred first: `routee`, `twilio`, or both, separated by a comma; `routee` when left out |
//! | `PATCHBAY_ROUTEE_CREDENTIALS_PARAM` | SSM parameter: `applicationId:applicationSecret` |
//! | `PATCHBAY_ROUTEE_FROM` | number or name that calls come from |
//! | `PATCHBAY_ROUTEE_AUTH_URL`, `PATCHBAY_ROUTEE_CONNECT_URL` | Routee's endpoints, when they are not the public ones |
//! | `PATCHBAY_TWILIO_CREDENTIALS_PARAM` | SSM parameter: `accountSid:apiKeySid:apiKeySecret` or `accountSid:authToken` |
//! | `PATCHBAY_TWILIO_FROM` | number that calls come from |
//! | `PATCHBAY_TWILIO_API_URL` | Twilio's endpoint, when it is not the public one |
//! | `PATCHBAY_TWILIO_CALL_INTERVAL_MS` | milliseconds between two calls, 1000 when left out |
//! | `PATCHBAY_ROUTEE_CALL_INTERVAL_MS` | milliseconds between two calls, 1000 when left out |
//! | `PATCHBAY_ROUTEE_COLLECT` | where COLLECT stands in a dial plan, `first` (when left out) or `last` |
//! | `PATCHBAY_ROUTEE_SUBMIT_ON_HASH` | `true` has `#` send the keys at once; `false` when left out |
//! | `PATCHBAY_PRIVATE_ORIGINS` | origins, separated by commas, that webhooks may go to although they are not public |
//! | `PATCHBAY_DEFAULT_COUNTRY` | calling code of callers' numbers without a `+`, such as `1`; without it they are refused |
//! | `PATCHBAY_TWILIO_AUTH_TOKENS_PARAM` | SSM parameter: the auth token of the account at Twilio, or the new and the old one, separated by a comma; and up to two shared keys for webhooks, each as `id:secret` |
//! | `PATCHBAY_VAPI_SECRETS_PARAM`, `PATCHBAY_RETELL_KEYS_PARAM` | SSM parameters: Vapi's secret and Retell's API key, or the new and the old one of each, separated by a comma; without one the token is enough |
//! | `PATCHBAY_TWILIO_PAY_CONNECTOR` | name of the pay connector, `Default` when left out |
//! | `PATCHBAY_TWILIO_PAY_ATTEMPTS` | how often a caller may try to pay, 1 to 3; 3 when left out |
//! | `PATCHBAY_WEBHOOK_KEYS_PARAM` | SSM parameter: the key of outgoing webhooks (`whsec_…`), or the new and the old one, separated by a comma |
//! | `PATCHBAY_LINK_SECRETS_PARAM` | prefix of SSM parameters: the secrets that task chains name, `PREFIX/TENANT/HOST/NAME` |
//! | `PATCHBAY_HEARTBEAT_URL` | what the sentinel calls once a minute while all is well; may be left out |
//! | `PATCHBAY_STACK` | name of the stack, the dimension of its metrics; may be left out |
//!
//! A function that lacks a variable does not start, and says which and why. Parameters are read when the first request
//! comes, and every five minutes ([`crate::keyring`]); what is wrong with them is said then.

use crate::phone::CallingCode;
use crate::providers::protegee::proof::Proofs;
use crate::providers::twilio::signature::{SharedKey, Signatures};
use crate::secret::Secret;
use crate::web::reference::References;
use crate::web::standard_webhooks::{Signer, SigningKey};
use crate::web::target::Targets;

/// The names of the variables.
#[expect(missing_docs, reason = "the table above")]
pub mod variables {
    pub const TABLE: &str = "PATCHBAY_TABLE";
    pub const DIALING_QUEUE_URL: &str = "PATCHBAY_DIALING_QUEUE_URL";
    pub const NOTIFICATIONS_QUEUE_URL: &str = "PATCHBAY_NOTIFICATIONS_QUEUE_URL";
    pub const DIALING_DEAD_LETTERS_URL: &str = "PATCHBAY_DIALING_DEAD_LETTERS_URL";
    pub const NOTIFICATIONS_DEAD_LETTERS_URL: &str = "PATCHBAY_NOTIFICATIONS_DEAD_LETTERS_URL";
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
}
use variables::{PUBLIC_URL, RETELL_KEYS_PARAM, VAPI_SECRETS_PARAM};

/// The shortest key that is taken for signing, in characters.
const MIN_KEY_CHARS: usize = 32;

/// Why a function cannot start, or has no secrets to work with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable is missing.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// A variable or a secret is not what it must be.
    #[error("{name} {expected}")]
    Wrong {
        /// The variable.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// SSM did not give out a parameter.
    #[error("the SSM parameter {parameter} (named by {name}) cannot be read: {cause}")]
    Parameter {
        /// The variable that names it.
        name: &'static str,
        /// The parameter.
        parameter: String,
        /// What SSM says.
        cause: String,
    },
}

/// A variable that must be set.
pub fn required(name: &'static str) -> Result<String, ConfigError> {
    optional(name).ok_or(ConfigError::Missing(name))
}

/// A variable that may be left out. An empty one is as good as none: a template cannot leave one out on a condition.
pub fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// One or two keys in the value of the parameter that the variable `name` names, the new one first.
pub fn one_or_two(name: &'static str, value: &Secret) -> Result<(Secret, Option<Secret>), ConfigError> {
    let mut keys = value.expose().split(',').map(|key| Secret::new(key.trim()));
    let filled = |key: &Secret| !key.expose().is_empty();
    match (keys.next(), keys.next(), keys.next()) {
        (Some(current), previous, None) if filled(&current) && previous.as_ref().is_none_or(filled) => {
            Ok((current, previous))
        }
        _ => Err(ConfigError::Wrong {
            name,
            expected: "must name a parameter with one key, or the new and the old one separated by a comma",
        }),
    }
}

/// What proves that a request is Vapi's or Retell's; an empty value is one that is not configured.
pub fn proofs(vapi: &Secret, retell: &Secret) -> Result<Proofs, ConfigError> {
    let read = |name, value: &Secret| {
        let configured = !value.expose().is_empty();
        configured.then(|| one_or_two(name, value)).transpose()
    };
    Ok(Proofs::new(
        read(VAPI_SECRETS_PARAM, vapi)?,
        read(RETELL_KEYS_PARAM, retell)?,
    ))
}

/// What tells Twilio from everybody else: one auth token or two, and up to two shared keys, in the value of the parameter
/// that the variable `name` names.
pub fn twilio_signatures(name: &'static str, value: &Secret) -> Result<Signatures, ConfigError> {
    let (current, previous, shared) = twilio_keys(name, value)?;
    Ok(Signatures::new(current, previous).with_shared_keys(shared))
}

/// The same of a parameter that need not be named: an empty value is one that is not configured, and then nothing is
/// Twilio's.
pub fn twilio_signatures_if_any(name: &'static str, value: &Secret) -> Result<Signatures, ConfigError> {
    if value.expose().is_empty() {
        return Ok(Signatures::new(Secret::new(""), None));
    }
    twilio_signatures(name, value)
}

/// The newest auth token in such a parameter.
pub fn twilio_auth_token(name: &'static str, value: &Secret) -> Result<Secret, ConfigError> {
    twilio_keys(name, value).map(|(current, ..)| current)
}

type TwilioKeys = (Secret, Option<Secret>, Vec<SharedKey>);

fn twilio_keys(name: &'static str, value: &Secret) -> Result<TwilioKeys, ConfigError> {
    let wrong = |_| ConfigError::Wrong {
        name,
        expected: "must name a parameter with one auth token, or the new and the old one separated by a comma; and after \
                   them at most two shared keys as id:secret",
    };
    // No auth token has a colon: it is a hexadecimal number.
    let entries = value.expose().split(',').map(str::trim);
    let (shared, tokens): (Vec<&str>, Vec<&str>) = entries.partition(|entry| entry.contains(':'));
    let (current, previous) = one_or_two(name, &Secret::new(tokens.join(","))).map_err(wrong)?;
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
    let keys = keys.ok_or(ConfigError::Missing(name)).map_err(wrong)?;
    Ok((current, previous, keys))
}

/// References with the keys in `value`.
pub fn references(name: &'static str, value: &Secret) -> Result<References, ConfigError> {
    let (current, previous) = one_or_two(name, value)?;
    let long_enough = |key: &Secret| key.expose().chars().count() >= MIN_KEY_CHARS;
    if !long_enough(&current) || !previous.as_ref().is_none_or(long_enough) {
        let expected = "must name a parameter with one or two keys of at least 32 characters";
        return Err(ConfigError::Wrong { name, expected });
    }
    Ok(References::new(current, previous))
}

/// What signs webhooks, with the keys in `value`.
pub fn signer(name: &'static str, value: &Secret) -> Result<Signer, ConfigError> {
    let (current, previous) = one_or_two(name, value)?;
    let key = |text: &Secret| {
        let expected = "must name a parameter with one or two keys of the form whsec_ and 24 to 64 bytes in base64";
        SigningKey::parse(text).map_err(|_| ConfigError::Wrong { name, expected })
    };
    Ok(Signer::new(key(&current)?, previous.as_ref().map(key).transpose()?))
}

/// The public base URL of the deployed API.
pub fn public_url() -> Result<String, ConfigError> {
    let url = required(PUBLIC_URL)?;
    base_url(&url)?;
    Ok(url)
}

/// The public base URL, for a function behind the API: empty when it is not told.
pub fn public_url_if_any() -> Result<String, ConfigError> {
    let url = optional(PUBLIC_URL).unwrap_or_default();
    if !url.is_empty() {
        base_url(&url)?;
    }
    Ok(url)
}

/// The public base URL, if it is one.
pub fn base_url(text: &str) -> Result<&str, ConfigError> {
    if text.starts_with("https://") || text.starts_with("http://") {
        return Ok(text);
    }
    Err(ConfigError::Wrong {
        name: PUBLIC_URL,
        expected: "must begin with https://",
    })
}

/// Where requests to URLs of users may go.
pub fn targets() -> Result<Targets, ConfigError> {
    let name = "PATCHBAY_PRIVATE_ORIGINS";
    let expected = "must be origins such as https://hooks.internal.example, separated by commas";
    Targets::public_and(&optional(name).unwrap_or_default()).map_err(|_| ConfigError::Wrong { name, expected })
}

/// The country of numbers without a `+`, if there is one.
pub fn default_country() -> Result<Option<CallingCode>, ConfigError> {
    let wrong = |_| ConfigError::Wrong {
        name: "PATCHBAY_DEFAULT_COUNTRY",
        expected: "must be a country's calling code, such as 1 or 49",
    };
    optional("PATCHBAY_DEFAULT_COUNTRY")
        .map(|code| code.parse().map_err(wrong))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::variables::{
        REFERENCE_KEYS_PARAM, ROUTEE_CREDENTIALS_PARAM, TWILIO_AUTH_TOKENS_PARAM, WEBHOOK_KEYS_PARAM,
    };
    use super::*;
    use crate::providers::routee::Credentials;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const WEBHOOK_KEY: &str = "whsec_bG9jYWwga2V5LCBuby1vbmUncyBzZWNyZXQ=";

    #[track_caller]
    fn says<T>(result: Result<T, ConfigError>, expected: &str) {
        let Err(error) = result else {
            panic!("taken, instead of: {expected}")
        };
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_variable_that_is_missing_is_named() {
        // A name that no environment has: the environment of a test cannot be changed safely.
        says(
            required("PATCHBAY_NOBODY_SETS_THIS"),
            "the environment variable PATCHBAY_NOBODY_SETS_THIS is not set",
        );
        assert_eq!(optional("PATCHBAY_NOBODY_SETS_THIS"), None);
    }

    #[test]
    fn a_parameter_that_cannot_be_read_is_named_with_the_variable_that_names_it() {
        let error = ConfigError::Parameter {
            name: REFERENCE_KEYS_PARAM,
            parameter: "/patchbay/reference-keys".into(),
            cause: "there is no such parameter".into(),
        };
        says::<()>(
            Err(error),
            "the SSM parameter /patchbay/reference-keys (named by PATCHBAY_REFERENCE_KEYS_PARAM) cannot be read: there \
             is no such parameter",
        );
    }

    #[test]
    fn one_key_or_two_are_taken_and_nothing_else() {
        let keys = |text: &str| one_or_two(REFERENCE_KEYS_PARAM, &Secret::new(text));
        assert_eq!(keys("new").expect("one"), (Secret::new("new"), None));
        assert_eq!(
            keys(" new , old\n").expect("two"),
            (Secret::new("new"), Some(Secret::new("old")))
        );
        for text in ["", " ", ",", "new,", ",old", "a,b,c"] {
            says(
                keys(text),
                "PATCHBAY_REFERENCE_KEYS_PARAM must name a parameter with one key, or the new and the old one \
                 separated by a comma",
            );
        }
    }

    #[test]
    fn a_platform_without_a_secret_is_asked_for_none_and_a_malformed_one_is_no_way_around_it() {
        let with = |vapi: &str, retell: &str| proofs(&Secret::new(vapi), &Secret::new(retell));
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
    fn a_short_reference_key_is_refused_as_the_new_and_as_the_old_one() {
        let with = |text: &str| references(REFERENCE_KEYS_PARAM, &Secret::new(text));
        assert!(with(KEY).is_ok());
        assert!(with(&format!("{KEY},{KEY}")).is_ok());
        for text in ["short", &format!("{KEY},short"), &format!("short,{KEY}")] {
            says(
                with(text),
                "PATCHBAY_REFERENCE_KEYS_PARAM must name a parameter with one or two keys of at least 32 characters",
            );
        }
    }

    #[test]
    fn a_webhook_key_has_its_form_and_the_error_never_shows_it() {
        let with = |text: &str| signer(WEBHOOK_KEYS_PARAM, &Secret::new(text));
        assert!(with(WEBHOOK_KEY).is_ok());
        assert!(with(&format!("{WEBHOOK_KEY}, {WEBHOOK_KEY}")).is_ok());
        for text in ["whsec_c2hvcnQ=", KEY, &format!("{WEBHOOK_KEY},{KEY}")] {
            says(
                with(text),
                "PATCHBAY_WEBHOOK_KEYS_PARAM must name a parameter with one or two keys of the form whsec_ and 24 to \
                 64 bytes in base64",
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
            says(
                with(text),
                "PATCHBAY_ROUTEE_CREDENTIALS_PARAM must name a parameter of the form applicationId:applicationSecret",
            );
        }
    }

    #[test]
    fn the_public_url_is_one() {
        assert!(base_url("https://hooks.example.org").is_ok());
        says(
            base_url("hooks.example.org"),
            "PATCHBAY_PUBLIC_URL must begin with https://",
        );
    }
}
