use std::fmt::Write;

use proptest::prelude::*;

use super::*;

fn number(digits: &str) -> PhoneNumber {
    PhoneNumber::from_e164(&format!("+{digits}")).expect(digits)
}

/// The names of the zones, without number or order.
fn zones(digits: &str) -> Vec<&'static str> {
    zones_of(&number(digits))
        .map(|zones| zones.names().to_vec())
        .unwrap_or_default()
}

/// What the library says: the longest prefix, nothing else.
fn in_table(digits: &str) -> Vec<&'static str> {
    let set = longest_prefix(digits).map(|(_, set)| set);
    set.into_iter().flat_map(members).collect()
}

#[test]
fn ten_numbers_checked_by_hand() {
    for (digits, expected) in [
        ("12025550123", &["America/New_York"][..]),
        ("18085550123", &["Pacific/Honolulu"]),
        ("442079460104", &["Europe/London"]),
        ("4915123456789", &["Europe/Berlin"]),
        ("556812345678", &["America/Rio_Branco"]),
        ("254712345678", &["Africa/Nairobi"]),
        ("911112345678", &["Asia/Calcutta"]),
        ("81312345678", &["Asia/Tokyo"]),
        ("61355501234", &["Australia/Sydney"]),
        ("74951234567", &["Europe/Moscow"]),
    ] {
        assert_eq!(zones(digits), expected, "{digits}");
    }
}

#[test]
fn mobile_without_area_code_may_be_anywhere_in_its_country() {
    let russia = zones("79161234567");
    assert_eq!(russia.first(), Some(&"Asia/Almaty"));
    for zone in [
        "Europe/Kaliningrad",
        "Europe/Moscow",
        "Asia/Yekaterinburg",
        "Asia/Kamchatka",
        "Asia/Anadyr",
    ] {
        assert!(russia.contains(&zone), "{zone}");
    }
    // The calling code of Russia, but all of these are in Kazakhstan.
    for digits in ["77011234567", "77471234567", "77771234567"] {
        assert_eq!(zones(digits), ["Asia/Almaty", "Asia/Aqtobe"], "{digits}");
    }
    assert_eq!(zones("34612345678"), ["Atlantic/Canary", "Europe/Madrid"]);
    assert_eq!(zones("34912345678"), ["Europe/Madrid"]);
    assert_eq!(
        zones("628123456789"),
        ["Asia/Jakarta", "Asia/Jayapura", "Asia/Makassar"]
    );
    assert_eq!(zones("622112345678"), ["Asia/Jakarta"]);
    assert_eq!(
        zones("61491570006"),
        [
            "Australia/Adelaide",
            "Australia/Brisbane",
            "Australia/Darwin",
            "Australia/Eucla",
            "Australia/Lord_Howe",
            "Australia/Perth",
            "Australia/Sydney",
            "Indian/Christmas",
            "Indian/Cocos",
        ]
    );
    assert!(zones("18005550123").len() > 42);
}

#[test]
fn exchange_of_an_area_does_not_narrow_it_where_mobiles_have_area_codes() {
    // The library: 208 without a zone of its own, 208-319 in Boise. 907 has exchanges of their own.
    for digits in ["12085550123", "12083190123"] {
        assert_eq!(
            zones(digits),
            ["America/Boise", "America/Denver", "America/Los_Angeles"],
            "{digits}"
        );
    }
    assert_eq!(
        zones("19075550123"),
        [
            "America/Adak",
            "America/Anchorage",
            "America/Juneau",
            "Pacific/Honolulu"
        ]
    );
    assert_eq!(zones("13105550123"), ["America/Los_Angeles"]);
    assert_eq!(zones("5581912345678"), ["America/Noronha", "America/Sao_Paulo"]);
    // A prefix is a beginning of the digits, not of the value: 55 81 is not below 558, 5581… or 55810.
    assert_eq!(zones("5511912345678"), ["America/Sao_Paulo"]);
}

#[test]
fn library_is_corrected_where_another_country_stands_in() {
    for (digits, expected) in [
        ("74012123456", &["Europe/Kaliningrad"][..]),
        ("78401234567", &["Europe/Moscow"]),
        ("78452123456", &["Europe/Saratov"]),
        ("212612345678", &["Africa/Casablanca", "Africa/El_Aaiun"]),
        ("213551234567", &["Africa/Algiers"]),
        ("218911234567", &["Africa/Tripoli"]),
        ("50581234567", &["America/Managua"]),
        ("211912345678", &["Africa/Juba"]),
        ("970591234567", &["Asia/Gaza", "Asia/Hebron"]),
        ("522011234567", &["America/Mexico_City"]),
        ("526141234567", &["America/Chihuahua"]),
        (
            "61889231234",
            &["Australia/Adelaide", "Australia/Darwin", "Australia/Perth"],
        ),
        ("61712345678", &["Australia/Brisbane", "Australia/Sydney"]),
        ("56612123456", &["America/Punta_Arenas"]),
        ("13645550123", &["America/Chicago", "America/New_York"]),
        ("5591912345678", &["America/Belem", "America/Sao_Paulo"]),
        ("67571234567", &["Pacific/Bougainville", "Pacific/Port_Moresby"]),
    ] {
        assert_eq!(zones(digits), expected, "{digits}");
    }
    // The zones that stand in are not among those of the whole country either.
    assert!(!zones("79161234567").contains(&"Europe/Bucharest"));
    assert!(!zones("528001234567").contains(&"America/New_York"));
    // A correction of an area adds to the zones of the whole country, and takes nothing from them.
    let mexico = zones("528001234567");
    assert!(mexico.contains(&"America/Mazatlan") && mexico.contains(&"America/Chihuahua"));
    let chile = [
        "America/Coyhaique",
        "America/Punta_Arenas",
        "America/Santiago",
        "Pacific/Easter",
    ];
    assert_eq!(zones("56912345678"), chile);
}

#[test]
fn number_without_a_known_zone_has_none() {
    for code in [
        "800", "808", "870", "878", "881", "882", "883", "888", "979", "999", "210",
    ] {
        assert_eq!(zones_of(&number(&format!("{code}12345678"))), None, "{code}");
    }
}

#[test]
fn table_is_sorted_and_complete() {
    assert!(PREFIXES.is_sorted_by(|one, next| one < next));
    let names: Vec<_> = ZONES.split(' ').collect();
    assert!(names.is_sorted_by(|one, next| one < next));
    assert_eq!(names.len(), usize::from(ZONE_COUNT));
    assert_eq!(
        PREFIXES.iter().max().map(|prefix| prefix.to_string().len()),
        Some(LONGEST)
    );
    for (prefix, set) in PREFIXES.iter().zip(PREFIX_ZONES) {
        let prefix = prefix.to_string();
        let zones: Vec<_> = members(set).collect();
        assert!(!zones.is_empty() && zones.is_sorted(), "{prefix}");
        assert!(calling_code(&prefix).is_some(), "{prefix}");
        assert_eq!(in_table(&prefix), zones);
    }
    // What the documentation says about the size.
    let size = size_of_val(&PREFIXES) + size_of_val(&PREFIX_ZONES) + size_of_val(&SETS) + ZONES.len();
    assert_eq!(size.div_ceil(1024), 24, "{size}");
}

/// Otherwise an overlooked zone of a new release would be missing for every mobile of its country.
#[test]
fn calling_code_has_all_zones_of_its_prefixes() {
    for (prefix, set) in PREFIXES.iter().zip(PREFIX_ZONES) {
        let prefix = prefix.to_string();
        let code = calling_code(&prefix).expect("a calling code");
        let all = in_table(code);
        assert!(members(set).all(|zone| all.contains(&zone)), "{prefix}");
    }
}

#[test]
fn each_correction_has_an_effect() {
    for (index, Correction { prefix, wrong, right }) in CORRECTIONS.iter().enumerate() {
        let code = calling_code(prefix).expect(prefix);
        let sets = sets_below(prefix)
            .into_iter()
            .chain(longest_prefix(prefix).map(|(_, set)| set));
        let zones: BTreeSet<_> = sets.flat_map(members).collect();
        match wrong {
            Some(wrong) => assert!(zones.contains(wrong), "{prefix}"),
            None => assert!(right.iter().all(|zone| !zones.contains(zone)), "{prefix}"),
        }
        assert!(!is_in(WITHOUT_AREA, prefix), "{prefix} is without area");
        let area = AREAS.iter().find(|(area_code, _)| *area_code == code);
        assert!(
            area.is_none_or(|(_, width)| prefix.len() == *width),
            "{prefix} is not an area"
        );
        let earlier = CORRECTIONS.get(..index).expect("an index");
        assert!(
            earlier
                .iter()
                .all(|one| one.prefix == *prefix || !prefix.starts_with(one.prefix)),
            "{prefix} comes after a shorter prefix"
        );
    }
}

#[test]
fn each_prefix_without_area_belongs_to_a_country_with_several_zones() {
    for (index, prefix) in WITHOUT_AREA.iter().enumerate() {
        let all = all_zones_of(calling_code(prefix).expect(prefix)).expect(prefix);
        assert!(all.len() > 1, "{prefix}");
        let others = WITHOUT_AREA.iter().enumerate().filter(|(other, _)| *other != index);
        assert!(
            others.into_iter().all(|(_, other)| !prefix.starts_with(other)),
            "{prefix} is a duplicate"
        );
    }
}

proptest! {
    #[test]
    fn any_number_has_zones_or_none(digits in "[1-9][0-9]{7,14}") {
        if let Some(zones) = zones_of(&number(&digits)) {
            let names = zones.names();
            prop_assert!(!names.is_empty());
            prop_assert!(names.is_sorted_by(|one, next| one < next));
            prop_assert!(names.iter().all(|name| all_names().any(|known| known == *name)));
        }
    }
}

/// Each line of the file is a tab-separated case of the library: the digits, the zones of their longest prefix, and the
/// zones by the kind of the number, separated by commas; `-` if it knows none.
#[test]
#[ignore = "needs the cases of tests/e2e/phones_check.py"]
fn zones_equal_the_librarys_except_for_the_corrections() {
    let path = std::env::var("PATCHBAY_ZONES").expect("PATCHBAY_ZONES names a file");
    let cases = std::fs::read_to_string(path).expect("the cases");
    let names = |column: &str| match column {
        "-" => Vec::new(),
        names => names.split(',').map(String::from).collect::<Vec<_>>(),
    };
    let (mut count, mut wrong) = (0, String::new());
    for line in cases.lines() {
        let mut columns = line.split('\t');
        let digits = columns.next().unwrap_or_default();
        let (by_prefix, by_number) = (names(columns.next().expect(line)), names(columns.next().expect(line)));
        count += 1;
        if in_table(digits) != by_prefix {
            let _ = writeln!(wrong, "{line}: in the table {:?}", in_table(digits));
        }
        let ours = zones(digits);
        let is_corrected = |zone: &str| {
            let mut rows = CORRECTIONS.iter().filter(|row| digits.starts_with(row.prefix));
            rows.any(|row| row.wrong == Some(zone))
        };
        // The exchanges of an area tell its zones, even if the library knows only the calling code of others there.
        let is_area_unknown = calling_code(digits)
            .is_some_and(|code| AREAS.iter().any(|(area_code, _)| *area_code == code) && in_table(code) == by_prefix);
        let missing = |zone: &&String| !ours.contains(&zone.as_str()) && !is_corrected(zone) && !is_area_unknown;
        if let Some(zone) = by_prefix.iter().chain(&by_number).find(missing) {
            let _ = writeln!(wrong, "{line}: without {zone}");
        }
        if by_prefix.is_empty() && !ours.is_empty() {
            let _ = writeln!(wrong, "{line}: {ours:?}");
        }
    }
    assert_eq!(wrong, "", "of {count}");
    assert!(count > 50_000, "{count}");
}
