//! Callback URLs for the call of an attempt, to which a voice provider posts keys and statuses.
//!
//! A URL ends in a reference of the form `{tenant}.{dispatch id}.{attempt id}.{tag}`. If the requester wants a webhook
//! for every status, the reference also has the version of the dispatch that claimed the call, before the tag. The URL
//! carries this fact so that a status for any other requester needs no read of the dispatch.

use http::Method;
use lambda_http::Request;

use super::Provider;
use crate::ids::{AttemptId, DispatchKey};
use crate::providers::twilio::signature::SignatureVerifier;
use crate::web::body;
use crate::web::callbacks::CallbackUrls;
use crate::web::problem::Problem;
use crate::web::reference::{BadReference, Purpose};

/// Query parameter that counts the wrong keys so far.
pub const WRONG_KEYS_PARAM: &str = "again";

/// The verified reference of a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptReference {
    /// The dispatch.
    pub dispatch: DispatchKey,
    /// The attempt of this dispatch.
    pub attempt: AttemptId,
    /// The version of the dispatch that claimed the attempt, if the requester wants a webhook for every status of its
    /// call.
    pub claimed_version: Option<u64>,
}

/// A verified webhook about an attempt.
#[derive(Debug)]
pub struct AttemptCallback<'a> {
    /// The provider that sent it.
    pub provider: Provider,
    /// The attempt that it is about.
    pub reference: AttemptReference,
    /// The raw body.
    pub body: &'a [u8],
}

impl CallbackUrls {
    /// The URL to which a provider posts the keys of an attempt. `wrong_keys` counts the wrong keys so far that were
    /// answered by repeating the options. The count is in the URL because the provider may repeat earlier keys of a
    /// call.
    pub fn keys_url(&self, provider: Provider, dispatch: &DispatchKey, attempt: AttemptId, wrong_keys: u8) -> String {
        let reference = self.sign(
            provider,
            &AttemptReference {
                dispatch: dispatch.clone(),
                attempt,
                claimed_version: None,
            },
        );
        let url = format!("{}/{}/collect/{reference}", self.base, provider.as_str());
        if wrong_keys == 0 {
            url
        } else {
            format!("{url}?{WRONG_KEYS_PARAM}={wrong_keys}")
        }
    }

    /// The URL to which a provider posts the statuses of an attempt. `claimed_version` is the version of the dispatch
    /// that claimed it, if the requester wants a webhook for every status.
    pub fn status_url(
        &self,
        provider: Provider,
        dispatch: &DispatchKey,
        attempt: AttemptId,
        claimed_version: Option<u64>,
    ) -> String {
        let reference = self.sign(
            provider,
            &AttemptReference {
                dispatch: dispatch.clone(),
                attempt,
                claimed_version,
            },
        );
        format!("{}/{}/status/{reference}", self.base, provider.as_str())
    }

    /// Verifies a callback: the reference at the end of its path, and the signature if the provider signs its requests.
    ///
    /// # Errors
    /// 405 for a method other than POST, 404 for a reference that was not signed with one of our keys for this
    /// provider, 403 for a missing or invalid provider signature, 413 if the body is too large.
    pub fn verify<'a>(
        &self,
        request: &'a Request,
        signatures: &SignatureVerifier,
    ) -> Result<AttemptCallback<'a>, Problem> {
        if request.method() != Method::POST {
            return Err(Problem::method_not_allowed("POST"));
        }
        let path = body::path_segments(request);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        // A decoded slash may have inserted other segments between provider and reference.
        let [.., provider, "collect" | "status", reference] = path.as_slice() else {
            return Err(Problem::bad_reference());
        };
        let provider = Provider::from_name(provider).ok_or_else(Problem::bad_reference)?;
        let reference = self.check(provider, reference).map_err(|_| Problem::bad_reference())?;
        let body = match provider {
            Provider::Routee => body::bytes(request)?,
            Provider::Twilio => self.signed_body(request, signatures)?,
        };
        Ok(AttemptCallback {
            provider,
            reference,
            body,
        })
    }

    /// The body of a request that Twilio signed.
    pub(crate) fn signed_body<'a>(
        &self,
        request: &'a Request,
        signatures: &SignatureVerifier,
    ) -> Result<&'a [u8], Problem> {
        let url = self
            .with_fallback_base(request, &[Provider::Twilio.as_str()])
            .twilio_url_of(request);
        let form = signatures
            .verified_form(request, &url)?
            .ok_or_else(Problem::bad_signature)?;
        // The signature covers forms only: any other body is dropped.
        if form.is_empty() { Ok(&[]) } else { body::bytes(request) }
    }

    /// Verifies a reference in a URL for `provider`.
    ///
    /// # Errors
    /// The reference was not signed with one of our keys, or was made for another provider. Otherwise a reference for a
    /// provider without signatures would also pass for a provider whose requests must be signed.
    pub fn check(&self, provider: Provider, reference: &str) -> Result<AttemptReference, BadReference> {
        let text = self.references.check(Purpose::Attempt, reference, bound_to(provider))?;
        parse(text).ok_or(BadReference)
    }

    fn sign(&self, provider: Provider, reference: &AttemptReference) -> String {
        let AttemptReference {
            dispatch,
            attempt,
            claimed_version,
        } = reference;
        let version = claimed_version.map(|version| format!(".{version}")).unwrap_or_default();
        let text = format!("{}.{}.{attempt}{version}", dispatch.tenant, dispatch.id);
        self.references.sign(Purpose::Attempt, &text, bound_to(provider))
    }
}

/// The text to which a reference for `provider` is bound. It is empty for Routee, whose references were the first.
const fn bound_to(provider: Provider) -> &'static str {
    match provider {
        Provider::Routee => "",
        Provider::Twilio => Provider::Twilio.as_str(),
    }
}

fn parse(text: &str) -> Option<AttemptReference> {
    let mut parts = text.split('.');
    let (tenant, id, attempt) = (parts.next()?, parts.next()?, parts.next()?);
    let claimed_version = parts.next().map(str::parse).transpose().ok()?;
    if parts.next().is_some() {
        return None;
    }
    let dispatch = DispatchKey {
        tenant: tenant.parse().ok()?,
        id: id.parse().ok()?,
    };
    Some(AttemptReference {
        dispatch,
        attempt: attempt.parse().ok()?,
        claimed_version,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{DispatchId, Nonce};
    use crate::secret::Secret;
    use crate::web::reference::ReferenceSigner;

    fn references(current: &str, previous: Option<&str>) -> CallbackUrls {
        let references = ReferenceSigner::new(Secret::new(current), previous.map(Secret::new));
        CallbackUrls::new("https://hooks.example.org", references)
    }

    fn reference(dispatch: &DispatchKey, attempt: AttemptId) -> AttemptReference {
        AttemptReference {
            dispatch: dispatch.clone(),
            attempt,
            claimed_version: None,
        }
    }

    fn attempt(ordinal: u32, employee: u8, nonce: u64) -> AttemptId {
        AttemptId {
            ordinal,
            employee,
            nonce: Nonce::new(nonce),
        }
    }

    fn key(tenant: &str, id: u128) -> DispatchKey {
        DispatchKey {
            tenant: tenant.parse().expect("tenant"),
            id: DispatchId::new(id),
        }
    }

    #[test]
    fn reference_has_the_published_form() {
        let signed =
            references("k", None).sign(Provider::Routee, &reference(&key("acme", 0x2a), attempt(7, 2, 0x9f8a)));
        // The tag is the beginning of `printf 'patchbay callback v1\n%s' "$text" | openssl dgst -sha256 -hmac k`.
        assert_eq!(
            signed,
            "acme.dsp_0000000000000000000000000000002a.000007-02-0000000000009f8a.b7e8ace60e8199254330e872f5b97c5f"
        );
    }

    #[test]
    fn longest_reference_is_accepted() {
        let (dispatch, attempt) = (key(&"a".repeat(32), u128::MAX), attempt(u32::MAX, u8::MAX, u64::MAX));
        let keys = references("k", None);
        let longest = AttemptReference {
            claimed_version: Some(u64::MAX),
            ..reference(&dispatch, attempt)
        };
        let signed = keys.sign(Provider::Routee, &longest);
        assert_eq!(signed.len(), Purpose::Attempt.max_len());
        assert_eq!(keys.check(Provider::Routee, &signed), Ok(longest));
        assert_eq!(keys.check(Provider::Routee, &format!("{signed}0")), Err(BadReference));
    }

    #[test]
    fn previous_key_is_accepted_and_older_keys_are_not() {
        let (dispatch, attempt) = (key("acme", 1), attempt(1, 0, 1));
        let signed = references("old", None).sign(Provider::Routee, &reference(&dispatch, attempt));
        assert!(references("new", Some("old")).check(Provider::Routee, &signed).is_ok());
        assert_eq!(
            references("new", None).check(Provider::Routee, &signed),
            Err(BadReference)
        );
        assert_eq!(
            references("newer", Some("new")).check(Provider::Routee, &signed),
            Err(BadReference)
        );
    }

    #[test]
    fn empty_key_accepts_nothing() {
        let empty = references("", Some(""));
        assert_eq!(
            empty.check(
                Provider::Routee,
                &empty.sign(Provider::Routee, &reference(&key("acme", 1), attempt(1, 0, 1)))
            ),
            Err(BadReference)
        );
    }

    #[test]
    fn uppercase_or_truncated_tag_is_rejected() {
        let keys = references("k", None);
        let signed = keys.sign(Provider::Routee, &reference(&key("acme", 1), attempt(1, 0, 1)));
        let (text, tag) = signed.rsplit_once('.').expect("a tag");
        assert!(
            tag.contains(|c: char| c.is_ascii_lowercase()),
            "the test needs a letter in {tag}"
        );
        assert_eq!(
            keys.check(Provider::Routee, &format!("{text}.{}", tag.to_uppercase())),
            Err(BadReference)
        );
        assert_eq!(
            keys.check(Provider::Routee, &format!("{text}.{}", &tag[..30])),
            Err(BadReference)
        );
        assert_eq!(keys.check(Provider::Routee, &format!("{text}.")), Err(BadReference));
        assert_eq!(keys.check(Provider::Routee, text), Err(BadReference));
    }

    proptest! {
        #[test]
        fn signed_reference_round_trips(
            tenant in "[a-z0-9-]{1,32}", id: u128, ordinal: u32, employee: u8, nonce: u64, claimed_version: Option<u64>,
        ) {
            let keys = references("current", Some("previous"));
            let (dispatch, attempt) = (key(&tenant, id), attempt(ordinal, employee, nonce));
            let reference = AttemptReference { claimed_version, ..reference(&dispatch, attempt) };
            prop_assert_eq!(keys.check(Provider::Routee, &keys.sign(Provider::Routee, &reference)), Ok(reference));
        }

        #[test]
        fn any_changed_character_is_rejected(at: prop::sample::Index, with: char) {
            let keys = references("current", Some("previous"));
            let signed = keys.sign(Provider::Routee, &reference(&key("acme", 7), attempt(3, 1, 42)));
            let mut chars: Vec<char> = signed.chars().collect();
            let at = at.index(chars.len());
            prop_assume!(chars[at] != with);
            chars[at] = with;
            let changed: String = chars.into_iter().collect();
            prop_assert_eq!(keys.check(Provider::Routee, &changed), Err(BadReference));
        }

        #[test]
        fn arbitrary_text_is_rejected_without_a_panic(text in "\\PC{0,200}", dotted in "[a-f0-9.\\-_dsp]{0,140}") {
            let keys = references("current", None);
            prop_assert_eq!(keys.check(Provider::Routee, &text), Err(BadReference));
            prop_assert_eq!(keys.check(Provider::Routee, &dotted), Err(BadReference));
        }
    }
}
