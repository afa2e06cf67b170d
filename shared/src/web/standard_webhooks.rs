//! Signatures on webhooks, by the specification "Standard Webhooks" 1.0.0, symmetric scheme `v1`.
//!
//! Signed is `{webhook-id}.{webhook-timestamp}.{body}`. The id names the event and is the same at every retry; the
//! timestamp is that of the delivery.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use subtle::{Choice, ConstantTimeEq as _};

use super::mac::hmac_sha256;
use crate::clock::Timestamp;
use crate::secret::Secret;

/// Names the event, the same at every delivery.
pub const ID: &str = "webhook-id";
/// When the delivery was made, in seconds since the epoch.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// One or more signatures, separated by spaces.
pub const SIGNATURE: &str = "webhook-signature";

/// What a key in text form begins with.
const PREFIX: &str = "whsec_";
/// What a signature of this scheme begins with.
const SCHEME: &str = "v1,";
/// How far the clocks of sender and receiver may be apart, in seconds.
const TOLERANCE: u64 = 300;

/// The text is not a key: `whsec_` and 24 to 64 bytes in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a signing key: expected whsec_ and 24 to 64 bytes in base64")]
pub struct BadKey;

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// A header is missing, or is not text.
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    /// The timestamp is not a number, or too far from now.
    #[error("the timestamp is too old, too new, or none")]
    BadTimestamp,
    /// No signature is one of ours.
    #[error("no signature matches")]
    NoMatch,
}

/// A key that signs webhooks.
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// The key that is written as `whsec_` and base64.
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

/// Signs webhooks, and verifies them.
#[derive(Clone, Debug)]
pub struct Signer {
    current: SigningKey,
    previous: Option<SigningKey>,
}

impl Signer {
    /// Signs with `current` and, while the key is being changed, with `previous` too: a receiver may know either.
    pub const fn new(current: SigningKey, previous: Option<SigningKey>) -> Self {
        Self { current, previous }
    }

    /// The value of the signature header. `id` must not contain a full stop.
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let seconds = at.seconds().to_string();
        let signatures: Vec<String> = self.keys().map(|key| key.sign(id, &seconds, body)).collect();
        signatures.join(" ")
    }

    /// The three headers of a delivery made at `at`.
    pub fn headers(&self, id: &str, at: Timestamp, body: &[u8]) -> [(&'static str, String); 3] {
        [
            (ID, id.to_owned()),
            (TIMESTAMP, at.seconds().to_string()),
            (SIGNATURE, self.sign(id, at, body)),
        ]
    }

    /// Whether a webhook with these headers and this body was signed with one of the keys, not long ago.
    ///
    /// # Errors
    /// What is wrong with it.
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
        // What is signed is the header as it came, not the number that it stands for.
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

    /// The vector that the specification's own libraries are tested with.
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
    fn the_published_vector_is_signed_and_verified() {
        let signer = Signer::new(key(KEY), None);
        assert_eq!(signer.sign(MESSAGE, SENT, BODY), EXPECTED);
        let headers = headers(&signer);
        assert_eq!(headers[ID], MESSAGE);
        assert_eq!(headers[TIMESTAMP], "1614265330");
        assert_eq!(headers[SIGNATURE], EXPECTED);
        assert_eq!(signer.verify(&headers, BODY, SENT), Ok(()));
    }

    #[test]
    fn while_a_key_is_changed_both_the_old_and_the_new_receiver_believe() {
        let changing = Signer::new(other_key(), Some(key(KEY)));
        let headers = headers(&changing);
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
    fn a_delivery_is_believed_for_five_minutes_and_by_a_clock_five_minutes_behind() {
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
    fn every_header_is_needed_and_signed() {
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
    fn a_key_is_long_enough_to_be_one_and_is_never_printed() {
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
        fn a_changed_body_is_not_believed(body: Vec<u8>, changed: Vec<u8>) {
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
