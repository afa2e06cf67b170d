//! What an agent sends about a caller, and what becomes of it when it is sound.

use super::caller;
use super::price::Price;
use super::{Brief, CallId, DEFAULT_TTL, Purchase, TTL_RANGE, TransactionType};
use crate::field::FieldError;
use crate::foreign::UNREADABLE;
use crate::phone::{CallingCode, PhoneNumber};

/// The voice that is used when the agent names none; the only one that is published.
pub const DEFAULT_PERSONA: &str = "english-jessica";

/// Most bytes of a memory.
pub const MAX_MEMORY: usize = 24_576;

/// Most bytes of each field. Together they stay below [`MAX_BYTES`], however they are combined, and with a memory that
/// an earlier set left behind.
const LIMITS: [(&str, usize); 9] = [
    ("description", 4_096),
    ("vendor", 512),
    ("customer_id", 256),
    ("order_id", 256),
    ("email", 512),
    ("full_name", 512),
    ("persona", 64),
    ("memory", MAX_MEMORY),
    ("call_id", 512),
];

/// Of those, what names a thing or a person: with a character that cannot be read it would name another.
const NAMES: [&str; 6] = ["description", "vendor", "customer_id", "order_id", "email", "call_id"];

/// Most bytes of a context. A context and its earlier versions stay well below the 400 KB of a DynamoDB item.
pub const MAX_BYTES: usize = 32 * 1024;

/// What was sent, field by field; none and null are the same.
#[derive(Clone, Default)]
#[expect(missing_docs, reason = "the fields of the contract, as they were sent")]
pub struct Draft {
    pub caller: Option<String>,
    /// Whether the caller is whom the platform vouches for, and not what somebody has filled in.
    pub vouched: bool,
    pub description: Option<String>,
    pub price: Option<String>,
    pub vendor: Option<String>,
    pub callback: Option<String>,
    pub customer_id: Option<String>,
    pub order_id: Option<String>,
    pub email: Option<String>,
    pub full_name: Option<String>,
    pub memory: Option<String>,
    pub persona: Option<String>,
    pub transaction_type: Option<String>,
    pub call_id: Option<String>,
    pub ttl: Option<u64>,
}

/// What a set does to the memory.
#[derive(Clone, PartialEq, Eq)]
pub enum Memory {
    /// What earlier agents left stays.
    Keep,
    /// This is the memory from now on.
    Replace(String),
}

/// What is said about the caller beside a note, as far as it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Where the caller goes.
    pub callback: Option<PhoneNumber>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The name.
    pub full_name: Option<String>,
    /// The voice.
    pub persona: Option<String>,
}

/// What is said of the purchase.
#[derive(Clone, PartialEq, Eq)]
pub enum Said {
    /// That there is one.
    Purchase {
        /// What is said.
        brief: Brief,
        /// It is another one than before, even if it looks the same.
        another: bool,
    },
    /// Nothing: it is a note about the caller, and what is to be paid stays what it is.
    Note(Details),
}

/// A context that may be stored.
#[derive(Clone, PartialEq, Eq)]
pub struct NewContext {
    /// About whom.
    pub caller: PhoneNumber,
    /// What is said.
    pub said: Said,
    /// What is done to the memory.
    pub memory: Memory,
    /// The call in which it is said.
    pub call: Option<CallId>,
    /// Seconds that it lives.
    pub ttl: u32,
    /// Whether that was said, or is what is usual.
    pub ttl_said: bool,
}

/// How an agent wants a context to be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// A memory that is not mentioned is forgotten.
    pub replace: bool,
    /// The purchase is another one than before, even if it looks the same.
    pub another: bool,
}

impl Draft {
    /// The context that this says. `home` is the country of numbers without a `+`.
    ///
    /// # Errors
    /// Every field that is missing or not sound, by its name in the contract.
    pub fn check(self, home: Option<&CallingCode>, how: How) -> Result<NewContext, Vec<FieldError>> {
        let is_note = self.is_note();
        let mut errors = self.text_errors(is_note);
        let caller = noted(&mut errors, "caller", self.caller(home));
        let price = if is_note {
            Some(Price::default())
        } else {
            noted(&mut errors, "price", self.price())
        };
        let callback = noted(&mut errors, "callback", self.callback(home));
        let transaction_type = noted(&mut errors, "transaction_type", self.transaction_type());
        let ttl = noted(&mut errors, "ttl", self.ttl());
        let ttl_said = self.ttl.is_some();
        if !is_note && transaction_type == Some(TransactionType::Once) && price.is_some_and(Price::is_zero) {
            errors.push(FieldError::new(
                "price",
                "must be more than 0 when transaction_type is once",
            ));
        }
        let (Some(caller), Some(price), Some(callback), Some(transaction_type), Some(ttl), true) =
            (caller, price, callback, transaction_type, ttl, errors.is_empty())
        else {
            return Err(errors);
        };
        let memory = match &self.memory {
            Some(memory) => Memory::Replace(memory.clone()),
            None if how.replace => Memory::Replace(String::new()),
            None => Memory::Keep,
        };
        let call = said(self.call_id.clone()).as_deref().map(CallId::new);
        let said = if is_note {
            Said::Note(self.details(callback))
        } else {
            Said::Purchase {
                brief: self.brief(price, transaction_type, callback),
                another: how.another,
            }
        };
        Ok(NewContext {
            caller,
            said,
            memory,
            call,
            ttl,
            ttl_said,
        })
    }

    /// Whether it says nothing of a purchase and something to remember. What has a default does not count: platforms fill
    /// it in.
    fn is_note(&self) -> bool {
        let kind = self.transaction_type.as_deref();
        let kind = kind.filter(|kind| *kind != TransactionType::default().name());
        let of_purchase = [
            self.description.as_deref(),
            self.price.as_deref(),
            self.vendor.as_deref(),
            self.customer_id.as_deref(),
            self.order_id.as_deref(),
            kind,
        ];
        let says_nothing = |text: Option<&str>| text.is_none_or(|text| text.trim().is_empty());
        self.memory.is_some() && of_purchase.into_iter().all(says_nothing)
    }

    fn details(self, callback: Option<PhoneNumber>) -> Details {
        Details {
            callback,
            email: said(self.email),
            full_name: said(self.full_name),
            persona: said(self.persona),
        }
    }

    fn brief(self, price: Price, transaction_type: TransactionType, callback: Option<PhoneNumber>) -> Brief {
        let or_empty = Option::unwrap_or_default;
        Brief {
            purchase: Some(Purchase {
                description: or_empty(self.description),
                price,
                vendor: or_empty(self.vendor),
                customer_id: or_empty(self.customer_id),
                transaction_type,
                order_id: or_empty(said(self.order_id)),
            }),
            callback,
            email: or_empty(self.email),
            full_name: or_empty(self.full_name),
            persona: said(self.persona).unwrap_or_else(|| DEFAULT_PERSONA.to_owned()),
        }
    }

    /// What is wrong with the texts, as far as they are only texts.
    fn text_errors(&self, is_note: bool) -> Vec<FieldError> {
        let texts = [
            (&self.description, !is_note),
            (&self.vendor, !is_note),
            (&self.customer_id, false),
            (&self.order_id, false),
            (&self.email, false),
            (&self.full_name, false),
            (&self.persona, false),
            (&self.memory, false),
            (&self.call_id, false),
        ];
        let mut errors = Vec::new();
        for ((name, limit), (text, required)) in LIMITS.into_iter().zip(texts) {
            let text = text.as_deref().unwrap_or_default();
            if required && text.trim().is_empty() {
                errors.push(FieldError::new(name, "is missing or empty"));
            } else if text.len() > limit {
                errors.push(FieldError::new(name, format!("must have at most {limit} bytes")));
            } else if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
                errors.push(FieldError::new(name, "has control characters in it"));
            } else if NAMES.contains(&name) && text.contains(UNREADABLE) {
                errors.push(FieldError::new(name, "has characters in it that cannot be read"));
            }
        }
        errors
    }

    fn caller(&self, home: Option<&CallingCode>) -> Result<PhoneNumber, String> {
        let text = self.caller.as_deref().filter(|text| !text.trim().is_empty());
        let text = text.ok_or("is missing or empty")?;
        let read = if self.vouched { caller::vouched } else { caller::number };
        read(text, home).map_err(|error| error.to_string())
    }

    fn price(&self) -> Result<Price, String> {
        let text = self.price.as_deref().ok_or("is missing")?;
        text.trim()
            .parse()
            .map_err(|error: super::price::NotAPrice| error.to_string())
    }

    /// Absent and empty are the same: after the payment the call ends. The sample number in published documentation is
    /// what a form is filled with, not a default; nobody is ever sent there.
    fn callback(&self, home: Option<&CallingCode>) -> Result<Option<PhoneNumber>, String> {
        let text = self.callback.as_deref().filter(|text| !text.trim().is_empty());
        let number = text.map(|text| caller::number(text, home)).transpose();
        number.map_err(|error| error.to_string())
    }

    fn transaction_type(&self) -> Result<TransactionType, String> {
        let Some(name) = self.transaction_type.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(TransactionType::default());
        };
        TransactionType::named(name).ok_or_else(|| "expected once, subscription or authorize".to_owned())
    }

    fn ttl(&self) -> Result<u32, String> {
        let Some(ttl) = self.ttl else { return Ok(DEFAULT_TTL) };
        let (low, high) = (TTL_RANGE.start(), TTL_RANGE.end());
        u32::try_from(ttl)
            .ok()
            .filter(|ttl| TTL_RANGE.contains(ttl))
            .ok_or_else(|| format!("must be from {low} to {high} seconds"))
    }
}

/// The value, or none and a note of what is wrong with `field`.
fn noted<T>(errors: &mut Vec<FieldError>, field: &str, result: Result<T, String>) -> Option<T> {
    result
        .map_err(|detail| errors.push(FieldError::new(field, detail)))
        .ok()
}

/// `text` unless there is nothing in it.
fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        let some = |text: &str| Some(text.to_owned());
        Draft {
            caller: some("+1 202 555 0143"),
            description: some("Two theatre seats"),
            price: some("42.00"),
            vendor: some("acme-stage"),
            ..Draft::default()
        }
    }

    fn wrong(draft: Draft) -> Vec<(String, String)> {
        match draft.check(None, How::default()) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.into_iter().map(|error| (error.field, error.detail)).collect(),
        }
    }

    fn wrong_fields(draft: Draft) -> Vec<String> {
        wrong(draft).into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn four_fields_are_enough_and_no_sample_number_is_ever_called() {
        let new = draft().check(None, How::default()).expect("sound");
        assert_eq!(new.caller.as_str(), "+12025550143");
        let Said::Purchase { brief, another: false } = new.said else {
            panic!("no purchase")
        };
        assert_eq!(brief.callback, None);
        assert_eq!(brief.persona, "english-jessica");
        let purchase = brief.purchase.expect("a purchase");
        assert_eq!(purchase.transaction_type, TransactionType::Once);
        let empty = [
            &purchase.customer_id,
            &purchase.order_id,
            &brief.email,
            &brief.full_name,
        ];
        assert!(empty.into_iter().all(String::is_empty));
        assert!(matches!(new.memory, Memory::Keep));
        assert_eq!((new.call, new.ttl), (None, DEFAULT_TTL));
    }

    #[test]
    fn only_whom_the_platform_vouches_for_is_taken_without_a_doubt() {
        let of = |vouched: bool| Draft {
            caller: Some("+99912345678".into()),
            vouched,
            ..draft()
        };
        let new = of(true).check(None, How::default()).expect("sound");
        assert_eq!(new.caller.as_str(), "+99912345678");
        assert_eq!(wrong_fields(of(false)), ["caller"]);
        // Where the call goes is always filled in.
        let goes_on = Draft {
            callback: Some("+99912345678".into()),
            ..of(true)
        };
        assert_eq!(wrong_fields(goes_on), ["callback"]);
    }

    #[test]
    fn an_empty_optional_field_is_one_that_was_not_sent() {
        let empty = || Some(String::new());
        let new = Draft {
            callback: Some("  ".into()),
            persona: empty(),
            transaction_type: empty(),
            call_id: empty(),
            ..draft()
        };
        let new = new.check(None, How::default()).expect("sound");
        assert!(new == draft().check(None, How::default()).expect("sound"));
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        assert_eq!(
            wrong_fields(Draft::default()),
            ["description", "vendor", "caller", "price"]
        );
        let some = |text: &str| Some(text.to_owned());
        let all = Draft {
            caller: some("12025550143"),
            description: some(" \n"),
            price: some("10.001"),
            vendor: some("a\u{0}b"),
            callback: some("sip:a@example.org"),
            transaction_type: some("monthly"),
            ttl: Some(59),
            ..Draft::default()
        };
        let wrong = wrong(all);
        let fields: Vec<&str> = wrong.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "description",
                "vendor",
                "caller",
                "price",
                "callback",
                "transaction_type",
                "ttl"
            ]
        );
        let caller = wrong.iter().find(|(field, _)| field == "caller");
        assert!(
            caller.is_some_and(|(_, detail)| detail.contains("+12025550123")),
            "{wrong:?}"
        );
    }

    #[test]
    fn what_says_nothing_of_a_purchase_and_something_to_remember_is_a_note() {
        let some = |text: &str| Some(text.to_owned());
        let note = || Draft {
            caller: some("+1 202 555 0143"),
            memory: some("wants row F"),
            ..Draft::default()
        };
        for (draft, details) in [
            (note(), Details::default()),
            (
                Draft {
                    memory: some(""),
                    ..note()
                },
                Details::default(),
            ),
            (
                Draft {
                    description: some(""),
                    price: some(" "),
                    vendor: some(""),
                    customer_id: some(""),
                    transaction_type: some("once"),
                    full_name: some("Ana Ruiz"),
                    ..note()
                },
                Details {
                    full_name: some("Ana Ruiz"),
                    ..Details::default()
                },
            ),
        ] {
            let new = draft.check(None, How::default()).expect("sound");
            assert!(new.said == Said::Note(details));
        }
    }

    #[test]
    fn half_a_purchase_is_none_and_every_missing_field_is_named() {
        let some = |text: &str| Some(text.to_owned());
        let note = || Draft {
            caller: some("+1 202 555 0143"),
            memory: some("wants row F"),
            ..Draft::default()
        };
        for (draft, missing) in [
            (
                Draft {
                    description: some("Two seats"),
                    ..note()
                },
                vec!["vendor", "price"],
            ),
            (
                Draft {
                    price: some("1"),
                    ..note()
                },
                vec!["description", "vendor"],
            ),
            (
                Draft {
                    customer_id: some("cus_1"),
                    ..note()
                },
                vec!["description", "vendor", "price"],
            ),
            (
                Draft {
                    order_id: some("1"),
                    ..note()
                },
                vec!["description", "vendor", "price"],
            ),
            (
                Draft {
                    transaction_type: some("authorize"),
                    ..note()
                },
                vec!["description", "vendor", "price"],
            ),
            // Nothing to remember either.
            (
                Draft {
                    caller: some("+1 202 555 0143"),
                    full_name: some("Ana Ruiz"),
                    ..Draft::default()
                },
                vec!["description", "vendor", "price"],
            ),
        ] {
            assert_eq!(wrong_fields(draft), missing);
        }
    }

    #[test]
    fn a_purchase_has_a_price_and_a_card_on_file_need_not() {
        for (kind, zero_is_fine) in [
            ("once", false),
            ("", false),
            ("authorize", true),
            ("subscription", true),
        ] {
            let free = Draft {
                price: Some("0.00".into()),
                transaction_type: Some(kind.into()),
                ..draft()
            };
            assert_eq!(wrong_fields(free).is_empty(), zero_is_fine, "{kind}");
        }
    }

    #[test]
    fn the_life_of_a_context_has_limits() {
        for (ttl, fine) in [
            (0, false),
            (59, false),
            (60, true),
            (30 * 86_400, true),
            (30 * 86_400 + 1, false),
            (u64::MAX, false),
        ] {
            let lives = Draft {
                ttl: Some(ttl),
                ..draft()
            };
            assert_eq!(wrong_fields(lives).is_empty(), fine, "{ttl}");
        }
    }

    #[test]
    fn whatever_is_within_the_limits_of_its_fields_is_within_the_limit_of_a_context() {
        let all: usize = LIMITS.into_iter().map(|(_, limit)| limit).sum();
        // The rest: two numbers, a price, a type, and the names of the fields.
        assert!(all + 600 <= MAX_BYTES);
        let at_limit = |name: &str, more: usize| {
            let limit = LIMITS
                .into_iter()
                .find(|(of, _)| *of == name)
                .map_or(0, |(_, limit)| limit);
            Some("x".repeat(limit + more))
        };
        let filled = |more: usize| Draft {
            description: at_limit("description", more),
            vendor: at_limit("vendor", more),
            customer_id: at_limit("customer_id", more),
            order_id: at_limit("order_id", more),
            email: at_limit("email", more),
            full_name: at_limit("full_name", more),
            persona: at_limit("persona", more),
            memory: at_limit("memory", more),
            call_id: at_limit("call_id", more),
            ..draft()
        };
        assert_eq!(wrong_fields(filled(0)), Vec::<String>::new());
        assert_eq!(wrong_fields(filled(1)), LIMITS.map(|(name, _)| name));
    }

    #[test]
    fn the_memory_stays_unless_it_is_mentioned_or_everything_is_to_be_replaced() {
        let memory = |text: Option<&str>, replace| {
            let draft = Draft {
                memory: text.map(str::to_owned),
                ..draft()
            };
            let how = How {
                replace,
                ..How::default()
            };
            draft.check(None, how).expect("sound").memory
        };
        assert!(memory(None, false) == Memory::Keep);
        assert!(memory(None, true) == Memory::Replace(String::new()));
        assert!(memory(Some(""), false) == Memory::Replace(String::new()));
        assert!(memory(Some("row F"), true) == Memory::Replace("row F".into()));
    }
}
