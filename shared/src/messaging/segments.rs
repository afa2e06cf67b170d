//! How many SMS parts a text takes (GSM 03.38 and 03.40). Every part is billed like a message.

/// The characters of the GSM 7-bit default alphabet, which take one septet each.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
    ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The characters of its extension table, which take two septets each: an escape and the character.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// Septets of a message with one part, and of each part of a longer one.
const GSM_LIMITS: (u32, u32) = (160, 153);
/// UTF-16 units of a message with one part, and of each part of a longer one.
const UCS2_LIMITS: (u32, u32) = (70, 67);

/// How a text is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 7 bits per character, 14 for the extension table.
    Gsm7,
    /// 16 bits per UTF-16 unit. One character outside the GSM alphabet is enough for it.
    Ucs2,
}

/// The parts of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// How the text is encoded.
    pub encoding: Encoding,
    /// Its length in septets or UTF-16 units.
    pub units: u32,
    /// How many parts it takes; 0 for an empty text.
    pub parts: u32,
}

/// Counts the parts of `text`. The provider may send fewer if it replaces characters, and bills what it counted itself.
pub fn segments(text: &str) -> Segments {
    if text.chars().all(|c| septets(c).is_some()) {
        return count(Encoding::Gsm7, GSM_LIMITS, text.chars().filter_map(septets));
    }
    let units = text.chars().map(|c| if u32::from(c) > 0xffff { 2 } else { 1 });
    count(Encoding::Ucs2, UCS2_LIMITS, units)
}

/// Septets of a character in the GSM alphabet.
fn septets(c: char) -> Option<u32> {
    if BASIC.contains(c) {
        return Some(1);
    }
    EXTENDED.contains(c).then_some(2)
}

/// Fills parts with characters. Neither an escape nor a surrogate is separated from what belongs to it, so a part may
/// have one unit less.
fn count(encoding: Encoding, (single, multi): (u32, u32), sizes: impl Iterator<Item = u32>) -> Segments {
    let (mut units, mut parts, mut used) = (0_u32, 0_u32, multi);
    for size in sizes {
        units = units.saturating_add(size);
        used += size;
        if used > multi {
            parts = parts.saturating_add(1);
            used = size;
        }
    }
    if (1..=single).contains(&units) {
        parts = 1;
    }
    Segments { encoding, units, parts }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Encoding::{Gsm7, Ucs2};
    use super::*;

    fn counted(text: &str) -> (Encoding, u32, u32) {
        let Segments { encoding, units, parts } = segments(text);
        (encoding, units, parts)
    }

    #[test]
    fn alphabet_is_complete() {
        // 128 codes without the escape.
        assert_eq!(BASIC.chars().count(), 127);
        assert_eq!(EXTENDED.chars().count(), 10);
        assert!(EXTENDED.chars().all(|c| !BASIC.contains(c)));
        for outside in [
            '`', 'ç', 'á', 'Á', 'ê', 'α', 'Α', '’', '“', '–', '…', '\t', '\u{a0}', 'ё', '🙂',
        ] {
            assert_eq!(septets(outside), None, "{outside}");
        }
    }

    #[test]
    fn parts_have_160_or_153_septets() {
        let text = |length: usize| "a".repeat(length);
        assert_eq!(counted(""), (Gsm7, 0, 0));
        assert_eq!(counted("a"), (Gsm7, 1, 1));
        assert_eq!(counted(&text(160)), (Gsm7, 160, 1));
        assert_eq!(counted(&text(161)), (Gsm7, 161, 2));
        assert_eq!(counted(&text(306)), (Gsm7, 306, 2));
        assert_eq!(counted(&text(307)), (Gsm7, 307, 3));
        assert_eq!(counted(&text(1_600)), (Gsm7, 1_600, 11));
    }

    #[test]
    fn extended_characters_take_two_septets_and_are_not_split() {
        assert_eq!(counted("€"), (Gsm7, 2, 1));
        assert_eq!(counted(&"€".repeat(80)), (Gsm7, 160, 1));
        assert_eq!(counted(&"€".repeat(81)), (Gsm7, 162, 2));
        // 76 of them fill 152 septets of a part, and the 153rd stays empty.
        assert_eq!(counted(&"€".repeat(152)), (Gsm7, 304, 2));
        assert_eq!(counted(&"€".repeat(153)), (Gsm7, 306, 3));
        let at_the_edge = format!("{}€{}", "a".repeat(152), "a".repeat(152));
        assert_eq!(counted(&at_the_edge), (Gsm7, 306, 3));
    }

    #[test]
    fn one_other_character_makes_parts_of_70_or_67_units() {
        let text = |length: usize| "ж".repeat(length);
        assert_eq!(counted(&text(70)), (Ucs2, 70, 1));
        assert_eq!(counted(&text(71)), (Ucs2, 71, 2));
        assert_eq!(counted(&text(134)), (Ucs2, 134, 2));
        assert_eq!(counted(&text(135)), (Ucs2, 135, 3));
        assert_eq!(counted(&format!("{}ê", "a".repeat(159))), (Ucs2, 160, 3));
        // Emoji have two units.
        assert_eq!(counted(&"🙂".repeat(35)), (Ucs2, 70, 1));
        assert_eq!(counted(&"🙂".repeat(36)), (Ucs2, 72, 2));
        // 33 of them fill 66 units of a part.
        assert_eq!(counted(&"🙂".repeat(67)), (Ucs2, 134, 3));
    }

    proptest! {
        #[test]
        fn parts_are_enough_and_not_many_too_many(text in "\\PC{0,700}") {
            let Segments { encoding, units, parts } = segments(&text);
            let (single, multi) = if encoding == Gsm7 { GSM_LIMITS } else { UCS2_LIMITS };
            prop_assert!(units == 0 || parts == 1 || units > single);
            prop_assert!(units <= parts.max(1) * single);
            prop_assert!(parts <= 1 || parts >= units.div_ceil(multi));
            prop_assert!(parts <= 1 || parts <= units.div_ceil(multi - 1));
        }
    }
}
