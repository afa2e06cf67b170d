//! What proves that a platform sent a request, beside the token in it (`voice-agents.md` 1.6 and 2.4): the secret that Vapi
//! sends along, and Retell's signature. Checked where it is configured; a token alone may leak from a URL.

use lambda_http::Request;
use subtle::{Choice, ConstantTimeEq as _};

use super::Platform;
use crate::clock::Timestamp;
use crate::secret::{Secret, hex};
use crate::telemetry::{self, Unit};
use crate::web::body::{MAX_ENVELOPE, bytes_up_to};
use crate::web::mac::hmac_sha256;
use crate::web::problem::Problem;

/// Vapi's header with the secret itself.
pub const VAPI_HEADER: &str = "x-vapi-secret";
/// Retell's header: `v=` milliseconds, `,d=` the HMAC-SHA256 of the body and these milliseconds, in lower-case hex.
pub const RETELL_HEADER: &str = "x-retell-signature";
/// How far a signature's time may be from ours.
const TOLERANCE_MILLIS: u64 = 5 * 60 * 1_000;

/// A secret, and the one before, while it is changed.
pub type OneOrTwo = (Secret, Option<Secret>);

/// Secrets of the platforms, as far as they are configured.
#[derive(Clone, Debug, Default)]
pub struct Proofs {
    vapi: Vec<Secret>,
    retell: Vec<Secret>,
}

impl Proofs {
    /// With these; of a platform without one nothing but the token is asked.
    pub fn new(vapi: Option<OneOrTwo>, retell: Option<OneOrTwo>) -> Self {
        let all = |secrets: Option<OneOrTwo>| {
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

    /// Whether `platform` sent `request`, which came at `now`.
    ///
    /// # Errors
    /// 401 when a proof is asked for and does not hold, which is logged and counted; 413 when the body is too large for an
    /// envelope.
    pub fn check(&self, platform: Platform, request: &Request, now: Timestamp) -> Result<(), Problem> {
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
        let held = match (values.next(), values.next()) {
            (None, _) => Err(Unproven::Missing),
            (Some(proof), None) if platform == Platform::Retell => signed(secrets, proof.as_bytes(), body, now),
            (Some(proof), None) => held(
                secrets
                    .iter()
                    .map(|secret| secret.expose().as_bytes().ct_eq(proof.as_bytes())),
            ),
            (Some(_), Some(_)) => Err(Unproven::Wrong),
        };
        held.map_err(|why| {
            let name = platform.name();
            tracing::warn!(platform = name, header, %why, "a request that its platform did not prove was refused");
            telemetry::emf(now, &[("Platform", name)], &[("Unproven", Unit::Count, 1.0)], &[]);
            Problem::unproven(header, why)
        })
    }
}

/// Why a proof does not hold: who sets it up, who changes a secret and whose clock is wrong look in different places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The platform does not know the secret.
    #[error("is missing")]
    Missing,
    /// It knows another one, or somebody else sent the request.
    #[error("is wrong: it was made with another secret, or for another body")]
    Wrong,
    /// An old request sent again, or a clock.
    #[error("states a time that is more than five minutes from ours")]
    Time,
}

/// The value of [`RETELL_HEADER`] for `body`, sent at `at`.
pub fn sign_as_retell(key: &Secret, body: &[u8], at: Timestamp) -> String {
    let millis = at.millis();
    let digest = hmac_sha256(key.expose().as_bytes(), &[body, millis.to_string().as_bytes()]);
    format!("v={millis},d={}", hex(&digest))
}

fn signed(keys: &[Secret], proof: &[u8], body: &[u8], now: Timestamp) -> Result<(), Unproven> {
    let millis = millis(proof).ok_or(Unproven::Wrong)?;
    let at = Timestamp::from_millis(millis);
    // Of the time only what is signed is believed.
    held(
        keys.iter()
            .map(|key| sign_as_retell(key, body, at).as_bytes().ct_eq(proof)),
    )?;
    if millis.abs_diff(now.millis()) > TOLERANCE_MILLIS {
        return Err(Unproven::Time);
    }
    Ok(())
}

/// The time that a signature states.
fn millis(proof: &[u8]) -> Option<i64> {
    let (millis, _) = str::from_utf8(proof).ok()?.strip_prefix("v=")?.split_once(",d=")?;
    millis.parse().ok()
}

/// That one holds; all are looked at always, so how long it takes tells nobody which.
fn held(found: impl Iterator<Item = Choice>) -> Result<(), Unproven> {
    let one: bool = found.fold(Choice::from(0), |any, one| any | one).into();
    if one { Ok(()) } else { Err(Unproven::Wrong) }
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use proptest::prelude::*;

    use super::*;

    /// The vector of the contract.
    const BODY: &[u8] = br#"{"event":"call_ended","call":{"call_id":"call_madeup01"}}"#;
    const SENT: Timestamp = Timestamp::from_millis(1_760_000_000_000);
    const DIGEST: &str = "fecbb2ef1b8c82ab16d9102729afc5f69c781db1432b90ec2feea915505b4545";

    fn proofs() -> Proofs {
        let two = |new: &str, old: &str| Some((Secret::new(new), Some(Secret::new(old))));
        Proofs::new(two("vapi-new", "vapi-old"), two("key_new", "key_madeup"))
    }

    fn with(header: &'static str, values: &[&str], body: &[u8]) -> Request {
        let mut request = Request::new(Body::Binary(body.to_owned()));
        for value in values {
            request.headers_mut().append(header, value.parse().expect("a value"));
        }
        request
    }

    fn retell(value: &str, body: &[u8], now: Timestamp) -> bool {
        proofs()
            .check(Platform::Retell, &with(RETELL_HEADER, &[value], body), now)
            .is_ok()
    }

    #[test]
    fn retells_signature_covers_body_and_time_and_holds_for_five_minutes() {
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
            let held = http::HeaderValue::from_str(&wrong).is_ok() && retell(&wrong, BODY, SENT);
            assert!(!held, "{wrong}");
        }
    }

    #[test]
    fn vapis_secret_is_the_new_or_the_old_one_and_stands_there_once() {
        let check = |values: &[&str]| proofs().check(Platform::Vapi, &with(VAPI_HEADER, values, BODY), SENT);
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
            let problem = check(wrong).expect_err("not Vapi");
            assert_eq!(problem.kind.status(), 401);
            assert!(problem.detail.contains(VAPI_HEADER), "{}", problem.detail);
        }
    }

    #[test]
    fn why_a_proof_does_not_hold_is_told_apart() {
        let right = format!("v=1760000000000,d={DIGEST}");
        let why = |platform, header, values: &[&str], now| {
            let problem = proofs().check(platform, &with(header, values, BODY), now);
            problem.err().map(|problem| problem.detail)
        };
        let late = SENT.plus_millis(300_001);
        for (values, now, told) in [
            (&[][..], SENT, Some("the header x-retell-signature is missing")),
            (&[right.as_str()], SENT, None),
            (&[&right], late, Some("five minutes")),
            // Not signed, so nobody knows when it was made.
            (&["v=1,d=00"], SENT, Some("is wrong")),
            (&[&right, &right], SENT, Some("is wrong")),
        ] {
            let found = why(Platform::Retell, RETELL_HEADER, values, now);
            assert_eq!(found.is_some(), told.is_some(), "{values:?}");
            assert!(
                told.is_none_or(|told| found.as_deref().is_some_and(|found| found.contains(told))),
                "{found:?}"
            );
        }
        let found = why(Platform::Vapi, VAPI_HEADER, &[], SENT);
        assert_eq!(found.as_deref(), Some("the header x-vapi-secret is missing"));
        let found = why(Platform::Vapi, VAPI_HEADER, &["another"], SENT);
        assert!(found.is_some_and(|found| found.contains("is wrong")));
    }

    #[test]
    fn nothing_is_asked_that_is_not_configured() {
        for platform in Platform::ALL {
            assert_eq!(Proofs::default().check(platform, &Request::default(), SENT), Ok(()));
        }
        for platform in [Platform::Twilio, Platform::Bland] {
            assert_eq!(proofs().check(platform, &Request::default(), SENT), Ok(()));
        }
    }

    proptest! {
        #[test]
        fn nothing_else_is_a_signature(value in "[ -~]{0,90}", body in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(!retell(&value, &body, SENT));
        }
    }
}
