//! Telephone numbers as people write them.
//!
//! What is read is the number that was meant, or nothing: a number that is off by a zero is a stranger's.

use super::countries::{COUNTRIES, Country, Trunk};
use super::{CallingCode, NotAPhoneNumber};

/// Most characters of a text that is looked at: longer than any number with all its signs.
const MAX_CHARS: usize = 64;
/// Digits that stand behind a slash at least; fewer are a second number, or a line of a switchboard.
const AFTER_SLASH: usize = 5;
/// First digits of the scripts in which people write numbers.
const ZEROS: [char; 6] = ['0', '０', '٠', '۰', '०', '০'];

/// A text as digits.
struct Signs {
    plus: bool,
    digits: String,
    /// Where in `digits` a zero stands that is alone in brackets.
    bracketed: Option<usize>,
}

/// The digits of a number, with the country's code in front, as somebody writes it for abroad: with a `+`.
pub(super) fn international(text: &str) -> Result<String, NotAPhoneNumber> {
    let signs = signs(text)?;
    if !signs.plus {
        return Err(NotAPhoneNumber::Form);
    }
    abroad(&signs.digits, signs.bracketed)
}

/// The same, as somebody writes it who lives in the country of `code`.
pub(super) fn at_home(text: &str, code: &CallingCode) -> Result<String, NotAPhoneNumber> {
    let signs = signs(text)?;
    let country = code.country();
    if signs.plus {
        return abroad(&signs.digits, signs.bracketed);
    }
    let digits = signs.digits.as_str();
    let exit = country.exit;
    if !exit.is_empty()
        && let Some(rest) = digits.strip_prefix(exit)
    {
        let bracketed = match signs.bracketed {
            None => None,
            Some(at) => Some(at.checked_sub(exit.len()).ok_or(NotAPhoneNumber::Form)?),
        };
        return abroad(rest, bracketed);
    }
    if signs.bracketed.is_some_and(|at| at > 0) {
        return Err(NotAPhoneNumber::Brackets(country.code));
    }
    let national = without_trunk(digits, country)?;
    checked(national, country)
}

/// The national part of a number as it is dialled inside the country.
fn without_trunk<'a>(digits: &'a str, country: &Country) -> Result<&'a str, NotAPhoneNumber> {
    let code = country.code;
    let own = code.to_string();
    let stripped = match country.trunk {
        Trunk::Zero => digits.strip_prefix('0'),
        Trunk::ZeroSix => digits.strip_prefix("06"),
        Trunk::One => digits.strip_prefix('1'),
        Trunk::Eight => digits.strip_prefix('8').filter(|rest| country.has_length(rest.len())),
        Trunk::Other if digits.starts_with(['0', '8']) => return Err(NotAPhoneNumber::Form),
        Trunk::None | Trunk::Other => None,
    };
    if let Some(national) = stripped {
        return Ok(national);
    }
    // Somebody who leaves out the + writes what may be two numbers.
    let rest = digits.strip_prefix(own.as_str());
    let may_be_abroad = rest.is_some_and(|rest| country.has_length(rest.len()));
    if may_be_abroad && !(country.trunk == Trunk::None && is_usual(country, digits)) {
        return Err(NotAPhoneNumber::Ambiguous(code));
    }
    Ok(digits)
}

/// Whether a number of a country without a trunk prefix is as long as most are there.
fn is_usual(country: &Country, digits: &str) -> bool {
    digits.len() == country.usual()
}

/// A number with the country's code in front.
fn abroad(digits: &str, bracketed: Option<usize>) -> Result<String, NotAPhoneNumber> {
    let country = country_of(digits).ok_or(NotAPhoneNumber::Country)?;
    let code = country.code;
    let width = code.to_string().len();
    let national = digits.get(width..).unwrap_or_default();
    let Some(at) = bracketed else {
        return checked(national, country);
    };
    let rest = national.strip_prefix('0').filter(|_| at == width);
    match (rest, country.trunk) {
        (Some(rest), Trunk::Zero) => checked(rest, country),
        // In Italy the zero of a landline is the number's own; a mobile has none.
        (Some(rest), _) if code == 39 && !rest.starts_with('3') => checked(national, country),
        _ => Err(NotAPhoneNumber::Brackets(code)),
    }
}

fn checked(national: &str, country: &Country) -> Result<String, NotAPhoneNumber> {
    let code = country.code;
    if national.starts_with('0') && !country.begins_with_zero {
        return Err(NotAPhoneNumber::Zero(code));
    }
    if !country.has_length(national.len()) {
        return Err(NotAPhoneNumber::Length(code));
    }
    if let Some(digits) = wrong_beginning(code, national) {
        return Err(NotAPhoneNumber::Beginning(code, digits));
    }
    Ok(format!("{code}{national}"))
}

/// What no number of the country begins with, although people write it.
fn wrong_beginning(code: u16, national: &str) -> Option<&'static str> {
    let beginnings: &[&'static str] = match code {
        // An area code begins with 2 to 9; in Chile, 1 begins what chooses a carrier.
        1 | 56 => &["1"],
        // Dialled before every number inside Belarus.
        375 => &["8"],
        _ => &[],
    };
    beginnings
        .iter()
        .copied()
        .find(|beginning| national.starts_with(beginning))
}

/// The country that the digits begin with. Codes are prefix-free.
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

fn signs(text: &str) -> Result<Signs, NotAPhoneNumber> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || is_mark(c));
    let text = text.strip_prefix("tel:").unwrap_or(text);
    if text.chars().count() > MAX_CHARS {
        return Err(NotAPhoneNumber::Form);
    }
    let (mut plus, mut script) = (false, None);
    let (mut digits, mut bracketed) = (String::new(), None);
    let (mut open, mut slash) = (None, None);
    for c in text.chars() {
        match c {
            '+' | '＋' if digits.is_empty() && !plus && open.is_none() => plus = true,
            '(' | '[' | '（' if open.is_none() => open = Some(digits.len()),
            ')' | ']' | '）' => {
                let from = open.take().ok_or(NotAPhoneNumber::Form)?;
                if digits.get(from..) == Some("0") {
                    if bracketed.is_some() {
                        return Err(NotAPhoneNumber::Form);
                    }
                    bracketed = Some(from);
                }
            }
            '/' => slash = Some(digits.len()),
            _ if is_separator(c) => {}
            _ => {
                let (zero, digit) = digit(c)?;
                if *script.get_or_insert(zero) != zero {
                    return Err(NotAPhoneNumber::Digits);
                }
                digits.push(digit);
            }
        }
    }
    if open.is_some() {
        return Err(NotAPhoneNumber::Form);
    }
    if slash.is_some_and(|at| digits.len() - at < AFTER_SLASH) {
        return Err(NotAPhoneNumber::Two);
    }
    Ok(Signs {
        plus,
        digits,
        bracketed,
    })
}

/// Which script a digit is of, by its zero, and the digit itself.
fn digit(c: char) -> Result<(char, char), NotAPhoneNumber> {
    let found = ZEROS.into_iter().find_map(|zero| {
        let value = u32::from(c).checked_sub(u32::from(zero)).filter(|value| *value < 10)?;
        Some((zero, char::from_digit(value, 10)?))
    });
    match found {
        Some(found) => Ok(found),
        None if c.is_numeric() => Err(NotAPhoneNumber::Digits),
        None => Err(NotAPhoneNumber::Letters),
    }
}

/// What people put between the digits.
const fn is_separator(c: char) -> bool {
    matches!(
        c,
        ' ' | '\u{a0}' | '\u{3000}' | '\u{202f}' | '\u{ad}' | '\u{200b}' | '\u{2060}' | '-' | '\u{2010}'
            ..='\u{2015}' | '\u{2212}' | '\u{30fc}' | '\u{ff0d}' | '~' | '.'
    )
}

/// What nobody sees: address books put it around a number.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
