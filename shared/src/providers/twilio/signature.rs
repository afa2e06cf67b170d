//! Signs and verifies the header `X-Twilio-Signature`.
//!
//! The signature is `base64(HMAC-SHA1(auth token, URL + parameters))` (protegee/CONTRACT.md 6.3). If a webhook setting
//! at Twilio names a shared key, it is HMAC-SHA256 or HMAC-SHA1 with the secret of that key (CONTRACT.md 6.1).
//!
//! The header that names key and algorithm is not signed itself. So it may only choose between our own secrets and
//! never switches verification off: a shared key is tried only if it is named, and the auth token only if none is.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq as _};

use lambda_http::Request;

use super::webhook::Form;
use crate::secret::{Secret, sha256_hex};
use crate::web::body;
use crate::web::mac::{hmac_sha1, hmac_sha256};
use crate::web::media::media_type;
use crate::web::problem::Problem;

/// Name of the signature header.
pub const HEADER: &str = "x-twilio-signature";
/// Name of the header that names the shared key and the algorithm.
pub const SETTINGS_HEADER: &str = "x-twilio-webhooks-signature-settings";
/// Media type of the forms that Twilio posts.
const FORM: &str = "application/x-www-form-urlencoded";
/// Query parameter with the SHA-256 of a body that is not a form.
const BODY_HASH: &str = "bodySHA256";

/// The signature of a request to `url` with the parameters `form`, made with an auth token.
pub fn sign(token: &Secret, url: &str, form: &Form) -> String {
    HmacAlgorithm::Sha1.sign(token, url, form)
}

/// The HMAC algorithm of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HmacAlgorithm {
    Sha1,
    Sha256,
}

impl HmacAlgorithm {
    /// The algorithm with this Twilio name, in any case.
    fn from_name(name: &str) -> Option<Self> {
        let known = [("HMAC_SHA1", Self::Sha1), ("HMAC_SHA256", Self::Sha256)];
        let known = known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        known.map(|(_, algorithm)| algorithm)
    }

    fn sign(self, secret: &Secret, url: &str, form: &Form) -> String {
        let (key, text) = (secret.expose().as_bytes(), signed_text(form));
        let parts = [url.as_bytes(), text.as_bytes()];
        match self {
            Self::Sha1 => STANDARD.encode(hmac_sha1(key, &parts)),
            Self::Sha256 => STANDARD.encode(hmac_sha256(key, &parts)),
        }
    }
}

/// A shared key, created at Twilio to sign webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedKey {
    /// Id at Twilio, such as `webhooks_sharedkey_…`.
    pub id: String,
    /// Secret of the key.
    pub secret: Secret,
}

impl SharedKey {
    /// The HMAC-SHA256 signature of a request to `url` with the parameters `form`.
    pub fn sign(&self, url: &str, form: &Form) -> String {
        HmacAlgorithm::Sha256.sign(&self.secret, url, form)
    }

    /// The value of [`SETTINGS_HEADER`] for such a signature.
    pub fn settings(&self) -> String {
        format!("key={},algorithm=HMAC_SHA256", self.id)
    }
}

/// The settings header: either no algorithm, or an algorithm and the id of a shared key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignatureSettings<'a> {
    AuthToken,
    Shared(HmacAlgorithm, &'a str),
}

impl<'a> SignatureSettings<'a> {
    /// `None` for an unknown algorithm.
    fn parse(header: &'a str) -> Option<Self> {
        let value = |wanted: &str| {
            let parts = header.split(',').filter_map(|part| part.split_once('='));
            let values = parts.map(|(name, value)| (name.trim(), value.trim()));
            let mut values = values.filter(|(name, value)| *name == wanted && !value.is_empty());
            values.next().map_or("", |(_, value)| value)
        };
        match value("algorithm") {
            "" => Some(Self::AuthToken),
            algorithm => HmacAlgorithm::from_name(algorithm).map(|algorithm| Self::Shared(algorithm, value("key"))),
        }
    }
}

/// The signed parameters: every distinct name in byte order, followed by each of its distinct values in byte order,
/// name repeated before each value. Blank values count.
fn signed_text(form: &Form) -> String {
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in form.fields() {
        sorted.entry(name).or_default().insert(value);
    }
    let mut text = String::new();
    for (name, values) in sorted {
        for value in values {
            text.push_str(name);
            text.push_str(value);
        }
    }
    text
}

/// Verifies signatures.
#[derive(Clone, Debug)]
pub struct SignatureVerifier {
    tokens: Vec<Secret>,
    shared: Vec<SharedKey>,
}

impl SignatureVerifier {
    /// Accepts signatures made with the auth token `current` or `previous`, so that the token can be rotated during
    /// live calls. An empty token accepts nothing.
    pub fn new(current: Secret, previous: Option<Secret>) -> Self {
        let tokens = [Some(current), previous].into_iter().flatten();
        Self {
            tokens: tokens.filter(|token| !token.expose().is_empty()).collect(),
            shared: Vec::new(),
        }
    }

    /// Also accepts signatures made with these keys. A key without id or secret accepts nothing.
    #[must_use]
    pub fn with_shared_keys(mut self, keys: impl IntoIterator<Item = SharedKey>) -> Self {
        let is_complete = |key: &SharedKey| !key.id.is_empty() && !key.secret.expose().is_empty();
        self.shared.extend(keys.into_iter().filter(is_complete));
        self
    }

    /// The form in `request` if Twilio signed the request for `url`; `None` without a valid signature. `url` is the URL
    /// that Twilio was given, with the raw query. A body that is not a form is not covered by the signature, so the
    /// returned form is empty then.
    ///
    /// # Errors
    /// 413 if the body is too large.
    pub fn verified_form(&self, request: &Request, url: &str) -> Result<Option<Form>, Problem> {
        let bytes = body::bytes(request)?;
        let is_form = media_type(request.headers()).is_some_and(|media_type| media_type == FORM);
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let (given, settings) = (header(HEADER), header(SETTINGS_HEADER));
        if self.is_valid(
            url,
            bytes,
            is_form,
            given.unwrap_or_default(),
            settings.unwrap_or_default(),
        ) {
            return Ok(Some(if is_form { Form::parse(bytes) } else { Form::default() }));
        }
        tracing::warn!(
            has_signature = given.is_some(),
            names_a_shared_key = settings.is_some_and(|settings| !settings.is_empty()),
            "rejected a request without a valid Twilio signature"
        );
        Ok(None)
    }

    /// Whether Twilio signed this request. `url` is the URL that Twilio was given, with the raw query. `body` is the
    /// raw body; `is_form` says whether its content type is that of a form. `settings` is the header
    /// [`SETTINGS_HEADER`], empty if missing.
    pub fn is_valid(&self, url: &str, body: &[u8], is_form: bool, signature: &str, settings: &str) -> bool {
        let (algorithm, secrets): (HmacAlgorithm, Vec<&Secret>) = match SignatureSettings::parse(settings) {
            None => return false,
            Some(SignatureSettings::AuthToken) => (HmacAlgorithm::Sha1, self.tokens.iter().collect()),
            Some(SignatureSettings::Shared(algorithm, id)) => {
                let named = self.shared.iter().filter(|key| key.id == id);
                (algorithm, named.map(|key| &key.secret).collect())
            }
        };
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let stated_hash = url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == BODY_HASH)
            .map(|(_, value)| value.into_owned());
        let form = match stated_hash {
            Some(hash) if !bool::from(sha256_hex(body).as_bytes().ct_eq(hash.as_bytes())) => return false,
            None if is_form => Form::parse(body),
            _ => Form::default(),
        };
        // Always try every secret and every URL variant, so that the timing does not reveal which one matched.
        let urls = url_variants(url);
        let candidates = secrets
            .into_iter()
            .flat_map(|secret| urls.iter().map(move |url| (secret, url)));
        candidates
            .fold(Choice::from(0), |found, (secret, url)| {
                found
                    | algorithm
                        .sign(secret, url, &form)
                        .as_bytes()
                        .ct_eq(signature.as_bytes())
            })
            .into()
    }
}

/// The URL with its port and without it: Twilio signs sometimes one, sometimes the other.
fn url_variants(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return vec![url.to_owned()];
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    // Skip a colon in the user info or inside an IPv6 address.
    let host_at = authority.rfind('@').map_or(0, |at| at + 1);
    let colon = authority
        .rfind(':')
        .filter(|at| *at >= host_at && !authority.ends_with(']'));
    let other = if let Some(host) = colon.and_then(|colon| authority.get(..colon)) {
        format!("{scheme}://{host}{tail}")
    } else {
        let port = if scheme == "http" { 80 } else { 443 };
        format!("{scheme}://{authority}:{port}{tail}")
    };
    vec![url.to_owned(), other]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const PUBLISHED: &[u8] =
        b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309";
    const OWN_URL: &str = "https://voice.example.org/twilio/incoming?step=2";
    const OWN: &[u8] = b"Digits=4%23&CallSid=CA00000000000000000000000000000001&From=%2B12025550143&CallerName=\
        &To=%2B12025550177&CallStatus=ringing";

    fn checker(token: &str) -> SignatureVerifier {
        SignatureVerifier::new(Secret::new(token), None)
    }

    #[test]
    fn published_vectors_are_valid() {
        let json: &[u8] = br#"{"property": "value", "boolean": true}"#;
        let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        let with_hash = format!("{URL}&bodySHA256={hash}");
        for (url, body, is_form, signature) in [
            (URL, PUBLISHED, true, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
            (
                "https://mycompany.com:443/myapp.php?foo=1&bar=2",
                PUBLISHED,
                true,
                "kvajT1Ptam85bY51eRf/AJRuM3w=",
            ),
            (
                "http://mycompany.com:1234/myapp.php?foo=1&bar=2",
                PUBLISHED,
                true,
                "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=",
            ),
            (
                "http://mycompany.com:80/myapp.php?foo=1&bar=2",
                PUBLISHED,
                true,
                "0ZXoZLH/DfblKGATFgpif+LLRf4=",
            ),
            (
                URL,
                b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234",
                true,
                "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
            ),
            (with_hash.as_str(), json, false, "a9nBmqA0ju/hNViExpshrM61xv4="),
        ] {
            assert!(checker("12345").is_valid(url, body, is_form, signature, ""), "{url}");
            let form = if is_form { Form::parse(body) } else { Form::default() };
            assert_eq!(sign(&Secret::new("12345"), url, &form), signature, "{url}");
        }
    }

    #[test]
    fn own_vector_is_valid_and_blank_values_count() {
        let token = Secret::new("made-up-auth-token-000001");
        let form = Form::parse(OWN);
        assert_eq!(sign(&token, OWN_URL, &form), "9FUf+NmyvXtexgt4hHdM2d2JYCs=");
        let with_port = "https://voice.example.org:443/twilio/incoming?step=2";
        assert_eq!(sign(&token, with_port, &form), "DOMMXPKEv2qirg/IK0n3rNw/nWQ=");
        let checker = checker("made-up-auth-token-000001");
        assert!(checker.is_valid(OWN_URL, OWN, true, "9FUf+NmyvXtexgt4hHdM2d2JYCs=", ""));
        assert!(!checker.is_valid(OWN_URL, OWN, true, "itZP9U8ztI9Sq4XnuI6D1g2UfB8=", ""));
    }

    #[test]
    fn signature_may_include_the_port_or_not() {
        let checker = checker("12345");
        let with_port = "https://mycompany.com:443/myapp.php?foo=1&bar=2";
        for url in [URL, with_port] {
            for signature in ["RSOYDt4T1cUTdK1PDd93/VVr8B8=", "kvajT1Ptam85bY51eRf/AJRuM3w="] {
                assert!(
                    checker.is_valid(url, PUBLISHED, true, signature, ""),
                    "{url} {signature}"
                );
            }
        }
        let plain = "http://mycompany.com/myapp.php?foo=1&bar=2";
        assert!(checker.is_valid(plain, PUBLISHED, true, "0ZXoZLH/DfblKGATFgpif+LLRf4=", ""));
    }

    #[test]
    fn raw_query_is_signed() {
        let checker = checker("12345");
        for url in [
            "https://mycompany.com/myapp.php?bar=2&foo=1",
            "https://mycompany.com/myapp.php?foo=1&bar=%32",
            "https://mycompany.com/myapp.php?foo=1&bar=2&",
            "https://mycompany.com/myapp.php",
            "https://mycompany.org/myapp.php?foo=1&bar=2",
        ] {
            assert!(
                !checker.is_valid(url, PUBLISHED, true, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", ""),
                "{url}"
            );
        }
    }

    #[test]
    fn body_must_match_the_stated_hash() {
        let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        let (url, signature) = (format!("{URL}&bodySHA256={hash}"), "a9nBmqA0ju/hNViExpshrM61xv4=");
        for body in [&b"{}"[..], b"", br#"{"property": "value", "boolean": false}"#] {
            assert!(!checker("12345").is_valid(&url, body, false, signature, ""));
            assert!(!checker("12345").is_valid(&url, body, true, signature, ""));
        }
    }

    #[test]
    fn both_tokens_are_valid_during_rotation_and_an_empty_one_never() {
        let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
        let accepts = |current: &str, previous: Option<&str>| {
            SignatureVerifier::new(Secret::new(current), previous.map(Secret::new))
                .is_valid(URL, PUBLISHED, true, signature, "")
        };
        assert!(accepts("new", Some("12345")));
        assert!(accepts("12345", Some("old")));
        assert!(!accepts("new", None));
        let by_empty_key = sign(&Secret::new(""), URL, &Form::parse(PUBLISHED));
        let empty = SignatureVerifier::new(Secret::new(""), Some(Secret::new("")));
        assert!(!empty.is_valid(URL, PUBLISHED, true, &by_empty_key, ""));
        assert!(!checker("12345").is_valid(URL, PUBLISHED, true, "", ""));
    }

    const SHARED_URL: &str = "https://hooks.example.test/twilio/status/r1?a=1";
    const SHARED: &[u8] = b"CallSid=CA00000000000000000000000000000a01&CallStatus=completed&To=%2B12025550143";
    const WITH_SHA256: &str = "DkslCSyR0y7A2Dm/p90x5uAZPSdn2nFWuPRnzZQTclY=";
    const WITH_SHA1: &str = "l1oNGem4mq+0Fs7yHwyDrLjQTtc=";
    const KEY_ID: &str = "webhooks_sharedkey_madeup1";

    fn with_shared_keys() -> SignatureVerifier {
        let key = |id: &str, secret: &str| SharedKey {
            id: id.into(),
            secret: Secret::new(secret),
        };
        checker("made-up-auth-token-000001").with_shared_keys([
            key(KEY_ID, "made-up-secret-1"),
            key("webhooks_sharedkey_madeup2", "made-up-secret-2"),
            key("webhooks_sharedkey_empty", ""),
        ])
    }

    #[test]
    fn shared_key_vectors_are_valid_with_both_algorithms() {
        let accepts = |signature: &str, algorithm: &str| {
            let settings = format!("key={KEY_ID},algorithm={algorithm}");
            with_shared_keys().is_valid(SHARED_URL, SHARED, true, signature, &settings)
        };
        for (signature, algorithm, expected) in [
            (WITH_SHA256, "HMAC_SHA256", true),
            (WITH_SHA256, "hmac_sha256", true),
            (WITH_SHA1, "HMAC_SHA1", true),
            (WITH_SHA1, "HMAC_SHA256", false),
            (WITH_SHA256, "HMAC_SHA1", false),
            (WITH_SHA256, "HMAC_MD5", false),
            (WITH_SHA256, "none", false),
        ] {
            assert_eq!(accepts(signature, algorithm), expected, "{signature} {algorithm}");
        }
    }

    #[test]
    fn settings_header_only_chooses_between_our_secrets() {
        let signatures = with_shared_keys();
        let (token, form) = (Secret::new("made-up-auth-token-000001"), Form::parse(SHARED));
        let by_token = sign(&token, SHARED_URL, &form);
        let empty = HmacAlgorithm::Sha256.sign(&Secret::new(""), SHARED_URL, &form);
        let token_256 = HmacAlgorithm::Sha256.sign(&token, SHARED_URL, &form);
        for (signature, settings, expected) in [
            (by_token.as_str(), "", true),
            (&by_token, "key=webhooks_sharedkey_madeup1", true),
            (&by_token, "key=webhooks_sharedkey_madeup1,algorithm=", true),
            (
                &by_token,
                "key=webhooks_sharedkey_madeup1,algorithm=,algorithm=HMAC_SHA256",
                false,
            ),
            (&by_token, "Algorithm=HMAC_SHA256", true),
            (&by_token, "key=webhooks_sharedkey_madeup1,algorithm=HMAC_SHA1", false),
            (&by_token, "algorithm=HMAC_SHA1", false),
            (&token_256, "algorithm=HMAC_SHA256", false),
            (
                WITH_SHA256,
                " algorithm = HMAC_SHA256 , key = webhooks_sharedkey_madeup1 ",
                true,
            ),
            (WITH_SHA256, "", false),
            (WITH_SHA1, "", false),
            (WITH_SHA256, "algorithm=HMAC_SHA256", false),
            (
                WITH_SHA256,
                "key=webhooks_sharedkey_madeup2,algorithm=HMAC_SHA256",
                false,
            ),
            (
                WITH_SHA256,
                "key=webhooks_sharedkey_unknown,algorithm=HMAC_SHA256",
                false,
            ),
            (&empty, "key=webhooks_sharedkey_empty,algorithm=HMAC_SHA256", false),
            (&empty, "key=,algorithm=HMAC_SHA256", false),
        ] {
            let accepted = signatures.is_valid(SHARED_URL, SHARED, true, signature, settings);
            assert_eq!(accepted, expected, "{signature} {settings}");
        }
        let without = checker("made-up-auth-token-000001");
        let settings = format!("key={KEY_ID},algorithm=HMAC_SHA256");
        assert!(!without.is_valid(SHARED_URL, SHARED, true, WITH_SHA256, &settings));
    }

    #[test]
    fn url_has_two_variants() {
        for (url, other) in [
            ("https://a.example/x?y:z=1", "https://a.example:443/x?y:z=1"),
            ("https://a.example", "https://a.example:443"),
            ("https://a.example:8443/x", "https://a.example/x"),
            ("http://u:p@a.example/x", "http://u:p@a.example:80/x"),
            ("http://u:p@a.example:81/x", "http://u:p@a.example/x"),
            ("https://[::1]/x", "https://[::1]:443/x"),
            ("https://[::1]:8/x", "https://[::1]/x"),
        ] {
            assert_eq!(url_variants(url), [url, other]);
        }
        assert_eq!(url_variants("no url"), ["no url"]);
    }

    proptest! {
        #[test]
        fn signed_request_is_valid_and_changed_request_is_not(
            body in proptest::collection::vec(any::<u8>(), 0..200), other in proptest::collection::vec(any::<u8>(), 0..200),
            path in "/[a-z0-9./]{0,30}", query in "(\\?[a-z=&%+]{0,20})?",
        ) {
            let url = format!("https://hooks.example.org{path}{query}");
            let signature = sign(&Secret::new("token"), &url, &Form::parse(&body));
            prop_assert!(checker("token").is_valid(&url, &body, true, &signature, ""));
            prop_assert!(!checker("another").is_valid(&url, &body, true, &signature, ""));
            if signed_text(&Form::parse(&other)) != signed_text(&Form::parse(&body)) {
                prop_assert!(!checker("token").is_valid(&url, &other, true, &signature, ""));
            }
        }

        #[test]
        fn nothing_panics(url in "\\PC{0,80}", body in proptest::collection::vec(any::<u8>(), 0..80), signature in "\\PC{0,40}") {
            prop_assert!(!checker("token").is_valid(&url, &body, true, &signature, ""));
        }
    }
}
