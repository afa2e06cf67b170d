//! Whom a platform phones: a phone number, or an extension of its own telephone system.

use crate::phone::{CallingCode, PhoneNumber, PhoneNumberError};

/// Numbers of digits that an extension has. No country has phone numbers this short that can be dialed from abroad.
const EXTENSION_DIGITS: std::ops::RangeInclusive<usize> = 2..=6;

/// The text is neither a phone number nor an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an extension of 2 to 6 digits or a phone number: {0}")]
pub struct InvalidDestination(#[from] PhoneNumberError);

/// Whom a platform phones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A phone number.
    Phone(PhoneNumber),
    /// An extension.
    Extension(String),
}

impl Destination {
    /// Parses a destination. A phone number without `+` belongs to the country `home`.
    ///
    /// # Errors
    /// The text is neither a phone number nor an extension.
    pub fn parse(text: &str, home: Option<&CallingCode>) -> Result<Self, InvalidDestination> {
        let text = text.trim();
        if EXTENSION_DIGITS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::Extension(text.to_owned()));
        }
        let phone = match home {
            Some(code) => PhoneNumber::parse_at_home(text, code),
            None => PhoneNumber::parse(text),
        };
        Ok(Self::Phone(phone?))
    }

    /// What to dial.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Phone(phone) => phone.as_str(),
            Self::Extension(digits) => digits,
        }
    }

    /// The phone number, unless it is an extension.
    pub const fn phone(&self) -> Option<&PhoneNumber> {
        match self {
            Self::Phone(phone) => Some(phone),
            Self::Extension(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_digits_are_an_extension_and_more_are_a_phone_number() {
        let home: CallingCode = "1".parse().expect("a calling code");
        for (text, dialed) in [("12", "12"), (" 4711 ", "4711"), ("123456", "123456")] {
            let destination = Destination::parse(text, None).expect(text);
            assert_eq!((destination.as_str(), destination.phone()), (dialed, None));
        }
        for (text, home) in [("+1 202-555-0143", None), ("202 555 0143", Some(&home))] {
            let destination = Destination::parse(text, home).expect(text);
            assert_eq!(destination.as_str(), "+12025550143");
            assert_eq!(destination.phone().map(PhoneNumber::as_str), Some("+12025550143"));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "1", "12a4", "1234567", "2025550143", "support"] {
            assert!(Destination::parse(text, None).is_err(), "{text}");
        }
    }
}
