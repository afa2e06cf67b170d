//! Phone numbers that can identify a caller, and so be the key of a context.

use crate::phone::{CallingCode, PhoneNumber, PhoneNumberError};

/// Why a text is not a number that identifies a caller. The messages address the developer of a voice agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallerNumberError {
    /// The caller withholds the number: all such callers would share one context.
    #[error("the number is withheld; a context needs the caller's own number")]
    Withheld,
    /// A client of an app, not a phone.
    #[error("is an app client, not a phone number; expected an E.164 number, such as +12025550123")]
    App,
    /// A SIP address.
    #[error("is a SIP address; expected an E.164 number, such as +12025550123")]
    Sip,
    /// It looks like a national number, but its country is unknown.
    #[error("has no country code; expected an E.164 number: + and 8 to 15 digits, such as +12025550123")]
    NoCountry,
    /// Not a phone number for another reason.
    #[error(transparent)]
    Number(#[from] PhoneNumberError),
}

/// Words that carriers and platforms send instead of a withheld number.
const WITHHELD: [&str; 9] = [
    "anonymous",
    "unknown",
    "restricted",
    "private",
    "unavailable",
    "withheld",
    "blocked",
    "no caller id",
    "no-caller-id",
];
/// The same words spelled on a phone's keypad (ANONYMOUS, RESTRICTED, UNAVAILABLE). They are long enough to look like
/// numbers, so unrelated callers would share a context.
const SPELLED: [&str; 3] = ["266696687", "7378742833", "86282452253"];

/// Parses a number as a person types it. A number without a `+` is read as one of the country `home`, if that is set.
///
/// # Errors
/// Why `text` does not identify a caller.
pub fn parse(text: &str, home: Option<&CallingCode>) -> Result<PhoneNumber, CallerNumberError> {
    let text = text.trim();
    if let Some(error) = non_number(text) {
        return Err(error);
    }
    let parsed = match home {
        Some(home) => PhoneNumber::parse_at_home(text, home),
        None => PhoneNumber::parse(text),
    };
    match parsed {
        Ok(number) => not_withheld(number),
        // Digits that spell a word may be too many or too few for the country that they seem to belong to.
        Err(_)
            if text.contains(['+', '＋'])
                && is_spelled(&text.chars().filter(char::is_ascii_digit).collect::<String>()) =>
        {
            Err(CallerNumberError::Withheld)
        }
        Err(_) if home.is_none() && looks_dialed(text) => Err(CallerNumberError::NoCountry),
        Err(error) => Err(error.into()),
    }
}

/// Parses the number of a caller who is on the line, as the platform reports it. A number in E.164 is accepted as it
/// is: the platform knows better than our table whether it exists. Anything else is read as [`parse`] reads it.
///
/// # Errors
/// Why `text` does not identify a caller.
pub fn trusted(text: &str, home: Option<&CallingCode>) -> Result<PhoneNumber, CallerNumberError> {
    match PhoneNumber::from_e164(text.trim()) {
        Ok(number) => not_withheld(number),
        Err(_) => parse(text, home),
    }
}

/// Recognizes text that is sent instead of a number.
fn non_number(text: &str) -> Option<CallerNumberError> {
    let lower = text.trim_matches(['+', '"', '<', '>', ' ']).to_ascii_lowercase();
    if WITHHELD.contains(&lower.as_str()) {
        return Some(CallerNumberError::Withheld);
    }
    if lower.starts_with("client:") {
        return Some(CallerNumberError::App);
    }
    (lower.starts_with("sip:") || lower.starts_with("sips:") || lower.contains('@')).then_some(CallerNumberError::Sip)
}

/// The number, unless its digits spell that it is withheld. Checked after parsing, so that the notation does not
/// matter.
fn not_withheld(number: PhoneNumber) -> Result<PhoneNumber, CallerNumberError> {
    if is_spelled(number.as_str().trim_start_matches('+')) {
        return Err(CallerNumberError::Withheld);
    }
    Ok(number)
}

fn is_spelled(digits: &str) -> bool {
    SPELLED.contains(&digits)
}

/// Whether the text has only digits and separators, as a national number has.
fn looks_dialed(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '(' | ')'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notation_of_a_number_gives_the_same_key() {
        for text in [
            "+12025550143",
            "+1 (202) 555-0143",
            " +1.202.555.0143 ",
            "+1-202-555-0143",
        ] {
            let number = parse(text, None).expect(text);
            assert_eq!(number.as_str(), "+12025550143");
        }
    }

    #[test]
    fn caller_without_an_own_number_is_refused_with_a_reason() {
        for (text, error) in [
            ("anonymous", CallerNumberError::Withheld),
            ("Anonymous", CallerNumberError::Withheld),
            ("RESTRICTED", CallerNumberError::Withheld),
            (" unknown ", CallerNumberError::Withheld),
            ("+266696687", CallerNumberError::Withheld),
            ("+7378742833", CallerNumberError::Withheld),
            ("+86282452253", CallerNumberError::Withheld),
            ("+86 282 452 253", CallerNumberError::Withheld),
            ("＋86 28245 2253", CallerNumberError::Withheld),
            ("(+7) 378742833", CallerNumberError::Withheld),
            ("(737) 874-2833", CallerNumberError::NoCountry),
            ("tel:+266 696687", CallerNumberError::Withheld),
            ("+anonymous", CallerNumberError::Withheld),
            ("\"Anonymous\"", CallerNumberError::Withheld),
            ("client:alice", CallerNumberError::App),
            ("CLIENT:+12025550143", CallerNumberError::App),
            ("sip:alice@example.org", CallerNumberError::Sip),
            ("sips:12025550143@example.org", CallerNumberError::Sip),
            ("12025550143@example.org", CallerNumberError::Sip),
            ("12025550143", CallerNumberError::NoCountry),
            ("(202) 555-0143", CallerNumberError::NoCountry),
            ("", CallerNumberError::Number(PhoneNumberError::Format)),
            ("+", CallerNumberError::Number(PhoneNumberError::UnknownCountry)),
            ("+1202555", CallerNumberError::Number(PhoneNumberError::WrongLength(1))),
            (
                "+1202555014312345",
                CallerNumberError::Number(PhoneNumberError::WrongLength(1)),
            ),
            (
                "+1202x550143",
                CallerNumberError::Number(PhoneNumberError::UnsupportedCharacter),
            ),
            (
                "+12025550143;ext=1",
                CallerNumberError::Number(PhoneNumberError::UnsupportedCharacter),
            ),
        ] {
            assert_eq!(parse(text, None), Err(error), "{text}");
        }
    }

    #[test]
    fn e164_number_from_the_platform_is_accepted_as_it_is() {
        let home: CallingCode = "44".parse().expect("a code");
        for text in [
            "+12025550143",
            "+99912345678",
            "+12025550",
            "+4402079460104",
            " +442079460104 ",
        ] {
            for home in [None, Some(&home)] {
                assert_eq!(trusted(text, home).expect(text).as_str(), text.trim());
            }
        }
        // Anything that is not E.164 is read as a typed number.
        assert_eq!(trusted("+1 (202) 555-0143", None), parse("+12025550143", None));
        assert_eq!(trusted("020 7946 0104", Some(&home)), parse("+442079460104", None));
        for (text, error) in [
            ("anonymous", CallerNumberError::Withheld),
            ("+266696687", CallerNumberError::Withheld),
            ("+7378742833", CallerNumberError::Withheld),
            ("+86282452253", CallerNumberError::Withheld),
            ("client:alice", CallerNumberError::App),
            ("sip:+12025550143@example.org", CallerNumberError::Sip),
            ("12025550143", CallerNumberError::NoCountry),
            ("+1 999", CallerNumberError::Number(PhoneNumberError::WrongLength(1))),
            ("", CallerNumberError::Number(PhoneNumberError::Format)),
        ] {
            assert_eq!(trusted(text, None), Err(error), "{text}");
        }
    }

    #[test]
    fn home_country_allows_national_numbers_but_not_withheld_ones() {
        let home: CallingCode = "1".parse().expect("a code");
        let expected = parse("+12025550143", None).expect("a number");
        for text in ["2025550143", "(202) 555-0143", "1 202 555 0143", "+12025550143"] {
            assert_eq!(parse(text, Some(&home)), Ok(expected.clone()), "{text}");
        }
        // Digits that spell a word are still a number where people dial them.
        let texan = parse("+17378742833", None);
        assert!(texan.is_ok());
        assert_eq!(parse("(737) 874-2833", Some(&home)), texan);
        for (text, error) in [
            ("anonymous", CallerNumberError::Withheld),
            ("+266696687", CallerNumberError::Withheld),
            ("011 86 282452253", CallerNumberError::Withheld),
            ("client:alice", CallerNumberError::App),
            ("555-0143", CallerNumberError::Number(PhoneNumberError::WrongLength(1))),
        ] {
            assert_eq!(parse(text, Some(&home)), Err(error), "{text}");
        }
    }
}
