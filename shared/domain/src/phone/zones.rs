//! Time zones of phone numbers. zones/CONTRACT.md has the rules and their evidence.
//!
//! The table takes 24 KB of a program's read-only data, and has no pointers. A lookup is a few binary searches in it.

mod corrections;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::{PhoneNumber, read};
use corrections::{CORRECTIONS, Correction};
use table::{PREFIX_ZONES, PREFIXES, SETS, ZONE_COUNT, ZONES};

/// Time zones in which the owner of a number may be: at least one. What must hold where the owner is, such as the hours
/// in which they may be called, must hold in all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones(Vec<&'static str>);

impl Zones {
    /// IANA names, sorted, without duplicates. Some are old names, such as `Asia/Calcutta`, which every zone library
    /// knows as links.
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }
}

/// The time zones in which the owner of `number` may be, as far as its digits tell. `None` if no zone is known, as for
/// satellite phones and international freephone: no hour is known to be a good one then, so ask for the zone.
///
/// - A number under an area code: the zones of that area.
/// - A mobile or freephone number without an area code: every zone of the countries with its calling code.
/// - In `+1` and `+55` mobiles have area codes like landlines, so finer prefixes tell nothing: the zones of the area.
///
/// Owners who moved or travel with their number may be anywhere; a zone that they told us is better than these.
pub fn zones_of(number: &PhoneNumber) -> Option<Zones> {
    let digits = number.as_str().trim_start_matches('+');
    let code = calling_code(digits)?;
    let sets = if is_in(WITHOUT_AREA, digits) {
        Vec::new()
    } else {
        area_sets(code, digits)
    };
    let zones = if sets.is_empty() {
        all_zones_of(code)?
    } else {
        corrected(sets.into_iter().flat_map(members), digits)
    };
    (!zones.is_empty()).then(|| Zones(zones.into_iter().collect()))
}

/// Every zone that [`zones_of`] may return, some more than once: to check that a zone library knows them all.
pub fn all_names() -> impl Iterator<Item = &'static str> {
    let ours = CORRECTIONS.iter().flat_map(|correction| correction.right).copied();
    ZONES.split(' ').chain(ours)
}

/// Calling codes whose area codes tell the zones of landlines and mobiles alike, with the number of digits of both.
const AREAS: [(&str, usize); 2] = [("1", 4), ("55", 4)];

/// Prefixes of numbers without an area, in the countries with several zones: mobiles, freephone, calls over the
/// internet. `+7 7…` is not here: all of it is Kazakhstan, which the table knows.
#[rustfmt::skip]
const WITHOUT_AREA: &[&str] = &[
    // Russia.
    "780", "7810", "79",
    // Spain.
    "345", "346", "347", "3480", "3490",
    // Italy, with the Vatican.
    "391", "393", "394", "395", "398",
    // The United Kingdom, with Guernsey, Jersey and the Isle of Man.
    "443", "445", "447", "448", "449",
    // Norway, with Svalbard.
    "470", "474", "478", "479",
    // Mexico: only freephone, shared cost and premium numbers. Its mobiles have area codes.
    "5230", "5250", "5280", "5288", "5290",
    // Brazil: the same.
    "5530", "5540", "5550", "5580", "5590",
    // Chile.
    "5644", "5660", "56800", "569",
    // Australia.
    "611", "614",
    // Indonesia, whose mobiles have the area in which they were bought.
    "621", "628",
    // New Zealand.
    "641", "642", "645", "6470", "648", "6490",
    // The Democratic Republic of the Congo.
    "2438", "2439",
    // Réunion and Mayotte.
    "2626", "2627", "2628", "2629",
    // Greenland.
    "2992", "29938", "29939", "2994", "2995", "29980",
    // Portugal.
    "3513", "3516", "3517", "3518", "3519",
    // Ireland.
    "35315", "35370", "35376", "3538",
    // Finland.
    "35810", "35820", "35829", "35830", "35839", "3584", "35850", "35860", "3587", "35880",
    // Ecuador.
    "5931", "59328", "59338", "59358", "59368", "59378", "5939",
    // Curaçao and the Caribbean Netherlands.
    "599318", "599319", "599416", "5996", "59970", "59977", "59978", "59979", "59995", "59996",
    // French Polynesia.
    "68944", "689499", "6898",
    // Micronesia.
    "69197",
    // Mongolia.
    "97650", "97655", "9766", "97671", "97672", "97675", "97676", "97677", "97678", "97679", "9768", "9769",
];

/// Digits of the longest prefix of the table.
const LONGEST: usize = 9;

fn is_in(prefixes: &[&str], digits: &str) -> bool {
    prefixes.iter().any(|prefix| digits.starts_with(prefix))
}

/// The calling code with which the digits begin.
fn calling_code(digits: &str) -> Option<&str> {
    let is_code = |code: &&str| code.parse().ok().and_then(read::country).is_some();
    (1..=3).filter_map(|width| digits.get(..width)).find(is_code)
}

/// The zones of the area, as sets of the table. Empty if the digits do not tell more than their calling code.
fn area_sets(code: &str, digits: &str) -> Vec<u16> {
    let width = AREAS
        .iter()
        .find(|(area_code, _)| *area_code == code)
        .map(|(_, width)| *width);
    let (area, finer) = match width.and_then(|width| digits.get(..width)) {
        Some(area) => (area, sets_below(area)),
        None => (digits, Vec::new()),
    };
    let own = longest_prefix(area).filter(|(width, _)| *width > code.len());
    own.map(|(_, set)| set).into_iter().chain(finer).collect()
}

/// Every zone of the countries with this calling code.
fn all_zones_of(code: &str) -> Option<BTreeSet<&'static str>> {
    let mut zones = corrected(members(zones_of_prefix(code)?), code);
    let finer = CORRECTIONS
        .iter()
        .filter(|correction| correction.prefix.starts_with(code));
    zones.extend(finer.flat_map(|correction| correction.right));
    Some(zones)
}

/// The zones of the table, with what the library has wrong for numbers that begin with these digits.
fn corrected(zones: impl Iterator<Item = &'static str>, digits: &str) -> BTreeSet<&'static str> {
    let mut zones: BTreeSet<_> = zones.collect();
    for Correction { prefix, wrong, right } in CORRECTIONS {
        let is_wrong = digits.starts_with(prefix) && wrong.is_none_or(|wrong| zones.remove(wrong));
        if is_wrong {
            zones.extend(*right);
        }
    }
    zones
}

/// The number of digits of the longest prefix of the digits that the table has, and its zones.
fn longest_prefix(digits: &str) -> Option<(usize, u16)> {
    (1..=LONGEST).rev().find_map(|width| {
        let set = zones_of_prefix(digits.get(..width)?)?;
        Some((width, set))
    })
}

fn zones_of_prefix(prefix: &str) -> Option<u16> {
    let at = PREFIXES.binary_search(&prefix.parse().ok()?).ok()?;
    PREFIX_ZONES.get(at).copied()
}

/// The zones of all prefixes in the table that are longer than `prefix` and begin with it.
fn sets_below(prefix: &str) -> Vec<u16> {
    let Ok(first) = prefix.parse::<u32>() else {
        return Vec::new();
    };
    let widths = 1..=LONGEST.saturating_sub(prefix.len());
    let scales = widths.filter_map(|width| 10_u32.checked_pow(u32::try_from(width).ok()?));
    let ranges = scales.filter_map(|scale| Some(first.checked_mul(scale)?..first.checked_add(1)?.checked_mul(scale)?));
    let mut sets: Vec<u16> = ranges
        .filter_map(|range| {
            let position = |limit: u32| PREFIXES.partition_point(|prefix| *prefix < limit);
            PREFIX_ZONES.get(position(range.start)..position(range.end))
        })
        .flatten()
        .copied()
        .collect();
    sets.sort_unstable();
    sets.dedup();
    sets
}

/// The names of the zones in a set of the table.
fn members(set: u16) -> impl Iterator<Item = &'static str> {
    let several = set.checked_sub(ZONE_COUNT).and_then(|position| {
        let (count, rest) = SETS.get(usize::from(position)..)?.split_first()?;
        rest.get(..usize::from(*count))
    });
    let single = several.is_none().then_some(set);
    let indexes = several.unwrap_or_default().iter().copied().chain(single);
    indexes.filter_map(|index| ZONES.split(' ').nth(usize::from(index)))
}
