//! The secrets of one answer: where they go, and that they go nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Serialize;

use crate::flow::document::Auth;
use crate::secret::Secret;

/// Shorter texts are found everywhere, and protect nothing.
const SHORTEST: usize = 4;

/// The header that a secret makes.
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

/// Secrets that were used, so that an answer which holds one is never given: a back end may echo what it gets.
#[derive(Clone, Debug, Default)]
pub struct Used(Vec<Secret>);

impl Used {
    pub(super) fn note(&mut self, secret: &Secret) {
        let whole = secret.expose();
        let encoded = STANDARD.encode(whole);
        let parts = whole.split_once(':').map(|(_, password)| password);
        for text in [whole, encoded.as_str()].into_iter().chain(parts) {
            if text.len() >= SHORTEST {
                self.0.push(Secret::new(text));
            }
        }
    }

    /// Whether one of them is in what is told.
    pub fn are_told_in(&self, told: &impl Serialize) -> bool {
        !self.0.is_empty() && self.are_in(&serde_json::to_string(told).unwrap_or_default())
    }

    /// Whether `text` holds one of them, plainly or as JSON writes it.
    fn are_in(&self, text: &str) -> bool {
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
    fn a_secret_is_found_in_every_form_in_which_it_leaves() {
        let mut used = Used::default();
        used.note(&Secret::new("user:pass\"word"));
        for text in ["x user:pass\"word y", "\"pass\\\"word\"", "Basic dXNlcjpwYXNzIndvcmQ="] {
            assert!(used.are_in(text), "{text}");
        }
        assert!(!used.are_in("user"));
        assert!(!Used::default().are_in("anything"));
    }

    #[test]
    fn a_secret_becomes_the_header_that_the_document_asks_for() {
        let secret = Secret::new("user:password");
        let made = |auth: &Auth| {
            header(auth, &secret).map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
        };
        assert_eq!(
            made(&Auth::Basic("a".into())).as_deref(),
            Some("authorization: Basic dXNlcjpwYXNzd29yZA==")
        );
        assert_eq!(
            made(&Auth::Bearer("a".into())).as_deref(),
            Some("authorization: Bearer user:password")
        );
        let own = Auth::Header {
            name: "X-Key".into(),
            secret: "a".into(),
        };
        assert_eq!(made(&own).as_deref(), Some("x-key: user:password"));
        assert!(header(&Auth::Bearer("a".into()), &Secret::new("two\nlines")).is_none());
    }
}
