//! Numbers under which a context may be kept.

use crate::phone::{CallingCode, NotAPhoneNumber, PhoneNumber};

/// Why a text is no number that somebody can be found by. The words are for the developer of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoNumber {
    /// The caller does not show a number: every such caller would be the same one.
    #[error("the number is withheld; a context needs the caller's own number")]
    Withheld,
    /// A client of an app, not a telephone.
    #[error("is an app's client, not a telephone; expected an E.164 number, such as +12025550123")]
    App,
    /// A SIP address.
    #[error("is a SIP address; expected an E.164 number, such as +12025550123")]
    Sip,
    /// It may be a number, but nobody knows of which country.
    #[error("has no country code; expected an E.164 number: + and 8 to 15 digits, such as +12025550123")]
    NoCountry,
    /// Something else.
    #[error(transparent)]
    Number(#[from] NotAPhoneNumber),
}

/// Words that carriers and platforms put in the place of a number.
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
/// The same words as a telephone's keys spell them (ANONYMOUS, RESTRICTED, UNAVAILABLE): long enough to look like
/// numbers, so that callers who have nothing in common would share a context.
const SPELLED: [&str; 3] = ["266696687", "7378742833", "86282452253"];

/// The number that `text` says, in E.164, as somebody types it; a number without a `+` is taken for one of `home`, when
/// that is set.
///
/// # Errors
/// Why it cannot be had.
pub fn number(text: &str, home: Option<&CallingCode>) -> Result<PhoneNumber, NoNumber> {
    let text = text.trim();
    if let Some(why) = other_than_a_number(text) {
        return Err(why);
    }
    let parsed = match home {
        Some(home) => PhoneNumber::parse_at_home(text, home),
        None => PhoneNumber::parse(text),
    };
    match parsed {
        Ok(number) => shown(number),
        // Too long or too short for the country that it seems to be of.
        Err(_)
            if text.contains(['+', '＋'])
                && is_spelled(&text.chars().filter(char::is_ascii_digit).collect::<String>()) =>
        {
            Err(NoNumber::Withheld)
        }
        Err(_) if home.is_none() && looks_dialled(text) => Err(NoNumber::NoCountry),
        Err(why) => Err(why.into()),
    }
}

/// The number of somebody who is on the line, as a platform vouches for it: in E.164 it is taken as it is, for whether
/// there is such a number the platform knows better than our table. Otherwise as [`number`] reads it.
///
/// # Errors
/// Why it cannot be had.
pub fn vouched(text: &str, home: Option<&CallingCode>) -> Result<PhoneNumber, NoNumber> {
    match PhoneNumber::from_e164(text.trim()) {
        Ok(number) => shown(number),
        Err(_) => number(text, home),
    }
}

/// What stands in the place of a number and says so.
fn other_than_a_number(text: &str) -> Option<NoNumber> {
    let lower = text.trim_matches(['+', '"', '<', '>', ' ']).to_ascii_lowercase();
    if WITHHELD.contains(&lower.as_str()) {
        return Some(NoNumber::Withheld);
    }
    if lower.starts_with("client:") {
        return Some(NoNumber::App);
    }
    (lower.starts_with("sip:") || lower.starts_with("sips:") || lower.contains('@')).then_some(NoNumber::Sip)
}

/// The number, unless its digits spell that there is none: looked at once it is read, however it was written.
fn shown(number: PhoneNumber) -> Result<PhoneNumber, NoNumber> {
    if is_spelled(number.as_str().trim_start_matches('+')) {
        return Err(NoNumber::Withheld);
    }
    Ok(number)
}

fn is_spelled(digits: &str) -> bool {
    SPELLED.contains(&digits)
}

/// Digits and separators only: a number as people of one country write it.
fn looks_dialled(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '(' | ')'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_has_one_key_however_the_number_is_written() {
        for text in [
            "+12025550143",
            "+1 (202) 555-0143",
            " +1.202.555.0143 ",
            "+1-202-555-0143",
        ] {
            let number = number(text, None).expect(text);
            assert_eq!(number.as_str(), "+12025550143");
        }
    }

    #[test]
    fn whoever_shows_no_number_of_his_own_is_refused_and_told_why() {
        for (text, why) in [
            ("anonymous", NoNumber::Withheld),
            ("Anonymous", NoNumber::Withheld),
            ("RESTRICTED", NoNumber::Withheld),
            (" unknown ", NoNumber::Withheld),
            ("+266696687", NoNumber::Withheld),
            ("+7378742833", NoNumber::Withheld),
            ("+86282452253", NoNumber::Withheld),
            ("+86 282 452 253", NoNumber::Withheld),
            ("＋86 28245 2253", NoNumber::Withheld),
            ("(+7) 378742833", NoNumber::Withheld),
            ("(737) 874-2833", NoNumber::NoCountry),
            ("tel:+266 696687", NoNumber::Withheld),
            ("+anonymous", NoNumber::Withheld),
            ("\"Anonymous\"", NoNumber::Withheld),
            ("client:alice", NoNumber::App),
            ("CLIENT:+12025550143", NoNumber::App),
            ("sip:alice@example.org", NoNumber::Sip),
            ("sips:12025550143@example.org", NoNumber::Sip),
            ("12025550143@example.org", NoNumber::Sip),
            ("12025550143", NoNumber::NoCountry),
            ("(202) 555-0143", NoNumber::NoCountry),
            ("", NoNumber::Number(NotAPhoneNumber::Form)),
            ("+", NoNumber::Number(NotAPhoneNumber::Country)),
            ("+1202555", NoNumber::Number(NotAPhoneNumber::Length(1))),
            ("+1202555014312345", NoNumber::Number(NotAPhoneNumber::Length(1))),
            ("+1202x550143", NoNumber::Number(NotAPhoneNumber::Letters)),
            ("+12025550143;ext=1", NoNumber::Number(NotAPhoneNumber::Letters)),
        ] {
            assert_eq!(number(text, None), Err(why), "{text}");
        }
    }

    #[test]
    fn whom_a_platform_vouches_for_is_nobodys_to_doubt() {
        let home: CallingCode = "44".parse().expect("a code");
        for text in [
            "+12025550143",
            "+99912345678",
            "+12025550",
            "+4402079460104",
            " +442079460104 ",
        ] {
            for home in [None, Some(&home)] {
                assert_eq!(vouched(text, home).expect(text).as_str(), text.trim());
            }
        }
        // What is no E.164 is read as one types it.
        assert_eq!(vouched("+1 (202) 555-0143", None), number("+12025550143", None));
        assert_eq!(vouched("020 7946 0104", Some(&home)), number("+442079460104", None));
        for (text, why) in [
            ("anonymous", NoNumber::Withheld),
            ("+266696687", NoNumber::Withheld),
            ("+7378742833", NoNumber::Withheld),
            ("+86282452253", NoNumber::Withheld),
            ("client:alice", NoNumber::App),
            ("sip:+12025550143@example.org", NoNumber::Sip),
            ("12025550143", NoNumber::NoCountry),
            ("+1 999", NoNumber::Number(NotAPhoneNumber::Length(1))),
            ("", NoNumber::Number(NotAPhoneNumber::Form)),
        ] {
            assert_eq!(vouched(text, None), Err(why), "{text}");
        }
    }

    #[test]
    fn a_default_country_takes_national_numbers_but_no_withheld_ones() {
        let home: CallingCode = "1".parse().expect("a code");
        let expected = number("+12025550143", None).expect("a number");
        for text in ["2025550143", "(202) 555-0143", "1 202 555 0143", "+12025550143"] {
            assert_eq!(number(text, Some(&home)), Ok(expected.clone()), "{text}");
        }
        // Digits that spell a word are a number all the same where they are dialled.
        let texan = number("+17378742833", None);
        assert!(texan.is_ok());
        assert_eq!(number("(737) 874-2833", Some(&home)), texan);
        for (text, why) in [
            ("anonymous", NoNumber::Withheld),
            ("+266696687", NoNumber::Withheld),
            ("011 86 282452253", NoNumber::Withheld),
            ("client:alice", NoNumber::App),
            ("555-0143", NoNumber::Number(NotAPhoneNumber::Length(1))),
        ] {
            assert_eq!(number(text, Some(&home)), Err(why), "{text}");
        }
    }
}
