//! The request to set a context, and its validation.

use super::caller;
use super::entry::MemoryEntry;
use super::price::Price;
use super::{CallId, ContextData, DEFAULT_TTL, Purchase, TTL_RANGE, TransactionType};
use crate::field::FieldError;
use crate::lenient_json::REPLACEMENT;
use crate::phone::{CallingCode, PhoneNumber};

/// The voice if the agent names none; the only one that is published.
pub const DEFAULT_PERSONA: &str = "english-jessica";

/// Maximum length of a memory, in bytes.
pub const MAX_MEMORY: usize = 24_576;

/// Maximum length of each field, in bytes. Together they stay below [`MAX_BYTES`] in any combination, and with a memory
/// from an earlier set.
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

/// The fields that identify a thing or a person: with a character that cannot be read they would identify another one.
const IDENTIFYING: [&str; 6] = ["description", "vendor", "customer_id", "order_id", "email", "call_id"];

/// Maximum size of a context, in bytes. A context with its earlier versions stays well below DynamoDB's 400 KB for an
/// item.
pub const MAX_BYTES: usize = 32 * 1024;

/// The fields of a request as they were sent. A missing field and null are the same.
#[derive(Clone, Default)]
#[expect(missing_docs, reason = "the fields of the contract, as they were sent")]
pub struct ContextDraft {
    pub caller: Option<String>,
    /// Whether the platform itself reported the caller's number, so that nobody typed it.
    pub trusted: bool,
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
pub enum MemoryChange {
    /// Keeps what earlier agents left.
    Keep,
    /// Replaces the memory.
    Replace(String),
    /// Adds an entry, and keeps what others wrote.
    Add(MemoryEntry),
}

/// Details about the caller that come with a note; none leaves a detail unchanged.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CallerDetails {
    /// Number that the call is transferred to after the payment.
    pub callback: Option<PhoneNumber>,
    /// The customer's e-mail address.
    pub email: Option<String>,
    /// The customer's name.
    pub full_name: Option<String>,
    /// The voice that speaks to the caller.
    pub persona: Option<String>,
}

/// The content of a set.
#[derive(Clone, PartialEq, Eq)]
pub enum SetContent {
    /// A purchase.
    Purchase {
        /// The purchase and details about the caller.
        data: ContextData,
        /// Whether it is a new purchase even if it equals an earlier one.
        another: bool,
    },
    /// A note about the caller, which leaves the purchase unchanged.
    Note(CallerDetails),
}

/// A valid request to set a context.
#[derive(Clone, PartialEq, Eq)]
pub struct NewContext {
    /// The caller's number.
    pub caller: PhoneNumber,
    /// A purchase or a note.
    pub content: SetContent,
    /// What the set does to the memory.
    pub memory: MemoryChange,
    /// The call in which the context is set, if the platform sent its id.
    pub call: Option<CallId>,
    /// Lifetime of the context, in seconds.
    pub ttl: u32,
    /// Whether the request gave `ttl`, or it is the default.
    pub ttl_given: bool,
}

/// Options of a request to set a context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetOptions {
    /// Whether a missing memory clears the memory.
    pub replace: bool,
    /// Whether the purchase is a new one even if it equals an earlier one.
    pub another: bool,
}

impl ContextDraft {
    /// Validates the request. `home` is the country of numbers without a `+`.
    ///
    /// # Errors
    /// Every field that is missing or invalid, by its name in the contract.
    pub fn check(self, home: Option<&CallingCode>, options: SetOptions) -> Result<NewContext, Vec<FieldError>> {
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
        let ttl_given = self.ttl.is_some();
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
            Some(memory) => MemoryChange::Replace(memory.clone()),
            None if options.replace => MemoryChange::Replace(String::new()),
            None => MemoryChange::Keep,
        };
        let call = non_blank(self.call_id.clone()).as_deref().map(CallId::new);
        let content = if is_note {
            SetContent::Note(self.details(callback))
        } else {
            SetContent::Purchase {
                data: self.data(price, transaction_type, callback),
                another: options.another,
            }
        };
        Ok(NewContext {
            caller,
            content,
            memory,
            call,
            ttl,
            ttl_given,
        })
    }

    /// Whether the request is a note: it has a memory and no field of a purchase. A field with its default value does
    /// not count, because platforms fill in defaults.
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
        let is_blank = |text: Option<&str>| text.is_none_or(|text| text.trim().is_empty());
        self.memory.is_some() && of_purchase.into_iter().all(is_blank)
    }

    fn details(self, callback: Option<PhoneNumber>) -> CallerDetails {
        CallerDetails {
            callback,
            email: non_blank(self.email),
            full_name: non_blank(self.full_name),
            persona: non_blank(self.persona),
        }
    }

    fn data(self, price: Price, transaction_type: TransactionType, callback: Option<PhoneNumber>) -> ContextData {
        let or_empty = Option::unwrap_or_default;
        ContextData {
            purchase: Some(Purchase {
                description: or_empty(self.description),
                price,
                vendor: or_empty(self.vendor),
                customer_id: or_empty(self.customer_id),
                transaction_type,
                order_id: or_empty(non_blank(self.order_id)),
            }),
            callback,
            email: or_empty(self.email),
            full_name: or_empty(self.full_name),
            persona: non_blank(self.persona).unwrap_or_else(|| DEFAULT_PERSONA.to_owned()),
        }
    }

    /// Errors that all text fields share: missing, too long, unreadable.
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
                errors.push(FieldError::new(name, "has control characters"));
            } else if IDENTIFYING.contains(&name) && text.contains(REPLACEMENT) {
                errors.push(FieldError::new(name, "has characters that cannot be read"));
            }
        }
        errors
    }

    fn caller(&self, home: Option<&CallingCode>) -> Result<PhoneNumber, String> {
        let text = self.caller.as_deref().filter(|text| !text.trim().is_empty());
        let text = text.ok_or("is missing or empty")?;
        let read = if self.trusted { caller::trusted } else { caller::parse };
        read(text, home).map_err(|error| error.to_string())
    }

    fn price(&self) -> Result<Price, String> {
        let text = self.price.as_deref().ok_or("is missing")?;
        text.trim()
            .parse()
            .map_err(|error: super::price::InvalidPrice| error.to_string())
    }

    /// A missing and an empty callback are the same: the call ends after the payment. The sample number in the
    /// published documentation is an example, not a default; no call is ever transferred there.
    fn callback(&self, home: Option<&CallingCode>) -> Result<Option<PhoneNumber>, String> {
        let text = self.callback.as_deref().filter(|text| !text.trim().is_empty());
        let number = text.map(|text| caller::parse(text, home)).transpose();
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

/// The value, or none after adding the error of `field` to `errors`.
fn noted<T>(errors: &mut Vec<FieldError>, field: &str, result: Result<T, String>) -> Option<T> {
    result
        .map_err(|detail| errors.push(FieldError::new(field, detail)))
        .ok()
}

/// `text` unless it is blank.
fn non_blank(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> ContextDraft {
        let some = |text: &str| Some(text.to_owned());
        ContextDraft {
            caller: some("+1 202 555 0143"),
            description: some("Two theatre seats"),
            price: some("42.00"),
            vendor: some("acme-stage"),
            ..ContextDraft::default()
        }
    }

    fn wrong(draft: ContextDraft) -> Vec<(String, String)> {
        match draft.check(None, SetOptions::default()) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.into_iter().map(|error| (error.field, error.detail)).collect(),
        }
    }

    fn wrong_fields(draft: ContextDraft) -> Vec<String> {
        wrong(draft).into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn minimal_request_gets_defaults_and_no_sample_callback() {
        let new = draft().check(None, SetOptions::default()).expect("valid");
        assert_eq!(new.caller.as_str(), "+12025550143");
        let SetContent::Purchase { data, another: false } = new.content else {
            panic!("no purchase")
        };
        assert_eq!(data.callback, None);
        assert_eq!(data.persona, "english-jessica");
        let purchase = data.purchase.expect("a purchase");
        assert_eq!(purchase.transaction_type, TransactionType::Once);
        let empty = [&purchase.customer_id, &purchase.order_id, &data.email, &data.full_name];
        assert!(empty.into_iter().all(String::is_empty));
        assert!(matches!(new.memory, MemoryChange::Keep));
        assert_eq!((new.call, new.ttl), (None, DEFAULT_TTL));
    }

    #[test]
    fn only_the_platforms_own_caller_number_is_accepted_unchecked() {
        let of = |trusted: bool| ContextDraft {
            caller: Some("+99912345678".into()),
            trusted,
            ..draft()
        };
        let new = of(true).check(None, SetOptions::default()).expect("valid");
        assert_eq!(new.caller.as_str(), "+99912345678");
        assert_eq!(wrong_fields(of(false)), ["caller"]);
        // The callback is always typed by a person.
        let goes_on = ContextDraft {
            callback: Some("+99912345678".into()),
            ..of(true)
        };
        assert_eq!(wrong_fields(goes_on), ["callback"]);
    }

    #[test]
    fn empty_optional_field_counts_as_missing() {
        let empty = || Some(String::new());
        let new = ContextDraft {
            callback: Some("  ".into()),
            persona: empty(),
            transaction_type: empty(),
            call_id: empty(),
            ..draft()
        };
        let new = new.check(None, SetOptions::default()).expect("valid");
        assert!(new == draft().check(None, SetOptions::default()).expect("valid"));
    }

    #[test]
    fn all_invalid_fields_are_reported_at_once() {
        assert_eq!(
            wrong_fields(ContextDraft::default()),
            ["description", "vendor", "caller", "price"]
        );
        let some = |text: &str| Some(text.to_owned());
        let all = ContextDraft {
            caller: some("12025550143"),
            description: some(" \n"),
            price: some("10.001"),
            vendor: some("a\u{0}b"),
            callback: some("sip:a@example.org"),
            transaction_type: some("monthly"),
            ttl: Some(59),
            ..ContextDraft::default()
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
    fn memory_without_purchase_fields_is_a_note() {
        let some = |text: &str| Some(text.to_owned());
        let note = || ContextDraft {
            caller: some("+1 202 555 0143"),
            memory: some("wants row F"),
            ..ContextDraft::default()
        };
        for (draft, details) in [
            (note(), CallerDetails::default()),
            (
                ContextDraft {
                    memory: some(""),
                    ..note()
                },
                CallerDetails::default(),
            ),
            (
                ContextDraft {
                    description: some(""),
                    price: some(" "),
                    vendor: some(""),
                    customer_id: some(""),
                    transaction_type: some("once"),
                    full_name: some("Ana Ruiz"),
                    ..note()
                },
                CallerDetails {
                    full_name: some("Ana Ruiz"),
                    ..CallerDetails::default()
                },
            ),
        ] {
            let new = draft.check(None, SetOptions::default()).expect("valid");
            assert!(new.content == SetContent::Note(details));
        }
    }

    #[test]
    fn incomplete_purchase_is_refused_with_every_missing_field() {
        let some = |text: &str| Some(text.to_owned());
        let note = || ContextDraft {
            caller: some("+1 202 555 0143"),
            memory: some("wants row F"),
            ..ContextDraft::default()
        };
        for (draft, missing) in [
            (
                ContextDraft {
                    description: some("Two seats"),
                    ..note()
                },
                vec!["vendor", "price"],
            ),
            (
                ContextDraft {
                    price: some("1"),
                    ..note()
                },
                vec!["description", "vendor"],
            ),
            (
                ContextDraft {
                    customer_id: some("cus_1"),
                    ..note()
                },
                vec!["description", "vendor", "price"],
            ),
            (
                ContextDraft {
                    order_id: some("1"),
                    ..note()
                },
                vec!["description", "vendor", "price"],
            ),
            (
                ContextDraft {
                    transaction_type: some("authorize"),
                    ..note()
                },
                vec!["description", "vendor", "price"],
            ),
            // No memory either.
            (
                ContextDraft {
                    caller: some("+1 202 555 0143"),
                    full_name: some("Ana Ruiz"),
                    ..ContextDraft::default()
                },
                vec!["description", "vendor", "price"],
            ),
        ] {
            assert_eq!(wrong_fields(draft), missing);
        }
    }

    #[test]
    fn price_may_be_zero_only_if_nothing_is_charged_now() {
        for (kind, zero_is_fine) in [
            ("once", false),
            ("", false),
            ("authorize", true),
            ("subscription", true),
        ] {
            let free = ContextDraft {
                price: Some("0.00".into()),
                transaction_type: Some(kind.into()),
                ..draft()
            };
            assert_eq!(wrong_fields(free).is_empty(), zero_is_fine, "{kind}");
        }
    }

    #[test]
    fn ttl_has_limits() {
        for (ttl, fine) in [
            (0, false),
            (59, false),
            (60, true),
            (30 * 86_400, true),
            (30 * 86_400 + 1, false),
            (u64::MAX, false),
        ] {
            let lives = ContextDraft {
                ttl: Some(ttl),
                ..draft()
            };
            assert_eq!(wrong_fields(lives).is_empty(), fine, "{ttl}");
        }
    }

    #[test]
    fn field_limits_keep_a_context_within_its_limit() {
        let all: usize = LIMITS.into_iter().map(|(_, limit)| limit).sum();
        // 600 bytes for the rest: two numbers, a price, a type, and the names of the fields.
        assert!(all + 600 <= MAX_BYTES);
        let at_limit = |name: &str, more: usize| {
            let limit = LIMITS
                .into_iter()
                .find(|(of, _)| *of == name)
                .map_or(0, |(_, limit)| limit);
            Some("x".repeat(limit + more))
        };
        let filled = |more: usize| ContextDraft {
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
    fn memory_stays_unless_it_is_sent_or_replace_is_set() {
        let memory = |text: Option<&str>, replace| {
            let draft = ContextDraft {
                memory: text.map(str::to_owned),
                ..draft()
            };
            let options = SetOptions {
                replace,
                ..SetOptions::default()
            };
            draft.check(None, options).expect("valid").memory
        };
        assert!(memory(None, false) == MemoryChange::Keep);
        assert!(memory(None, true) == MemoryChange::Replace(String::new()));
        assert!(memory(Some(""), false) == MemoryChange::Replace(String::new()));
        assert!(memory(Some("row F"), true) == MemoryChange::Replace("row F".into()));
    }
}
