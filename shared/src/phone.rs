//! Telephone numbers.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

/// A telephone number in E.164: `+` and 8 to 15 digits.
///
/// `Display` and `Debug` show the last two digits only, so that a number never reaches a log by accident; the
/// number itself is had by [`PhoneNumber::as_str`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PhoneNumber(String);

/// The text is not a telephone number that can be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an E.164 number: + and 8 to 15 digits, such as +12025550123")]
pub struct NotAPhoneNumber;

impl PhoneNumber {
    /// Parses a number, ignoring the separators that people write: spaces, `-`, `.`, `(`, `)`.
    pub fn parse(text: &str) -> Result<Self, NotAPhoneNumber> {
        let mut compact = String::with_capacity(16);
        for c in text.trim().chars() {
            match c {
                '+' if compact.is_empty() => compact.push('+'),
                '0'..='9' if compact.starts_with('+') && compact.len() < 17 => compact.push(c),
                ' ' | '-' | '.' | '(' | ')' if compact.starts_with('+') => {}
                _ => return Err(NotAPhoneNumber),
            }
        }
        let digits = compact.len().saturating_sub(1);
        // No country code begins with 0.
        if !(8..=15).contains(&digits) || compact.starts_with("+0") {
            return Err(NotAPhoneNumber);
        }
        Ok(Self(compact))
    }

    /// The number with its `+`, without separators.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only ASCII is inside, so the last two bytes are the last two digits.
        f.write_str("…")?;
        f.write_str(self.0.get(self.0.len().saturating_sub(2)..).unwrap_or_default())
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_ignored() {
        let plain = PhoneNumber::parse("+12025550123").expect("a number");
        assert_eq!(PhoneNumber::parse(" +1 (202) 555-0123 "), Ok(plain.clone()));
        assert_eq!(plain.as_str(), "+12025550123");
    }

    #[test]
    fn what_cannot_be_dialled_is_refused() {
        for text in [
            "",
            "+",
            "12025550123",
            "+1202555",
            "+1234567890123456",
            "+0123456789",
            "+1202x550123",
            "anonymous",
            "++12025550123",
        ] {
            assert_eq!(PhoneNumber::parse(text), Err(NotAPhoneNumber), "{text}");
        }
    }

    #[test]
    fn a_number_is_masked_wherever_it_is_printed() {
        let number = PhoneNumber::parse("+12025550123").expect("a number");
        assert_eq!(format!("{number} {number:?}"), "…23 …23");
    }
}
