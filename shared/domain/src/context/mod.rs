//! What voice agents share about a caller: pure, no I/O, no clock.
//!
//! An agent *sets* what it knows of a caller before it hands the call on; the next one *gets* it, by the caller's
//! number. In between our own transfer may take a payment and put down its [`Outcome`].
//!
//! - [`draft`]: what was sent, checked.
//! - [`caller`]: numbers that may be a key.
//! - [`purchase`], [`price`], [`outcome`]: what is to be paid, and what came of it.
//!
//! What is paid is a [`Purchase`], not a set: agents and their tools say the same again and again, and nobody shall pay
//! for it twice. A context may also have none: then an agent only left a note about the caller.

pub mod caller;
mod card;
pub mod draft;
pub mod outcome;
pub mod price;
pub mod purchase;

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::ids::{Nonce, Tenant};
use crate::phone::PhoneNumber;
use crate::timestamp::Timestamp;

pub use draft::{Details, Draft, How, Memory, NewContext, Said};
pub use outcome::{NotKept, Outcome, Processor, Status};
pub use price::Price;
pub use purchase::{Purchase, PurchaseSet, TransactionType};

/// How many earlier versions of a context are kept beside the present one.
pub const EARLIER_VERSIONS: usize = 5;
/// Seconds that a context lives when the agent does not say: a week.
pub const DEFAULT_TTL: u32 = 7 * 86_400;
/// Seconds that a context may be given to live: a minute to 30 days.
pub const TTL_RANGE: std::ops::RangeInclusive<u32> = 60..=30 * 86_400;

/// Whose context it is, and about whom: what it takes to find it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContextKey {
    /// Whose it is.
    pub tenant: Tenant,
    /// The caller's number.
    pub caller: PhoneNumber,
}

/// The call in which a context was set, as the agent's platform names it. Of its text only a part of the SHA-256 is
/// kept: it is compared and never shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId(u128);

impl CallId {
    /// The call with this name.
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
    type Err = NoCallId;

    fn from_str(text: &str) -> Result<Self, NoCallId> {
        let id = u128::from_str_radix(text, 16).map(Self).map_err(|_| NoCallId)?;
        // One text for one id.
        if id.to_string() == text { Ok(id) } else { Err(NoCallId) }
    }
}

/// The text is not what is kept of a call's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the hash of a call's name")]
pub struct NoCallId;

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

/// What an agent says of a caller and the purchase, but for the memory, which has a life of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Brief {
    /// What is to be paid; none when there is nothing to pay.
    pub purchase: Option<Purchase>,
    /// Where the caller goes after the payment; none ends the call.
    pub callback: Option<PhoneNumber>,
    /// The customer's e-mail address; empty when it is not known.
    pub email: String,
    /// The customer's name; empty when it is not known.
    pub full_name: String,
    /// The voice in which the caller is spoken to.
    pub persona: String,
}

/// It is about a person: only what is not is printed.
impl fmt::Debug for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brief")
            .field("purchase", &self.purchase)
            .field("persona", &self.persona)
            .finish_non_exhaustive()
    }
}

/// A context as one set left it, and what came of its purchase.
#[derive(Clone, PartialEq, Eq)]
pub struct Version {
    /// The how manieth set of this caller it was, from 1. Starts again when the context was deleted or has expired.
    pub number: u32,
    /// Which set it was, among all there ever were.
    pub generation: Nonce,
    /// When it was set.
    pub set_at: Timestamp,
    /// The call in which it was set, where the platform says.
    pub call: Option<CallId>,
    /// What was said.
    pub brief: Brief,
    /// Which purchase that is, among all there ever were: the set that first said so. An outcome belongs to it.
    pub purchase: Option<Nonce>,
    /// Free text that is handed from agent to agent.
    pub memory: String,
    /// What came of the payment, as soon as there is a call, in whichever version it was.
    pub outcome: Option<Outcome>,
}

impl Version {
    /// How it goes.
    pub fn status(&self) -> Status {
        match (&self.outcome, self.purchase) {
            (Some(outcome), _) => outcome.status,
            (None, Some(_)) => Status::Pending,
            (None, None) => Status::NoPayment,
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

/// What is known of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The caller's number.
    pub caller: PhoneNumber,
    /// From when on it does not exist any more.
    pub expires_at: Timestamp,
    /// The call that an agent was in who set or noted something last, where the platform says.
    pub call: Option<CallId>,
    /// The newest set.
    pub current: Version,
    /// Up to [`EARLIER_VERSIONS`] before it, newest first.
    pub earlier: Vec<Version>,
}

/// Seconds that a context lives at least after an outcome was written to it: the next agent is about to ask.
pub const LIFE_AFTER_OUTCOME: u32 = 3_600;

impl Context {
    /// The newest version that was set in `call`; the newest of all when none was, for an agent asks from a call of
    /// its own.
    pub fn seen_from(&self, call: Option<CallId>) -> &Version {
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
            brief: Brief {
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
    fn an_agent_sees_what_was_set_in_its_own_call_else_what_is_newest() {
        let context = Context {
            caller: PhoneNumber::parse("+12025550143").expect("a number"),
            expires_at: Timestamp::from_millis(1),
            call: None,
            current: version(3, Some("c")),
            earlier: vec![version(2, Some("b")), version(1, None)],
        };
        for (call, expected) in [(Some("c"), 3), (Some("b"), 2), (Some("z"), 3), (None, 3)] {
            let seen = context.seen_from(call.map(CallId::new));
            assert_eq!(seen.number, expected, "{call:?}");
        }
    }

    #[test]
    fn a_call_is_known_by_its_hash() {
        let call = CallId::new("CA00000000000000000000000000000001");
        assert_eq!(call.to_string().parse(), Ok(call));
        for text in ["", "1", "+00000000000000000000000000000001", "zz"] {
            assert_eq!(text.parse::<CallId>(), Err(NoCallId), "{text}");
        }
    }

    #[test]
    fn without_a_purchase_there_is_nothing_to_pay() {
        let mut version = version(1, None);
        assert_eq!(version.status(), Status::Pending);
        version.purchase = None;
        assert_eq!(version.status(), Status::NoPayment);
    }

    #[test]
    fn nothing_of_a_person_is_printed() {
        let printed = format!("{:?}", version(1, Some("a call")));
        for secret in ["theatre", "42", "Ruiz", "example.org", "row F"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}
