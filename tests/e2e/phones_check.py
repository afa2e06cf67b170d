"""Compares phone numbers with the PyPI library `phonenumbers`: the parser, on numbers in every common spelling, and the
time zones.

    phones_check.py --spellings FILE     writes spellings for shared/tests/numbers.rs
    phones_check.py --table              prints the table of shared/domain/src/phone/countries.rs
    phones_check.py --zones              prints shared/domain/src/phone/zones/table.rs
    phones_check.py --zone-cases FILE    writes numbers with their zones for shared/domain/src/phone/zones/tests.rs

A number that is parsed differently from the library belongs to a stranger; one that is rejected is only a nuisance.
"""

import argparse
import random
import re
import textwrap

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumber, timezone
from phonenumbers.tzdata import TIMEZONE_DATA

# Every calling code of a country, with the country that has most of its numbers.
COUNTRIES = {code: regions[0] for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items() if regions[0] != "001"}
# Number of spellings: several hundred for each country.
COUNT = 200_000
SEPARATORS = [" ", " ", "-", ".", "/", "\u00a0", ""]
# Random numbers of every calling code whose zones are compared, besides those of every prefix.
ZONE_COUNT = 200
# Countries whose national format needs more than a trunk prefix: their numbers are parsed in international format only.
OTHER = {57, 375}
# Where the table differs from the library, whose lengths include numbers that are not subscriber numbers.
LENGTHS = {1: {10}, 7: {10}, 56: {9}}


def metadata(code, region):
    if region == "001":
        return PhoneMetadata.metadata_for_nongeo_region(code)
    return PhoneMetadata.metadata_for_region(region)


def national(rng, region):
    """A random national significant number (without the country code)."""
    kinds = metadata(None, region)
    kinds = [kind for kind in (kinds.fixed_line, kinds.mobile, kinds.toll_free) if kind and kind.example_number]
    kind = rng.choice(kinds)
    for _ in range(30):
        kept = len(kind.example_number) - rng.randint(1, 5)
        number = kind.example_number[:kept] + "".join(rng.choices("0123456789", k=len(kind.example_number) - kept))
        if re.fullmatch(kind.national_number_pattern, number):
            return number
    return kind.example_number


def grouped(rng, digits):
    parts = []
    while digits:
        size = rng.choice([2, 3, 4])
        parts.append(digits[:size])
        digits = digits[size:]
    return "".join(part + rng.choice(SEPARATORS) for part in parts[:-1]) + parts[-1]


def spell(rng, code, region):
    plain = national(rng, region)
    trunk = metadata(None, region).national_prefix or rng.choice("018")
    text, rest = grouped(rng, plain), grouped(rng, plain[2:])
    full_width = "".join(chr(0xFF10 + int(digit)) for digit in f"{code}{plain}")
    arabic = "".join(chr(0x660 + int(digit)) for digit in plain)
    return rng.choice([
        f"+{code} {text}", f"+{code}{plain}", f"+{code} (0) {text}", f"+{code} (0){text}", f"+{code} {trunk}{text}",
        f"+{code}0{plain}", f"+{code} ({plain[:2]}) {rest}", f"+{code} ({trunk}{plain[:2]}) {rest}", f"00{code} {text}",
        f"00{code} (0){text}", f"011 {code} {text}", f"{code} {text}", f"{code}{plain}", f"{trunk}{text}",
        f"{trunk}{plain}", text, plain, f"0{plain}", f"({trunk}{plain[:2]}) {rest}", f"({plain[:2]}) {rest}",
        f"(0){text}", f"8 {text}", f"+{code} {text}/{rng.randint(10, 99)}", f"+{code} {text} ext. 12",
        f"+{code} {text} x12", f"tel:+{code}{plain}", f"+{plain}", f"+{code}{plain}{rng.randint(0, 999)}",
        f"+{code}{plain[:-1]}", f"+{code}{plain[:-2]}", plain[:-1], f"{plain}{rng.randint(0, 9)}", f"1{text}",
        f"+{code} 1 {text}", f"+{code} 15 {text}", f"0 15 {text}", f"01 {text}", f"06 {text}", f"+{code} 06 {text}",
        f"+{code} 8 {text}", f"＋{full_width}", arabic, f"+{code} {text}, 12", f"call +{code} {text}",
    ])


def parse(text, region):
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return "-"
    # We cannot dial extensions, so a number with one must be rejected, not read without it.
    return "-" if number.extension else phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def spellings(path, seed):
    rng = random.Random(seed)
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(COUNT):
            home = rng.choice(list(COUNTRIES))
            code = rng.choice(list(COUNTRIES)) if rng.random() < 0.2 else home
            text = spell(rng, code, COUNTRIES[code])
            is_home = rng.random() < 0.75
            region = COUNTRIES[home] if is_home else None
            file.write(f"{home if is_home else ''}\t{text}\t{parse(text, region)}\n")


def may_begin_with_zero(rng, pattern, lengths):
    return any(re.fullmatch(pattern, "0" + "".join(rng.choices("0123456789", k=length - 1)))
               for length in lengths for _ in range(4_000))


def row(code, regions):
    known = [metadata(code, region) for region in regions]
    lengths = {length for one in known for length in one.general_desc.possible_length if len(str(code)) + length <= 15}
    trunks = {one.national_prefix for one in known}
    trunk = {None: "None", "0": "Zero", "1": "One", "8": "Eight", "06": "ZeroSix"}.get(
        trunks.pop() if len(trunks) == 1 else "", "Other")
    exits = {one.international_prefix for one in known}
    exit_code = exits.pop() if len(exits) == 1 else ""
    if code in OTHER:
        trunk, exit_code = "Other", "" if code == 57 else exit_code
    rng = random.Random(1)
    zero = trunk == "None" and any(
        may_begin_with_zero(rng, one.general_desc.national_number_pattern, sorted(lengths)) for one in known)
    exit_code = exit_code if re.fullmatch("[0-9]+", exit_code or "") else ""
    return f'    of({code}, {trunk}, "{exit_code}", {str(zero).lower()}, &{sorted(LENGTHS.get(code, lengths))}),'


TABLE = """\
//! Time zones by the first digits of a number: the data of libphonenumber (Copyright (C) 2011-2026 The Libphonenumber
//! Authors; Apache License, Version 2.0), from the Python package `phonenumbers` {version}, in another form. This file
//! is generated by `tests/e2e/phones_check.py --zones`; `.ci/run` checks that it is up to date.
//!
//! Numbers and one text instead of slices and strings: no pointers, which the loader would have to relocate.

/// Number of zones.
pub(super) const ZONE_COUNT: u16 = {zone_count};

/// Names of the zones, sorted, separated by spaces. A zone's index is its position here.
#[rustfmt::skip]
pub(super) static ZONES: &str = "\\
{zones}";

/// Sets of several zones: each is the number of its zones, followed by their indexes.
#[rustfmt::skip]
pub(super) static SETS: [u16; {set_size}] = [
{sets}
];

/// Calling codes and the digits behind them, as numbers (none begins with a zero), sorted.
#[expect(clippy::unreadable_literal, reason = "digits of prefixes, not amounts")]
#[rustfmt::skip]
pub(super) static PREFIXES: [u32; {count}] = [
{prefixes}
];

/// The zones of each prefix: the index of its only zone; otherwise [`ZONE_COUNT`] plus the position of its set in
/// [`SETS`].
#[rustfmt::skip]
pub(super) static PREFIX_ZONES: [u16; {count}] = [
{prefix_zones}
];
"""


def lines(items, separator=", ", end=","):
    text = textwrap.wrap(separator.join(map(str, items)), 114, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"    {line}" for line in text) + end


def zones_table():
    names = sorted({name for zones in TIMEZONE_DATA.values() for name in zones})
    index, positions, sets = {name: at for at, name in enumerate(names)}, {}, []
    for zones in sorted(set(TIMEZONE_DATA.values())):
        positions[zones] = index[zones[0]] if len(zones) == 1 else len(names) + len(sets)
        sets += [] if len(zones) == 1 else [len(zones)] + [index[name] for name in zones]
    prefixes = sorted(TIMEZONE_DATA, key=int)
    # A backslash at the end of a line continues the text, without the spaces that the next line begins with.
    return TABLE.format(
        version=phonenumbers.__version__, zone_count=len(names), set_size=len(sets), count=len(prefixes),
        zones=lines(names, " ", "").replace("\n", " \\\n"), sets=lines(sets), prefixes=lines(prefixes),
        prefix_zones=lines([positions[TIMEZONE_DATA[prefix]] for prefix in prefixes]))


def number_of(digits):
    """The number, without looking into a numbering plan."""
    codes = (digits[:width] for width in (1, 2, 3))
    code = next((code for code in codes if int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), digits[:3])
    plain = digits[len(code):]
    zeros = len(plain) - len(plain.lstrip("0"))
    return PhoneNumber(int(code), int(plain), italian_leading_zero=zeros > 0, number_of_leading_zeros=zeros)


def zones_case(digits):
    """The digits, the zones of their longest prefix, and where the library thinks that the owner may be."""
    number = number_of(digits)
    by_prefix = timezone.time_zones_for_geographical_number(number)
    by_number = timezone.time_zones_for_number(number)
    # For mobiles the library takes all countries with the calling code. Those of the Caribbean and of Kazakhstan have
    # area codes of their own.
    if not phonenumbers.is_valid_number(number) or digits.startswith(("1", "77")):
        by_number = by_prefix
    names = (",".join(sorted(zones)) for zones in (by_prefix, by_number))
    return "\t".join([digits, *names]).replace(timezone.UNKNOWN_TIMEZONE, "-") + "\n"


def zone_cases(path, seed):
    rng = random.Random(seed)
    cases = set()
    for prefix in TIMEZONE_DATA:
        # A number under the prefix, and one under each of its neighbors.
        for start in [prefix] + [prefix[:-1] + digit for digit in "0123456789" if prefix[1:]]:
            length = rng.randint(max(8, len(start) + 1), 15)
            cases.add(start + "".join(rng.choices("0123456789", k=length - len(start))))
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        known = [region for region in regions if region != "001"]
        for _ in range(ZONE_COUNT):
            plain = national(rng, rng.choice(known)) if known else "".join(rng.choices("123456789", k=9))
            cases.add(f"{code}{plain}"[:15])
    # Unknown calling codes.
    cases |= {f"{code}12345678" for code in range(200, 1000) if code not in phonenumbers.COUNTRY_CODE_TO_REGION_CODE}
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(zones_case(digits) for digits in sorted(cases) if len(digits) >= 8 and digits[0] != "0")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spellings")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--zones", action="store_true")
    parser.add_argument("--zone-cases")
    arguments = parser.parse_args()
    if arguments.spellings:
        spellings(arguments.spellings, arguments.seed)
    if arguments.table:
        for code in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE):
            print(row(code, phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]))
    if arguments.zones:
        print(zones_table(), end="")
    if arguments.zone_cases:
        zone_cases(arguments.zone_cases, arguments.seed)


if __name__ == "__main__":
    main()
