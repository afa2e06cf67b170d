//! What came of a call that was handed to us.

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Most characters of a text that comes from a payment processor.
const MAX_CHARS: usize = 200;
/// Most characters of `debug`.
const MAX_DEBUG_CHARS: usize = 1_000;

/// Seconds after which nobody can be paying any more: greeting and prompts, and four attempts (the sources disagree whether
/// three are three or four) of about thirty keys, each pressed as late as Twilio waits for it. Only waited out when Twilio
/// told neither how the payment ended nor that the call did.
pub const PAYING_SECONDS: u32 = 1_500;

/// How it goes with a context. Only `payment-success` is published by the service that we are compatible with; the
/// other names are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
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
    pub const ALL: [Self; 6] = [
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
            Self::Pending => 0,
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

impl Processor {
    /// The same with every text bounded and without what is a card's number, should a processor put one there.
    #[must_use]
    pub fn safe(self) -> Self {
        // Whole or not at all: a part of a token is worth nothing, and a token may hold digits like a card's.
        let plain = |text: Option<String>| {
            text.filter(|text| !runs(text).any(|run| is_card(&digits_of(run))))
                .map(|text| bounded(&text, MAX_CHARS))
        };
        let last_four = self.last_four.and_then(|text| {
            let digits = digits_of(&text);
            let last = digits.len().checked_sub(4)?;
            Some(digits.iter().skip(last).map(u32::to_string).collect())
        });
        Self {
            connector: plain(self.connector),
            confirmation_code: plain(self.confirmation_code),
            token: plain(self.token),
            last_four,
            card_type: plain(self.card_type),
            error: self.error.map(|text| bounded(&masked(&text), MAX_CHARS)),
        }
    }
}

fn bounded(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

fn digits_of(text: &str) -> Vec<u32> {
    text.chars().filter_map(|c| c.to_digit(10)).collect()
}

/// The parts of `text` in which digits belong together, whatever is between them but letters. Digits across letters are
/// those of an id, such as a UUID, and one in fifty of these would pass for a card's number.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(char::is_alphabetic)
}

/// `text` without any digits among which there is a card's number. Rather too much than too little: it is for people.
fn masked(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() || (!run.is_empty() && matches!(c, ' ' | '-')) {
            run.push(c);
            continue;
        }
        push_masked(&mut result, &run);
        run.clear();
        result.push(c);
    }
    push_masked(&mut result, &run);
    result
}

/// Appends `run`, which is digits and separators.
fn push_masked(result: &mut String, run: &str) {
    let digits = digits_of(run);
    let mut lengths = CARD_DIGITS;
    let holds_card = lengths.any(|length| digits.windows(length).any(is_card));
    if !holds_card {
        result.push_str(run);
        return;
    }
    result.push_str("[card]");
    if run.ends_with(' ') {
        result.push(' ');
    }
}

/// How many digits a card's number has.
const CARD_DIGITS: RangeInclusive<usize> = 13..=19;

/// Whether it is a card's number: one of an issuer (they begin with 2 to 6; tokens that look like a card's number
/// begin with 9), with the right check digit (ISO/IEC 7812).
fn is_card(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, double @ 0..=9) => double,
            (_, double) => double - 9,
        })
        .sum();
    CARD_DIGITS.contains(&digits.len())
        && digits.first().is_some_and(|first| (2..=6).contains(first))
        && sum.is_multiple_of(10)
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
    /// What the payment processor said.
    pub processor: Processor,
    /// Free text for whoever looks for a fault.
    pub debug: String,
}

impl Outcome {
    /// The same with every text bounded and free of card numbers.
    #[must_use]
    pub fn safe(self) -> Self {
        Self {
            call: bounded(&self.call, MAX_CHARS),
            processor: self.processor.safe(),
            debug: bounded(&masked(&self.debug), MAX_DEBUG_CHARS),
            ..self
        }
    }

    /// Whether it takes the place of `earlier`, which is about the same set.
    ///
    /// While a caller may still be paying in one call, another call of theirs gets no further: of two payments at a time
    /// both would be taken. Only a payment replaces that, for money has changed hands.
    pub fn replaces(&self, earlier: &Self) -> bool {
        let (rank, before) = (self.status.rank(), earlier.status.rank());
        if before >= Status::FINAL {
            return false;
        }
        if self.call == earlier.call {
            return rank >= before;
        }
        let paying = earlier.status == Status::InProgress && earlier.start_time > self.others_were_over();
        self.status == Status::PaymentSuccess || !paying
    }

    /// Other calls that began later than this may still be paying, unless it is known that they are over.
    pub fn others_were_over(&self) -> Timestamp {
        self.start_time.plus_millis(-i64::from(PAYING_SECONDS) * 1_000)
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

    fn outcome(status: Status, call: &str) -> Outcome {
        Outcome {
            status,
            call: call.into(),
            start_time: Timestamp::from_millis(1),
            processor: Processor::default(),
            debug: String::new(),
        }
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
            ((PaymentSuccess, "a"), (InProgress, "a"), true),
            ((PaymentFailed, "a"), (PaymentFailed, "a"), true),
            ((InProgress, "a"), (PaymentFailed, "a"), false),
            ((InProgress, "b"), (PaymentFailed, "a"), true),
            ((PaymentSuccess, "b"), (CallerHungUp, "a"), true),
            ((CallerHungUp, "a"), (PaymentSuccess, "a"), false),
            ((PaymentFailed, "b"), (PaymentSuccess, "a"), false),
            ((PaymentSuccess, "b"), (PaymentSuccess, "a"), false),
            // Both are there at the same time.
            ((InProgress, "b"), (InProgress, "a"), false),
            ((PaymentFailed, "b"), (InProgress, "a"), false),
            ((PaymentSuccess, "b"), (InProgress, "a"), true),
        ] {
            let (new, old) = (outcome(later.0, later.1), outcome(earlier.0, earlier.1));
            assert_eq!(new.replaces(&old), replaces, "{new:?} after {old:?}");
        }
    }

    #[test]
    fn a_call_of_which_nothing_was_heard_again_is_waited_for_no_longer_than_a_payment_can_take() {
        let paying = outcome(Status::InProgress, "a");
        let mut next = outcome(Status::InProgress, "b");
        next.start_time = paying.start_time.plus_seconds(PAYING_SECONDS).plus_millis(-1);
        assert!(!next.replaces(&paying));
        next.start_time = paying.start_time.plus_seconds(PAYING_SECONDS);
        assert!(next.replaces(&paying));
    }

    #[test]
    fn no_card_number_gets_through() {
        // A number that every processor publishes for tests.
        let card = "4242424242424242";
        for (text, expected) in [
            (card, "[card]"),
            ("declined: 4242424242424242.", "declined: [card]."),
            ("4242 4242-4242 4242 expired", "[card] expired"),
            ("try 2: 7 4242424242424242", "try 2: [card]"),
            ("error 21202, try 3", "error 21202, try 3"),
            ("", ""),
        ] {
            assert_eq!(masked(text), expected);
        }
        let safe = Outcome {
            processor: Processor {
                connector: Some("Default".into()),
                confirmation_code: Some(card.into()),
                token: Some("x".repeat(500)),
                last_four: Some(format!("xxxx{card}")),
                card_type: Some("4242-4242-4242-4242".into()),
                error: Some(format!("card {card} declined")),
            },
            debug: card.into(),
            ..outcome(Status::PaymentFailed, "a")
        }
        .safe();
        let expected = Processor {
            connector: Some("Default".into()),
            confirmation_code: None,
            token: Some("x".repeat(200)),
            last_four: Some("4242".into()),
            card_type: None,
            error: Some("card [card] declined".into()),
        };
        assert_eq!((safe.processor, safe.debug.as_str()), (expected, "[card]"));
    }

    #[test]
    fn a_card_number_is_found_whatever_is_between_its_digits_but_letters() {
        for text in [
            "4242.4242.4242.4242",
            "4242/4242_4242 4242",
            "visa4242424242424242ok",
            "no 4242-4242-4242-4242",
        ] {
            let processor = Processor {
                token: Some(text.into()),
                ..Processor::default()
            };
            assert_eq!(processor.safe().token, None, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_card_number_is_kept_whole() {
        // A token with a card's length and check digit, a number without it, and two short ones.
        for text in [
            "9242424242424247",
            "4242424242424241",
            "ch_1234",
            "40012345678",
            // All its digits together are a card's number.
            "6a8ac4ba-0580-4975-ad2f-89d94a2f20aa",
        ] {
            let processor = Processor {
                token: Some(text.into()),
                ..Processor::default()
            };
            assert_eq!(processor.clone().safe(), processor);
        }
        let shown = |last_four: &str| {
            let processor = Processor {
                last_four: Some(last_four.into()),
                ..Processor::default()
            };
            processor.safe().last_four
        };
        assert_eq!(shown("xxx1"), None);
    }
}
