//! The secrets of one request: puts them into headers, and detects when an answer would disclose one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Serialize;

use crate::flow::document::Auth;
use crate::secret::Secret;

/// Minimum length of a secret to search for, in bytes. Shorter strings occur everywhere.
const MIN_LENGTH: usize = 4;

/// The header that authenticates a request with a secret.
pub(super) fn header(auth: &Auth, secret: &Secret) -> Option<(HeaderName, HeaderValue)> {
    let secret = secret.expose();
    let (name, value) = match auth {
        Auth::Basic(_) => (AUTHORIZATION, format!("Basic {}", STANDARD.encode(secret))),
        Auth::Bearer(_) => (AUTHORIZATION, format!("Bearer {secret}")),
        Auth::Header { name, .. } => (HeaderName::try_from(name).ok()?, secret.to_owned()),
    };
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

/// Secrets that were sent to back ends. A back end may echo what it receives, so an answer is searched for them before
/// it is sent.
#[derive(Clone, Debug, Default)]
pub struct UsedSecrets(Vec<Secret>);

impl UsedSecrets {
    pub(super) fn add(&mut self, secret: &Secret) {
        let secret_text = secret.expose();
        let encoded = STANDARD.encode(secret_text);
        let parts = secret_text.split_once(':').map(|(_, password)| password);
        for text in [secret_text, encoded.as_str()].into_iter().chain(parts) {
            if text.len() >= MIN_LENGTH {
                self.0.push(Secret::new(text));
            }
        }
    }

    /// Whether the answer, serialized as JSON, contains one of the secrets.
    pub fn would_leak_in(&self, answer: &impl Serialize) -> bool {
        !self.0.is_empty() && self.occur_in(&serde_json::to_string(answer).unwrap_or_default())
    }

    /// Whether `text` contains one of the secrets, plain or escaped as in JSON.
    fn occur_in(&self, text: &str) -> bool {
        self.0.iter().any(|secret| {
            let plain = secret.expose();
            let quoted = serde_json::to_string(plain).unwrap_or_default();
            text.contains(plain)
                || quoted
                    .get(1..quoted.len() - 1)
                    .is_some_and(|quoted| text.contains(quoted))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_detected_in_every_encoding() {
        let mut used = UsedSecrets::default();
        used.add(&Secret::new("user:pass\"word"));
        for text in ["x user:pass\"word y", "\"pass\\\"word\"", "Basic dXNlcjpwYXNzIndvcmQ="] {
            assert!(used.occur_in(text), "{text}");
        }
        assert!(!used.occur_in("user"));
        assert!(!UsedSecrets::default().occur_in("anything"));
    }

    #[test]
    fn secret_is_sent_in_the_configured_header() {
        let secret = Secret::new("user:password");
        let header_line = |auth: &Auth| {
            header(auth, &secret).map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
        };
        assert_eq!(
            header_line(&Auth::Basic("a".into())).as_deref(),
            Some("authorization: Basic dXNlcjpwYXNzd29yZA==")
        );
        assert_eq!(
            header_line(&Auth::Bearer("a".into())).as_deref(),
            Some("authorization: Bearer user:password")
        );
        let own = Auth::Header {
            name: "X-Key".into(),
            secret: "a".into(),
        };
        assert_eq!(header_line(&own).as_deref(), Some("x-key: user:password"));
        assert!(header(&Auth::Bearer("a".into()), &Secret::new("two\nlines")).is_none());
    }
}
