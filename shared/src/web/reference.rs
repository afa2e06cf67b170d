//! References: what a URL that we hand out says by itself, and proves.
//!
//! Most providers do not sign their webhooks. So the URL that one is given says what it is about, and that we made it: it
//! ends in `{text}.{tag}`, where the tag is an HMAC over the text and what the reference is good for.

use subtle::{Choice, ConstantTimeEq as _};

use super::mac::hmac_sha256;
use crate::secret::{Secret, hex};

/// What is derived from a key for something else begins with this.
const DERIVED_DOMAIN: &[u8] = b"patchbay derived v1\n";
/// Bytes of the MAC that go into the tag: 128 bits cannot be guessed, and the URL stays short.
const TAG_BYTES: usize = 16;

/// The text is no reference that we made for this with a key still in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid reference")]
pub struct BadReference;

/// What a reference is good for, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A voice provider tells of the call of an attempt.
    Attempt,
    /// A task chain is run. Its name stands beside the reference in the URL.
    Chain,
    /// A caller comes to a tenant's number.
    Transfer,
    /// A caller has paid, or not.
    Payment,
    /// A caller was handed back.
    HandBack,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Attempt,
        Self::Chain,
        Self::Transfer,
        Self::Payment,
        Self::HandBack,
    ];

    /// What is signed begins with this, so that no tag is ever good for another purpose.
    const fn domain(self) -> &'static [u8] {
        match self {
            Self::Attempt => b"patchbay callback v1\n",
            Self::Chain => b"patchbay named callback v1\nagent4\n",
            Self::Transfer => b"patchbay twilio transfer v1\n",
            Self::Payment => b"patchbay twilio payment v1\n",
            Self::HandBack => b"patchbay twilio hand-back v1\n",
        }
    }

    /// Length of the longest reference that is looked at.
    pub const fn max_len(self) -> usize {
        match self {
            // Tenant, dispatch id, attempt id, version, tag, and the dots between them.
            Self::Attempt => 32 + 1 + 36 + 1 + 31 + 1 + 20 + 1 + 2 * TAG_BYTES,
            // A tenant, a tag, and the dot between them.
            Self::Chain | Self::Transfer => 32 + 1 + 2 * TAG_BYTES,
            // What is left of the longest URL that Twilio takes (`twilio.md` 1.1).
            Self::Payment | Self::HandBack => 3_800,
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

    /// A reference that says `text`, as long as `beside` stands beside it: whoever checks it has to know that. `text` has
    /// to be safe in a URL as it is.
    pub fn sign(&self, purpose: Purpose, text: &str, beside: &str) -> String {
        format!("{text}.{}", tag(&self.current, purpose, text, beside))
    }

    /// What `reference` says, if we made it for this.
    ///
    /// # Errors
    /// The text is not a reference, or its tag was not made for this with a key still in use.
    pub fn check<'a>(&self, purpose: Purpose, reference: &'a str, beside: &str) -> Result<&'a str, BadReference> {
        if reference.len() > purpose.max_len() {
            return Err(BadReference);
        }
        let (text, given) = reference.rsplit_once('.').ok_or(BadReference)?;
        let matches = self.any_key(|key| tag(key, purpose, text, beside).as_bytes().ct_eq(given.as_bytes()));
        if matches { Ok(text) } else { Err(BadReference) }
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
}

/// The tag of `text`, in lower-case hexadecimal.
fn tag(key: &Secret, purpose: Purpose, text: &str, beside: &str) -> String {
    let text = text.as_bytes();
    let line: &[u8] = if beside.is_empty() { b"" } else { b"\n" };
    let parts = [purpose.domain(), text, line, beside.as_bytes()];
    let mut digits = hex(&hmac_sha256(key.expose().as_bytes(), &parts));
    digits.truncate(2 * TAG_BYTES);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(current: &str, previous: Option<&str>) -> References {
        References::new(Secret::new(current), previous.map(Secret::new))
    }

    #[test]
    fn a_reference_is_good_for_one_purpose_and_for_what_stands_beside_it() {
        let keys = references("current", Some("previous"));
        for purpose in Purpose::ALL {
            let signed = keys.sign(purpose, "acme", "orders");
            assert_eq!(keys.check(purpose, &signed, "orders"), Ok("acme"));
            for other in Purpose::ALL.into_iter().filter(|other| *other != purpose) {
                assert_eq!(keys.check(other, &signed, "orders"), Err(BadReference));
            }
            for beside in ["", "order", "orders\n", "Orders"] {
                assert_eq!(keys.check(purpose, &signed, beside), Err(BadReference), "{beside}");
            }
            let stolen = signed.replacen("acme", "other", 1);
            assert_eq!(keys.check(purpose, &stolen, "orders"), Err(BadReference));
            let plain = keys.sign(purpose, "acme", "");
            assert_eq!(keys.check(purpose, &plain, ""), Ok("acme"));
            assert_eq!(keys.check(purpose, &plain, "orders"), Err(BadReference));
        }
    }

    /// These URLs are pasted into a portal and live for years.
    #[test]
    fn the_reference_of_a_chain_has_the_published_form() {
        // The tag is what `printf 'patchbay named callback v1\nagent4\nacme\norders' | openssl dgst -sha256 -hmac k` begins
        // with.
        assert_eq!(
            references("k", None).sign(Purpose::Chain, "acme", "orders"),
            "acme.26d7aceaed46d3398ae5f577200c4175"
        );
    }

    #[test]
    fn a_key_counts_while_it_is_the_previous_one_and_not_after_that() {
        let signed = references("old", None).sign(Purpose::Chain, "acme", "orders");
        let check = |keys: References| keys.check(Purpose::Chain, &signed, "orders").is_ok();
        assert!(check(references("new", Some("old"))));
        assert!(!check(references("new", None)));
        assert!(!check(references("newer", Some("new"))));
    }

    #[test]
    fn an_empty_key_accepts_nothing() {
        let empty = references("", Some(""));
        let signed = empty.sign(Purpose::Attempt, "acme", "");
        assert_eq!(empty.check(Purpose::Attempt, &signed, ""), Err(BadReference));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let keys = references("current", Some("previous"));
        for purpose in Purpose::ALL {
            for wrong in ["", ".", "acme", "acme.", "ACME.00", &".".repeat(4_000)] {
                assert_eq!(keys.check(purpose, wrong, ""), Err(BadReference), "{wrong}");
            }
            let long = "a".repeat(purpose.max_len());
            let signed = keys.sign(purpose, &long, "");
            assert_eq!(keys.check(purpose, &signed, ""), Err(BadReference));
        }
    }
}
