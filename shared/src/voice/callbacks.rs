//! The URLs under which a voice provider tells of the call of an attempt.
//!
//! They end in a reference of the form `{tenant}.{dispatch id}.{attempt id}.{tag}`. Where the requester wants to hear of
//! every status, the version of the dispatch with which the call was claimed stands before the tag: so a status costs
//! nobody else a look at the dispatch.

use http::Method;
use lambda_http::Request;

use super::Provider;
use crate::ids::{AttemptId, DispatchKey};
use crate::providers::twilio::signature::Signatures;
use crate::web::body;
use crate::web::callbacks::Callbacks;
use crate::web::problem::Problem;
use crate::web::reference::{BadReference, Purpose};

/// Name of the query parameter that counts wrong keys.
pub const AGAIN: &str = "again";

/// What a callback is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Which dispatch.
    pub dispatch: DispatchKey,
    /// Which attempt of it.
    pub attempt: AttemptId,
    /// The version with which the attempt was claimed, when the requester wants to hear of every status of its call.
    pub told_from: Option<u64>,
}

/// A provider's webhook about an attempt.
#[derive(Debug)]
pub struct Callback<'a> {
    /// Who sent it.
    pub provider: Provider,
    /// What it is about.
    pub reference: Reference,
    /// What it says.
    pub body: &'a [u8],
}

impl Callbacks {
    /// Where a provider sends the keys of an attempt. `asked_again` counts the wrong keys that were answered with the
    /// options again: the provider may repeat earlier keys of a call, so the count travels in the URL.
    pub fn keys_url(&self, provider: Provider, dispatch: &DispatchKey, attempt: AttemptId, asked_again: u8) -> String {
        let reference = self.sign(
            provider,
            &Reference {
                dispatch: dispatch.clone(),
                attempt,
                told_from: None,
            },
        );
        let url = format!("{}/{}/collect/{reference}", self.base, provider.as_str());
        if asked_again == 0 {
            url
        } else {
            format!("{url}?{AGAIN}={asked_again}")
        }
    }

    /// Where a provider sends the statuses of an attempt. `told_from` is the version with which it was claimed, when the
    /// requester is to hear of them.
    pub fn status_url(
        &self,
        provider: Provider,
        dispatch: &DispatchKey,
        attempt: AttemptId,
        told_from: Option<u64>,
    ) -> String {
        let reference = self.sign(
            provider,
            &Reference {
                dispatch: dispatch.clone(),
                attempt,
                told_from,
            },
        );
        format!("{}/{}/status/{reference}", self.base, provider.as_str())
    }

    /// What a callback says: who sent it, about which attempt (by the reference at the end of its path), and its body.
    /// Of a provider that signs what it sends, `signatures` tells it from everybody else.
    ///
    /// # Errors
    /// 405 for another method than POST, 404 for a reference that was not made with one of our keys for this provider, 403
    /// for a request that a provider should have signed and did not, 413 for a body that is too large.
    pub fn open<'a>(&self, request: &'a Request, signatures: &Signatures) -> Result<Callback<'a>, Problem> {
        if request.method() != Method::POST {
            return Err(Problem::method_not_allowed("POST"));
        }
        let path = body::path_segments(request);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        // A slash that was decoded may have brought other segments between them.
        let [.., provider, "collect" | "status", reference] = path.as_slice() else {
            return Err(Problem::bad_reference());
        };
        let provider = Provider::named(provider).ok_or_else(Problem::bad_reference)?;
        let reference = self.check(provider, reference).map_err(|_| Problem::bad_reference())?;
        let body = match provider {
            Provider::Routee => body::bytes(request)?,
            Provider::Twilio => self.signed_body(request, signatures)?,
        };
        Ok(Callback {
            provider,
            reference,
            body,
        })
    }

    /// The body of a request that Twilio signed.
    fn signed_body<'a>(&self, request: &'a Request, signatures: &Signatures) -> Result<&'a [u8], Problem> {
        let url = self
            .reached_by(request, &[Provider::Twilio.as_str()])
            .twilio_url_of(request);
        let form = signatures.form(request, &url)?.ok_or_else(Problem::bad_signature)?;
        // Of another kind than a form no signature says anything.
        if form.is_empty() { Ok(&[]) } else { body::bytes(request) }
    }

    /// Which attempt a reference in a URL for `provider` names.
    ///
    /// # Errors
    /// When it was not made with one of our keys, or for another provider: what need not be signed by one must not stand in
    /// for what must be by another.
    pub fn check(&self, provider: Provider, reference: &str) -> Result<Reference, BadReference> {
        let text = self.references.check(Purpose::Attempt, reference, beside(provider))?;
        parse(text).ok_or(BadReference)
    }

    fn sign(&self, provider: Provider, reference: &Reference) -> String {
        let Reference {
            dispatch,
            attempt,
            told_from,
        } = reference;
        let version = told_from.map(|version| format!(".{version}")).unwrap_or_default();
        let text = format!("{}.{}.{attempt}{version}", dispatch.tenant, dispatch.id);
        self.references.sign(Purpose::Attempt, &text, beside(provider))
    }
}

/// What stands beside a reference in a URL for `provider`. Routee's were made before there was another one.
const fn beside(provider: Provider) -> &'static str {
    match provider {
        Provider::Routee => "",
        Provider::Twilio => Provider::Twilio.as_str(),
    }
}

fn parse(text: &str) -> Option<Reference> {
    let mut parts = text.split('.');
    let (tenant, id, attempt) = (parts.next()?, parts.next()?, parts.next()?);
    let told_from = parts.next().map(str::parse).transpose().ok()?;
    if parts.next().is_some() {
        return None;
    }
    let dispatch = DispatchKey {
        tenant: tenant.parse().ok()?,
        id: id.parse().ok()?,
    };
    Some(Reference {
        dispatch,
        attempt: attempt.parse().ok()?,
        told_from,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{DispatchId, Nonce};
    use crate::secret::Secret;
    use crate::web::reference::References;

    fn references(current: &str, previous: Option<&str>) -> Callbacks {
        let references = References::new(Secret::new(current), previous.map(Secret::new));
        Callbacks::new("https://hooks.example.org", references)
    }

    fn reference(dispatch: &DispatchKey, attempt: AttemptId) -> Reference {
        Reference {
            dispatch: dispatch.clone(),
            attempt,
            told_from: None,
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
    fn a_reference_has_the_published_form() {
        let signed =
            references("k", None).sign(Provider::Routee, &reference(&key("acme", 0x2a), attempt(7, 2, 0x9f8a)));
        // The tag is what `printf 'patchbay callback v1\n%s' "$text" | openssl dgst -sha256 -hmac k` begins with.
        assert_eq!(
            signed,
            "acme.dsp_0000000000000000000000000000002a.000007-02-0000000000009f8a.b7e8ace60e8199254330e872f5b97c5f"
        );
    }

    #[test]
    fn the_longest_reference_there_is_passes() {
        let (dispatch, attempt) = (key(&"a".repeat(32), u128::MAX), attempt(u32::MAX, u8::MAX, u64::MAX));
        let keys = references("k", None);
        let longest = Reference {
            told_from: Some(u64::MAX),
            ..reference(&dispatch, attempt)
        };
        let signed = keys.sign(Provider::Routee, &longest);
        assert_eq!(signed.len(), Purpose::Attempt.max_len());
        assert_eq!(keys.check(Provider::Routee, &signed), Ok(longest));
        assert_eq!(keys.check(Provider::Routee, &format!("{signed}0")), Err(BadReference));
    }

    #[test]
    fn a_key_counts_while_it_is_the_previous_one_and_not_after_that() {
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
    fn an_empty_key_accepts_nothing() {
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
    fn a_tag_in_capitals_or_cut_short_is_refused() {
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
        fn what_is_signed_is_read_back(
            tenant in "[a-z0-9-]{1,32}", id: u128, ordinal: u32, employee: u8, nonce: u64, told_from: Option<u64>,
        ) {
            let keys = references("current", Some("previous"));
            let (dispatch, attempt) = (key(&tenant, id), attempt(ordinal, employee, nonce));
            let reference = Reference { told_from, ..reference(&dispatch, attempt) };
            prop_assert_eq!(keys.check(Provider::Routee, &keys.sign(Provider::Routee, &reference)), Ok(reference));
        }

        #[test]
        fn any_single_changed_character_is_refused(at: prop::sample::Index, with: char) {
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
        fn any_text_is_refused_without_a_panic(text in "\\PC{0,200}", dotted in "[a-f0-9.\\-_dsp]{0,140}") {
            let keys = references("current", None);
            prop_assert_eq!(keys.check(Provider::Routee, &text), Err(BadReference));
            prop_assert_eq!(keys.check(Provider::Routee, &dotted), Err(BadReference));
        }
    }
}
