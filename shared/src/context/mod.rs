//! What voice agents share about a caller: pure, no I/O, no clock.
//!
//! An agent *sets* what it knows of a caller before it hands the call on; the next one *gets* it, by the caller's
//! number. In between our own transfer may take a payment and put down its [`Outcome`].
//!
//! - [`draft`]: what was sent, checked.
//! - [`caller`]: numbers that may be a key.
//! - [`price`], [`outcome`]: what is to be paid, and what came of it.

pub mod caller;
pub mod draft;
pub mod outcome;
pub mod price;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::ids::{Nonce, Tenant};
use crate::phone::PhoneNumber;

pub use draft::{Draft, Memory, NewContext};
pub use outcome::{Outcome, Processor, Status};
pub use price::Price;

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

/// What kind of payment is to be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransactionType {
    /// The price, once.
    #[default]
    Once,
    /// A card that is charged again and again; here it is only made a token.
    Subscription,
    /// A card that is charged later; here it is only made a token.
    Authorize,
}

impl TransactionType {
    /// The published name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Subscription => "subscription",
            Self::Authorize => "authorize",
        }
    }

    /// The type called `name`.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Once, Self::Subscription, Self::Authorize]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
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
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// What is bought.
    pub description: String,
    /// What it costs.
    pub price: Price,
    /// Who gets the money.
    pub vendor: String,
    /// Where the caller goes after the payment; none ends the call.
    pub callback: Option<PhoneNumber>,
    /// The customer's id at the payment processor; empty when there is none.
    pub customer_id: String,
    /// The customer's e-mail address; empty when it is not known.
    pub email: String,
    /// The customer's name; empty when it is not known.
    pub full_name: String,
    /// The voice in which the caller is spoken to.
    pub persona: String,
    /// What kind of payment is to be taken.
    pub transaction_type: TransactionType,
}

/// It is about a person: only what is not is printed.
impl fmt::Debug for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brief")
            .field("persona", &self.persona)
            .field("transaction_type", &self.transaction_type)
            .finish_non_exhaustive()
    }
}

/// A context as one set left it, and what came of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Version {
    /// The how manieth set of this caller it was, from 1. Starts again when the context was deleted or has expired.
    pub number: u32,
    /// Which set it was, among all there ever were: what an outcome is written to.
    pub generation: Nonce,
    /// When it was set.
    pub set_at: Timestamp,
    /// The call in which it was set, where the platform says.
    pub call: Option<CallId>,
    /// What was said.
    pub brief: Brief,
    /// Free text that is handed from agent to agent.
    pub memory: String,
    /// What came of the payment, as soon as there is a call.
    pub outcome: Option<Outcome>,
}

impl Version {
    /// How it goes.
    pub fn status(&self) -> Status {
        self.outcome.as_ref().map_or(Status::Pending, |outcome| outcome.status)
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
    /// The newest set.
    pub current: Version,
    /// Up to [`EARLIER_VERSIONS`] before it, newest first.
    pub earlier: Vec<Version>,
}

/// Seconds that a context lives at least after an outcome was written to it: the next agent is about to ask.
const LIFE_AFTER_OUTCOME: u32 = 3_600;

impl Context {
    /// Until when it has to live when an outcome is written to it now.
    pub fn lives_until(&self, now: Timestamp) -> Timestamp {
        self.expires_at.max(now.plus_seconds(LIFE_AFTER_OUTCOME))
    }

    /// The version that the set called `generation` made, as long as it is kept.
    pub fn version(&self, generation: Nonce) -> Option<&Version> {
        std::iter::once(&self.current)
            .chain(&self.earlier)
            .find(|version| version.generation == generation)
    }

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
                description: "Two theatre seats".into(),
                price: "42.00".parse().expect("a price"),
                vendor: "acme-stage".into(),
                callback: None,
                customer_id: String::new(),
                email: "c@example.org".into(),
                full_name: "Ana Ruiz".into(),
                persona: "english-jessica".into(),
                transaction_type: TransactionType::Once,
            },
            memory: "wants row F".into(),
            outcome: None,
        }
    }

    #[test]
    fn an_agent_sees_what_was_set_in_its_own_call_else_what_is_newest() {
        let context = Context {
            caller: PhoneNumber::parse("+12025550143").expect("a number"),
            expires_at: Timestamp::from_millis(1),
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
    fn an_outcome_lets_a_context_live_an_hour_more_and_never_less() {
        let context = Context {
            caller: PhoneNumber::parse("+12025550143").expect("a number"),
            expires_at: Timestamp::from_millis(10_000_000),
            current: version(2, None),
            earlier: vec![version(1, None)],
        };
        let at = Timestamp::from_millis;
        assert_eq!(context.lives_until(at(1)), at(10_000_000));
        assert_eq!(context.lives_until(at(9_000_000)), at(12_600_000));
        assert_eq!(context.version(Nonce::new(1)).map(|version| version.number), Some(1));
        assert_eq!(context.version(Nonce::new(9)), None);
    }

    #[test]
    fn nothing_of_a_person_is_printed() {
        let printed = format!("{:?}", version(1, Some("a call")));
        for secret in ["theatre", "42", "Ruiz", "example.org", "row F"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }

    #[test]
    fn a_transaction_type_has_one_name_in_the_table_and_on_the_wire() {
        for kind in [
            TransactionType::Once,
            TransactionType::Subscription,
            TransactionType::Authorize,
        ] {
            assert_eq!(serde_json::to_value(kind).expect("a text"), kind.name());
            assert_eq!(TransactionType::named(kind.name()), Some(kind));
        }
        assert_eq!(TransactionType::named("monthly"), None);
    }
}
