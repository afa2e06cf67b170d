//! Prices in US dollars.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A price in US dollars, up to 999999.99. It keeps its notation: `10`, `10.5` and `10.50` are written back unchanged.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    cents: u32,
    /// Digits after the point: 0 to 2.
    decimals: u8,
}

/// The text is not a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected US dollars as a decimal string, such as \"10.00\": at most 999999.99, no sign, no separators")]
pub struct InvalidPrice;

impl Price {
    /// The price in cents.
    pub const fn cents(self) -> u32 {
        self.cents
    }

    /// Whether the price is zero.
    pub const fn is_zero(self) -> bool {
        self.cents == 0
    }

    /// The price with exactly two decimals, as payment processors expect it.
    pub fn charge_amount(self) -> String {
        format!("{}.{:02}", self.cents / 100, self.cents % 100)
    }
}

impl FromStr for Price {
    type Err = InvalidPrice;

    fn from_str(text: &str) -> Result<Self, InvalidPrice> {
        let (dollars, decimals) = match text.split_once('.') {
            Some((_, "")) => return Err(InvalidPrice),
            Some(parts) => parts,
            None => (text, ""),
        };
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let has_leading_zero = dollars.len() > 1 && dollars.starts_with('0');
        if !(1..=6).contains(&dollars.len()) || has_leading_zero || !all_digits(dollars) {
            return Err(InvalidPrice);
        }
        // A third decimal would be rounded by some system on the way, with an unknown result.
        if decimals.len() > 2 || !all_digits(decimals) {
            return Err(InvalidPrice);
        }
        let dollars: u32 = dollars.parse().map_err(|_| InvalidPrice)?;
        let cents: u32 = format!("{decimals:0<2}").parse().map_err(|_| InvalidPrice)?;
        Ok(Self {
            cents: dollars * 100 + cents,
            decimals: u8::try_from(decimals.len()).map_err(|_| InvalidPrice)?,
        })
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, cents) = (self.cents / 100, self.cents % 100);
        match self.decimals {
            0 => write!(f, "{dollars}"),
            1 => write!(f, "{dollars}.{}", cents / 10),
            _ => write!(f, "{dollars}.{cents:02}"),
        }
    }
}

impl fmt::Debug for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn price_is_parsed_exactly_and_keeps_its_notation() {
        for (text, cents, charged) in [
            ("10.00", 1_000, "10.00"),
            ("10", 1_000, "10.00"),
            ("10.5", 1_050, "10.50"),
            ("0.01", 1, "0.01"),
            ("0.1", 10, "0.10"),
            ("0", 0, "0.00"),
            ("999999.99", 99_999_999, "999999.99"),
        ] {
            let price: Price = text.parse().expect(text);
            assert_eq!(
                (price.cents(), price.charge_amount(), price.to_string()),
                (cents, charged.into(), text.into())
            );
        }
    }

    #[test]
    fn anything_but_a_plain_decimal_is_refused() {
        for text in [
            "", " ", ".", "1.", ".5", "-1", "+1", "1,5", "1,000.00", "$10", "10 USD", "10.005", "1e3", "NaN", "inf",
            "007", "00.10", "1000000", "1.2.3", " 10.00", "10.00 ", "١٠", "0x10",
        ] {
            assert_eq!(text.parse::<Price>(), Err(InvalidPrice), "{text}");
        }
    }

    proptest! {
        #[test]
        fn accepted_text_is_written_back_unchanged(text in "[0-9.]{0,10}|\\PC{0,8}") {
            if let Ok(price) = text.parse::<Price>() {
                prop_assert_eq!(price.to_string(), text);
                prop_assert!(price.cents() <= 99_999_999);
            }
        }
    }
}
