//! Verifies the header `X-Chatwoot-Signature` (CONTRACT.md 2).
//!
//! Only newer versions sign, and each bot and each subscription has a secret of its own. So nothing is verified unless
//! an operator configures secrets; then every event must be signed with one of them.

use http::HeaderMap;
use subtle::{Choice, ConstantTimeEq as _};

use crate::clock::Timestamp;
use crate::config::ConfigError;
use crate::secret::{Secret, hex};
use crate::web::mac::hmac_sha256;

/// Name of the signature header.
pub const SIGNATURE_HEADER: &str = "x-chatwoot-signature";
/// Name of the header with the time of the signature, in seconds since the epoch.
pub const TIMESTAMP_HEADER: &str = "x-chatwoot-timestamp";
/// How far the time of a signature may be from ours, in seconds.
const FRESH_SECONDS: i64 = 300;
/// Most secrets in a parameter: new and old ones of a bot and of a subscription.
const MAX_SECRETS: usize = 4;

/// Why a request is not from the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSignature {
    /// A header is missing or malformed.
    #[error("the request has no signature")]
    Missing,
    /// The signature is too old, or from the future.
    #[error("the signature is not fresh")]
    Stale,
    /// No secret of ours makes this signature.
    #[error("the signature is wrong")]
    Wrong,
}

/// The signature of `body` at `timestamp`, in seconds since the epoch.
pub fn sign(secret: &Secret, timestamp: i64, body: &[u8]) -> String {
    let timestamp = timestamp.to_string();
    signature_of(secret, &timestamp, body)
}

fn signature_of(secret: &Secret, timestamp: &str, body: &[u8]) -> String {
    let mac = hmac_sha256(secret.expose().as_bytes(), &[timestamp.as_bytes(), b".", body]);
    format!("sha256={}", hex(&mac))
}

/// Verifies signatures. Without a secret it accepts every request.
#[derive(Clone, Debug, Default)]
pub struct SignatureVerifier(Vec<Secret>);

impl SignatureVerifier {
    /// Accepts signatures that were made with one of these secrets. Empty secrets are left out.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let filled = |secret: &Secret| !secret.expose().is_empty();
        Self(secrets.into_iter().filter(filled).collect())
    }

    /// Parses the value of the parameter that the variable `name` names: up to four secrets, separated by commas. An
    /// empty value means not configured.
    ///
    /// # Errors
    /// The value does not have this form.
    pub fn parse(name: &'static str, value: &Secret) -> Result<Self, ConfigError> {
        if value.expose().is_empty() {
            return Ok(Self::default());
        }
        let secrets: Vec<&str> = value.expose().split(',').map(str::trim).collect();
        if secrets.len() > MAX_SECRETS || secrets.contains(&"") {
            let expected = "must name a parameter with one to four secrets, separated by commas";
            return Err(ConfigError::Invalid { name, expected });
        }
        Ok(Self::new(secrets.into_iter().map(Secret::new)))
    }

    /// Whether a secret is configured.
    pub fn is_configured(&self) -> bool {
        !self.0.is_empty()
    }

    /// Checks that the platform signed this request in the last five minutes. `body` is the raw body.
    ///
    /// # Errors
    /// The signature is missing, stale or wrong, and a secret is configured.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), InvalidSignature> {
        if !self.is_configured() {
            return Ok(());
        }
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let (Some(signature), Some(timestamp)) = (header(SIGNATURE_HEADER), header(TIMESTAMP_HEADER)) else {
            return Err(InvalidSignature::Missing);
        };
        let seconds: i64 = timestamp.parse().map_err(|_| InvalidSignature::Missing)?;
        if seconds.saturating_sub(now.seconds()).saturating_abs() > FRESH_SECONDS {
            return Err(InvalidSignature::Stale);
        }
        // Always try every secret, so that the timing does not reveal which one matched.
        let found = self.0.iter().fold(Choice::from(0), |found, secret| {
            found
                | signature_of(secret, timestamp, body)
                    .as_bytes()
                    .ct_eq(signature.as_bytes())
        });
        if found.into() {
            Ok(())
        } else {
            Err(InvalidSignature::Wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"event":"message_created"}"#;
    /// Of `BODY` at 1700000000 with the secret `s3cr3t` (CONTRACT.md 2).
    const SIGNATURE: &str = "sha256=d33fc94ef25241ae55ad5741cc1267508597723521b3126a798d037423a7598d";
    const SIGNED_AT: i64 = 1_700_000_000;

    fn headers(signature: &str, timestamp: &str) -> HeaderMap {
        let pairs = [(SIGNATURE_HEADER, signature), (TIMESTAMP_HEADER, timestamp)];
        let value = |text: &str| text.parse().expect("a header");
        pairs
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (name.parse().expect("a name"), value(text)))
            .collect()
    }

    fn verify(headers: &HeaderMap, body: &[u8], seconds_later: i64) -> Result<(), InvalidSignature> {
        let verifier = SignatureVerifier::new(["other", "", "s3cr3t"].map(Secret::new));
        verifier.verify(
            headers,
            body,
            Timestamp::from_millis((SIGNED_AT + seconds_later) * 1_000),
        )
    }

    #[test]
    fn a_signature_of_the_contract_is_accepted_for_five_minutes() {
        assert_eq!(sign(&Secret::new("s3cr3t"), SIGNED_AT, BODY), SIGNATURE);
        let headers = headers(SIGNATURE, "1700000000");
        for seconds in [0, 300, -300] {
            assert_eq!(verify(&headers, BODY, seconds), Ok(()), "{seconds}");
        }
        for seconds in [301, -301, 1_000_000] {
            assert_eq!(
                verify(&headers, BODY, seconds),
                Err(InvalidSignature::Stale),
                "{seconds}"
            );
        }
    }

    #[test]
    fn another_body_time_or_form_is_refused() {
        let good = headers(SIGNATURE, "1700000000");
        assert_eq!(verify(&good, b"{}", 0), Err(InvalidSignature::Wrong));
        let mac = SIGNATURE.trim_start_matches("sha256=");
        let over_the_body_alone = format!("sha256={}", hex(&hmac_sha256(b"s3cr3t", &[BODY])));
        for (signature, timestamp, expected) in [
            (SIGNATURE, "1700000001", InvalidSignature::Wrong),
            (mac, "1700000000", InvalidSignature::Wrong),
            (&over_the_body_alone, "1700000000", InvalidSignature::Wrong),
            ("sha256=", "1700000000", InvalidSignature::Wrong),
            ("", "1700000000", InvalidSignature::Missing),
            (SIGNATURE, "", InvalidSignature::Missing),
            (SIGNATURE, "now", InvalidSignature::Missing),
            (SIGNATURE, "9223372036854775807", InvalidSignature::Stale),
            (SIGNATURE, "-9223372036854775808", InvalidSignature::Stale),
        ] {
            let result = verify(&headers(signature, timestamp), BODY, 0);
            assert_eq!(result, Err(expected), "{signature} {timestamp}");
        }
    }

    #[test]
    fn without_a_secret_every_request_is_accepted() {
        let verifier = SignatureVerifier::parse("NAME", &Secret::new("")).expect("not configured");
        assert!(!verifier.is_configured());
        assert_eq!(
            verifier.verify(&HeaderMap::new(), BODY, Timestamp::from_millis(0)),
            Ok(())
        );
    }

    #[test]
    fn one_to_four_secrets_are_parsed() {
        for text in ["a", " a , b\n", "a,b,c,d"] {
            let verifier = SignatureVerifier::parse("NAME", &Secret::new(text)).expect(text);
            assert!(verifier.is_configured());
        }
        for text in [" ", ",", "a,", "a,b,c,d,e"] {
            assert!(SignatureVerifier::parse("NAME", &Secret::new(text)).is_err(), "{text}");
        }
    }
}
