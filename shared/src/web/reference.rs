//! The references that callback URLs end in.
//!
//! Providers do not sign their webhooks, so the URL that a provider is given says by itself which attempt it is
//! about, and proves that we made it: `{tenant}.{dispatch id}.{attempt id}.{tag}`. Where the requester wants to hear of
//! every status, the version of the dispatch with which the call was claimed stands before the tag: so a status costs
//! nobody else a look at the dispatch.

use subtle::{Choice, ConstantTimeEq as _};

use super::mac::hmac_sha256;
use crate::ids::{AttemptId, DispatchKey, Tenant};
use crate::secret::{Secret, hex};

/// What is signed begins with this, so that no other signature made with the same key is ever a tag.
const DOMAIN: &[u8] = b"patchbay callback v1\n";
/// The same for references that belong to a tenant and a name instead of an attempt.
const NAMED_DOMAIN: &[u8] = b"patchbay named callback v1\n";
/// And for values that are derived from a key for something else.
const DERIVED_DOMAIN: &[u8] = b"patchbay derived v1\n";
/// Bytes of the MAC that go into the tag: 128 bits cannot be guessed, and the URL stays short.
const TAG_BYTES: usize = 16;
/// Length of the longest reference there is: tenant, dispatch id, attempt id, version, tag, and the dots between them.
const MAX_LEN: usize = 32 + 1 + 36 + 1 + 31 + 1 + 20 + 1 + 2 * TAG_BYTES;

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
    /// The version with which the attempt was claimed, when the requester wants to hear of every status of its call.
    pub told_from: Option<u64>,
}

/// What a reference that belongs to a name is good for, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Agent4 calls a task chain of this name.
    Agent4,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Agent4 => "agent4",
        }
    }
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

    /// A reference for a URL that lasts: `{tenant}.{tag}`. Good for one purpose and the one `name` in the same URL.
    pub fn sign_named(&self, purpose: Purpose, tenant: &Tenant, name: &str) -> String {
        format!("{tenant}.{}", named_tag(&self.current, purpose, tenant, name))
    }

    /// Whose `reference` is, if we made it for this purpose and `name`.
    ///
    /// # Errors
    /// The text is not a reference, or its tag was not made for this with a key still in use.
    pub fn check_named(&self, purpose: Purpose, reference: &str, name: &str) -> Result<Tenant, BadReference> {
        let (tenant, given) = reference.split_once('.').ok_or(BadReference)?;
        let tenant: Tenant = tenant.parse().map_err(|_| BadReference)?;
        let matches = self.any_key(|key| {
            named_tag(key, purpose, &tenant, name)
                .as_bytes()
                .ct_eq(given.as_bytes())
        });
        if matches { Ok(tenant) } else { Err(BadReference) }
    }

    /// Bits that follow from the current key, `what` they are for, and `text`; nobody without the key can guess them.
    ///
    /// They become others once, when a rotation turns `old,new` into `new,old`; for the next five minutes the sandboxes of
    /// a function may differ. So they are good for what lives for minutes and may be had again: of the calls under way in
    /// that moment, one may get a second id, and a code that a caller was told before it is refused after it.
    pub fn derive(&self, what: &str, text: &str) -> [u8; 32] {
        let key = self.current.expose().as_bytes();
        hmac_sha256(key, &[DERIVED_DOMAIN, what.as_bytes(), b"\n", text.as_bytes()])
    }

    /// Whether any key that is in use passes `test`.
    ///
    /// Every key is tried always: how long it takes tells nobody which one matched. An empty key is a configuration
    /// gone wrong, and would let anybody sign.
    fn any_key(&self, test: impl Fn(&Secret) -> Choice) -> bool {
        let keys = [Some(&self.current), self.previous.as_ref()];
        let keys = keys.into_iter().flatten().filter(|key| !key.expose().is_empty());
        bool::from(keys.fold(Choice::from(0), |found, key| found | test(key)))
    }

    /// The text of a reference to an attempt. Safe in a URL as it is.
    pub fn sign(&self, reference: &Reference) -> String {
        let Reference { dispatch, attempt, .. } = reference;
        let version = reference.told_from.map(|version| format!(".{version}"));
        let text = format!(
            "{}.{}.{attempt}{}",
            dispatch.tenant,
            dispatch.id,
            version.unwrap_or_default()
        );
        self.sign_text(DOMAIN, &text)
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
        let matches = self.any_key(|key| tag(key, domain, text).as_bytes().ct_eq(given.as_bytes()));
        if !matches {
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

fn named_tag(key: &Secret, purpose: Purpose, tenant: &Tenant, name: &str) -> String {
    tag(key, NAMED_DOMAIN, &format!("{}\n{tenant}\n{name}", purpose.name()))
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

    fn references(current: &str, previous: Option<&str>) -> References {
        References::new(Secret::new(current), previous.map(Secret::new))
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
        let signed = references("k", None).sign(&reference(&key("acme", 0x2a), attempt(7, 2, 0x9f8a)));
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
        let signed = keys.sign(&longest);
        assert_eq!(signed.len(), MAX_LEN);
        assert_eq!(keys.check(&signed), Ok(longest));
        assert_eq!(keys.check(&format!("{signed}0")), Err(BadReference));
    }

    #[test]
    fn a_key_counts_while_it_is_the_previous_one_and_not_after_that() {
        let (dispatch, attempt) = (key("acme", 1), attempt(1, 0, 1));
        let signed = references("old", None).sign(&reference(&dispatch, attempt));
        assert!(references("new", Some("old")).check(&signed).is_ok());
        assert_eq!(references("new", None).check(&signed), Err(BadReference));
        assert_eq!(references("newer", Some("new")).check(&signed), Err(BadReference));
    }

    #[test]
    fn an_empty_key_accepts_nothing() {
        let empty = references("", Some(""));
        assert_eq!(
            empty.check(&empty.sign(&reference(&key("acme", 1), attempt(1, 0, 1)))),
            Err(BadReference)
        );
    }

    #[test]
    fn a_tag_in_capitals_or_cut_short_is_refused() {
        let keys = references("k", None);
        let signed = keys.sign(&reference(&key("acme", 1), attempt(1, 0, 1)));
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

    #[test]
    fn a_named_reference_is_good_for_its_name_and_tenant_only() {
        let keys = references("current", Some("previous"));
        let (acme, other): (Tenant, Tenant) = ("acme".parse().expect("tenant"), "other".parse().expect("tenant"));
        let signed = keys.sign_named(Purpose::Agent4, &acme, "orders");
        assert_eq!(keys.check_named(Purpose::Agent4, &signed, "orders"), Ok(acme.clone()));
        assert_eq!(keys.check_named(Purpose::Agent4, &signed, "order"), Err(BadReference));
        let stolen = signed.replacen("acme", "other", 1);
        assert_eq!(keys.check_named(Purpose::Agent4, &stolen, "orders"), Err(BadReference));
        assert_ne!(
            signed.rsplit('.').next(),
            keys.sign_named(Purpose::Agent4, &other, "orders").rsplit('.').next()
        );
        // Neither kind of reference passes for the other.
        assert_eq!(keys.check(&signed), Err(BadReference));
        let attempt = keys.sign(&reference(&key("acme", 1), attempt(1, 0, 1)));
        assert_eq!(keys.check_named(Purpose::Agent4, &attempt, "orders"), Err(BadReference));
        for wrong in ["", ".", "acme", "acme.", "ACME.00"] {
            assert_eq!(
                keys.check_named(Purpose::Agent4, wrong, "orders"),
                Err(BadReference),
                "{wrong}"
            );
        }
        let old = references("previous", None).sign_named(Purpose::Agent4, &acme, "orders");
        assert_eq!(keys.check_named(Purpose::Agent4, &old, "orders"), Ok(acme.clone()));
        let empty = references("", None);
        let unsigned = empty.sign_named(Purpose::Agent4, &acme, "orders");
        assert_eq!(
            empty.check_named(Purpose::Agent4, &unsigned, "orders"),
            Err(BadReference)
        );
    }

    proptest! {
        #[test]
        fn what_is_signed_is_read_back(
            tenant in "[a-z0-9-]{1,32}", id: u128, ordinal: u32, employee: u8, nonce: u64, told_from: Option<u64>,
        ) {
            let keys = references("current", Some("previous"));
            let (dispatch, attempt) = (key(&tenant, id), attempt(ordinal, employee, nonce));
            let reference = Reference { told_from, ..reference(&dispatch, attempt) };
            prop_assert_eq!(keys.check(&keys.sign(&reference)), Ok(reference));
        }

        #[test]
        fn any_single_changed_character_is_refused(at: prop::sample::Index, with: char) {
            let keys = references("current", Some("previous"));
            let signed = keys.sign(&reference(&key("acme", 7), attempt(3, 1, 42)));
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
