//! Where we do not follow the table, and why. Kept apart from it, so that it can be compared with the library.
//!
//! Countries and states of prefixes are those of the geocoder in the Python package `phonenumbers` 9.0.43; zones of
//! countries and regions those of `zone1970.tab` in tzdata 2026f. A test fails for a row that has no effect any more.

/// A correction of the zones of all numbers with a prefix.
pub(super) struct Correction {
    pub(super) prefix: &'static str,
    /// The zone that `right` replaces. `None`: `right` is missing in the table, for all numbers with the prefix.
    pub(super) wrong: Option<&'static str>,
    pub(super) right: &'static [&'static str],
}

const fn replace(prefix: &'static str, wrong: &'static str, right: &'static [&'static str]) -> Correction {
    Correction {
        prefix,
        wrong: Some(wrong),
        right,
    }
}

const fn add(prefix: &'static str, right: &'static [&'static str]) -> Correction {
    Correction {
        prefix,
        wrong: None,
        right,
    }
}

/// Applied in this order: of two rows for the same number, the one with the longer prefix comes first.
#[rustfmt::skip]
pub(super) const CORRECTIONS: &[Correction] = &[
    // Overlays: these area codes cover the same area as another one (in brackets), which has more zones.
    add("1236", &["America/Dawson_Creek", "America/Edmonton"]), // British Columbia (250)
    add("1257", &["America/Dawson_Creek", "America/Edmonton"]),
    add("1672", &["America/Dawson_Creek", "America/Edmonton"]),
    add("1778", &["America/Dawson_Creek", "America/Edmonton"]),
    add("1250", &["America/Dawson_Creek"]),
    add("1364", &["America/Chicago"]), // western Kentucky (270)
    add("1367", &["America/Halifax"]), // eastern Quebec (418)
    add("1581", &["America/Halifax"]),
    add("1448", &["America/Chicago"]), // northwestern Florida (850)
    add("1458", &["America/Denver"]), // Oregon (541)
    add("1930", &["America/Chicago"]), // southern Indiana (812)
    replace("1474", "America/Winnipeg", &["America/Regina"]), // Saskatchewan (306), without summer time
    replace("1689", "America/Chicago", &["America/New_York"]), // Orlando (407)
    replace("1879", "America/Puerto_Rico", &["America/Halifax"]), // Newfoundland and Labrador (709)
    // Western towns of Saskatchewan have the time of Alberta.
    add("1306", &["America/Edmonton"]),
    add("1474", &["America/Edmonton"]),
    add("1639", &["America/Edmonton"]),

    // Chihuahua left the time of Mazatlán in 2022; its northwest has the time of Ciudad Juárez, as has 657, an overlay
    // of 656.
    replace("52614", "America/Mazatlan", &["America/Chihuahua"]),
    replace("52621", "America/Mazatlan", &["America/Chihuahua"]),
    replace("52625", "America/Mazatlan", &["America/Chihuahua"]),
    replace("52627", "America/Mazatlan", &["America/Chihuahua"]),
    replace("52628", "America/Mazatlan", &["America/Chihuahua"]),
    replace("52629", "America/Mazatlan", &["America/Chihuahua"]),
    replace("52635", "America/Mazatlan", &["America/Chihuahua"]),
    replace("52636", "America/Mazatlan", &["America/Chihuahua", "America/Ciudad_Juarez"]),
    replace("52639", "America/Mazatlan", &["America/Chihuahua"]),
    replace("52648", "America/Mazatlan", &["America/Chihuahua"]),
    replace("52649", "America/Mazatlan", &["America/Chihuahua"]),
    replace("52652", "America/Mazatlan", &["America/Chihuahua"]),
    replace("52657", "America/Mazatlan", &["America/Chihuahua", "America/Ciudad_Juarez"]),
    replace("52659", "America/Mazatlan", &["America/Chihuahua"]),
    // Tijuana: an overlay of 664.
    add("52663", &["America/Tijuana"]),
    // Towns at the border have the summer time of the United States.
    add("52862", &["America/Matamoros"]),
    add("52868", &["America/Matamoros"]),
    add("52873", &["America/Matamoros"]),
    add("52891", &["America/Matamoros"]),
    add("52897", &["America/Matamoros"]),
    // No place in Mexico has the time of New York.
    replace("52", "America/New_York", &[]),

    // Pará and the west of Amazonas.
    replace("5591", "America/Manaus", &["America/Belem"]),
    replace("5593", "America/Manaus", &["America/Santarem"]),
    replace("5594", "America/Manaus", &["America/Belem"]),
    add("5597", &["America/Eirunepe"]),

    // Easter Island has area code 32 as Valparaíso. Magallanes and Aysén have no winter time.
    add("5632", &["Pacific/Easter"]),
    replace("5661", "America/Santiago", &["America/Punta_Arenas"]),
    replace("5667", "America/Santiago", &["America/Coyhaique"]),

    // Queensland has no summer time; a few towns of New South Wales have its area code 7.
    replace("617", "Australia/Sydney", &["Australia/Brisbane", "Australia/Sydney"]),
    // Area code 8 is also that of the Northern Territory, which has no summer time.
    replace("618", "Australia/Adelaide", &["Australia/Adelaide", "Australia/Darwin"]),

    // Yakutia has three zones.
    add("7411", &["Asia/Srednekolymsk", "Asia/Ust-Nera"]),
    // Abkhazia has the time of Moscow. Kaliningrad has no summer time; Romania has.
    replace("7840", "Europe/Bucharest", &[]),
    replace("7845", "Europe/Moscow", &["Europe/Saratov"]),
    replace("7", "Europe/Bucharest", &["Europe/Kaliningrad"]),

    // The library takes a zone of another country.
    replace("211", "Africa/Nairobi", &["Africa/Juba"]),
    replace("212", "Atlantic/Canary", &["Africa/Casablanca", "Africa/El_Aaiun"]),
    replace("213", "Europe/Paris", &["Africa/Algiers"]),
    replace("218", "Europe/Bucharest", &["Africa/Tripoli"]),
    replace("505", "America/Chicago", &["America/Managua"]),
    replace("970", "Europe/Bucharest", &["Asia/Gaza", "Asia/Hebron"]),

    // Bougainville is an hour ahead of the rest of Papua New Guinea.
    add("675", &["Pacific/Bougainville"]),
];
