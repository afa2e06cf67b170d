//! What came of a call that was handed to us.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::card;
use crate::timestamp::Timestamp;

/// Most bytes of a token or a code, which is worth something only as a whole.
pub const MAX_TOKEN_BYTES: usize = 4_096;
/// Most characters of another text that comes from a payment processor.
const MAX_CHARS: usize = 200;
/// Most characters of `debug`.
const MAX_DEBUG_CHARS: usize = 1_000;

/// Seconds after which nobody can be paying any more: greeting and prompts, and four attempts (the sources disagree whether
/// three are three or four) of about thirty keys, each pressed as late as the provider waits for it. Only waited out when it
/// told neither how the payment ended nor that the call did.
pub const PAYING_SECONDS: u32 = 1_500;

/// Seconds after the end of a call in which the result of its payment may still come: whoever hangs up after the last key
/// may have been charged. The connector may be at work; how long the provider waits for it is not documented, and two minutes are
/// more than processors take. Then the provider tells us, for up to 15 s, and we store it, for 8 s. Until then no other call of
/// the same caller gets as far as a payment.
pub const LATE_RESULT_SECONDS: u32 = 150;

/// How it goes with a context. Only `payment-success` is published by the service that we are compatible with; the
/// other names are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// There is nothing to pay.
    NoPayment,
    /// It was set; the caller has not come to us yet.
    Pending,
    /// The caller is with us.
    InProgress,
    /// Paid, or the card is a token now.
    PaymentSuccess,
    /// The processor refused, or the caller ran out of attempts.
    PaymentFailed,
    /// The caller did not want to pay.
    PaymentCancelled,
    /// The caller hung up before it was known.
    CallerHungUp,
}

impl Status {
    /// All of them.
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

    /// How far it is: an outcome of the same call only ever moves forward, and nothing moves past a success, for money
    /// has changed hands.
    pub const fn rank(self) -> u8 {
        match self {
            Self::NoPayment | Self::Pending => 0,
            Self::InProgress => 1,
            Self::PaymentFailed | Self::PaymentCancelled | Self::CallerHungUp => 2,
            Self::PaymentSuccess => Self::FINAL,
        }
    }

    /// The rank of what is never overwritten.
    pub const FINAL: u8 = 3;
}

/// What the payment processor said. There is no place in it for a card's number, its expiry or its code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Processor {
    /// Name of the payment connector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// The processor's proof of the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation_code: Option<String>,
    /// What stands for the card from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The last four digits of the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_four: Option<String>,
    /// The card's brand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_type: Option<String>,
    /// Why there is no payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A field of a [`Processor`] of which nothing may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// It has more than [`MAX_TOKEN_BYTES`], and a part of it would be worth nothing.
    TooLong(&'static str),
    /// There is a card's number in it.
    Card(&'static str),
}

impl NotKept {
    /// Which field.
    pub const fn field(self) -> &'static str {
        match self {
            Self::TooLong(field) | Self::Card(field) => field,
        }
    }
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(field) => write!(f, "{field} is too long to be kept"),
            Self::Card(field) => write!(f, "{field} is not kept, for it holds a card's number"),
        }
    }
}

impl Processor {
    /// The same as far as it may be kept: without what is a card's number, should a processor put one there, and with
    /// every text bounded. Tokens and codes stay whole or go: also says which went.
    #[must_use]
    pub fn kept(self) -> (Self, Vec<NotKept>) {
        let last_four = self.last_four.and_then(|text| {
            let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
            let last = digits.len().checked_sub(4)?;
            Some(digits.iter().skip(last).collect::<String>())
        });
        let mut gone = Vec::new();
        let mut whole = |field: &'static str, text: Option<String>, limit: usize| {
            let text = text?;
            if text.len() > limit {
                gone.push(NotKept::TooLong(field));
            } else if card::is_in(&text, last_four.as_deref()) {
                gone.push(NotKept::Card(field));
            } else {
                return Some(text);
            }
            None
        };
        let kept = Self {
            connector: whole("connector", self.connector, MAX_TOKEN_BYTES),
            confirmation_code: whole("confirmation_code", self.confirmation_code, MAX_TOKEN_BYTES),
            token: whole("token", self.token, MAX_TOKEN_BYTES),
            card_type: whole("card_type", self.card_type, MAX_CHARS),
            error: self.error.map(|text| bounded(&card::masked(&text), MAX_CHARS)),
            last_four,
        };
        (kept, gone)
    }
}

fn bounded(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// What came of a call that was handed to us.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it went.
    pub status: Status,
    /// Our call, as the provider names it: tells a repeated webhook from another call.
    pub call: String,
    /// When the caller came to us.
    pub start_time: Timestamp,
    /// When it was first known how the payment ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    /// What the payment processor said.
    pub processor: Processor,
    /// Free text for whoever looks for a fault.
    pub debug: String,
}

impl Outcome {
    /// The same as far as it may be kept ([`Processor::kept`]).
    #[must_use]
    pub fn kept(self) -> (Self, Vec<NotKept>) {
        let (processor, gone) = self.processor.kept();
        let kept = Self {
            call: bounded(&self.call, MAX_CHARS),
            processor,
            debug: bounded(&card::masked(&self.debug), MAX_DEBUG_CHARS),
            ..self
        };
        (kept, gone)
    }

    /// Whether it takes the place of `earlier`, which is about the same purchase. A call only ever moves forward, the call
    /// that came to us later counts, and nothing takes the place of a payment, for money has changed hands.
    pub fn replaces(&self, earlier: &Self) -> bool {
        let (rank, before) = (self.status.rank(), earlier.status.rank());
        if before >= Status::FINAL {
            return false;
        }
        if self.call == earlier.call {
            return rank >= before;
        }
        rank >= Status::FINAL || self.start_time >= earlier.start_time
    }

    /// Whether both are payments, of two calls that were with us at the same time.
    pub fn overlaps(&self, other: &Self) -> bool {
        let is_paid = |outcome: &Self| outcome.status == Status::PaymentSuccess;
        let end = |outcome: &Self| outcome.end_time.unwrap_or(outcome.start_time);
        let both = is_paid(self) && is_paid(other) && self.call != other.call;
        both && self.start_time < end(other) && other.start_time < end(self)
    }
}

impl fmt::Debug for Outcome {
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

    fn outcome(status: Status, call: &str, start: i64) -> Outcome {
        Outcome {
            status,
            call: call.into(),
            start_time: Timestamp::from_millis(start),
            end_time: Some(Timestamp::from_millis(start + 10)),
            processor: Processor::default(),
            debug: String::new(),
        }
    }

    fn token(token: &str, last_four: Option<&str>) -> (Option<String>, Vec<NotKept>) {
        let processor = Processor {
            token: Some(token.into()),
            last_four: last_four.map(str::to_owned),
            ..Processor::default()
        };
        let (kept, gone) = processor.kept();
        (kept.token, gone)
    }

    #[test]
    fn a_status_has_one_name_in_the_table_and_on_the_wire() {
        for status in Status::ALL {
            assert_eq!(serde_json::to_value(status).expect("a text"), status.name());
        }
    }

    #[test]
    fn a_call_moves_forward_a_later_call_counts_and_a_success_stays() {
        use Status::{CallerHungUp, InProgress, PaymentFailed, PaymentSuccess};
        for (later, earlier, replaces) in [
            ((PaymentSuccess, "a", 1), (InProgress, "a", 1), true),
            ((PaymentFailed, "a", 1), (PaymentFailed, "a", 1), true),
            ((InProgress, "a", 1), (PaymentFailed, "a", 1), false),
            // The call was over before the result came.
            ((PaymentSuccess, "a", 1), (CallerHungUp, "a", 1), true),
            ((InProgress, "b", 2), (PaymentFailed, "a", 1), true),
            ((CallerHungUp, "a", 1), (PaymentSuccess, "a", 1), false),
            ((PaymentFailed, "b", 2), (PaymentSuccess, "a", 1), false),
            ((PaymentSuccess, "b", 2), (PaymentSuccess, "a", 1), false),
            // What is told late of an earlier call is news only when it paid.
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
    fn payments_of_two_calls_overlap_when_one_began_before_the_other_was_over() {
        use Status::{PaymentFailed, PaymentSuccess};
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
    fn no_card_number_gets_through_in_any_field() {
        // A number that every processor publishes for tests.
        let card = "4242424242424242";
        let (kept, gone) = Outcome {
            processor: Processor {
                connector: Some("Default".into()),
                confirmation_code: Some(card.into()),
                token: Some(format!("20261126-{card}")),
                last_four: Some(format!("xxxx{card}")),
                card_type: Some("4242-4242-4242-4242".into()),
                error: Some(format!("card {card} declined")),
            },
            debug: card.into(),
            ..outcome(Status::PaymentFailed, "a", 1)
        }
        .kept();
        let expected = Processor {
            connector: Some("Default".into()),
            confirmation_code: None,
            token: None,
            last_four: Some("4242".into()),
            card_type: None,
            error: Some("card [card] declined".into()),
        };
        assert_eq!((kept.processor, kept.debug.as_str()), (expected, "[card]"));
        assert_eq!(gone, ["confirmation_code", "token", "card_type"].map(NotKept::Card));
    }

    #[test]
    fn a_token_is_kept_whole_or_not_at_all() {
        let long = |bytes: usize| "x".repeat(bytes);
        assert_eq!(token(&long(4_096), None), (Some(long(4_096)), vec![]));
        assert_eq!(token(&long(4_097), None), (None, vec![NotKept::TooLong("token")]));
        let umlauts = "ü".repeat(2_049);
        assert_eq!(token(&umlauts, None), (None, vec![NotKept::TooLong("token")]));
        // Another card's last four digits: it is an id.
        let id = "4242424242424242";
        assert_eq!(token(id, Some("0002")), (Some(id.into()), vec![]));
        assert_eq!(token(id, Some("x1")), (None, vec![NotKept::Card("token")]));
    }
}
