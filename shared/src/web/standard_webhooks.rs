//! Webhook signatures, by the specification "Standard Webhooks" 1.0.0, symmetric scheme `v1`.
//!
//! The signed text is `{webhook-id}.{webhook-timestamp}.{body}`. The id identifies the event and is the same for every
//! retry; the timestamp is that of the delivery attempt.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use subtle::{Choice, ConstantTimeEq as _};

use super::mac::hmac_sha256;
use crate::clock::Timestamp;
use crate::secret::Secret;

/// Header with the id of the event, which is the same for every delivery attempt.
pub const ID: &str = "webhook-id";
/// Header with the time of the delivery attempt, in seconds since the epoch.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// Header with one or more signatures, separated by spaces.
pub const SIGNATURE: &str = "webhook-signature";

/// Prefix of a key in text form.
const PREFIX: &str = "whsec_";
/// Prefix of a signature of this scheme.
const SCHEME: &str = "v1,";
/// Largest accepted difference between timestamp and clock, in seconds.
const TOLERANCE: u64 = 300;

/// The text is not a key, which is `whsec_` and 24 to 64 bytes in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a signing key: expected whsec_ and 24 to 64 bytes in base64")]
pub struct BadKey;

/// Why the signature of a webhook is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// A header is missing or not text.
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    /// The timestamp is not a number, or differs from the clock by more than 300 s.
    #[error("the timestamp is invalid, too old or too new")]
    BadTimestamp,
    /// No signature was made with one of our keys.
    #[error("no signature matches")]
    NoMatch,
}

/// A key that signs webhooks.
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Parses a key in the form `whsec_` and base64.
    ///
    /// # Errors
    /// The text does not have this form, or the key does not have 24 to 64 bytes.
    pub fn parse(text: &Secret) -> Result<Self, BadKey> {
        let bytes = STANDARD
            .decode(text.expose().strip_prefix(PREFIX).ok_or(BadKey)?)
            .map_err(|_| BadKey)?;
        if (24..=64).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(BadKey)
        }
    }

    fn sign(&self, id: &str, seconds: &str, body: &[u8]) -> String {
        let mac = hmac_sha256(&self.0, &[id.as_bytes(), b".", seconds.as_bytes(), b".", body]);
        format!("{SCHEME}{}", STANDARD.encode(mac))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Signs and verifies webhooks.
#[derive(Clone, Debug)]
pub struct Signer {
    current: SigningKey,
    previous: Option<SigningKey>,
}

impl Signer {
    /// Signs with `current` and, during a rotation, also with `previous`: a receiver may know either key.
    pub const fn new(current: SigningKey, previous: Option<SigningKey>) -> Self {
        Self { current, previous }
    }

    /// The value of the signature header. `id` must not contain a `.`.
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let seconds = at.seconds().to_string();
        let signatures: Vec<String> = self.keys().map(|key| key.sign(id, &seconds, body)).collect();
        signatures.join(" ")
    }

    /// The three headers of a delivery attempt at time `at`.
    pub fn headers(&self, id: &str, at: Timestamp, body: &[u8]) -> [(&'static str, String); 3] {
        [
            (ID, id.to_owned()),
            (TIMESTAMP, at.seconds().to_string()),
            (SIGNATURE, self.sign(id, at, body)),
        ]
    }

    /// Verifies that a webhook was signed with one of the keys, and that its timestamp is at most 300 s before or after
    /// `now`.
    ///
    /// # Errors
    /// A header is missing, the timestamp is invalid or too far from `now`, or no signature matches.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), BadSignature> {
        let header = |name| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.ok_or(BadSignature::MissingHeader(name))
        };
        let (id, seconds, given) = (header(ID)?, header(TIMESTAMP)?, header(SIGNATURE)?);
        let sent: i64 = seconds.parse().map_err(|_| BadSignature::BadTimestamp)?;
        if now.seconds().abs_diff(sent) > TOLERANCE {
            return Err(BadSignature::BadTimestamp);
        }
        // The raw header is signed, not the number that it represents.
        let matches = self.keys().fold(Choice::from(0), |found, key| {
            let expected = key.sign(id, seconds, body);
            given
                .split(' ')
                .fold(found, |found, one| found | expected.as_bytes().ct_eq(one.as_bytes()))
        });
        if bool::from(matches) {
            Ok(())
        } else {
            Err(BadSignature::NoMatch)
        }
    }

    fn keys(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The test vector of the specification's own libraries.
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const MESSAGE: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SENT: Timestamp = Timestamp::from_millis(1_614_265_330_000);
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const EXPECTED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn key(text: &str) -> SigningKey {
        SigningKey::parse(&Secret::new(text)).expect(text)
    }

    fn other_key() -> SigningKey {
        key("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")
    }

    fn headers(signer: &Signer) -> HeaderMap {
        let named = signer.headers(MESSAGE, SENT, BODY);
        named
            .into_iter()
            .map(|(name, value)| (name.parse().expect(name), value.parse().expect(name)))
            .collect()
    }

    #[test]
    fn published_vector_is_signed_and_verified() {
        let signer = Signer::new(key(KEY), None);
        assert_eq!(signer.sign(MESSAGE, SENT, BODY), EXPECTED);
        let headers = headers(&signer);
        assert_eq!(headers[ID], MESSAGE);
        assert_eq!(headers[TIMESTAMP], "1614265330");
        assert_eq!(headers[SIGNATURE], EXPECTED);
        assert_eq!(signer.verify(&headers, BODY, SENT), Ok(()));
    }

    #[test]
    fn receivers_with_old_or_new_key_accept_during_rotation() {
        let rotating = Signer::new(other_key(), Some(key(KEY)));
        let headers = headers(&rotating);
        assert_eq!(
            headers[SIGNATURE].to_str().expect("text").split(' ').nth(1),
            Some(EXPECTED)
        );
        for receiver in [Signer::new(key(KEY), None), Signer::new(other_key(), None)] {
            assert_eq!(receiver.verify(&headers, BODY, SENT), Ok(()));
        }
        let stranger = Signer::new(key("whsec_c3RyYW5nZXItc3RyYW5nZXItc3RyYW5nZXI="), None);
        assert_eq!(stranger.verify(&headers, BODY, SENT), Err(BadSignature::NoMatch));
    }

    #[test]
    fn timestamp_may_differ_by_five_minutes_in_both_directions() {
        let signer = Signer::new(key(KEY), None);
        let headers = headers(&signer);
        for (millis, expected) in [
            (-300_000, Ok(())),
            (300_000, Ok(())),
            (-301_000, Err(BadSignature::BadTimestamp)),
            (301_000, Err(BadSignature::BadTimestamp)),
        ] {
            assert_eq!(
                signer.verify(&headers, BODY, SENT.plus_millis(millis)),
                expected,
                "{millis}"
            );
        }
    }

    #[test]
    fn every_header_is_required_and_signed() {
        let signer = Signer::new(key(KEY), None);
        for name in [ID, TIMESTAMP, SIGNATURE] {
            let mut headers = headers(&signer);
            headers.remove(name);
            assert_eq!(
                signer.verify(&headers, BODY, SENT),
                Err(BadSignature::MissingHeader(name))
            );
        }
        for (name, value, expected) in [
            (ID, "msg_other", BadSignature::NoMatch),
            (TIMESTAMP, "1614265331", BadSignature::NoMatch),
            (TIMESTAMP, "01614265330", BadSignature::NoMatch),
            (TIMESTAMP, "soon", BadSignature::BadTimestamp),
            (TIMESTAMP, "-9223372036854775808", BadSignature::BadTimestamp),
            (SIGNATURE, "", BadSignature::NoMatch),
            (
                SIGNATURE,
                "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                BadSignature::NoMatch,
            ),
        ] {
            let mut headers = headers(&signer);
            headers.insert(name, value.parse().expect(value));
            assert_eq!(signer.verify(&headers, BODY, SENT), Err(expected), "{name}: {value}");
        }
    }

    #[test]
    fn key_has_24_to_64_bytes_and_is_never_printed() {
        for text in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_!",
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRY=",
        ] {
            assert_eq!(SigningKey::parse(&Secret::new(text)).map(|_| ()), Err(BadKey), "{text}");
        }
        let longest = format!("whsec_{}", STANDARD.encode([7; 64]));
        assert!(SigningKey::parse(&Secret::new(longest)).is_ok());
        let too_long = format!("whsec_{}", STANDARD.encode([7; 65]));
        assert!(SigningKey::parse(&Secret::new(too_long)).is_err());
        assert_eq!(format!("{:?}", key(KEY)), "[secret]");
    }

    proptest! {
        #[test]
        fn changed_body_is_rejected(body: Vec<u8>, changed: Vec<u8>) {
            let signer = Signer::new(key(KEY), None);
            let named = signer.headers(MESSAGE, SENT, &body);
            let headers: HeaderMap =
                named.into_iter().map(|(name, value)| (name.parse().expect(name), value.parse().expect(name))).collect();
            prop_assert_eq!(signer.verify(&headers, &body, SENT), Ok(()));
            prop_assume!(body != changed);
            prop_assert_eq!(signer.verify(&headers, &changed, SENT), Err(BadSignature::NoMatch));
        }
    }
}
