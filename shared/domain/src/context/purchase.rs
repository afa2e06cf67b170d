//! What is to be paid.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Price;
use crate::secret::hex;

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

/// What is to be paid, to whom, and by whom.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// What is bought.
    pub description: String,
    /// What it costs.
    pub price: Price,
    /// Who gets the money.
    pub vendor: String,
    /// The customer's id at the payment processor; empty when there is none.
    pub customer_id: String,
    /// What kind of payment is to be taken.
    pub transaction_type: TransactionType,
    /// The agent's own name of the order, by which two purchases that look alike are told apart; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub order_id: String,
}

/// Bytes of a hash: nobody gains anything from two purchases that are taken for one, and the table's items stay small.
const HASH_BYTES: usize = 16;

impl Purchase {
    /// What two purchases have in common that look alike, whatever their orders: description, price, vendor, type and
    /// customer. Spaces do not matter, nor whether a price is written as 10, 10.0 or 10.00; capitals do.
    pub fn likeness(&self) -> String {
        hash(&self.parts())
    }

    /// The same with the order, when it has one.
    pub fn order_likeness(&self) -> Option<String> {
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

/// The hash of these texts, none of which can pass for a part of another.
fn hash(parts: &[String]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part.as_bytes());
    }
    let digest = digest.finalize();
    hex(digest.get(..HASH_BYTES).unwrap_or_default())
}

/// It is about a person: only what is not is printed.
impl fmt::Debug for Purchase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Purchase")
            .field("transaction_type", &self.transaction_type)
            .finish_non_exhaustive()
    }
}

/// What a set did to what is to be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurchaseSet {
    /// Nothing: it was a note about the caller.
    None,
    /// It says again what was said before; what came of that counts.
    Same,
    /// There is something else to pay than before.
    New,
}

impl PurchaseSet {
    /// The name in an answer.
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
    fn a_purchase_is_the_same_however_it_is_written() {
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
            assert_eq!(again.likeness(), purchase().likeness());
        }
        assert_eq!(purchase().likeness().len(), 2 * HASH_BYTES);
    }

    #[test]
    fn every_field_of_a_purchase_makes_another_one() {
        let others = [
            Purchase {
                description: "two theatre seats".into(),
                ..purchase()
            },
            Purchase {
                price: "10.01".parse().expect("a price"),
                ..purchase()
            },
            // The end of one field and the beginning of the next.
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
            assert_ne!(other.likeness(), purchase().likeness());
        }
    }

    #[test]
    fn an_order_tells_purchases_apart_that_look_alike() {
        let order = |id: &str| Purchase {
            order_id: id.into(),
            ..purchase()
        };
        assert_eq!(order("1").likeness(), order("2").likeness());
        assert_ne!(order("1").order_likeness(), order("2").order_likeness());
        assert_eq!(order(" 1 ").order_likeness(), order("1").order_likeness());
        assert_eq!(order("  ").order_likeness(), None);
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
