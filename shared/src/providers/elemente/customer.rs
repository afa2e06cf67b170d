//! The customer of an interaction, from up to three sources.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use super::fields::{Findings, Object, TextRule, mismatch, readable, text_at};
use crate::field::FieldError;
use crate::interaction::Channel;
use crate::interaction::template::{FieldValue, MAX_NAME_CHARS, Variables};
use crate::lenient_json::REPLACEMENT;

/// Most custom fields of one customer.
pub const MAX_CUSTOM_FIELDS: usize = 100;
/// Longest value of a custom field, in characters.
pub const MAX_CUSTOM_VALUE_CHARS: usize = 2_000;
/// Longest name of a person, in characters.
const MAX_PERSON_CHARS: usize = 200;
/// Longest language tag, in characters.
const MAX_LANGUAGE_CHARS: usize = 35;
/// Longest phone number: `+` and 15 digits.
const MAX_PHONE_CHARS: usize = 16;
/// Longest e-mail address (RFC 5321).
const MAX_EMAIL_CHARS: usize = 254;

/// A name of a person or agent.
pub(super) const PERSON: TextRule = TextRule::line(MAX_PERSON_CHARS);
/// A language tag. Nothing says which are known.
pub(super) const LANGUAGE: TextRule = TextRule::line(MAX_LANGUAGE_CHARS);
/// A phone number: `+` and 7 to 15 digits, and nothing stricter (CONTRACT.md 3.3).
pub(super) const PHONE: TextRule = TextRule::identifying(MAX_PHONE_CHARS, phone);
/// An e-mail address.
pub(super) const EMAIL: TextRule = TextRule::identifying(MAX_EMAIL_CHARS, email);

const FIELD_NAME: TextRule = TextRule::identifying(MAX_NAME_CHARS, readable);
const FIELD_VALUE: TextRule = TextRule::prose(MAX_CUSTOM_VALUE_CHARS);
const FIELDS: [&str; 6] = [
    "firstName",
    "lastName",
    "phoneNumber",
    "email",
    "language",
    "customFields",
];
const CUSTOM_FIELD: [&str; 2] = ["name", "value"];

/// What is known about a customer: from an override, from the fields `customerName`, `customerPhone` and
/// `customerEmail`, or from a store. [`Customer::merge`] combines them. No field is blank.
///
/// `Debug` shows nothing of it.
#[derive(Clone, Default, PartialEq)]
pub struct Customer {
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// The whole name, where nobody said which part of it is which.
    pub name: Option<String>,
    /// Phone number: `+` and 7 to 15 digits. It need not exist: code that dials it has to check that.
    pub phone: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Language, such as `en-US`.
    pub language: Option<String>,
    /// Custom fields, by their exact name.
    pub custom_fields: BTreeMap<String, FieldValue>,
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Customer").finish_non_exhaustive()
    }
}

impl Customer {
    /// This customer, with what it lacks from `lower`, which has a lower precedence: override over `customer*` over
    /// stored.
    #[must_use]
    pub fn merge(self, lower: Self) -> Self {
        let (first_name, last_name, name) = if self.has_name_parts() {
            let (first, last) = (self.first_name.or(lower.first_name), self.last_name.or(lower.last_name));
            (first, last, None)
        } else if self.name.is_some() {
            // Parts of a lower precedence would otherwise replace it.
            (None, None, self.name)
        } else {
            (lower.first_name, lower.last_name, lower.name)
        };
        let mut custom_fields = lower.custom_fields;
        custom_fields.extend(self.custom_fields);
        Self {
            first_name,
            last_name,
            name,
            phone: self.phone.or(lower.phone),
            email: self.email.or(lower.email),
            language: self.language.or(lower.language),
            custom_fields,
        }
    }

    const fn has_name_parts(&self) -> bool {
        self.first_name.is_some() || self.last_name.is_some()
    }

    /// The name in one text; empty if it is unknown.
    pub fn full_name(&self) -> String {
        if !self.has_name_parts() {
            return self.name.clone().unwrap_or_default();
        }
        let parts = [self.first_name.as_deref(), self.last_name.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Checks that the customer has an address on `channel`. A web chat needs none: the customer opens it.
    ///
    /// # Errors
    /// The address is missing.
    pub fn check_address(&self, channel: Channel) -> Result<(), FieldError> {
        let missing = |field: &str, what: &str| {
            let detail = format!("is missing: a customer needs {what} on the channel {channel}");
            Err(FieldError::new(field, detail))
        };
        if channel.needs_phone() && self.phone.is_none() {
            return missing("customerOverride.phoneNumber", "a phone number");
        }
        if channel == Channel::Email && self.email.is_none() {
            return missing("customerOverride.email", "an e-mail address");
        }
        Ok(())
    }

    /// The variables of a text about this customer. `ai_name` is the name in the agent's override, or the agent's own.
    ///
    /// A field of the customer takes precedence over a custom field with its name. While only the whole name is known,
    /// `{{firstName}}` is that: a greeting is better with it than with a gap.
    pub fn variables(&self, ai_name: Option<&str>) -> Variables {
        let mut variables = Variables::default();
        for (name, value) in &self.custom_fields {
            variables.set(name, value);
        }
        let first_name = if self.has_name_parts() {
            &self.first_name
        } else {
            &self.name
        };
        let fields = [
            ("firstName", first_name.as_deref()),
            ("lastName", self.last_name.as_deref()),
            ("email", self.email.as_deref()),
            ("phoneNumber", self.phone.as_deref()),
            ("aiName", ai_name),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                variables.set(name, value);
            }
        }
        variables
    }

    /// Reads a `customerOverride`.
    pub(super) fn read_override(body: &Object<'_>, findings: &mut Findings) -> Self {
        let Some(customer) = body.object("customerOverride", &FIELDS, findings) else {
            return Self::default();
        };
        Self {
            first_name: customer.text("firstName", PERSON, findings),
            last_name: customer.text("lastName", PERSON, findings),
            name: None,
            phone: customer.text("phoneNumber", PHONE, findings),
            email: customer.text("email", EMAIL, findings),
            language: customer.text("language", LANGUAGE, findings),
            custom_fields: read_custom_fields(&customer, findings),
        }
    }

    /// Reads `customerName`, `customerPhone` and `customerEmail`.
    pub(super) fn read_given(body: &Object<'_>, findings: &mut Findings) -> Self {
        Self {
            name: body.text("customerName", PERSON, findings),
            phone: body.text("customerPhone", PHONE, findings),
            email: body.text("customerEmail", EMAIL, findings),
            ..Self::default()
        }
    }

    /// The customer as a `customerOverride`.
    pub(super) fn override_json(&self) -> Value {
        let mut fields = texts_json([
            ("firstName", &self.first_name),
            ("lastName", &self.last_name),
            ("phoneNumber", &self.phone),
            ("email", &self.email),
            ("language", &self.language),
        ]);
        if !self.custom_fields.is_empty() {
            let all = self.custom_fields.iter();
            let all = all.map(|(name, value)| json!({ "name": name, "value": value }));
            fields.insert("customFields".to_owned(), all.collect());
        }
        Value::Object(fields)
    }
}

/// The texts that are present, by name.
pub(super) fn texts_json<const N: usize>(texts: [(&str, &Option<String>); N]) -> Map<String, Value> {
    let present = texts
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), json!(text.as_ref()?))));
    present.collect()
}

/// Of several fields with one name the last one counts.
fn read_custom_fields(customer: &Object<'_>, findings: &mut Findings) -> BTreeMap<String, FieldValue> {
    let path = customer.path_of("customFields");
    let list = match customer.value("customFields") {
        None => return BTreeMap::new(),
        Some(Value::Array(list)) => list,
        Some(other) => {
            findings.error(path, mismatch("a list", other));
            return BTreeMap::new();
        }
    };
    if list.len() > MAX_CUSTOM_FIELDS {
        let found = list.len();
        findings.error(
            path,
            format!("must have at most {MAX_CUSTOM_FIELDS} entries, has {found}"),
        );
        return BTreeMap::new();
    }
    let fields = list.iter().enumerate();
    fields
        .filter_map(|(index, field)| read_custom_field(field, &format!("{path}[{index}]"), findings))
        .collect()
}

fn read_custom_field(value: &Value, path: &str, findings: &mut Findings) -> Option<(String, FieldValue)> {
    let field = Object::read(value, path, &CUSTOM_FIELD, findings)?;
    let name = field.required_text("name", FIELD_NAME, findings);
    let path = field.path_of("value");
    let value = match field.value("value") {
        None => {
            findings.error(path, "is missing: expected a string, a number or a boolean");
            None
        }
        Some(Value::Number(number)) => Some(FieldValue::Number(number.clone())),
        Some(Value::Bool(flag)) => Some(FieldValue::Flag(*flag)),
        Some(text @ Value::String(_)) => text_at(text, &path, FIELD_VALUE, findings).map(FieldValue::Text),
        Some(other) => {
            findings.error(path, mismatch("a string, a number or a boolean", other));
            None
        }
    };
    name.zip(value)
}

fn phone(text: &str) -> Result<(), &'static str> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("expected + and 7 to 15 digits, such as +12025550123");
    }
    Ok(())
}

fn email(text: &str) -> Result<(), &'static str> {
    let parts = text.split_once('@');
    let is_address = parts.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    let is_forbidden = |c: char| c.is_whitespace() || c.is_control() || c == REPLACEMENT;
    if !is_address || text.chars().any(is_forbidden) {
        return Err("expected an e-mail address");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(first: Option<&str>, last: Option<&str>, whole: Option<&str>) -> Customer {
        Customer {
            first_name: first.map(str::to_owned),
            last_name: last.map(str::to_owned),
            name: whole.map(str::to_owned),
            ..Customer::default()
        }
    }

    fn reached_at(phone: Option<&str>, email: Option<&str>) -> Customer {
        Customer {
            phone: phone.map(str::to_owned),
            email: email.map(str::to_owned),
            ..Customer::default()
        }
    }

    fn custom(fields: &[(&str, &str)]) -> BTreeMap<String, FieldValue> {
        let fields = fields.iter();
        fields
            .map(|(name, value)| ((*name).to_owned(), FieldValue::Text((*value).to_owned())))
            .collect()
    }

    #[test]
    fn override_precedes_given_and_given_precedes_stored() {
        let overriding = Customer {
            custom_fields: custom(&[("a", "override")]),
            ..reached_at(Some("+12025550101"), None)
        };
        let given = Customer {
            custom_fields: custom(&[("b", "given")]),
            ..reached_at(Some("+12025550102"), Some("given@example.org"))
        };
        let stored = Customer {
            language: Some("es-MX".to_owned()),
            custom_fields: custom(&[("a", "stored"), ("b", "stored"), ("c", "stored")]),
            ..reached_at(Some("+12025550103"), Some("stored@example.org"))
        };
        let expected = Customer {
            language: Some("es-MX".to_owned()),
            custom_fields: custom(&[("a", "override"), ("b", "given"), ("c", "stored")]),
            ..reached_at(Some("+12025550101"), Some("given@example.org"))
        };
        let left = overriding.clone().merge(given.clone()).merge(stored.clone());
        let right = overriding.merge(given.merge(stored));
        assert!(left == expected && right == expected);
    }

    #[test]
    fn name_of_a_lower_precedence_only_fills_gaps() {
        for (higher, lower, expected) in [
            (
                named(Some("Ana"), Some("Ruiz"), None),
                named(None, None, Some("A. R.")),
                "Ana Ruiz",
            ),
            (
                named(Some("Ana"), None, None),
                named(Some("Anna"), Some("Ruiz"), None),
                "Ana Ruiz",
            ),
            (named(Some("Ana"), None, None), named(None, None, Some("A. R.")), "Ana"),
            (named(None, Some("Ruiz"), None), named(None, None, None), "Ruiz"),
            (
                named(None, None, Some("A. R.")),
                named(Some("Ana"), Some("Ruiz"), None),
                "A. R.",
            ),
            (
                named(None, None, None),
                named(Some("Ana"), Some("Ruiz"), None),
                "Ana Ruiz",
            ),
            (named(None, None, None), named(None, None, Some("A. R.")), "A. R."),
            (named(None, None, None), named(None, None, None), ""),
        ] {
            assert_eq!(higher.merge(lower).full_name(), expected);
        }
    }

    #[test]
    fn address_depends_on_the_channel() {
        let by_phone = reached_at(Some("+12025550143"), None);
        let by_email = reached_at(None, Some("ana@example.org"));
        for channel in Channel::ALL {
            assert_eq!(
                by_phone.check_address(channel).is_ok(),
                channel != Channel::Email,
                "{channel}"
            );
            let expected = matches!(channel, Channel::Email | Channel::Webchat);
            assert_eq!(by_email.check_address(channel).is_ok(), expected, "{channel}");
        }
        let error = by_email.check_address(Channel::Sms).expect_err("no number");
        assert_eq!(error.field, "customerOverride.phoneNumber");
    }

    #[test]
    fn variables_are_the_fields_and_the_custom_fields() {
        let mut customer = named(Some("Ana"), None, None);
        customer.phone = Some("+12025550143".to_owned());
        customer.custom_fields = custom(&[
            ("firstName", "shadowed"),
            ("lastName", "custom"),
            ("aiName", "shadowed"),
        ]);
        customer.custom_fields.insert("VIP".to_owned(), FieldValue::Flag(false));
        let mut expected = Variables::default();
        for (name, value) in [
            ("firstName", "Ana"),
            ("lastName", "custom"),
            ("phoneNumber", "+12025550143"),
            ("aiName", "Leo"),
            ("VIP", "false"),
        ] {
            expected.set(name, value);
        }
        assert!(customer.variables(Some("Leo")) == expected);
    }

    #[test]
    fn whole_name_replaces_an_unknown_given_name() {
        let mut expected = Variables::default();
        expected.set("firstName", "Ana Ruiz");
        assert!(named(None, None, Some("Ana Ruiz")).variables(None) == expected);
        // A known family name is not a given name.
        let mut expected = Variables::default();
        expected.set("lastName", "Ruiz");
        assert!(named(None, Some("Ruiz"), None).variables(None) == expected);
    }

    #[test]
    fn phone_has_a_plus_and_7_to_15_digits_and_nothing_stricter() {
        for number in [
            "+1234567",
            "+1234567890",
            "+123456789012345",
            "+0000000",
            "+12025550143",
        ] {
            assert_eq!(phone(number), Ok(()), "{number}");
        }
        for number in [
            "+",
            "+123456",
            "+1234567890123456",
            "12025550143",
            "++12025550143",
            "+1 202 555 0143",
            "+1202555014x",
            "+\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}\u{667}",
            "+12025550143\n",
        ] {
            assert!(phone(number).is_err(), "{number}");
        }
    }

    #[test]
    fn email_is_one_address_on_one_line() {
        for address in ["ana@example.org", "a@b", "ana+x@example.org", "\u{e9}@example.org"] {
            assert_eq!(email(address), Ok(()), "{address}");
        }
        for address in [
            "ana",
            "@example.org",
            "ana@",
            "ana @example.org",
            "ana@example.org\r\nBcc: b@example.org",
            "an\u{fffd}@example.org",
        ] {
            assert!(email(address).is_err(), "{address}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_a_customer() {
        let customer = Customer {
            phone: Some("+12025550143".to_owned()),
            ..named(Some("Ana"), Some("Ruiz"), None)
        };
        assert_eq!(format!("{customer:?}"), "Customer { .. }");
    }
}
