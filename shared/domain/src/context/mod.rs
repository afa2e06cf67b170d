//! Caller context: what voice agents share about a caller. Pure: no I/O, no clock.
//!
//! An agent *sets* what it knows about a caller before it transfers the call; the next agent *gets* it by the caller's
//! number. In between, our own transfer may take a payment and record its [`PaymentOutcome`].
//!
//! - [`draft`]: the request to set a context, and its validation. [`entry`]: one paragraph of a memory.
//! - [`caller`]: phone numbers that can identify a caller.
//! - [`purchase`], [`price`], [`outcome`]: what is to be paid, and the outcome of the payment.
//!
//! A payment belongs to a [`Purchase`], not to a set: agents and their tools repeat the same set again and again, and
//! nobody may pay for it twice. A context may also have no purchase: then an agent only left a note about the caller.

pub mod caller;
mod card;
pub mod draft;
pub mod entry;
pub mod outcome;
pub mod price;
pub mod purchase;

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::ids::{Nonce, Tenant};
use crate::phone::PhoneNumber;
use crate::timestamp::Timestamp;

pub use draft::{CallerDetails, ContextDraft, MemoryChange, NewContext, SetContent, SetOptions};
pub use entry::MemoryEntry;
pub use outcome::{DroppedField, PaymentOutcome, PaymentStatus, Processor};
pub use price::Price;
pub use purchase::{Purchase, PurchaseChange, TransactionType};

/// Number of earlier versions that are kept in addition to the current one.
pub const EARLIER_VERSIONS: usize = 5;
/// Default lifetime of a context, in seconds: a week.
pub const DEFAULT_TTL: u32 = 7 * 86_400;
/// Allowed lifetime of a context, in seconds: a minute to 30 days.
pub const TTL_RANGE: std::ops::RangeInclusive<u32> = 60..=30 * 86_400;

/// Key of a context: the tenant that owns it, and the caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContextKey {
    /// The tenant that owns the context.
    pub tenant: Tenant,
    /// The caller's number.
    pub caller: PhoneNumber,
}

/// The call in which a context was set, identified by the platform's id of the call. Only the first 128 bits of the
/// id's SHA-256 are kept, because it is only compared and never shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId(u128);

impl CallId {
    /// The call with this id at the agent's platform.
    pub fn new(name: &str) -> Self {
        let digest = Sha256::digest(name.as_bytes());
        Self(
            digest
                .iter()
                .take(16)
                .fold(0, |bits, byte| (bits << 8) | u128::from(*byte)),
        )
    }
}

impl FromStr for CallId {
    type Err = InvalidCallId;

    fn from_str(text: &str) -> Result<Self, InvalidCallId> {
        let id = u128::from_str_radix(text, 16).map(Self).map_err(|_| InvalidCallId)?;
        // Exactly one text for each id.
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(InvalidCallId)
        }
    }
}

/// The text is not the stored form of a [`CallId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the hash of a call id")]
pub struct InvalidCallId;

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an agent says about a caller and the purchase. The memory is kept apart, because it is updated separately.
#[derive(Clone, PartialEq, Eq)]
pub struct ContextData {
    /// What is to be paid; none if there is nothing to pay.
    pub purchase: Option<Purchase>,
    /// Number that the call is transferred to after the payment; none ends the call.
    pub callback: Option<PhoneNumber>,
    /// The customer's e-mail address; empty if it is not known.
    pub email: String,
    /// The customer's name; empty if it is not known.
    pub full_name: String,
    /// The voice that speaks to the caller.
    pub persona: String,
}

/// Prints nothing that is personal data.
impl fmt::Debug for ContextData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextData")
            .field("purchase", &self.purchase)
            .field("persona", &self.persona)
            .finish_non_exhaustive()
    }
}

/// A version of a context, as one set left it, with the outcome of its purchase's payment.
#[derive(Clone, PartialEq, Eq)]
pub struct Version {
    /// Ordinal of the set for this caller, counted from 1. Starts again after the context was deleted or has expired.
    pub number: u32,
    /// Nonce of the set, unique among all sets.
    pub generation: Nonce,
    /// When the version was set.
    pub set_at: Timestamp,
    /// The call in which it was set, if the platform sent its id.
    pub call: Option<CallId>,
    /// What the agent said.
    pub data: ContextData,
    /// Id of the purchase: the generation of the set that first named it. A payment outcome belongs to a purchase.
    pub purchase: Option<Nonce>,
    /// Free text that agents pass on to each other.
    pub memory: String,
    /// Outcome of the purchase's payment, as soon as there is a call for it, whichever version the caller paid for.
    pub outcome: Option<PaymentOutcome>,
}

impl Version {
    /// Payment status of the version.
    pub fn status(&self) -> PaymentStatus {
        match (&self.outcome, self.purchase) {
            (Some(outcome), _) => outcome.status,
            (None, Some(_)) => PaymentStatus::Pending,
            (None, None) => PaymentStatus::NoPayment,
        }
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version")
            .field("number", &self.number)
            .field("generation", &self.generation)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// The context of a caller: its current version and the earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The caller's number.
    pub caller: PhoneNumber,
    /// The context no longer exists from this time on.
    pub expires_at: Timestamp,
    /// The call in which an agent last set the context or left a note, if the platform sent its id.
    pub call: Option<CallId>,
    /// The newest version.
    pub current: Version,
    /// Up to [`EARLIER_VERSIONS`] earlier versions, newest first.
    pub earlier: Vec<Version>,
}

/// Minimum lifetime of a context after an outcome was stored in it, in seconds: the next agent is about to ask for it.
pub const LIFE_AFTER_OUTCOME: u32 = 3_600;

impl Context {
    /// The newest version that was set in `call`. If none was, the newest version of all: the asking agent may be in a
    /// call of its own.
    pub fn version_for_call(&self, call: Option<CallId>) -> &Version {
        let set_in_call = |version: &&Version| call.is_some() && version.call == call;
        std::iter::once(&self.current)
            .chain(&self.earlier)
            .find(set_in_call)
            .unwrap_or(&self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u32, call: Option<&str>) -> Version {
        Version {
            number,
            generation: Nonce::new(number.into()),
            set_at: Timestamp::from_millis(number.into()),
            call: call.map(CallId::new),
            data: ContextData {
                purchase: Some(Purchase {
                    description: "Two theatre seats".into(),
                    price: "42.00".parse().expect("a price"),
                    vendor: "acme-stage".into(),
                    customer_id: String::new(),
                    transaction_type: TransactionType::Once,
                    order_id: String::new(),
                }),
                callback: None,
                email: "c@example.org".into(),
                full_name: "Ana Ruiz".into(),
                persona: "english-jessica".into(),
            },
            purchase: Some(Nonce::new(number.into())),
            memory: "wants row F".into(),
            outcome: None,
        }
    }

    #[test]
    fn agent_gets_the_version_of_its_own_call_or_else_the_newest() {
        let context = Context {
            caller: PhoneNumber::parse("+12025550143").expect("a number"),
            expires_at: Timestamp::from_millis(1),
            call: None,
            current: version(3, Some("c")),
            earlier: vec![version(2, Some("b")), version(1, None)],
        };
        for (call, expected) in [(Some("c"), 3), (Some("b"), 2), (Some("z"), 3), (None, 3)] {
            let seen = context.version_for_call(call.map(CallId::new));
            assert_eq!(seen.number, expected, "{call:?}");
        }
    }

    #[test]
    fn call_id_is_stored_as_a_hash() {
        let call = CallId::new("CA00000000000000000000000000000001");
        assert_eq!(call.to_string().parse(), Ok(call));
        for text in ["", "1", "+00000000000000000000000000000001", "zz"] {
            assert_eq!(text.parse::<CallId>(), Err(InvalidCallId), "{text}");
        }
    }

    #[test]
    fn version_without_a_purchase_has_no_payment() {
        let mut version = version(1, None);
        assert_eq!(version.status(), PaymentStatus::Pending);
        version.purchase = None;
        assert_eq!(version.status(), PaymentStatus::NoPayment);
    }

    #[test]
    fn debug_output_has_no_personal_data() {
        let printed = format!("{:?}", version(1, Some("a call")));
        for secret in ["theatre", "42", "Ruiz", "example.org", "row F"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}
