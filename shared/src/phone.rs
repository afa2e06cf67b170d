//! Telephone numbers.

use std::fmt;
use std::str::FromStr;

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

/// A country's calling code: 1 to 3 digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallingCode(String);

impl FromStr for CallingCode {
    type Err = NotACallingCode;

    fn from_str(text: &str) -> Result<Self, NotACallingCode> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let is_code = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_code || digits.starts_with('0') {
            return Err(NotACallingCode);
        }
        Ok(Self(digits.to_owned()))
    }
}

/// The text is not a calling code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a country's calling code, such as 1 or 49")]
pub struct NotACallingCode;

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

    /// Parses a number as people of the country `code` write it at home, or with a `+`.
    ///
    /// In North America (`1`) that is ten digits, or eleven with the 1 in front; elsewhere `00` stands for the `+`, and
    /// one leading 0 is dialled inside the country only (but in Italy, `39`, belongs to the number).
    pub fn parse_at_home(text: &str, code: &CallingCode) -> Result<Self, NotAPhoneNumber> {
        let text = text.trim();
        if text.starts_with('+') {
            return Self::parse(text);
        }
        // What is no digit and no separator is refused by the last line.
        let compact: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')'))
            .collect();
        let CallingCode(code) = code;
        if code == "1" {
            let national = compact
                .strip_prefix('1')
                .filter(|_| compact.len() == 11)
                .unwrap_or(&compact);
            if national.len() != 10 {
                return Err(NotAPhoneNumber);
            }
            return Self::parse(&format!("+1{national}"));
        }
        if let Some(international) = compact.strip_prefix("00") {
            return Self::parse(&format!("+{international}"));
        }
        let national = compact.strip_prefix('0').filter(|_| code != "39").unwrap_or(&compact);
        Self::parse(&format!("+{code}{national}"))
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
    fn a_number_as_written_at_home_is_the_number_abroad() {
        for (code, text, expected) in [
            ("1", "(202) 555-0123", Some("+12025550123")),
            ("1", "1 202 555 0123", Some("+12025550123")),
            ("+1", "+12025550123", Some("+12025550123")),
            ("1", "555-0123", None),
            ("1", "0012025550123", None),
            ("49", "030 123456", Some("+4930123456")),
            ("49", "0049 30 123456", Some("+4930123456")),
            ("39", "06 1234567", Some("+39061234567")),
            ("49", "+12025550123", Some("+12025550123")),
            ("49", "", None),
            ("49", "0", None),
            ("49", "00", None),
            ("49", "anonymous", None),
            ("49", "30 +123456", None),
        ] {
            let code = code.parse().expect(code);
            let parsed = PhoneNumber::parse_at_home(text, &code);
            assert_eq!(parsed.ok().as_ref().map(PhoneNumber::as_str), expected, "{text}");
        }
        for wrong in ["", "+", "0", "049", "1234", "x"] {
            assert_eq!(wrong.parse::<CallingCode>(), Err(NotACallingCode), "{wrong}");
        }
    }

    #[test]
    fn a_number_is_masked_wherever_it_is_printed() {
        let number = PhoneNumber::parse("+12025550123").expect("a number");
        assert_eq!(format!("{number} {number:?}"), "…23 …23");
    }
}
