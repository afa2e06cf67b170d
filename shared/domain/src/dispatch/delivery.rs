//! How the webhook of an event stands.

use serde::{Deserialize, Serialize};

use super::work::Notice;
use crate::ids::DispatchKey;
use crate::secret::sha256_hex;
use crate::timestamp::Timestamp;

/// How the delivery of an event stands, as the notifier left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// How often somebody had had it sent again by then.
    #[serde(default)]
    pub resent: u32,
    /// Tries that failed or were put off since then.
    pub failures: u8,
    /// How often it has been posted in all.
    pub posts: u32,
    /// When this was written.
    pub at: Timestamp,
    /// What the receiver said last, or what was wrong instead; empty when it has never been asked.
    pub answer: String,
    /// What comes next.
    pub outcome: Outcome,
}

/// What comes next of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing: the receiver has it.
    Delivered,
    /// Another try.
    Retrying {
        /// When.
        next_at: Timestamp,
    },
    /// Nothing, unless somebody has it sent again: it is a dead letter.
    GivenUp,
    /// Nothing: the call has got further before this could be told, and a status is told forward only.
    Overtaken,
}

impl Outcome {
    /// Whether nothing comes next.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Retrying { .. })
    }

    /// The published name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "Delivered",
            Self::Retrying { .. } => "Retrying",
            Self::GivenUp => "GivenUp",
            Self::Overtaken => "Overtaken",
        }
    }
}

impl Delivery {
    /// Whether nothing is left to do about `notice`: what it asks for has been done, or somebody is further already. A
    /// queue may deliver twice.
    pub fn settles(&self, notice: &Notice) -> bool {
        if self.resent != notice.resent {
            return self.resent > notice.resent;
        }
        match self.outcome {
            // What was put off counts no failure: the one that was sent in place of this is due later than this was.
            Outcome::Retrying { next_at } => (self.failures, next_at) > (notice.failures, notice.due_at),
            _ => true,
        }
    }
}

/// The name of an event: the same at every delivery of it, so that a receiver can tell a repeated one.
pub fn event_id(dispatch: &DispatchKey, entry: &str) -> String {
    let text = format!("patchbay webhook v1\n{}\n{}\n{entry}", dispatch.tenant, dispatch.id);
    let digest = sha256_hex(text.as_bytes());
    format!("msg_{}", digest.get(..32).unwrap_or(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::DispatchId;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn key(tenant: &str) -> DispatchKey {
        DispatchKey {
            tenant: tenant.parse().expect("a tenant"),
            id: DispatchId::new(7),
        }
    }

    #[test]
    fn an_event_has_one_name_for_all_its_deliveries_and_no_other_event_has_it() {
        let name = |tenant, entry| event_id(&key(tenant), entry);
        assert_eq!(name("acme", "a"), name("acme", "a"));
        assert_ne!(name("acme", "a"), name("acme", "b"));
        assert_ne!(name("acme", "a"), name("b", "a"));
        // A full stop in the name could move the borders of what is signed.
        let plain = |rest: &str| rest.bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(name("acme", "a.b").strip_prefix("msg_").is_some_and(plain));
    }

    #[test]
    fn a_notice_is_settled_by_what_was_done_since_it_was_sent() {
        let delivery = |resent, failures, outcome| Delivery {
            resent,
            failures,
            posts: 1,
            at: START,
            answer: String::new(),
            outcome,
        };
        let notice = |resent, failures| Notice {
            failures,
            resent,
            ..Notice::first(key("acme"), "a".to_owned(), START)
        };
        let retrying = |resent, failures| delivery(resent, failures, Outcome::Retrying { next_at: START });
        assert!(!retrying(0, 1).settles(&notice(0, 1)));
        assert!(retrying(0, 2).settles(&notice(0, 1)));
        assert!(!retrying(0, 2).settles(&notice(1, 0)));
        assert!(retrying(1, 0).settles(&notice(0, 5)));
        for outcome in [Outcome::Delivered, Outcome::GivenUp, Outcome::Overtaken] {
            assert!(delivery(0, 3, outcome).settles(&notice(0, 3)));
            assert!(delivery(0, 0, outcome).settles(&notice(0, 3)));
            assert!(!delivery(0, 3, outcome).settles(&notice(1, 0)));
        }
    }
}
