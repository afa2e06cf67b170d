//! The outcome of a payment: what happened in a call that was transferred to us.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::card;
use crate::timestamp::Timestamp;

/// Maximum length of a token or a code, in bytes. Such a value is useful only as a whole, so it is never cut.
pub const MAX_TOKEN_BYTES: usize = 4_096;
/// Maximum length of any other text from a payment processor, in characters.
const MAX_CHARS: usize = 200;
/// Maximum length of `debug`, in characters.
const MAX_DEBUG_CHARS: usize = 1_000;

/// Seconds after which a payment can no longer be in progress: greeting and prompts, and four attempts (the provider's
/// documents disagree on whether three means three or four) of about thirty keys, each pressed as late as the provider
/// allows. We wait this long only if the provider reported neither the end of the payment nor the end of the call.
pub const PAYING_SECONDS: u32 = 1_500;

/// Seconds after the end of a call in which the result of its payment may still arrive: a caller who hangs up after the
/// last key may have been charged. The payment connector may still be working. How long the provider waits for it is
/// not documented; two minutes are more than processors take. Then the provider delivers the result for up to 15 s, and
/// we store it within 8 s. Until then no other call of the same caller can start a payment.
pub const LATE_RESULT_SECONDS: u32 = 150;

/// Payment status of a context. The service that we are compatible with publishes only `payment-success`; the other
/// names are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaymentStatus {
    /// There is nothing to pay.
    NoPayment,
    /// The context was set; the caller has not been transferred to us yet.
    Pending,
    /// The caller has been transferred to us.
    InProgress,
    /// The price was paid, or the card was tokenized.
    PaymentSuccess,
    /// The processor refused the payment, or the caller ran out of attempts.
    PaymentFailed,
    /// The caller cancelled the payment.
    PaymentCancelled,
    /// The caller hung up before the result was known.
    CallerHungUp,
}

impl PaymentStatus {
    /// All statuses.
    pub const ALL: [Self; 7] = [
        Self::NoPayment,
        Self::Pending,
        Self::InProgress,
        Self::PaymentSuccess,
        Self::PaymentFailed,
        Self::PaymentCancelled,
        Self::CallerHungUp,
    ];

    /// The published name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoPayment => "no-payment",
            Self::Pending => "pending",
            Self::InProgress => "in-progress",
            Self::PaymentSuccess => "payment-success",
            Self::PaymentFailed => "payment-failed",
            Self::PaymentCancelled => "payment-cancelled",
            Self::CallerHungUp => "caller-hung-up",
        }
    }

    /// Rank of the status: outcomes of the same call only move forward, and nothing replaces a success, because money
    /// has changed hands.
    pub const fn rank(self) -> u8 {
        match self {
            Self::NoPayment | Self::Pending => 0,
            Self::InProgress => 1,
            Self::PaymentFailed | Self::PaymentCancelled | Self::CallerHungUp => 2,
            Self::PaymentSuccess => Self::FINAL,
        }
    }

    /// Rank of an outcome that is never overwritten.
    pub const FINAL: u8 = 3;
}

/// The payment processor's result. It has no fields for the card's number, expiry date or security code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Processor {
    /// Name of the payment connector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// The processor's confirmation of the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation_code: Option<String>,
    /// Token that represents the card from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The last four digits of the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_four: Option<String>,
    /// The card's brand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_type: Option<String>,
    /// Why the payment failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A field of a [`Processor`] that is dropped before it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DroppedField {
    /// It is longer than [`MAX_TOKEN_BYTES`], and a part of it would be useless.
    TooLong(&'static str),
    /// It contains a card number.
    Card(&'static str),
}

impl DroppedField {
    /// Name of the dropped field.
    pub const fn field(self) -> &'static str {
        match self {
            Self::TooLong(field) | Self::Card(field) => field,
        }
    }
}

impl fmt::Display for DroppedField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(field) => write!(f, "{field} was dropped: it is too long to store"),
            Self::Card(field) => write!(f, "{field} was dropped: it contains a card number"),
        }
    }
}

impl Processor {
    /// The result as it may be stored: without card numbers, should a processor send one, and with every text limited
    /// in length. Tokens and codes are kept whole or dropped; the dropped fields are returned too.
    #[must_use]
    pub fn sanitized(self) -> (Self, Vec<DroppedField>) {
        let last_four = self.last_four.and_then(|text| {
            let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
            let last = digits.len().checked_sub(4)?;
            Some(digits.iter().skip(last).collect::<String>())
        });
        let mut dropped = Vec::new();
        let mut whole_or_dropped = |field: &'static str, text: Option<String>, limit: usize| {
            let text = text?;
            if text.len() > limit {
                dropped.push(DroppedField::TooLong(field));
            } else if card::is_in(&text, last_four.as_deref()) {
                dropped.push(DroppedField::Card(field));
            } else {
                return Some(text);
            }
            None
        };
        let kept = Self {
            connector: whole_or_dropped("connector", self.connector, MAX_TOKEN_BYTES),
            confirmation_code: whole_or_dropped("confirmation_code", self.confirmation_code, MAX_TOKEN_BYTES),
            token: whole_or_dropped("token", self.token, MAX_TOKEN_BYTES),
            card_type: whole_or_dropped("card_type", self.card_type, MAX_CHARS),
            error: self.error.map(|text| bounded(&card::masked(&text), MAX_CHARS)),
            last_four,
        };
        (kept, dropped)
    }
}

fn bounded(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// The outcome of a call that was transferred to us for a payment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentOutcome {
    /// Status of the payment.
    pub status: PaymentStatus,
    /// The provider's id of our call: tells a duplicate webhook from another call.
    pub call: String,
    /// When the caller was transferred to us.
    pub start_time: Timestamp,
    /// When the end of the payment first became known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    /// The payment processor's result.
    pub processor: Processor,
    /// Free text for troubleshooting.
    pub debug: String,
}

impl PaymentOutcome {
    /// The outcome as it may be stored, see [`Processor::sanitized`].
    #[must_use]
    pub fn sanitized(self) -> (Self, Vec<DroppedField>) {
        let (processor, dropped) = self.processor.sanitized();
        let kept = Self {
            call: bounded(&self.call, MAX_CHARS),
            processor,
            debug: bounded(&card::masked(&self.debug), MAX_DEBUG_CHARS),
            ..self
        };
        (kept, dropped)
    }

    /// Whether it replaces `earlier`, an outcome of the same purchase. A call only moves forward, the call that started
    /// later counts, and nothing replaces a successful payment, because money has changed hands.
    pub fn replaces(&self, earlier: &Self) -> bool {
        let (rank, before) = (self.status.rank(), earlier.status.rank());
        if before >= PaymentStatus::FINAL {
            return false;
        }
        if self.call == earlier.call {
            return rank >= before;
        }
        rank >= PaymentStatus::FINAL || self.start_time >= earlier.start_time
    }

    /// Whether both are successful payments, of two calls that were in progress at the same time.
    pub fn overlaps(&self, other: &Self) -> bool {
        let is_paid = |outcome: &Self| outcome.status == PaymentStatus::PaymentSuccess;
        let end = |outcome: &Self| outcome.end_time.unwrap_or(outcome.start_time);
        let both = is_paid(self) && is_paid(other) && self.call != other.call;
        both && self.start_time < end(other) && other.start_time < end(self)
    }
}

impl fmt::Debug for PaymentOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("status", &self.status)
            .field("call", &self.call)
            .field("start_time", &self.start_time)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: PaymentStatus, call: &str, start: i64) -> PaymentOutcome {
        PaymentOutcome {
            status,
            call: call.into(),
            start_time: Timestamp::from_millis(start),
            end_time: Some(Timestamp::from_millis(start + 10)),
            processor: Processor::default(),
            debug: String::new(),
        }
    }

    fn token(token: &str, last_four: Option<&str>) -> (Option<String>, Vec<DroppedField>) {
        let processor = Processor {
            token: Some(token.into()),
            last_four: last_four.map(str::to_owned),
            ..Processor::default()
        };
        let (kept, dropped) = processor.sanitized();
        (kept.token, dropped)
    }

    #[test]
    fn status_has_the_same_name_in_the_table_and_on_the_wire() {
        for status in PaymentStatus::ALL {
            assert_eq!(serde_json::to_value(status).expect("a text"), status.name());
        }
    }

    #[test]
    fn later_call_replaces_an_outcome_unless_it_was_a_success() {
        use PaymentStatus::{CallerHungUp, InProgress, PaymentFailed, PaymentSuccess};
        for (later, earlier, replaces) in [
            ((PaymentSuccess, "a", 1), (InProgress, "a", 1), true),
            ((PaymentFailed, "a", 1), (PaymentFailed, "a", 1), true),
            ((InProgress, "a", 1), (PaymentFailed, "a", 1), false),
            // The call ended before the result arrived.
            ((PaymentSuccess, "a", 1), (CallerHungUp, "a", 1), true),
            ((InProgress, "b", 2), (PaymentFailed, "a", 1), true),
            ((CallerHungUp, "a", 1), (PaymentSuccess, "a", 1), false),
            ((PaymentFailed, "b", 2), (PaymentSuccess, "a", 1), false),
            ((PaymentSuccess, "b", 2), (PaymentSuccess, "a", 1), false),
            // A late outcome of an earlier call counts only if it paid.
            ((PaymentFailed, "a", 1), (InProgress, "b", 2), false),
            ((PaymentFailed, "a", 1), (CallerHungUp, "b", 2), false),
            ((PaymentSuccess, "a", 1), (InProgress, "b", 2), true),
        ] {
            let (new, old) = (
                outcome(later.0, later.1, later.2),
                outcome(earlier.0, earlier.1, earlier.2),
            );
            assert_eq!(new.replaces(&old), replaces, "{new:?} after {old:?}");
        }
    }

    #[test]
    fn payments_overlap_when_one_call_started_before_the_other_ended() {
        use PaymentStatus::{PaymentFailed, PaymentSuccess};
        for (one, other, overlaps) in [
            ((PaymentSuccess, "a", 1), (PaymentSuccess, "b", 5), true),
            ((PaymentSuccess, "a", 1), (PaymentSuccess, "b", 11), false),
            ((PaymentSuccess, "a", 1), (PaymentSuccess, "a", 5), false),
            ((PaymentSuccess, "a", 1), (PaymentFailed, "b", 5), false),
        ] {
            let (one, other) = (outcome(one.0, one.1, one.2), outcome(other.0, other.1, other.2));
            assert_eq!(one.overlaps(&other), overlaps, "{one:?} {other:?}");
            assert_eq!(other.overlaps(&one), overlaps, "{one:?} {other:?}");
        }
    }

    #[test]
    fn card_number_is_removed_from_every_field() {
        // A test number that every processor publishes.
        let card = "4242424242424242";
        let (kept, dropped) = PaymentOutcome {
            processor: Processor {
                connector: Some("Default".into()),
                confirmation_code: Some(card.into()),
                token: Some(format!("20261126-{card}")),
                last_four: Some(format!("xxxx{card}")),
                card_type: Some("4242-4242-4242-4242".into()),
                error: Some(format!("card {card} declined")),
            },
            debug: card.into(),
            ..outcome(PaymentStatus::PaymentFailed, "a", 1)
        }
        .sanitized();
        let expected = Processor {
            connector: Some("Default".into()),
            confirmation_code: None,
            token: None,
            last_four: Some("4242".into()),
            card_type: None,
            error: Some("card [card] declined".into()),
        };
        assert_eq!((kept.processor, kept.debug.as_str()), (expected, "[card]"));
        assert_eq!(
            dropped,
            ["confirmation_code", "token", "card_type"].map(DroppedField::Card)
        );
    }

    #[test]
    fn token_is_kept_whole_or_dropped() {
        let long = |bytes: usize| "x".repeat(bytes);
        assert_eq!(token(&long(4_096), None), (Some(long(4_096)), vec![]));
        assert_eq!(token(&long(4_097), None), (None, vec![DroppedField::TooLong("token")]));
        let umlauts = "ü".repeat(2_049);
        assert_eq!(token(&umlauts, None), (None, vec![DroppedField::TooLong("token")]));
        // It ends in other digits than the card, so it is an id.
        let id = "4242424242424242";
        assert_eq!(token(id, Some("0002")), (Some(id.into()), vec![]));
        assert_eq!(token(id, Some("x1")), (None, vec![DroppedField::Card("token")]));
    }
}
