//! Verifies that a platform sent a request, in addition to the token: with the secret that Vapi sends, or Retell's
//! signature (CONTRACT.md 8). Only for configured platforms. A token alone is weaker, because it is part of the URL and
//! may leak from there.

use lambda_http::Request;
use subtle::{Choice, ConstantTimeEq as _};

use super::Platform;
use crate::clock::Timestamp;
use crate::secret::{Secret, hex};
use crate::telemetry::{self, Unit};
use crate::web::body::{MAX_ENVELOPE, bytes_up_to};
use crate::web::mac::hmac_sha256;
use crate::web::problem::Problem;

/// Header with the secret of Vapi.
pub const VAPI_HEADER: &str = "x-vapi-secret";
/// Header with the signature of Retell: `v=` milliseconds, `,d=` HMAC-SHA256 of the body followed by these
/// milliseconds, in lower-case hex.
pub const RETELL_HEADER: &str = "x-retell-signature";
/// Maximum difference between the time of a signature and ours, in milliseconds.
const TOLERANCE_MILLIS: u64 = 5 * 60 * 1_000;

/// A secret and, while it is rotated, the previous one.
pub type RotatingSecret = (Secret, Option<Secret>);

/// Verifies requests with the secrets of the platforms that have one configured.
#[derive(Clone, Debug, Default)]
pub struct PlatformVerifier {
    vapi: Vec<Secret>,
    retell: Vec<Secret>,
}

impl PlatformVerifier {
    /// A verifier with these secrets. For a platform without a secret the token suffices.
    pub fn new(vapi: Option<RotatingSecret>, retell: Option<RotatingSecret>) -> Self {
        let all = |secrets: Option<RotatingSecret>| {
            let secrets = secrets.into_iter();
            secrets
                .flat_map(|(current, previous)| [Some(current), previous])
                .flatten()
                .collect()
        };
        Self {
            vapi: all(vapi),
            retell: all(retell),
        }
    }

    /// Verifies that `platform` sent `request`, received at `now`.
    ///
    /// # Errors
    /// 401 when the secret or signature is missing or wrong, which is logged and counted as `UnverifiedRequests`; 413
    /// when the body is too large for an envelope.
    pub fn verify(&self, platform: Platform, request: &Request, now: Timestamp) -> Result<(), Problem> {
        let (header, secrets) = match platform {
            Platform::Vapi => (VAPI_HEADER, &self.vapi),
            Platform::Retell => (RETELL_HEADER, &self.retell),
            Platform::Twilio | Platform::Bland => return Ok(()),
        };
        if secrets.is_empty() {
            return Ok(());
        }
        let body = bytes_up_to(request, MAX_ENVELOPE)?;
        let mut values = request.headers().get_all(header).iter();
        let result = match (values.next(), values.next()) {
            (None, _) => Err(VerificationError::Missing),
            (Some(value), None) if platform == Platform::Retell => {
                check_retell_signature(secrets, value.as_bytes(), body, now)
            }
            (Some(value), None) => any_match(
                secrets
                    .iter()
                    .map(|secret| secret.expose().as_bytes().ct_eq(value.as_bytes())),
            ),
            (Some(_), Some(_)) => Err(VerificationError::Wrong),
        };
        result.map_err(|error| {
            let name = platform.name();
            tracing::warn!(platform = name, header, %error, "refused a request that could not be verified");
            telemetry::emf(
                now,
                &[("Platform", name)],
                &[("UnverifiedRequests", Unit::Count, 1.0)],
                &[],
            );
            Problem::unverified(header, error)
        })
    }
}

/// Why a request could not be verified. The cases have different causes: the setup of the platform, a rotated secret, a
/// wrong clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerificationError {
    /// The header is missing: the secret is not configured at the platform.
    #[error("is missing")]
    Missing,
    /// The platform has another secret, or someone else sent the request.
    #[error("is wrong: it was made with another secret, or for another body")]
    Wrong,
    /// A replayed request, or a wrong clock.
    #[error("has a timestamp more than five minutes from the current time")]
    Time,
}

/// The value of [`RETELL_HEADER`] for `body`, signed at `at`.
pub fn sign_as_retell(key: &Secret, body: &[u8], at: Timestamp) -> String {
    let millis = at.millis();
    let digest = hmac_sha256(key.expose().as_bytes(), &[body, millis.to_string().as_bytes()]);
    format!("v={millis},d={}", hex(&digest))
}

fn check_retell_signature(
    keys: &[Secret],
    signature: &[u8],
    body: &[u8],
    now: Timestamp,
) -> Result<(), VerificationError> {
    let millis = millis(signature).ok_or(VerificationError::Wrong)?;
    let at = Timestamp::from_millis(millis);
    // The signature is checked first: an unsigned time is not evidence.
    any_match(
        keys.iter()
            .map(|key| sign_as_retell(key, body, at).as_bytes().ct_eq(signature)),
    )?;
    if millis.abs_diff(now.millis()) > TOLERANCE_MILLIS {
        return Err(VerificationError::Time);
    }
    Ok(())
}

/// The timestamp of a signature, in milliseconds since the epoch.
fn millis(signature: &[u8]) -> Option<i64> {
    let (millis, _) = str::from_utf8(signature).ok()?.strip_prefix("v=")?.split_once(",d=")?;
    millis.parse().ok()
}

/// Succeeds if any comparison matched. All are evaluated, so the time does not reveal which one.
fn any_match(comparisons: impl Iterator<Item = Choice>) -> Result<(), VerificationError> {
    let matched: bool = comparisons.fold(Choice::from(0), |any, one| any | one).into();
    if matched { Ok(()) } else { Err(VerificationError::Wrong) }
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use proptest::prelude::*;

    use super::*;

    /// Test vector of CONTRACT.md 8.2.
    const BODY: &[u8] = br#"{"event":"call_ended","call":{"call_id":"call_madeup01"}}"#;
    const SENT: Timestamp = Timestamp::from_millis(1_760_000_000_000);
    const DIGEST: &str = "fecbb2ef1b8c82ab16d9102729afc5f69c781db1432b90ec2feea915505b4545";

    fn verifier() -> PlatformVerifier {
        let two = |new: &str, old: &str| Some((Secret::new(new), Some(Secret::new(old))));
        PlatformVerifier::new(two("vapi-new", "vapi-old"), two("key_new", "key_madeup"))
    }

    fn with(header: &'static str, values: &[&str], body: &[u8]) -> Request {
        let mut request = Request::new(Body::Binary(body.to_owned()));
        for value in values {
            request.headers_mut().append(header, value.parse().expect("a value"));
        }
        request
    }

    fn retell(value: &str, body: &[u8], now: Timestamp) -> bool {
        verifier()
            .verify(Platform::Retell, &with(RETELL_HEADER, &[value], body), now)
            .is_ok()
    }

    #[test]
    fn retell_signature_covers_body_and_time_and_is_valid_for_five_minutes() {
        let right = format!("v=1760000000000,d={DIGEST}");
        assert_eq!(sign_as_retell(&Secret::new("key_madeup"), BODY, SENT), right);
        for millis in [-300_000, 0, 300_000] {
            assert!(retell(&right, BODY, SENT.plus_millis(millis)), "{millis}");
        }
        for millis in [-300_001, 300_001] {
            assert!(!retell(&right, BODY, SENT.plus_millis(millis)), "{millis}");
        }
        assert!(!retell(&right, b"{}", SENT));
        for wrong in [
            String::new(),
            DIGEST.to_owned(),
            format!("v=1760000000001,d={DIGEST}"),
            format!("v=1760000000000,d={}", DIGEST.to_uppercase()),
            format!("v=1760000000000,d={DIGEST} "),
            format!(" v=1760000000000,d={DIGEST}"),
            format!("v=+1760000000000,d={DIGEST}"),
            format!("V=1760000000000,d={DIGEST}"),
            format!("v=,d={DIGEST}"),
            format!("v=99999999999999999999,d={DIGEST}"),
            format!("v=1760000000000,d={}", DIGEST.split_at(63).0),
            "v=1760000000000,d=".to_owned(),
        ] {
            let accepted = http::HeaderValue::from_str(&wrong).is_ok() && retell(&wrong, BODY, SENT);
            assert!(!accepted, "{wrong}");
        }
    }

    #[test]
    fn vapi_secret_is_the_current_or_previous_one_and_occurs_once() {
        let check = |values: &[&str]| verifier().verify(Platform::Vapi, &with(VAPI_HEADER, values, BODY), SENT);
        for fine in ["vapi-new", "vapi-old"] {
            assert_eq!(check(&[fine]), Ok(()));
        }
        for wrong in [
            &[][..],
            &[""],
            &["vapi-ne"],
            &["vapi-neww"],
            &["vapi-new", "vapi-new"],
            &["key_new"],
        ] {
            let problem = check(wrong).expect_err("refused");
            assert_eq!(problem.kind.status(), 401);
            assert!(problem.detail.contains(VAPI_HEADER), "{}", problem.detail);
        }
    }

    #[test]
    fn verification_errors_are_distinct() {
        let right = format!("v=1760000000000,d={DIGEST}");
        let detail = |platform, header, values: &[&str], now| {
            let problem = verifier().verify(platform, &with(header, values, BODY), now);
            problem.err().map(|problem| problem.detail)
        };
        let late = SENT.plus_millis(300_001);
        for (values, now, expected) in [
            (&[][..], SENT, Some("the header x-retell-signature is missing")),
            (&[right.as_str()], SENT, None),
            (&[&right], late, Some("five minutes")),
            // Not signed, so its time proves nothing.
            (&["v=1,d=00"], SENT, Some("is wrong")),
            (&[&right, &right], SENT, Some("is wrong")),
        ] {
            let found = detail(Platform::Retell, RETELL_HEADER, values, now);
            assert_eq!(found.is_some(), expected.is_some(), "{values:?}");
            assert!(
                expected.is_none_or(|expected| found.as_deref().is_some_and(|found| found.contains(expected))),
                "{found:?}"
            );
        }
        let found = detail(Platform::Vapi, VAPI_HEADER, &[], SENT);
        assert_eq!(found.as_deref(), Some("the header x-vapi-secret is missing"));
        let found = detail(Platform::Vapi, VAPI_HEADER, &["another"], SENT);
        assert!(found.is_some_and(|found| found.contains("is wrong")));
    }

    #[test]
    fn platform_without_a_secret_is_not_verified() {
        for platform in Platform::ALL {
            assert_eq!(
                PlatformVerifier::default().verify(platform, &Request::default(), SENT),
                Ok(())
            );
        }
        for platform in [Platform::Twilio, Platform::Bland] {
            assert_eq!(verifier().verify(platform, &Request::default(), SENT), Ok(()));
        }
    }

    proptest! {
        #[test]
        fn random_values_are_not_signatures(value in "[ -~]{0,90}", body in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(!retell(&value, &body, SENT));
        }
    }
}
