//! Telephone numbers.

mod countries;
mod read;

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use countries::Country;

/// A telephone number in E.164: `+` and 8 to 15 digits.
///
/// `Display` and `Debug` show the last two digits only, so that a number never reaches a log by accident; the
/// number itself is had by [`PhoneNumber::as_str`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PhoneNumber(String);

/// Why a text is no telephone number that can be dialled. The words are for whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPhoneNumber {
    /// It is not written as one, or nobody knows of which country.
    #[error("expected an E.164 number: + and 8 to 15 digits, such as +12025550123")]
    Form,
    /// Words, an extension, a SIP address.
    #[error("has letters or signs in it that no number has; an extension cannot be dialled")]
    Letters,
    /// Digits of a script that is not read, or of two.
    #[error("has digits other than 0 to 9")]
    Digits,
    /// No country's numbers begin so.
    #[error("begins with no country's calling code")]
    Country,
    /// `+49 030…`
    #[error("has a 0 behind +{0} that is dialled inside the country only: leave it out")]
    Zero(u16),
    /// `+34 (0)91…`
    #[error("has a 0 in brackets, which is no part of a number in +{0}: leave it out")]
    Brackets(u16),
    /// Too short, too long, or a length that no number there has.
    #[error("has a number of digits behind +{0} that no number there has")]
    Length(u16),
    /// What is dialled before numbers inside the country.
    #[error("begins with {1} behind +{0}, as no number there does")]
    Beginning(u16, &'static str),
    /// `+52 1 55…`
    #[error("has {1} behind +{0}, which has not been dialled for years: leave it out")]
    Old(u16, &'static str),
    /// `00…` in a country that has several such prefixes.
    #[error("begins with what is dialled for abroad: write it with a +")]
    Exit,
    /// A number that costs the caller more.
    #[error("is a premium, shared-cost, personal or satellite number behind +{0}: none is phoned")]
    Dear(u16),
    /// `0104/0105`
    #[error("looks like two numbers: give one")]
    Two,
    /// `46 8123456`, of somebody in Sweden.
    #[error("begins with {0}, which may be the country's calling code: write it with a +, or as it is dialled at home")]
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
    type Err = NotACallingCode;

    fn from_str(text: &str) -> Result<Self, NotACallingCode> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let is_code = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_code || digits.starts_with('0') {
            return Err(NotACallingCode);
        }
        let country = digits.parse().ok().and_then(read::country);
        country.map(Self).ok_or(NotACallingCode)
    }
}

/// The text is not a calling code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a country's calling code, such as 1 or 49")]
pub struct NotACallingCode;

/// Digits of a number in E.164, its country's code included.
const DIGITS: RangeInclusive<usize> = 8..=15;

impl PhoneNumber {
    /// Reads a number as people write it for abroad, with a `+`: with the separators that they use, in brackets, with a
    /// trunk zero in brackets where the country has one.
    ///
    /// # Errors
    /// Why it is none. What may mean another number than it says is refused: whoever is dialled instead is a stranger.
    pub fn parse(text: &str) -> Result<Self, NotAPhoneNumber> {
        read::international(text).and_then(|digits| Self::of(&digits))
    }

    /// Reads a number as people of the country `code` write it at home, or with a `+`.
    ///
    /// # Errors
    /// As [`PhoneNumber::parse`].
    pub fn parse_at_home(text: &str, code: &CallingCode) -> Result<Self, NotAPhoneNumber> {
        read::at_home(text, code).and_then(|digits| Self::of(&digits))
    }

    /// Reads a number as machines write it: `+` and 8 to 15 digits, and nothing else. Whether there is such a number is
    /// their business.
    ///
    /// # Errors
    /// When it is not written so.
    pub fn from_e164(text: &str) -> Result<Self, NotAPhoneNumber> {
        let digits = text.strip_prefix('+').ok_or(NotAPhoneNumber::Form)?;
        if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAPhoneNumber::Form);
        }
        Self::of(digits)
    }

    fn of(digits: &str) -> Result<Self, NotAPhoneNumber> {
        if DIGITS.contains(&digits.len()) {
            Ok(Self(format!("+{digits}")))
        } else {
            Err(NotAPhoneNumber::Form)
        }
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
        Self::from_e164(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::NotAPhoneNumber::{
        Ambiguous, Beginning, Brackets, Dear, Digits, Exit, Form, Length, Letters, Old, Two, Zero,
    };
    use super::*;

    fn read(text: &str) -> Result<String, NotAPhoneNumber> {
        PhoneNumber::parse(text).map(|number| number.as_str().to_owned())
    }

    fn at_home(code: &str, text: &str) -> Result<String, NotAPhoneNumber> {
        let code = code.parse().expect(code);
        PhoneNumber::parse_at_home(text, &code).map(|number| number.as_str().to_owned())
    }

    #[test]
    fn separators_are_ignored_and_so_is_what_nobody_sees() {
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
    fn a_trunk_zero_in_brackets_goes_where_the_country_has_one_and_is_refused_by_name_where_it_has_none() {
        for (text, number) in [
            ("+44 (0)20 7946 0104", "+442079460104"),
            ("+44(0)20 7946 0104", "+442079460104"),
            ("+44 [0] 20 7946 0104", "+442079460104"),
            ("+49 (0) 30 23125 001", "+493023125001"),
            ("+43 (0)1 2345678", "+4312345678"),
            // The zero of an Italian landline is its own.
            ("+39 (0)6 1234567", "+39061234567"),
            ("+39 06 1234567", "+39061234567"),
            // What stands among the dear ones and is none.
            ("+44 7624 123456", "+447624123456"),
            ("+353 1 512 3456", "+35315123456"),
            ("+1 809 555 0123", "+18095550123"),
            ("+1 976 555 0123", "+19765550123"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(number), "{text}");
        }
        for (text, why) in [
            ("+1 (0)202 555 0123", Brackets(1)),
            ("+7 (0)495 1234567", Brackets(7)),
            ("+30 (0)21 1234 5678", Brackets(30)),
            ("+34 (0)91 1234567", Brackets(34)),
            ("+36 (0)1 2345678", Brackets(36)),
            ("+48 (0)22 1234567", Brackets(48)),
            ("+39 (0)347 1234567", Brackets(39)),
            ("+44 20 (0)7946 0104", Brackets(44)),
            ("+49 030 23125 001", Zero(49)),
            ("+4402079460104", Zero(44)),
            ("+44 (020) 7946 0104", Zero(44)),
            ("+36 06 30 123 4567", Zero(36)),
        ] {
            assert_eq!(read(text), Err(why), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_dialled_is_refused_by_name() {
        for (text, why) in [
            ("", Form),
            ("+", NotAPhoneNumber::Country),
            ("12025550123", Form),
            ("+1202555", Length(1)),
            ("+1234567890123456", Length(1)),
            ("+0123456789", NotAPhoneNumber::Country),
            ("+0044 20 7946 0104", NotAPhoneNumber::Country),
            ("+999 12345678", NotAPhoneNumber::Country),
            ("+1 123 555 0123", Beginning(1, "1")),
            ("+39 6 1234567", Beginning(39, "6")),
            ("+86 1 1312 345 6786", Beginning(86, "11")),
            ("+352 15 62 812 7930", Beginning(352, "15")),
            ("+1 900 555 0123", Dear(1)),
            ("+1 202 976 0123", Dear(1)),
            ("+979 123456789", Dear(979)),
            ("+881 612345678", Dear(881)),
            ("+44 9012 345678", Dear(44)),
            ("+49 180 5123456", Dear(49)),
            ("+353 1512 345678", Dear(353)),
            ("+7 8 916 123 45 67", Length(7)),
            ("+1202x550123", Letters),
            ("+44 20 7946 O104", Letters),
            ("+1-800-FLOWERS", Letters),
            ("call +44 20 7946 0104 now", Letters),
            ("+33 1 99 00 12 34 poste 12", Letters),
            ("+44 20 7946 0104 ext. 12", Letters),
            ("+44 20 7946 0104;ext=12", Letters),
            ("+44 20 7946 0104, 12", Letters),
            ("sip:alice@example.org", Letters),
            ("anonymous", Letters),
            ("++12025550123", Letters),
            ("+44 20 7946 0104/0105", Two),
            ("+49 30 23125/23126", Two),
            ("+49 (0)30 23125/23126", Two),
            ("+1 202/555/0123", Two),
            ("+1 202 555 0123/", Two),
            ("+1 202 555 0123/+1 202 555 0124", Letters),
            ("+52 1 55 1234 5678", Old(52, "1")),
            ("+52 044 55 1234 5678", Old(52, "044")),
            ("+44 20 7946 010²", Digits),
            ("+4٤ 20 7946 0104", Digits),
            ("+44 20 7946 0104 (0", Form),
            ("+44 20)7946 0104", Form),
        ] {
            assert_eq!(read(text), Err(why), "{text}");
            assert!(!why.to_string().is_empty());
        }
    }

    #[test]
    fn a_number_as_written_at_home_is_the_number_abroad() {
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
        for (code, text, why) in [
            ("1", "555-0123", Length(1)),
            ("1", "0044 20 7946 0104", Zero(1)),
            ("46", "46 8123456", Ambiguous(46)),
            ("49", "030 23125/23126", Two),
            ("1", "202 555 0123/0124", Two),
            ("52", "01 55 1234 5678", Old(52, "01")),
            ("52", "045 55 1234 5678", Old(52, "045")),
            ("49", "49 30 23125 001", Ambiguous(49)),
            ("39", "39 06 12345678", Ambiguous(39)),
            ("49", "00 30 23125 001", Length(30)),
            ("36", "0 30 123 4567", Zero(36)),
            ("679", "00681 725 696", Exit),
            ("358", "99 631 2128975", Exit),
            ("82", "0 81 2345 6434", Beginning(82, "81")),
            ("591", "01 7123 4576", Beginning(591, "1")),
            ("972", "012 3120919", Beginning(972, "1")),
            ("375", "8 029 123 45 67", Form),
            ("1", "1 123 555 0123", Beginning(1, "1")),
            ("49", "", Length(49)),
            ("49", "0", Length(49)),
            ("49", "00", NotAPhoneNumber::Country),
            ("49", "anonymous", Letters),
            ("49", "30 +123456", Letters),
        ] {
            assert_eq!(at_home(code, text), Err(why), "{code} {text}");
        }
        for wrong in ["", "+", "0", "049", "1234", "x", "999"] {
            assert_eq!(wrong.parse::<CallingCode>().err(), Some(NotACallingCode), "{wrong}");
        }
    }

    #[test]
    fn a_number_of_a_machine_is_taken_as_it_is_and_written_so() {
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
            assert_eq!(PhoneNumber::from_e164(text), Err(NotAPhoneNumber::Form), "{text}");
        }
    }

    #[test]
    fn a_number_is_masked_wherever_it_is_printed() {
        let number = PhoneNumber::parse("+12025550123").expect("a number");
        assert_eq!(format!("{number} {number:?}"), "…23 …23");
    }

    #[test]
    fn the_table_is_in_order_and_no_code_begins_with_another() {
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
        fn any_text_is_read_or_refused_and_what_is_read_reads_the_same(text in ".{0,40}", code in 1_u16..1_000) {
            if let Ok(number) = PhoneNumber::parse(&text) {
                prop_assert_eq!(PhoneNumber::parse(number.as_str()), Ok(number.clone()));
                prop_assert_eq!(PhoneNumber::from_e164(number.as_str()), Ok(number));
            }
            if let Ok(code) = code.to_string().parse::<CallingCode>() {
                let _ = PhoneNumber::parse_at_home(&text, &code);
            }
        }

        #[test]
        fn spelling_changes_no_number(digits in "[2-9][0-9]{9}", cuts in prop::collection::vec((0_usize..10, " |-|\\.|\u{a0}|/"), 0..4)) {
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
