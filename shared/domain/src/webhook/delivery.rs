//! Webhook deliveries: the state of the delivery of an event.

use serde::{Deserialize, Serialize};

use super::SubjectKey;
use super::notice::Notice;
use crate::secret::sha256_hex;
use crate::timestamp::Timestamp;

/// State of the webhook delivery of an event, as the notifier last stored it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Number of resends that had been requested by then.
    #[serde(default)]
    pub resent: u32,
    /// Tries that failed or were postponed since the last resend.
    pub failures: u8,
    /// Number of POSTs in all.
    pub posts: u32,
    /// When this state was stored.
    pub at: Timestamp,
    /// The receiver's last answer, or the error instead of one; empty before the first try.
    pub answer: String,
    /// Status of the delivery.
    pub outcome: DeliveryStatus,
}

/// Status of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// The receiver acknowledged the event.
    Delivered,
    /// Another try follows.
    Retrying {
        /// When the next try is due.
        next_at: Timestamp,
    },
    /// All tries failed. The notice is a dead letter, and nothing follows unless a person resends it.
    #[serde(alias = "given_up")]
    Failed,
    /// A later status of the call was sent first. Statuses are only delivered in forward order, so this one is dropped.
    #[serde(alias = "overtaken")]
    Superseded,
}

impl DeliveryStatus {
    /// Whether no further try follows.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Retrying { .. })
    }

    /// The published name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "Delivered",
            Self::Retrying { .. } => "Retrying",
            Self::Failed => "Failed",
            Self::Superseded => "Superseded",
        }
    }
}

impl Delivery {
    /// Whether `notice` needs no more work: its try has been made, or another consumer is ahead. SQS may deliver a
    /// message twice.
    pub fn settles(&self, notice: &Notice) -> bool {
        if self.resent != notice.resent {
            return self.resent > notice.resent;
        }
        match self.outcome {
            // A postponed try counts no failure, but its successor is due later than this notice.
            DeliveryStatus::Retrying { next_at } => (self.failures, next_at) > (notice.failures, notice.due_at),
            _ => true,
        }
    }
}

/// The id of an event: the same for every delivery of it, so that a receiver can detect duplicates.
pub fn event_id(subject: &SubjectKey, entry: &str) -> String {
    let text = format!("patchbay webhook v1\n{}\n{}\n{entry}", subject.tenant(), subject.id());
    let digest = sha256_hex(text.as_bytes());
    format!("msg_{}", digest.get(..32).unwrap_or(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{DispatchId, DispatchKey, InteractionId, InteractionKey};

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn key(tenant: &str) -> SubjectKey {
        SubjectKey::Dispatch(DispatchKey {
            tenant: tenant.parse().expect("a tenant"),
            id: DispatchId::new(7),
        })
    }

    fn interaction() -> SubjectKey {
        SubjectKey::Interaction(InteractionKey {
            tenant: "acme".parse().expect("a tenant"),
            id: InteractionId::new(7),
        })
    }

    #[test]
    fn event_id_is_stable_across_deliveries_and_unique() {
        let name = |tenant, entry| event_id(&key(tenant), entry);
        assert_eq!(name("acme", "a"), name("acme", "a"));
        assert_ne!(name("acme", "a"), name("acme", "b"));
        assert_ne!(name("acme", "a"), name("b", "a"));
        assert_ne!(name("acme", "a"), event_id(&interaction(), "a"));
        // The signed text joins its parts with full stops, so the id must not contain one.
        let plain = |rest: &str| rest.bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(name("acme", "a.b").strip_prefix("msg_").is_some_and(plain));
    }

    #[test]
    fn notice_is_settled_once_its_try_was_made_or_a_later_resend_exists() {
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
        let retrying = |resent, failures| delivery(resent, failures, DeliveryStatus::Retrying { next_at: START });
        assert!(!retrying(0, 1).settles(&notice(0, 1)));
        assert!(retrying(0, 2).settles(&notice(0, 1)));
        assert!(!retrying(0, 2).settles(&notice(1, 0)));
        assert!(retrying(1, 0).settles(&notice(0, 5)));
        for outcome in [
            DeliveryStatus::Delivered,
            DeliveryStatus::Failed,
            DeliveryStatus::Superseded,
        ] {
            assert!(delivery(0, 3, outcome).settles(&notice(0, 3)));
            assert!(delivery(0, 0, outcome).settles(&notice(0, 3)));
            assert!(!delivery(0, 3, outcome).settles(&notice(1, 0)));
        }
    }
}
