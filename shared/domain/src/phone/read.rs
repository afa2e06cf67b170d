//! Parses phone numbers as people write them.
//!
//! The result is the number that was meant, or an error: a number that is off by one digit belongs to a stranger.

use super::countries::{COUNTRIES, Country, Trunk};
use super::{CallingCode, DIGITS, PhoneNumberError};

/// Maximum length of a text that is parsed, in characters: longer than any number with all its scanned.
const MAX_CHARS: usize = 64;
/// The zeros of the supported scripts.
const ZEROS: [char; 6] = ['0', '０', '٠', '۰', '०', '০'];

/// A text reduced to its digits and the signs that matter.
struct ScannedText {
    plus: bool,
    digits: String,
    /// Index in `digits` of a zero that is alone in brackets.
    bracketed: Option<usize>,
    /// Number of digits before a slash.
    slash: Option<usize>,
}

impl ScannedText {
    /// The part before the slash.
    fn before_slash(&self) -> Option<Self> {
        let at = self.slash?;
        Some(Self {
            plus: self.plus,
            digits: self.digits.get(..at)?.to_owned(),
            bracketed: self.bracketed.filter(|bracketed| *bracketed < at),
            slash: None,
        })
    }
}

/// Parses a number in international notation. Returns its digits, calling code first.
pub(super) fn international(text: &str) -> Result<String, PhoneNumberError> {
    parse_single(&scan(text)?, |scanned| {
        if scanned.plus {
            parse_with_code(&scanned.digits, scanned.bracketed)
        } else {
            Err(PhoneNumberError::Format)
        }
    })
}

/// Parses with `read`, but refuses two numbers in one text. A slash may follow an area code. After a complete number it
/// introduces a second number or its last digits (`12345/12346`), and both read as one number would reach a stranger.
fn parse_single(
    scanned: &ScannedText,
    read: impl Fn(&ScannedText) -> Result<String, PhoneNumberError>,
) -> Result<String, PhoneNumberError> {
    let is_complete = |digits: String| DIGITS.contains(&digits.len());
    if scanned
        .before_slash()
        .is_some_and(|before| read(&before).is_ok_and(is_complete))
    {
        return Err(PhoneNumberError::TwoNumbers);
    }
    read(scanned)
}

/// Parses a number as people write it who live in the country of `code`. Returns its digits, calling code first.
pub(super) fn at_home(text: &str, code: &CallingCode) -> Result<String, PhoneNumberError> {
    parse_single(&scan(text)?, |scanned| parse_national(scanned, code.country()))
}

fn parse_national(scanned: &ScannedText, country: &Country) -> Result<String, PhoneNumberError> {
    if scanned.plus {
        return parse_with_code(&scanned.digits, scanned.bracketed);
    }
    let digits = scanned.digits.as_str();
    let exit = country.exit;
    if !exit.is_empty()
        && let Some(rest) = digits.strip_prefix(exit)
    {
        let bracketed = match scanned.bracketed {
            None => None,
            Some(at) => Some(at.checked_sub(exit.len()).ok_or(PhoneNumberError::Format)?),
        };
        return parse_with_code(rest, bracketed);
    }
    // A country with several international prefixes has none in the table; this may be one of them.
    let others: &[&str] = match country.code {
        235 => &["16"],
        358 | 850 => &["99"],
        _ => &[],
    };
    if exit.is_empty() && (digits.starts_with("00") || others.iter().any(|other| digits.starts_with(other))) {
        return Err(PhoneNumberError::ExitCode);
    }
    if scanned.bracketed.is_some_and(|at| at > 0) {
        return Err(PhoneNumberError::BracketedZero(country.code));
    }
    let national = without_trunk(digits, country)?;
    validate(national, country)
}

/// The national number without the trunk prefix that is dialed inside the country.
fn without_trunk<'a>(digits: &'a str, country: &Country) -> Result<&'a str, PhoneNumberError> {
    let code = country.code;
    let own = code.to_string();
    let stripped = match country.trunk {
        Trunk::Zero => digits.strip_prefix('0'),
        Trunk::ZeroSix => digits.strip_prefix("06"),
        Trunk::One => digits.strip_prefix('1'),
        Trunk::Eight => digits.strip_prefix('8').filter(|rest| country.has_length(rest.len())),
        Trunk::Other if digits.starts_with(['0', '8']) => return Err(PhoneNumberError::Format),
        Trunk::None | Trunk::Other => None,
    };
    if let Some(national) = stripped {
        return Ok(national);
    }
    // Without the + the text may be a national or an international number.
    let rest = digits.strip_prefix(own.as_str());
    let may_be_abroad = rest.is_some_and(|rest| country.has_length(rest.len()));
    if may_be_abroad && !(country.trunk == Trunk::None && is_usual(country, digits)) {
        return Err(PhoneNumberError::Ambiguous(code));
    }
    Ok(digits)
}

/// Whether a number has the usual length of a country without a trunk prefix.
fn is_usual(country: &Country, digits: &str) -> bool {
    digits.len() == country.usual()
}

/// Parses a number that begins with its calling code.
fn parse_with_code(digits: &str, bracketed: Option<usize>) -> Result<String, PhoneNumberError> {
    let country = country_of(digits).ok_or(PhoneNumberError::UnknownCountry)?;
    let code = country.code;
    let width = code.to_string().len();
    let national = digits.get(width..).unwrap_or_default();
    let Some(at) = bracketed else {
        return validate(national, country);
    };
    let rest = national.strip_prefix('0').filter(|_| at == width);
    match (rest, country.trunk) {
        (Some(rest), Trunk::Zero) => validate(rest, country),
        // In Italy the zero is part of a landline number; mobile numbers have none.
        (Some(rest), _) if code == 39 && !rest.starts_with('3') => validate(national, country),
        _ => Err(PhoneNumberError::BracketedZero(code)),
    }
}

fn validate(national: &str, country: &Country) -> Result<String, PhoneNumberError> {
    let code = country.code;
    if let Some(old) = old_prefix(code, national) {
        return Err(PhoneNumberError::ObsoletePrefix(code, old));
    }
    if national.starts_with('0') && !country.begins_with_zero {
        return Err(PhoneNumberError::TrunkZero(code));
    }
    if !country.has_length(national.len()) {
        return Err(PhoneNumberError::WrongLength(code));
    }
    if let Some(digits) = wrong_beginning(code, national) {
        return Err(PhoneNumberError::InvalidPrefix(code, digits));
    }
    if is_premium_rate(code, national) {
        return Err(PhoneNumberError::PremiumRate(code));
    }
    Ok(format!("{code}{national}"))
}

/// Whether a call costs more than one to an ordinary phone: premium rate, shared cost, personal numbers and pagers,
/// satellites and networks without a country (CONTRACT.md 4). No employee has such a number, but a fraudster may.
fn is_premium_rate(code: u16, national: &str) -> bool {
    let beginnings: &[&str] = match code {
        800 | 808 | 870 | 878 | 881 | 882 | 883 | 888 | 979 => return true,
        1 if national.get(3..6) == Some("976") => return true,
        // Mobile numbers of the Isle of Man lie in the pager range, and Dublin landlines in the premium range.
        44 if national.starts_with("7624") => return false,
        353 if national.len() != 10 => return false,
        1 | 52 => &["900"],
        7 => &["803", "809"],
        30 => &["901", "909"],
        31 | 41 | 359 => &["90"],
        32 => &["70", "90"],
        33 => &["81", "82", "89"],
        34 => &["803", "806", "807", "901", "902"],
        36 => &["90", "91"],
        39 => &["89", "14", "16", "0878", "199"],
        43 => &["90", "93"],
        44 => &["9", "84", "87", "70", "76"],
        46 => &["900", "939", "944", "99"],
        48 => &["70"],
        49 => &["900", "137", "180", "700"],
        55 => &["500", "900", "300", "4004"],
        351 => &["601", "607", "608", "64", "76"],
        353 => &["15"],
        _ => &[],
    };
    beginnings.iter().any(|beginning| national.starts_with(beginning))
}

/// A prefix that was formerly dialed before the country's numbers and that people still write, if the rest is a
/// complete number.
fn old_prefix(code: u16, national: &str) -> Option<&'static str> {
    // Mexico until 2019: 1 from abroad, the others inside the country.
    let old: &[&'static str] = if code == 52 { &["1", "01", "044", "045"] } else { &[] };
    old.iter()
        .copied()
        .find(|old| national.strip_prefix(old).is_some_and(|rest| rest.len() == 10))
}

/// A beginning that no number of the country has, although people write it.
fn wrong_beginning(code: u16, national: &str) -> Option<&'static str> {
    let beginnings: &[&'static str] = match code {
        // In North America area codes begin with 2 to 9; in the others 1 begins a carrier or international prefix.
        1 | 56 | 591 | 598 | 886 | 972 => &["1"],
        // A landline begins with 0 and a mobile with 3; these have neither.
        39 => &["2", "6", "9"],
        // The trunk prefix of Belarus.
        375 => &["8"],
        // Carrier and international prefixes: no subscriber number begins with them.
        86 => &["11", "12", "179"],
        352 => &["15"],
        82 => &["81", "82", "83", "84", "85", "86", "87", "88"],
        _ => &[],
    };
    beginnings
        .iter()
        .copied()
        .find(|beginning| national.starts_with(beginning))
}

/// The country whose calling code the digits begin with. Calling codes are prefix-free.
fn country_of(digits: &str) -> Option<&'static Country> {
    (1..=3).find_map(|width| {
        let code: u16 = digits.get(..width)?.parse().ok()?;
        if digits.starts_with('0') { None } else { country(code) }
    })
}

/// The country of a calling code.
pub(super) fn country(code: u16) -> Option<&'static Country> {
    let at = COUNTRIES.binary_search_by_key(&code, |country| country.code).ok()?;
    COUNTRIES.get(at)
}

fn scan(text: &str) -> Result<ScannedText, PhoneNumberError> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || is_mark(c));
    let text = text.strip_prefix("tel:").unwrap_or(text);
    if text.chars().count() > MAX_CHARS {
        return Err(PhoneNumberError::Format);
    }
    let (mut plus, mut script) = (false, None);
    let (mut digits, mut bracketed) = (String::new(), None);
    let (mut open, mut slash) = (None, None);
    for c in text.chars() {
        match c {
            '+' | '＋' if digits.is_empty() && !plus && open.is_none() => plus = true,
            '(' | '[' | '（' if open.is_none() => open = Some(digits.len()),
            ')' | ']' | '）' => {
                let from = open.take().ok_or(PhoneNumberError::Format)?;
                if digits.get(from..) == Some("0") {
                    if bracketed.is_some() {
                        return Err(PhoneNumberError::Format);
                    }
                    bracketed = Some(from);
                }
            }
            '/' if slash.is_some() => return Err(PhoneNumberError::TwoNumbers),
            '/' => slash = Some(digits.len()),
            _ if is_separator(c) => {}
            _ => {
                let (zero, digit) = digit(c)?;
                if *script.get_or_insert(zero) != zero {
                    return Err(PhoneNumberError::UnsupportedDigit);
                }
                digits.push(digit);
            }
        }
    }
    if open.is_some() {
        return Err(PhoneNumberError::Format);
    }
    Ok(ScannedText {
        plus,
        digits,
        bracketed,
        slash,
    })
}

/// The zero of the digit's script, and the digit in ASCII.
fn digit(c: char) -> Result<(char, char), PhoneNumberError> {
    let found = ZEROS.into_iter().find_map(|zero| {
        let value = u32::from(c).checked_sub(u32::from(zero)).filter(|value| *value < 10)?;
        Some((zero, char::from_digit(value, 10)?))
    });
    match found {
        Some(found) => Ok(found),
        None if c.is_numeric() => Err(PhoneNumberError::UnsupportedDigit),
        None => Err(PhoneNumberError::UnsupportedCharacter),
    }
}

/// Whether people use the character as a separator between digits.
const fn is_separator(c: char) -> bool {
    matches!(
        c,
        ' ' | '\u{a0}' | '\u{3000}' | '\u{202f}' | '\u{ad}' | '\u{200b}' | '\u{2060}' | '-' | '\u{2010}'
            ..='\u{2015}' | '\u{2212}' | '\u{30fc}' | '\u{ff0d}' | '~' | '.'
    )
}

/// Whether the character is an invisible mark, such as address books put around a number.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
