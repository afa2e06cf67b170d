//! Phone numbers: parsing, validation and masking. CONTRACT.md has the rules and their evidence.

mod countries;
mod read;
pub mod zones;

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use countries::Country;

/// A phone number in E.164: `+` and 8 to 15 digits.
///
/// `Display` and `Debug` show only the last two digits, so that a number never reaches a log by accident.
/// [`PhoneNumber::as_str`] returns the whole number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PhoneNumber(String);

/// Why a text is not a phone number that can be dialed. The messages address the person who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneNumberError {
    /// The text does not look like a phone number, or its country is unknown.
    #[error("expected an E.164 number: + and 8 to 15 digits, such as +12025550123")]
    Format,
    /// Words, an extension or a SIP address.
    #[error("has letters or signs that no phone number has; an extension cannot be dialed")]
    UnsupportedCharacter,
    /// Digits of an unsupported script, or of two scripts.
    #[error("has digits other than 0 to 9")]
    UnsupportedDigit,
    /// The number does not begin with the calling code of any country.
    #[error("does not begin with a country's calling code")]
    UnknownCountry,
    /// The trunk prefix after the calling code, as in `+49 030…`.
    #[error("has a 0 after +{0} that is only dialed inside the country: leave it out")]
    TrunkZero(u16),
    /// A bracketed zero in a country without a trunk zero, as in `+34 (0)91…`.
    #[error("has a 0 in brackets, which is not part of a number in +{0}: leave it out")]
    BracketedZero(u16),
    /// Too short, too long, or a length that no number of the country has.
    #[error("has the wrong number of digits after +{0}")]
    WrongLength(u16),
    /// A beginning that no number of the country has, such as a prefix that is dialed inside the country.
    #[error("has {1} after +{0}, but no number there begins with it")]
    InvalidPrefix(u16, &'static str),
    /// A prefix that is no longer dialed, as in `+52 1 55…`.
    #[error("has {1} after +{0}, which is no longer dialed: leave it out")]
    ObsoletePrefix(u16, &'static str),
    /// An international prefix (`00…`) in a country that has several of them.
    #[error("begins with an international prefix: write the number with a +")]
    ExitCode,
    /// A number that costs more than a call to an ordinary phone.
    #[error("is a premium, shared-cost, personal or satellite number of +{0}, which we do not call")]
    PremiumRate(u16),
    /// Two numbers in one text, as in `0104/0105`.
    #[error("looks like two numbers: give only one")]
    TwoNumbers,
    /// A national number that begins with its country's calling code, as in `46 8123456` in Sweden.
    #[error("begins with {0}, which may be the country's calling code: write it with a +, or as it is dialed at home")]
    Ambiguous(u16),
}

/// A country's calling code.
#[derive(Clone, Debug)]
pub struct CallingCode(&'static Country);

impl CallingCode {
    const fn country(&self) -> &'static Country {
        self.0
    }
}

impl FromStr for CallingCode {
    type Err = InvalidCallingCode;

    fn from_str(text: &str) -> Result<Self, InvalidCallingCode> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let is_code = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_code || digits.starts_with('0') {
            return Err(InvalidCallingCode);
        }
        let country = digits.parse().ok().and_then(read::country);
        country.map(Self).ok_or(InvalidCallingCode)
    }
}

/// The text is not a calling code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a country's calling code, such as 1 or 49")]
pub struct InvalidCallingCode;

/// Number of digits of an E.164 number, calling code included.
const DIGITS: RangeInclusive<usize> = 8..=15;

impl PhoneNumber {
    /// Parses a number in international notation, with a `+`. Separators and brackets are allowed, and a bracketed
    /// trunk zero where the country has one.
    ///
    /// # Errors
    /// Why the text is not a phone number. An ambiguous text is refused: the call would reach a stranger.
    pub fn parse(text: &str) -> Result<Self, PhoneNumberError> {
        read::international(text).and_then(|digits| Self::from_digits(&digits))
    }

    /// Parses a number in the national notation of the country `code`, or in international notation with a `+`.
    ///
    /// # Errors
    /// As [`PhoneNumber::parse`].
    pub fn parse_at_home(text: &str, code: &CallingCode) -> Result<Self, PhoneNumberError> {
        read::at_home(text, code).and_then(|digits| Self::from_digits(&digits))
    }

    /// Parses a number as machines write it: `+` and 8 to 15 digits, and nothing else. Does not check whether the
    /// number exists.
    ///
    /// # Errors
    /// When the text has another form.
    pub fn from_e164(text: &str) -> Result<Self, PhoneNumberError> {
        let digits = text.strip_prefix('+').ok_or(PhoneNumberError::Format)?;
        if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PhoneNumberError::Format);
        }
        Self::from_digits(digits)
    }

    fn from_digits(digits: &str) -> Result<Self, PhoneNumberError> {
        if DIGITS.contains(&digits.len()) {
            Ok(Self(format!("+{digits}")))
        } else {
            Err(PhoneNumberError::Format)
        }
    }

    /// The number with its `+`, without separators.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The number is ASCII, so the last two bytes are the last two digits.
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
        Self::from_e164(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::PhoneNumberError::{
        Ambiguous, BracketedZero, ExitCode, Format, InvalidPrefix, ObsoletePrefix, PremiumRate, TrunkZero, TwoNumbers,
        UnsupportedCharacter, UnsupportedDigit, WrongLength,
    };
    use super::*;

    fn read(text: &str) -> Result<String, PhoneNumberError> {
        PhoneNumber::parse(text).map(|number| number.as_str().to_owned())
    }

    fn at_home(code: &str, text: &str) -> Result<String, PhoneNumberError> {
        let code = code.parse().expect(code);
        PhoneNumber::parse_at_home(text, &code).map(|number| number.as_str().to_owned())
    }

    #[test]
    fn separators_and_invisible_characters_are_ignored() {
        for text in [
            " +1 (202) 555-0123 ",
            "+1.202.555.0123",
            "+1\u{a0}202\u{202f}555\u{2011}0123",
            "\u{202a}+12025550123\u{202c}",
            "tel:+1-202-555-0123",
            "＋１２０２５５５０１２３",
            "+١٢٠٢٥٥٥٠١٢٣",
            "+1 202/555-0123",
            "+1 202 555/0123",
            "+1/2025550123",
        ] {
            assert_eq!(read(text), Ok("+12025550123".to_owned()), "{text}");
        }
    }

    #[test]
    fn bracketed_trunk_zero_is_removed_or_refused_depending_on_the_country() {
        for (text, number) in [
            ("+44 (0)20 7946 0104", "+442079460104"),
            ("+44(0)20 7946 0104", "+442079460104"),
            ("+44 [0] 20 7946 0104", "+442079460104"),
            ("+49 (0) 30 23125 001", "+493023125001"),
            ("+43 (0)1 2345678", "+4312345678"),
            // The zero of an Italian landline is part of the number.
            ("+39 (0)6 1234567", "+39061234567"),
            ("+39 06 1234567", "+39061234567"),
            // Ordinary numbers in ranges next to premium ones.
            ("+44 7624 123456", "+447624123456"),
            ("+353 1 512 3456", "+35315123456"),
            ("+1 809 555 0123", "+18095550123"),
            ("+1 976 555 0123", "+19765550123"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(number), "{text}");
        }
        for (text, error) in [
            ("+1 (0)202 555 0123", BracketedZero(1)),
            ("+7 (0)495 1234567", BracketedZero(7)),
            ("+30 (0)21 1234 5678", BracketedZero(30)),
            ("+34 (0)91 1234567", BracketedZero(34)),
            ("+36 (0)1 2345678", BracketedZero(36)),
            ("+48 (0)22 1234567", BracketedZero(48)),
            ("+39 (0)347 1234567", BracketedZero(39)),
            ("+44 20 (0)7946 0104", BracketedZero(44)),
            ("+49 030 23125 001", TrunkZero(49)),
            ("+4402079460104", TrunkZero(44)),
            ("+44 (020) 7946 0104", TrunkZero(44)),
            ("+36 06 30 123 4567", TrunkZero(36)),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
        }
    }

    #[test]
    fn text_that_cannot_be_dialed_is_refused_with_its_reason() {
        for (text, error) in [
            ("", Format),
            ("+", PhoneNumberError::UnknownCountry),
            ("12025550123", Format),
            ("+1202555", WrongLength(1)),
            ("+1234567890123456", WrongLength(1)),
            ("+0123456789", PhoneNumberError::UnknownCountry),
            ("+0044 20 7946 0104", PhoneNumberError::UnknownCountry),
            ("+999 12345678", PhoneNumberError::UnknownCountry),
            ("+1 123 555 0123", InvalidPrefix(1, "1")),
            ("+39 6 1234567", InvalidPrefix(39, "6")),
            ("+86 1 1312 345 6786", InvalidPrefix(86, "11")),
            ("+352 15 62 812 7930", InvalidPrefix(352, "15")),
            ("+1 900 555 0123", PremiumRate(1)),
            ("+1 202 976 0123", PremiumRate(1)),
            ("+979 123456789", PremiumRate(979)),
            ("+881 612345678", PremiumRate(881)),
            ("+44 9012 345678", PremiumRate(44)),
            ("+49 180 5123456", PremiumRate(49)),
            ("+353 1512 345678", PremiumRate(353)),
            ("+7 8 916 123 45 67", WrongLength(7)),
            ("+1202x550123", UnsupportedCharacter),
            ("+44 20 7946 O104", UnsupportedCharacter),
            ("+1-800-FLOWERS", UnsupportedCharacter),
            ("call +44 20 7946 0104 now", UnsupportedCharacter),
            ("+33 1 99 00 12 34 poste 12", UnsupportedCharacter),
            ("+44 20 7946 0104 ext. 12", UnsupportedCharacter),
            ("+44 20 7946 0104;ext=12", UnsupportedCharacter),
            ("+44 20 7946 0104, 12", UnsupportedCharacter),
            ("sip:alice@example.org", UnsupportedCharacter),
            ("anonymous", UnsupportedCharacter),
            ("++12025550123", UnsupportedCharacter),
            ("+44 20 7946 0104/0105", TwoNumbers),
            ("+49 30 23125/23126", TwoNumbers),
            ("+49 (0)30 23125/23126", TwoNumbers),
            ("+1 202/555/0123", TwoNumbers),
            ("+1 202 555 0123/", TwoNumbers),
            ("+1 202 555 0123/+1 202 555 0124", UnsupportedCharacter),
            ("+52 1 55 1234 5678", ObsoletePrefix(52, "1")),
            ("+52 044 55 1234 5678", ObsoletePrefix(52, "044")),
            ("+44 20 7946 010²", UnsupportedDigit),
            ("+4٤ 20 7946 0104", UnsupportedDigit),
            ("+44 20 7946 0104 (0", Format),
            ("+44 20)7946 0104", Format),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
            assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn national_notation_gives_the_international_number() {
        for (code, text, number) in [
            ("1", "(202) 555-0123", "+12025550123"),
            ("1", "1 202 555 0123", "+12025550123"),
            ("+1", "+12025550123", "+12025550123"),
            ("1", "011 44 20 7946 0104", "+442079460104"),
            ("44", "020 7946 0104", "+442079460104"),
            ("44", "(0)20 7946 0104", "+442079460104"),
            ("44", "20 7946 0104", "+442079460104"),
            ("49", "0049 (0)30 23125 001", "+493023125001"),
            ("49", "030/23125001", "+493023125001"),
            ("49", "05321/12345", "+49532112345"),
            ("52", "55 1234 5678", "+525512345678"),
            ("49", "+12025550123", "+12025550123"),
            ("36", "06 30 123 4567", "+36301234567"),
            ("36", "30 123 4567", "+36301234567"),
            ("7", "8 (916) 123-45-67", "+79161234567"),
            ("7", "916 1234567", "+79161234567"),
            ("39", "06 1234567", "+39061234567"),
            ("39", "347 1234567", "+393471234567"),
            ("39", "391 1234567", "+393911234567"),
            ("48", "48 123 45 67", "+48481234567"),
            ("34", "91 123 45 67", "+34911234567"),
        ] {
            assert_eq!(at_home(code, text).as_deref(), Ok(number), "{code} {text}");
        }
        for (code, text, error) in [
            ("1", "555-0123", WrongLength(1)),
            ("1", "0044 20 7946 0104", TrunkZero(1)),
            ("46", "46 8123456", Ambiguous(46)),
            ("49", "030 23125/23126", TwoNumbers),
            ("1", "202 555 0123/0124", TwoNumbers),
            ("52", "01 55 1234 5678", ObsoletePrefix(52, "01")),
            ("52", "045 55 1234 5678", ObsoletePrefix(52, "045")),
            ("49", "49 30 23125 001", Ambiguous(49)),
            ("39", "39 06 12345678", Ambiguous(39)),
            ("49", "00 30 23125 001", WrongLength(30)),
            ("36", "0 30 123 4567", TrunkZero(36)),
            ("679", "00681 725 696", ExitCode),
            ("358", "99 631 2128975", ExitCode),
            ("82", "0 81 2345 6434", InvalidPrefix(82, "81")),
            ("591", "01 7123 4576", InvalidPrefix(591, "1")),
            ("972", "012 3120919", InvalidPrefix(972, "1")),
            ("375", "8 029 123 45 67", Format),
            ("1", "1 123 555 0123", InvalidPrefix(1, "1")),
            ("49", "", WrongLength(49)),
            ("49", "0", WrongLength(49)),
            ("49", "00", PhoneNumberError::UnknownCountry),
            ("49", "anonymous", UnsupportedCharacter),
            ("49", "30 +123456", UnsupportedCharacter),
        ] {
            assert_eq!(at_home(code, text), Err(error), "{code} {text}");
        }
        for wrong in ["", "+", "0", "049", "1234", "x", "999"] {
            assert_eq!(wrong.parse::<CallingCode>().err(), Some(InvalidCallingCode), "{wrong}");
        }
    }

    #[test]
    fn e164_number_is_accepted_as_it_is_and_round_trips() {
        let number = PhoneNumber::from_e164("+12025550123").expect("a number");
        let json = serde_json::to_string(&number).expect("JSON");
        assert_eq!(serde_json::from_str::<PhoneNumber>(&json).expect("a number"), number);
        for text in [
            "12025550123",
            "+1 202 555 0123",
            "+0123456789",
            "+1234567",
            "+1234567890123456",
            "",
        ] {
            assert_eq!(PhoneNumber::from_e164(text), Err(PhoneNumberError::Format), "{text}");
        }
    }

    #[test]
    fn printed_number_is_masked() {
        let number = PhoneNumber::parse("+12025550123").expect("a number");
        assert_eq!(format!("{number} {number:?}"), "…23 …23");
    }

    #[test]
    fn country_table_is_sorted_and_prefix_free() {
        let codes: Vec<String> = countries::COUNTRIES
            .iter()
            .map(|country| country.code.to_string())
            .collect();
        assert!(countries::COUNTRIES.is_sorted_by_key(|country| country.code));
        for code in &codes {
            assert!(
                codes.iter().filter(|other| other.starts_with(code.as_str())).count() == 1,
                "{code}"
            );
        }
    }

    proptest! {
        #[test]
        fn parsing_any_text_is_idempotent_and_never_panics(text in ".{0,40}", code in 1_u16..1_000) {
            if let Ok(number) = PhoneNumber::parse(&text) {
                prop_assert_eq!(PhoneNumber::parse(number.as_str()), Ok(number.clone()));
                prop_assert_eq!(PhoneNumber::from_e164(number.as_str()), Ok(number));
            }
            if let Ok(code) = code.to_string().parse::<CallingCode>() {
                let _ = PhoneNumber::parse_at_home(&text, &code);
            }
        }

        #[test]
        fn separators_never_change_the_number(digits in "[2-9][0-9]{9}", cuts in prop::collection::vec((0_usize..10, " |-|\\.|\u{a0}|/"), 0..4)) {
            let plain = format!("+1{digits}");
            let mut spelled: Vec<String> = digits.chars().map(String::from).collect();
            for (at, sign) in &cuts {
                spelled.insert(*at, sign.clone());
            }
            let spelled = spelled.concat();
            if let Ok(number) = read(&format!("+1 {spelled}")) {
                prop_assert_eq!(number, plain);
            }
        }
    }
}
