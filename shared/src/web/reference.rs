//! Signed references at the end of callback URLs.
//!
//! Most providers do not sign their webhooks. So the URL itself says what it is about and proves that we made it: it
//! ends in `{text}.{tag}`, where the tag is an HMAC over the text and the purpose of the reference.

use subtle::{Choice, ConstantTimeEq as _};

use super::mac::hmac_sha256;
use crate::secret::{Secret, hex};

/// Domain separator of values that are derived from a key, see [`ReferenceSigner::derive`].
const DERIVED_DOMAIN: &[u8] = b"patchbay derived v1\n";
/// Bytes of the MAC that the tag keeps: 128 bits are unguessable, and the URL stays short.
const TAG_BYTES: usize = 16;

/// The text is not a reference that we signed for this purpose with a key that still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid reference")]
pub struct BadReference;

/// The purpose of a reference. It is valid for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A voice provider reports on the call of an attempt.
    Attempt,
    /// Agent4 runs a task chain. The URL has the chain's name next to the reference.
    Chain,
    /// A caller reaches a tenant's number.
    Transfer,
    /// The result of a payment.
    Payment,
    /// The caller was transferred back to the agent.
    HandBack,
    /// A chat platform posts the events of a bot. The URL has the platform's name next to the reference.
    ChatBot,
    /// A chat platform posts the events of an account.
    ChatEvents,
    /// A tenant's own chat page.
    Widget,
    /// A visitor of that page takes part in one conversation.
    Visitor,
    /// A customer to whom an agent wrote opens that page.
    ChatLink,
    /// A provider reports on the message of an attempt.
    Message,
    /// A provider posts what customers write to a tenant.
    IncomingMessage,
    /// What Amazon SES reports about a tenant's e-mails.
    EmailEvents,
    /// The opt-out button of an e-mail.
    OptOut,
    /// A person listens to the recording of a call.
    Recording,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 15] = [
        Self::Attempt,
        Self::Chain,
        Self::Transfer,
        Self::Payment,
        Self::HandBack,
        Self::ChatBot,
        Self::ChatEvents,
        Self::Widget,
        Self::Visitor,
        Self::ChatLink,
        Self::Message,
        Self::IncomingMessage,
        Self::EmailEvents,
        Self::OptOut,
        Self::Recording,
    ];

    /// Domain separator: the prefix of the signed text, so that no tag is valid for another purpose.
    const fn domain(self) -> &'static [u8] {
        match self {
            Self::Attempt => b"patchbay callback v1\n",
            Self::Chain => b"patchbay named callback v1\nagent4\n",
            Self::Transfer => b"patchbay twilio transfer v1\n",
            Self::Payment => b"patchbay twilio payment v1\n",
            Self::HandBack => b"patchbay twilio hand-back v1\n",
            Self::ChatBot => b"patchbay chat bot v1\n",
            Self::ChatEvents => b"patchbay chat events v1\n",
            Self::Widget => b"patchbay chat page v1\n",
            Self::Visitor => b"patchbay chat visitor v1\n",
            Self::ChatLink => b"patchbay chat link v1\n",
            Self::Message => b"patchbay message v1\n",
            Self::IncomingMessage => b"patchbay incoming message v1\n",
            Self::EmailEvents => b"patchbay email events v1\n",
            Self::OptOut => b"patchbay opt-out v1\n",
            Self::Recording => b"patchbay recording v1\n",
        }
    }

    /// Whether a reference works although its key was rotated out. Customers keep the e-mails with their buttons, and an
    /// opt-out that does not work breaks the law.
    const fn outlives_keys(self) -> bool {
        matches!(self, Self::OptOut)
    }

    /// Longest reference that is verified, in bytes. Longer ones are rejected at once.
    pub const fn max_len(self) -> usize {
        match self {
            // Tenant, dispatch id, attempt id, version, tag, and the dots between them.
            Self::Attempt => 32 + 1 + 36 + 1 + 31 + 1 + 20 + 1 + 2 * TAG_BYTES,
            // A tenant, a tag, and the dot between them.
            Self::Chain
            | Self::Transfer
            | Self::ChatBot
            | Self::ChatEvents
            | Self::Widget
            | Self::IncomingMessage
            | Self::EmailEvents => 32 + 1 + 2 * TAG_BYTES,
            // Tenant, interaction id, nonce of the attempt, tag, and the dots between them.
            Self::Message => 32 + 1 + 36 + 1 + 16 + 1 + 2 * TAG_BYTES,
            // Tenant, interaction id, the second in which it expires, tag, and the dots between them.
            Self::ChatLink => 32 + 1 + 36 + 1 + 12 + 1 + 2 * TAG_BYTES,
            // As for a message, with the second in which it expires.
            Self::Recording => 32 + 1 + 36 + 1 + 16 + 1 + 12 + 1 + 2 * TAG_BYTES,
            // The same with the hash of an address.
            Self::OptOut => 32 + 1 + 36 + 1 + 16 + 1 + 64 + 1 + 2 * TAG_BYTES,
            // A tenant, two ids of a platform and a time, as JSON in base64; a tag, and the dot between them.
            Self::Visitor => 480 + 1 + 2 * TAG_BYTES,
            // What remains of Twilio's longest URL, 4,000 characters (twilio/CONTRACT.md 1.1).
            Self::Payment | Self::HandBack => 3_800,
        }
    }
}

/// Signs and verifies references.
#[derive(Clone, Debug)]
pub struct ReferenceSigner {
    current: Secret,
    previous: Option<Secret>,
    retired: Vec<Secret>,
}

impl ReferenceSigner {
    /// Signs with `current`. Accepts signatures of `current` and `previous`, so that the key can be rotated during live
    /// calls.
    pub const fn new(current: Secret, previous: Option<Secret>) -> Self {
        Self {
            current,
            previous,
            retired: Vec::new(),
        }
    }

    /// The same, with keys that were rotated out. They still verify what is in somebody's mailbox for years and does no
    /// harm if it is forged.
    #[must_use]
    pub fn with_retired(self, retired: Vec<Secret>) -> Self {
        Self { retired, ..self }
    }

    /// Signs a reference to `text`, which must be safe in a URL without escaping. The signature also covers `bound_to`,
    /// which is not part of the reference: the verifier must pass the same value.
    pub fn sign(&self, purpose: Purpose, text: &str, bound_to: &str) -> String {
        format!("{text}.{}", tag(&self.current, purpose, text, bound_to))
    }

    /// Verifies `reference` and returns its text.
    ///
    /// # Errors
    /// The text is not a reference, or its tag was not made for this purpose and `bound_to` with a key that verifies it.
    pub fn check<'a>(&self, purpose: Purpose, reference: &'a str, bound_to: &str) -> Result<&'a str, BadReference> {
        if reference.len() > purpose.max_len() {
            return Err(BadReference);
        }
        let (text, given) = reference.rsplit_once('.').ok_or(BadReference)?;
        let matches = self.any_key(purpose, |key| {
            tag(key, purpose, text, bound_to).as_bytes().ct_eq(given.as_bytes())
        });
        if matches { Ok(text) } else { Err(BadReference) }
    }

    /// Derives bytes from the current key, their use `what`, and `text`. Without the key they are unguessable.
    ///
    /// A key rotation changes them once, when it turns `old,new` into `new,old`. During the next five minutes the
    /// sandboxes of a function may differ. So use them only for values that live for minutes and can be issued again: a
    /// call that is live at the rotation may get a second id, and a code that a caller got before the rotation is
    /// rejected after it.
    pub fn derive(&self, what: &str, text: &str) -> [u8; 32] {
        let key = self.current.expose().as_bytes();
        hmac_sha256(key, &[DERIVED_DOMAIN, what.as_bytes(), b"\n", text.as_bytes()])
    }

    /// Whether one of the keys that verify references for `purpose` passes `test`.
    ///
    /// It always tries all of them, so that the timing does not reveal which one matched. It skips an empty key: that is
    /// a configuration error, and anyone could sign with it.
    fn any_key(&self, purpose: Purpose, test: impl Fn(&Secret) -> Choice) -> bool {
        let keys = [Some(&self.current), self.previous.as_ref()].into_iter().flatten();
        let retired = self.retired.iter().filter(|_| purpose.outlives_keys());
        let keys = keys.chain(retired).filter(|key| !key.expose().is_empty());
        bool::from(keys.fold(Choice::from(0), |found, key| found | test(key)))
    }
}

/// The tag of `text` in lower-case hexadecimal.
fn tag(key: &Secret, purpose: Purpose, text: &str, bound_to: &str) -> String {
    let text = text.as_bytes();
    let line: &[u8] = if bound_to.is_empty() { b"" } else { b"\n" };
    let parts = [purpose.domain(), text, line, bound_to.as_bytes()];
    let mut digits = hex(&hmac_sha256(key.expose().as_bytes(), &parts));
    digits.truncate(2 * TAG_BYTES);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(current: &str, previous: Option<&str>) -> ReferenceSigner {
        ReferenceSigner::new(Secret::new(current), previous.map(Secret::new))
    }

    #[test]
    fn reference_is_valid_for_one_purpose_and_bound_text_only() {
        let keys = references("current", Some("previous"));
        for purpose in Purpose::ALL {
            let signed = keys.sign(purpose, "acme", "orders");
            assert_eq!(keys.check(purpose, &signed, "orders"), Ok("acme"));
            for other in Purpose::ALL.into_iter().filter(|other| *other != purpose) {
                assert_eq!(keys.check(other, &signed, "orders"), Err(BadReference));
            }
            for bound_to in ["", "order", "orders\n", "Orders"] {
                assert_eq!(keys.check(purpose, &signed, bound_to), Err(BadReference), "{bound_to}");
            }
            let stolen = signed.replacen("acme", "other", 1);
            assert_eq!(keys.check(purpose, &stolen, "orders"), Err(BadReference));
            let plain = keys.sign(purpose, "acme", "");
            assert_eq!(keys.check(purpose, &plain, ""), Ok("acme"));
            assert_eq!(keys.check(purpose, &plain, "orders"), Err(BadReference));
        }
    }

    /// Operators paste these URLs into a portal, where they stay for years.
    #[test]
    fn chain_reference_has_the_published_form() {
        // The tag is the beginning of
        // `printf 'patchbay named callback v1\nagent4\nacme\norders' | openssl dgst -sha256 -hmac k`.
        assert_eq!(
            references("k", None).sign(Purpose::Chain, "acme", "orders"),
            "acme.26d7aceaed46d3398ae5f577200c4175"
        );
    }

    #[test]
    fn previous_key_is_accepted_and_older_keys_are_not() {
        let signed = references("old", None).sign(Purpose::Chain, "acme", "orders");
        let check = |keys: ReferenceSigner| keys.check(Purpose::Chain, &signed, "orders").is_ok();
        assert!(check(references("new", Some("old"))));
        assert!(!check(references("new", None)));
        assert!(!check(references("newer", Some("new"))));
    }

    #[test]
    fn retired_key_verifies_opt_outs_only() {
        for purpose in Purpose::ALL {
            let signed = references("old", None).sign(purpose, "acme", "");
            let keys = references("newest", Some("new"));
            assert_eq!(keys.check(purpose, &signed, ""), Err(BadReference), "{purpose:?}");
            let keys = keys.with_retired(["older", "old", ""].map(Secret::new).to_vec());
            let is_accepted = keys.check(purpose, &signed, "").is_ok();
            assert_eq!(is_accepted, purpose == Purpose::OptOut, "{purpose:?}");
            let empty = references("", None).sign(purpose, "acme", "");
            assert_eq!(keys.check(purpose, &empty, ""), Err(BadReference), "{purpose:?}");
            // It signs nothing.
            let signed = keys.sign(purpose, "acme", "");
            assert_eq!(references("newest", None).check(purpose, &signed, ""), Ok("acme"));
        }
    }

    #[test]
    fn empty_key_accepts_nothing() {
        let empty = references("", Some(""));
        let signed = empty.sign(Purpose::Attempt, "acme", "");
        assert_eq!(empty.check(Purpose::Attempt, &signed, ""), Err(BadReference));
    }

    #[test]
    fn invalid_reference_is_rejected() {
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
