//! Telephone numbers as people write them.
//!
//! What is read is the number that was meant, or nothing: a number that is off by a zero is a stranger's.

use super::countries::{COUNTRIES, Country, Trunk};
use super::{CallingCode, DIGITS, NotAPhoneNumber};

/// Most characters of a text that is looked at: longer than any number with all its signs.
const MAX_CHARS: usize = 64;
/// First digits of the scripts in which people write numbers.
const ZEROS: [char; 6] = ['0', '０', '٠', '۰', '०', '০'];

/// A text as digits.
struct Signs {
    plus: bool,
    digits: String,
    /// Where in `digits` a zero stands that is alone in brackets.
    bracketed: Option<usize>,
    /// How many digits stand before a slash.
    slash: Option<usize>,
}

impl Signs {
    /// What stands before the slash.
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

/// The digits of a number, with the country's code in front, as somebody writes it for abroad: with a `+`.
pub(super) fn international(text: &str) -> Result<String, NotAPhoneNumber> {
    one_number(&signs(text)?, |signs| {
        if signs.plus {
            abroad(&signs.digits, signs.bracketed)
        } else {
            Err(NotAPhoneNumber::Form)
        }
    })
}

/// The number that `read` finds. A slash may stand behind an area code; behind a whole number begins another one, or what
/// differs in it (`12345/12346`), and both read as one are a stranger's.
fn one_number(
    signs: &Signs,
    read: impl Fn(&Signs) -> Result<String, NotAPhoneNumber>,
) -> Result<String, NotAPhoneNumber> {
    let is_whole = |digits: String| DIGITS.contains(&digits.len());
    if signs
        .before_slash()
        .is_some_and(|before| read(&before).is_ok_and(is_whole))
    {
        return Err(NotAPhoneNumber::Two);
    }
    read(signs)
}

/// The same, as somebody writes it who lives in the country of `code`.
pub(super) fn at_home(text: &str, code: &CallingCode) -> Result<String, NotAPhoneNumber> {
    one_number(&signs(text)?, |signs| home(signs, code.country()))
}

fn home(signs: &Signs, country: &Country) -> Result<String, NotAPhoneNumber> {
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
    // Where what is dialled for abroad takes more than one prefix, this may be one of them.
    let others: &[&str] = match country.code {
        235 => &["16"],
        358 | 850 => &["99"],
        _ => &[],
    };
    if exit.is_empty() && (digits.starts_with("00") || others.iter().any(|other| digits.starts_with(other))) {
        return Err(NotAPhoneNumber::Exit);
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
    if let Some(old) = old_prefix(code, national) {
        return Err(NotAPhoneNumber::Old(code, old));
    }
    if national.starts_with('0') && !country.begins_with_zero {
        return Err(NotAPhoneNumber::Zero(code));
    }
    if !country.has_length(national.len()) {
        return Err(NotAPhoneNumber::Length(code));
    }
    if let Some(digits) = wrong_beginning(code, national) {
        return Err(NotAPhoneNumber::Beginning(code, digits));
    }
    if is_dear(code, national) {
        return Err(NotAPhoneNumber::Dear(code));
    }
    Ok(format!("{code}{national}"))
}

/// Whether a call costs more than one to a telephone: premium, shared cost, personal numbers and pagers, satellites and
/// networks of no country (`numbers.md` section 4). No employee has one, and whoever wants to make money of us does.
fn is_dear(code: u16, national: &str) -> bool {
    let beginnings: &[&str] = match code {
        800 | 808 | 870 | 878 | 881 | 882 | 883 | 888 | 979 => return true,
        1 if national.get(3..6) == Some("976") => return true,
        // The Isle of Man's mobiles stand among the pagers, and Dublin's landlines among the premium ones.
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

/// What was dialled before the country's numbers once, and is written still, with numbers that are whole without it.
fn old_prefix(code: u16, national: &str) -> Option<&'static str> {
    // Mexico, until 2019: 1 from abroad, the others at home.
    let old: &[&'static str] = if code == 52 { &["1", "01", "044", "045"] } else { &[] };
    old.iter()
        .copied()
        .find(|old| national.strip_prefix(old).is_some_and(|rest| rest.len() == 10))
}

/// What no number of the country begins with, although people write it.
fn wrong_beginning(code: u16, national: &str) -> Option<&'static str> {
    let beginnings: &[&'static str] = match code {
        // An area code begins with 2 to 9; elsewhere, 1 begins what chooses a carrier or leaves the country.
        1 | 56 | 591 | 598 | 886 | 972 => &["1"],
        // A landline has its 0, a mobile its 3, and neither is there.
        39 => &["2", "6", "9"],
        // Dialled before every number inside Belarus.
        375 => &["8"],
        // What chooses a carrier, or leaves the country: no subscriber's number begins so.
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
            '/' if slash.is_some() => return Err(NotAPhoneNumber::Two),
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
    Ok(Signs {
        plus,
        digits,
        bracketed,
        slash,
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
