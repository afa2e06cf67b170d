//! Purchases: what a caller is to pay for.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Price;
use crate::secret::hex;

/// The kind of payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransactionType {
    /// The price is charged once.
    #[default]
    Once,
    /// The card will be charged repeatedly; here it is only tokenized.
    Subscription,
    /// The card will be charged later; here it is only tokenized.
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

    /// The type with this published name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Once, Self::Subscription, Self::Authorize]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// What is to be paid, to which vendor, and by which customer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// What is bought.
    pub description: String,
    /// The price.
    pub price: Price,
    /// The vendor that receives the payment.
    pub vendor: String,
    /// The customer's id at the payment processor; empty if there is none.
    pub customer_id: String,
    /// The kind of payment.
    pub transaction_type: TransactionType,
    /// The agent's id of the order. It tells apart two purchases that are otherwise equal; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub order_id: String,
}

/// Length of a fingerprint, in bytes. A collision is worth nothing to an attacker, so a short hash suffices and keeps
/// the table's items small.
const HASH_BYTES: usize = 16;

impl Purchase {
    /// Hash of everything but the order: description, price, vendor, type and customer. White space and the notation of
    /// the price (10, 10.0 or 10.00) do not matter; upper and lower case do.
    pub fn fingerprint(&self) -> String {
        hash(&self.parts())
    }

    /// Hash of the same fields and the order; none if the purchase has no order.
    pub fn order_fingerprint(&self) -> Option<String> {
        let order = self.order_id.trim();
        let mut parts = self.parts();
        parts.push(order.to_owned());
        (!order.is_empty()).then(|| hash(&parts))
    }

    fn parts(&self) -> Vec<String> {
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        vec![
            plain(&self.description),
            self.price.cents().to_string(),
            plain(&self.vendor),
            self.transaction_type.name().to_owned(),
            plain(&self.customer_id),
        ]
    }
}

/// Hash of these texts. Each is prefixed with its length, so that the borders between them are unambiguous.
fn hash(parts: &[String]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part.as_bytes());
    }
    let digest = digest.finalize();
    hex(digest.get(..HASH_BYTES).unwrap_or_default())
}

/// Prints nothing that is personal data.
impl fmt::Debug for Purchase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Purchase")
            .field("transaction_type", &self.transaction_type)
            .finish_non_exhaustive()
    }
}

/// What a set did to the purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurchaseChange {
    /// Nothing: it was a note about the caller.
    None,
    /// It repeats a purchase that was set before; that purchase's payment outcome counts.
    Same,
    /// It set a new purchase.
    New,
}

impl PurchaseChange {
    /// The published name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Same => "same",
            Self::New => "new",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purchase() -> Purchase {
        Purchase {
            description: "Two theatre seats".into(),
            price: "10.00".parse().expect("a price"),
            vendor: "acme-stage".into(),
            customer_id: String::new(),
            transaction_type: TransactionType::Once,
            order_id: String::new(),
        }
    }

    #[test]
    fn fingerprint_ignores_white_space_and_price_notation() {
        for (price, description, vendor) in [
            ("10", "Two theatre seats", "acme-stage"),
            ("10.0", " Two  theatre\nseats", "acme-stage "),
        ] {
            let again = Purchase {
                price: price.parse().expect("a price"),
                description: description.into(),
                vendor: vendor.into(),
                ..purchase()
            };
            assert_eq!(again.fingerprint(), purchase().fingerprint());
        }
        assert_eq!(purchase().fingerprint().len(), 2 * HASH_BYTES);
    }

    #[test]
    fn every_field_changes_the_fingerprint() {
        let others = [
            Purchase {
                description: "two theatre seats".into(),
                ..purchase()
            },
            Purchase {
                price: "10.01".parse().expect("a price"),
                ..purchase()
            },
            // Text moved from one field to the next.
            Purchase {
                description: "Two theatre seats1000".into(),
                vendor: String::new(),
                ..purchase()
            },
            Purchase {
                vendor: "acme".into(),
                ..purchase()
            },
            Purchase {
                customer_id: "cus_1".into(),
                ..purchase()
            },
            Purchase {
                transaction_type: TransactionType::Authorize,
                ..purchase()
            },
        ];
        for other in others {
            assert_ne!(other.fingerprint(), purchase().fingerprint());
        }
    }

    #[test]
    fn order_distinguishes_otherwise_equal_purchases() {
        let order = |id: &str| Purchase {
            order_id: id.into(),
            ..purchase()
        };
        assert_eq!(order("1").fingerprint(), order("2").fingerprint());
        assert_ne!(order("1").order_fingerprint(), order("2").order_fingerprint());
        assert_eq!(order(" 1 ").order_fingerprint(), order("1").order_fingerprint());
        assert_eq!(order("  ").order_fingerprint(), None);
    }

    #[test]
    fn transaction_type_has_the_same_name_in_the_table_and_on_the_wire() {
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
