//! The references that callback URLs end in.
//!
//! Providers do not sign their webhooks, so the URL that a provider is given says by itself which attempt it is
//! about, and proves that we made it: `{tenant}.{dispatch id}.{attempt id}.{tag}`.

use subtle::{Choice, ConstantTimeEq as _};

use super::mac::hmac_sha256;
use crate::ids::{AttemptId, DispatchKey};
use crate::secret::{Secret, hex};

/// What is signed begins with this, so that no other signature made with the same key is ever a tag.
const DOMAIN: &[u8] = b"patchbay callback v1\n";
/// Bytes of the MAC that go into the tag: 128 bits cannot be guessed, and the URL stays short.
const TAG_BYTES: usize = 16;
/// Length of the longest reference there is: tenant, dispatch id, attempt id, tag, and the dots between them.
const MAX_LEN: usize = 32 + 1 + 36 + 1 + 31 + 1 + 2 * TAG_BYTES;

/// The text is no reference that we made with a key still in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid reference")]
pub struct BadReference;

/// What a callback is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Which dispatch.
    pub dispatch: DispatchKey,
    /// Which attempt of it.
    pub attempt: AttemptId,
}

/// Signs references, and checks them.
#[derive(Clone, Debug)]
pub struct References {
    current: Secret,
    previous: Option<Secret>,
}

impl References {
    /// Signs with `current`; accepts what was signed with `current` or `previous`, so that the key can be changed
    /// while calls are under way.
    pub const fn new(current: Secret, previous: Option<Secret>) -> Self {
        Self { current, previous }
    }

    /// The reference to an attempt. Safe in a URL as it is.
    pub fn sign(&self, dispatch: &DispatchKey, attempt: AttemptId) -> String {
        self.sign_text(DOMAIN, &format!("{}.{}.{attempt}", dispatch.tenant, dispatch.id))
    }

    /// `text` with its tag. `domain` says what kind of text it is, so that no tag is ever good for another kind.
    pub(super) fn sign_text(&self, domain: &[u8], text: &str) -> String {
        let tag = tag(&self.current, domain, text);
        format!("{text}.{tag}")
    }

    /// What `reference` is about, if it is one that we made.
    ///
    /// # Errors
    /// The text is not a reference, or its tag was not made with a key still in use.
    pub fn check(&self, reference: &str) -> Result<Reference, BadReference> {
        if reference.len() > MAX_LEN {
            return Err(BadReference);
        }
        parse(self.check_text(DOMAIN, reference)?).ok_or(BadReference)
    }

    /// The text of `reference`, if it is of this kind and we made it.
    pub(super) fn check_text<'a>(&self, domain: &[u8], reference: &'a str) -> Result<&'a str, BadReference> {
        let (text, given) = reference.rsplit_once('.').ok_or(BadReference)?;
        // Every key is tried always: how long it takes tells nobody which one matched. An empty key is a
        // configuration gone wrong, and would let anybody sign.
        let matches = [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .filter(|key| !key.expose().is_empty())
            .fold(Choice::from(0), |found, key| {
                found | tag(key, domain, text).as_bytes().ct_eq(given.as_bytes())
            });
        if !bool::from(matches) {
            return Err(BadReference);
        }
        Ok(text)
    }
}

/// The tag of `text`, in lower-case hexadecimal.
fn tag(key: &Secret, domain: &[u8], text: &str) -> String {
    let mut digits = hex(&hmac_sha256(key.expose().as_bytes(), &[domain, text.as_bytes()]));
    digits.truncate(2 * TAG_BYTES);
    digits
}

fn parse(text: &str) -> Option<Reference> {
    let mut parts = text.split('.');
    let (tenant, id, attempt) = (parts.next()?, parts.next()?, parts.next()?);
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
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{DispatchId, Nonce};

    fn references(current: &str, previous: Option<&str>) -> References {
        References::new(Secret::new(current), previous.map(Secret::new))
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
        let signed = references("k", None).sign(&key("acme", 0x2a), attempt(7, 2, 0x9f8a));
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
        let signed = keys.sign(&dispatch, attempt);
        assert_eq!(signed.len(), MAX_LEN);
        assert_eq!(keys.check(&signed), Ok(Reference { dispatch, attempt }));
        assert_eq!(keys.check(&format!("{signed}0")), Err(BadReference));
    }

    #[test]
    fn a_key_counts_while_it_is_the_previous_one_and_not_after_that() {
        let (dispatch, attempt) = (key("acme", 1), attempt(1, 0, 1));
        let signed = references("old", None).sign(&dispatch, attempt);
        assert!(references("new", Some("old")).check(&signed).is_ok());
        assert_eq!(references("new", None).check(&signed), Err(BadReference));
        assert_eq!(references("newer", Some("new")).check(&signed), Err(BadReference));
    }

    #[test]
    fn an_empty_key_accepts_nothing() {
        let empty = references("", Some(""));
        assert_eq!(
            empty.check(&empty.sign(&key("acme", 1), attempt(1, 0, 1))),
            Err(BadReference)
        );
    }

    #[test]
    fn a_tag_in_capitals_or_cut_short_is_refused() {
        let keys = references("k", None);
        let signed = keys.sign(&key("acme", 1), attempt(1, 0, 1));
        let (text, tag) = signed.rsplit_once('.').expect("a tag");
        assert!(
            tag.contains(|c: char| c.is_ascii_lowercase()),
            "the test needs a letter in {tag}"
        );
        assert_eq!(keys.check(&format!("{text}.{}", tag.to_uppercase())), Err(BadReference));
        assert_eq!(keys.check(&format!("{text}.{}", &tag[..30])), Err(BadReference));
        assert_eq!(keys.check(&format!("{text}.")), Err(BadReference));
        assert_eq!(keys.check(text), Err(BadReference));
    }

    proptest! {
        #[test]
        fn what_is_signed_is_read_back(
            tenant in "[a-z0-9-]{1,32}", id: u128, ordinal: u32, employee: u8, nonce: u64,
        ) {
            let keys = references("current", Some("previous"));
            let (dispatch, attempt) = (key(&tenant, id), attempt(ordinal, employee, nonce));
            let read = keys.check(&keys.sign(&dispatch, attempt));
            prop_assert_eq!(read, Ok(Reference { dispatch, attempt }));
        }

        #[test]
        fn any_single_changed_character_is_refused(at: prop::sample::Index, with: char) {
            let keys = references("current", Some("previous"));
            let signed = keys.sign(&key("acme", 7), attempt(3, 1, 42));
            let mut chars: Vec<char> = signed.chars().collect();
            let at = at.index(chars.len());
            prop_assume!(chars[at] != with);
            chars[at] = with;
            let changed: String = chars.into_iter().collect();
            prop_assert_eq!(keys.check(&changed), Err(BadReference));
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in "\\PC{0,200}", dotted in "[a-f0-9.\\-_dsp]{0,140}") {
            let keys = references("current", None);
            prop_assert_eq!(keys.check(&text), Err(BadReference));
            prop_assert_eq!(keys.check(&dotted), Err(BadReference));
        }
    }
}
