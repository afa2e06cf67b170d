//! Detects card numbers in the answers of payment processors: of a card we keep nothing but its last four digits.
//!
//! A card number has 13 to 19 digits, begins like the numbers of a brand, has a length that the brand uses
//! ([`BRANDS`]), and has the right check digit (ISO/IEC 7812). We search every run of digits: anything but letters may
//! separate them, and other digits may surround the number. Letters end a run, because digits on both sides of a letter
//! belong to an id.
//!
//! - In a token or a code ([`is_in`]) the number must also end in the card's last four digits, if these are known:
//!   about one id in a thousand contains a valid card number by chance, but almost never this card's. If they are not
//!   known, UUIDs and dates are not searched.
//! - In free text ([`masked`]) every number counts: the text is for people, so it is better to hide too much than too
//!   little.

use std::ops::{Range, RangeInclusive};

/// Card brands: the range of the first four digits, and the possible lengths. Numbers of Discover and `UnionPay` begin
/// with 6, like those of Maestro, which have 12 to 19 digits. Twelve digits do not count: no other brand has so few,
/// and order numbers often have twelve.
const BRANDS: [(RangeInclusive<u32>, &[usize]); 11] = [
    // Visa.
    (4_000..=4_999, &[13, 16, 19]),
    // Mastercard.
    (5_100..=5_599, &[16]),
    (2_221..=2_720, &[16]),
    // American Express.
    (3_400..=3_499, &[15]),
    (3_700..=3_799, &[15]),
    // Diners Club.
    (3_000..=3_059, &[14, 15, 16, 17, 18, 19]),
    (3_600..=3_699, &[14, 15, 16, 17, 18, 19]),
    (3_800..=3_999, &[14, 15, 16, 17, 18, 19]),
    // JCB.
    (3_528..=3_589, &[16, 17, 18, 19]),
    // Maestro, with Discover and UnionPay.
    (5_000..=5_099, &[13, 14, 15, 16, 17, 18, 19]),
    (5_600..=6_999, &[13, 14, 15, 16, 17, 18, 19]),
];

/// A digit and its byte range in the text.
#[derive(Clone, Debug)]
struct Digit {
    value: u32,
    at: Range<usize>,
}

/// Whether `text`, a token or a code, contains a card number. `last_four` are the card's last four digits, if known.
pub(super) fn is_in(text: &str, last_four: Option<&str>) -> bool {
    let (ids, tail) = match last_four {
        Some(digits) => (Vec::new(), digits.chars().filter_map(digit).collect()),
        None => (ids(text), Vec::new()),
    };
    let runs = runs(text, &ids);
    let is_this_one = |card: &[Digit]| {
        let end = card.len().saturating_sub(tail.len());
        card.iter().skip(end).map(|digit| digit.value).eq(tail.iter().copied())
    };
    runs.iter().flat_map(|run| cards(run)).any(is_this_one)
}

/// `text` with every card number replaced by `[card]`.
pub(super) fn masked(text: &str) -> String {
    let mut places: Vec<Range<usize>> = Vec::new();
    for card in runs(text, &[]).iter().flat_map(|run| cards(run)) {
        let (Some(first), Some(last)) = (card.first(), card.last()) else {
            continue;
        };
        match places.last_mut() {
            // Numbers come ordered by their start.
            Some(place) if first.at.start < place.end => place.end = place.end.max(last.at.end),
            _ => places.push(first.at.start..last.at.end),
        }
    }
    let mut result = String::with_capacity(text.len());
    let mut from = 0;
    for place in places {
        result.push_str(text.get(from..place.start).unwrap_or_default());
        result.push_str("[card]");
        from = place.end;
    }
    result.push_str(text.get(from..).unwrap_or_default());
    result
}

/// Every card number in a run of digits.
fn cards(run: &[Digit]) -> impl Iterator<Item = &[Digit]> {
    (0..run.len()).flat_map(move |from| {
        let rest = run.get(from..).unwrap_or_default();
        let lengths = lengths(rest).iter().copied();
        let numbers = lengths.filter_map(move |length| rest.get(..length));
        numbers.filter(|number| has_check_digit(number))
    })
}

/// Possible lengths of a card number that begins with these digits; empty if no brand's numbers do.
fn lengths(digits: &[Digit]) -> &'static [usize] {
    let Some(first) = digits.get(..4) else { return &[] };
    let first = first.iter().fold(0, |number, digit| number * 10 + digit.value);
    let brand = BRANDS.iter().find(|(range, _)| range.contains(&first));
    brand.map_or(&[], |(_, lengths)| lengths)
}

fn has_check_digit(number: &[Digit]) -> bool {
    let places = number.iter().rev().enumerate();
    let sum: u32 = places
        .map(|(place, digit)| match (place % 2, digit.value * 2) {
            (0, _) => digit.value,
            (_, double @ 0..=9) => double,
            (_, double) => double - 9,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The runs of at least 13 digits in `text`. Letters and the ranges `ids` end a run.
fn runs(text: &str, ids: &[Range<usize>]) -> Vec<Vec<Digit>> {
    let mut runs = vec![Vec::new()];
    for (at, c) in text.char_indices() {
        let ends = c.is_alphabetic() || ids.iter().any(|id| id.contains(&at));
        match (digit(c), runs.last_mut()) {
            _ if ends => runs.push(Vec::new()),
            (Some(value), Some(run)) => run.push(Digit {
                value,
                at: at..at + c.len_utf8(),
            }),
            _ => {}
        }
    }
    runs.retain(|run| run.len() >= 13);
    runs
}

/// The value of a digit: ASCII, full-width, Arabic, Persian or Devanagari.
fn digit(c: char) -> Option<u32> {
    let zeros = ['0', '\u{ff10}', '\u{660}', '\u{6f0}', '\u{966}'];
    let values = zeros.map(|zero| u32::from(c).checked_sub(u32::from(zero)));
    values.into_iter().flatten().find(|value| *value <= 9)
}

/// Byte ranges of UUIDs and dates in `text`.
fn ids(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut ids: Vec<Range<usize>> = Vec::new();
    for at in 0..bytes.len() {
        if ids.last().is_some_and(|id| id.contains(&at)) {
            continue;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let before = at.checked_sub(1).and_then(|before| bytes.get(before).copied());
        let length = uuid(rest, before).or_else(|| date(rest, before));
        ids.extend(length.map(|length| at..at + length));
    }
    ids
}

/// Length of the UUID (RFC 9562) at the start of `bytes`, if there is one without a letter or digit next to it.
/// `before` is the byte in front.
fn uuid(bytes: &[u8], before: Option<u8>) -> Option<usize> {
    const LENGTH: usize = 36;
    let text = bytes.get(..LENGTH)?;
    let joined = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    if joined(before) || joined(bytes.get(LENGTH).copied()) {
        return None;
    }
    let fits = text.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        14 => (b'1'..=b'8').contains(byte),
        19 => matches!(byte, b'8' | b'9' | b'a' | b'b' | b'A' | b'B'),
        _ => byte.is_ascii_hexdigit(),
    });
    fits.then_some(LENGTH)
}

/// Length of the date at the start of `bytes`, such as `2026-11-26` or with a time `2026-11-26 10:11:12.131`, if there
/// is one without a digit next to it. `before` is the byte in front.
fn date(bytes: &[u8], before: Option<u8>) -> Option<usize> {
    let two = |at: usize| match bytes.get(at..at + 2)? {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + ones - b'0'),
        _ => None,
    };
    let has = |at: usize, expected: &[u8]| bytes.get(at).is_some_and(|byte| expected.contains(byte));
    let no_digit = |at: usize| !bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is_date = matches!(two(0)?, 19 | 20)
        && two(2).is_some()
        && has(4, b"-")
        && (1..=12).contains(&two(5)?)
        && has(7, b"-")
        && (1..=31).contains(&two(8)?);
    if !is_date || !no_digit(10) || before.is_some_and(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let is_time = |at: usize, most: u8| two(at).is_some_and(|value| value <= most);
    if !(has(10, b" T_") && is_time(11, 23) && has(13, b":") && is_time(14, 59) && no_digit(16)) {
        return Some(10);
    }
    if !(has(16, b":") && is_time(17, 60) && no_digit(19)) {
        return Some(16);
    }
    let fraction = bytes.get(20..).unwrap_or_default();
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    Some(match digits {
        1..=9 if has(19, b".,") => 20 + digits,
        _ => 19,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A test number that every processor publishes.
    const CARD: &str = "4242424242424242";

    /// The card number of this length that begins with these digits, with its check digit.
    fn card(prefix: &str, length: usize) -> String {
        let body = &prefix[..length - 1];
        let all = |check: u32| format!("{body}{check}");
        let fits = |number: &String| {
            let digits: Vec<Digit> = number
                .chars()
                .map(|c| Digit {
                    value: c.to_digit(10).unwrap_or(0),
                    at: 0..0,
                })
                .collect();
            has_check_digit(&digits)
        };
        (0..10).map(all).find(fits).unwrap_or_default()
    }

    /// A card number of any brand.
    fn any_card() -> impl Strategy<Value = String> {
        let brand = prop::sample::select(BRANDS.to_vec());
        (
            brand,
            any::<prop::sample::Index>(),
            any::<prop::sample::Index>(),
            "[0-9]{19}",
        )
            .prop_map(|((first, lengths), place, length, rest)| {
                let count = first.clone().count();
                let first = first.start() + u32::try_from(place.index(count)).unwrap_or(0);
                card(&format!("{first}{rest}"), lengths[length.index(lengths.len())])
            })
    }

    #[test]
    fn published_test_numbers_of_every_brand_are_detected() {
        for number in [
            CARD,
            "4000000000000002",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "6011111111111117",
            "30569309025904",
            "36227206271667",
            "3566002020360505",
            "6200000000000005",
            "6759649826438453",
        ] {
            let last = &number[number.len() - 4..];
            assert!(is_in(number, None) && is_in(number, Some(last)), "{number}");
            assert!(!is_in(number, Some("9999")), "{number}");
            assert_eq!(masked(number), "[card]");
        }
    }

    #[test]
    fn card_number_is_found_next_to_other_digits_and_across_separators() {
        for text in [
            "20261126-4242424242424242",
            "2026-11-26 4242424242424242",
            "2026-11-264242424242424242",
            "4242424242424242-20261126",
            "9942424242424242429",
            "4242.4242.4242.4242",
            "4242/4242_4242 4242",
            "visa4242424242424242ok",
            "no 4-2-4-2 4242\u{a0}4242\u{200b}4242",
            "\u{ff14}242424242424242",
            "6a8ac4ba-0580-4975-ad2f-89d94a2f20aa-4242424242424242",
        ] {
            assert!(is_in(text, None) && is_in(text, Some("4242")), "{text}");
            assert!(!is_in(&masked(text), None), "{text}");
        }
    }

    #[test]
    fn only_the_card_number_is_masked() {
        for (text, expected) in [
            ("declined: 4242424242424242.", "declined: [card]."),
            ("4242 4242-4242 4242 expired", "[card] expired"),
            ("try 2: 7 4242424242424242", "try 2: 7 [card]"),
            ("4242424242424242 or 378282246310005", "[card] or [card]"),
            ("error 21202, try 3", "error 21202, try 3"),
            ("ü", "ü"),
            ("", ""),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn invalid_card_numbers_are_ignored() {
        for text in [
            "9242424242424247",
            "4242424242424241",
            "40012345678",
            "2242424242424247",
            "4242x4242x4242x4242",
        ] {
            assert!(!is_in(text, None), "{text}");
        }
    }

    proptest! {
        #[test]
        fn card_number_is_found_with_any_separators_and_surroundings(
            number in any_card(),
            separators in prop::collection::vec(prop::sample::select(vec!["", "", "", " ", "-", ".", "/", "_", ", ", "\u{a0}"]), 19),
            before in "([a-z]{0,3}[0-9 .:/-]{0,12})?",
            after in "([0-9 .:/-]{0,12}[a-z]{0,3})?",
        ) {
            let spelled: String = number.chars().zip(separators).flat_map(|(digit, separator)| [digit.to_string(), separator.to_owned()]).collect();
            let text = format!("{before}{spelled}{after}");
            let last = &number[number.len() - 4..];
            prop_assert!(is_in(&text, Some(last)), "{text}");
            prop_assert!(is_in(&text, None), "{text}");
            let masked = masked(&text);
            prop_assert!(!is_in(&masked, None) && !is_in(&masked, Some(last)), "{text}: {masked}");
        }

        #[test]
        fn uuid_is_never_taken_for_a_card_number(bits: u128, around in "[a-z]{0,3}[_:]?") {
            let hex = format!("{bits:032x}");
            let variant = ["8", "9", "a", "b"][usize::try_from(bits % 4).unwrap_or(0)];
            let uuid = format!("{}-{}-4{}-{variant}{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]);
            let text = if around.ends_with(['_', ':']) { format!("{around}{uuid}") } else { uuid };
            prop_assert!(!is_in(&text, None), "{text}");
        }

        #[test]
        fn date_is_never_taken_for_a_card_number(
            (year, month, day) in (1_900_u32..2_100, 1_u32..=12, 1_u32..=31),
            (hour, minute, second, fraction) in (0_u32..24, 0_u32..60, 0_u32..60, "(\\.[0-9]{1,9})?"),
            between in prop::sample::select(vec!["T", " ", "_"]),
            order in "(-[0-9]{1,6})?",
        ) {
            let day = format!("{year}-{month:02}-{day:02}");
            let time = format!("{hour:02}:{minute:02}");
            for text in [
                format!("{day}{order}"),
                format!("{day}{between}{time}"),
                format!("{day}{between}{time}:{second:02}{fraction}"),
                format!("{day}{between}{time}:{second:02}{fraction}+00:00"),
                format!("{}{order}", day.replace('-', "")),
                format!("{}{}", day.replace('-', ""), time.replace(':', "")),
            ] {
                prop_assert!(!is_in(&text, None), "{text}");
            }
        }

        #[test]
        fn order_number_of_up_to_twelve_digits_is_never_taken_for_a_card_number(text in "[A-Z]{0,4}[-#/]?[0-9]{1,8}([-./][0-9]{1,4})?") {
            prop_assert!(!is_in(&text, None), "{text}");
        }
    }
}
