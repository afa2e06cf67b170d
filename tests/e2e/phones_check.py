"""Telephone numbers, spelled in every way that people have, against what PyPI `phonenumbers` reads in them.

    phones_check.py --spellings FILE     writes spellings for shared/tests/numbers.rs
    phones_check.py --table              prints shared/domain/src/phone/countries.rs's table, as it follows from the library

A number that is read otherwise than by the library is a stranger's; one that is refused is only a nuisance.
"""

import argparse
import random
import re

import phonenumbers
from phonenumbers import PhoneMetadata

# Every calling code that belongs to a country, with the country that has most of its numbers.
COUNTRIES = {code: regions[0] for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items() if regions[0] != "001"}
# Of these many spellings each country has some hundreds.
COUNT = 200_000
SEPARATORS = [" ", " ", "-", ".", "/", "\u00a0", ""]
# Where a prefix is not all that there is to it: such numbers are read from abroad only.
OTHER = {57, 375}
# What the table says otherwise than the library: lengths of what is no subscriber's number.
LENGTHS = {1: {10}, 7: {10}, 56: {9}}


def metadata(code, region):
    if region == "001":
        return PhoneMetadata.metadata_for_nongeo_region(code)
    return PhoneMetadata.metadata_for_region(region)


def national(dice, region):
    """A number as it stands behind the country's code."""
    kinds = metadata(None, region)
    kinds = [kind for kind in (kinds.fixed_line, kinds.mobile, kinds.toll_free) if kind and kind.example_number]
    kind = dice.choice(kinds)
    for _ in range(30):
        kept = len(kind.example_number) - dice.randint(1, 5)
        number = kind.example_number[:kept] + "".join(dice.choices("0123456789", k=len(kind.example_number) - kept))
        if re.fullmatch(kind.national_number_pattern, number):
            return number
    return kind.example_number


def grouped(dice, digits):
    parts = []
    while digits:
        size = dice.choice([2, 3, 4])
        parts.append(digits[:size])
        digits = digits[size:]
    return "".join(part + dice.choice(SEPARATORS) for part in parts[:-1]) + parts[-1]


def spelled(dice, code, region):
    plain = national(dice, region)
    trunk = metadata(None, region).national_prefix or dice.choice("018")
    text, rest = grouped(dice, plain), grouped(dice, plain[2:])
    full_width = "".join(chr(0xFF10 + int(digit)) for digit in f"{code}{plain}")
    arabic = "".join(chr(0x660 + int(digit)) for digit in plain)
    return dice.choice([
        f"+{code} {text}", f"+{code}{plain}", f"+{code} (0) {text}", f"+{code} (0){text}", f"+{code} {trunk}{text}",
        f"+{code}0{plain}", f"+{code} ({plain[:2]}) {rest}", f"+{code} ({trunk}{plain[:2]}) {rest}", f"00{code} {text}",
        f"00{code} (0){text}", f"011 {code} {text}", f"{code} {text}", f"{code}{plain}", f"{trunk}{text}",
        f"{trunk}{plain}", text, plain, f"0{plain}", f"({trunk}{plain[:2]}) {rest}", f"({plain[:2]}) {rest}",
        f"(0){text}", f"8 {text}", f"+{code} {text}/{dice.randint(10, 99)}", f"+{code} {text} ext. 12",
        f"+{code} {text} x12", f"tel:+{code}{plain}", f"+{plain}", f"+{code}{plain}{dice.randint(0, 999)}",
        f"+{code}{plain[:-1]}", f"+{code}{plain[:-2]}", plain[:-1], f"{plain}{dice.randint(0, 9)}", f"1{text}",
        f"+{code} 1 {text}", f"+{code} 15 {text}", f"0 15 {text}", f"01 {text}", f"06 {text}", f"+{code} 06 {text}",
        f"+{code} 8 {text}", f"＋{full_width}", arabic, f"+{code} {text}, 12", f"call +{code} {text}",
    ])


def reading(text, region):
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return "-"
    # We dial no extensions, so a number that has one is not read without it.
    return "-" if number.extension else phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def spellings(path, seed):
    dice = random.Random(seed)
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(COUNT):
            home = dice.choice(list(COUNTRIES))
            code = dice.choice(list(COUNTRIES)) if dice.random() < 0.2 else home
            text = spelled(dice, code, COUNTRIES[code])
            is_home = dice.random() < 0.75
            region = COUNTRIES[home] if is_home else None
            file.write(f"{home if is_home else ''}\t{text}\t{reading(text, region)}\n")


def begins_with_zero(dice, pattern, lengths):
    return any(re.fullmatch(pattern, "0" + "".join(dice.choices("0123456789", k=length - 1)))
               for length in lengths for _ in range(4_000))


def row(code, regions):
    known = [metadata(code, region) for region in regions]
    lengths = {length for one in known for length in one.general_desc.possible_length if len(str(code)) + length <= 15}
    trunks = {one.national_prefix for one in known}
    trunk = {None: "None", "0": "Zero", "1": "One", "8": "Eight", "06": "ZeroSix"}.get(
        trunks.pop() if len(trunks) == 1 else "", "Other")
    exits = {one.international_prefix for one in known}
    leave = exits.pop() if len(exits) == 1 else ""
    if code in OTHER:
        trunk, leave = "Other", "" if code == 57 else leave
    dice = random.Random(1)
    zero = trunk == "None" and any(
        begins_with_zero(dice, one.general_desc.national_number_pattern, sorted(lengths)) for one in known)
    leave = leave if re.fullmatch("[0-9]+", leave or "") else ""
    return f'    of({code}, {trunk}, "{leave}", {str(zero).lower()}, &{sorted(LENGTHS.get(code, lengths))}),'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spellings")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.spellings:
        spellings(arguments.spellings, arguments.seed)
    if arguments.table:
        for code in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE):
            print(row(code, phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]))


if __name__ == "__main__":
    main()
