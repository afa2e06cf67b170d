//! Seeded, reproducible randomness.

use std::time::Duration;

/// `SplitMix64`: small, and the same on every machine. A run is replayed from its seed alone, so nothing in the
/// simulators may use randomness of the operating system.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator whose sequence depends on `seed` only.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, but not including, `end`; 0 when `end` is 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        let bits = self.bits();
        if end == 0 { 0 } else { bits % end }
    }

    /// True with `probability`. A `probability` of 0 draws nothing, so a fault that is switched off does not change the
    /// ids of a run.
    pub fn chance(&mut self, probability: f64) -> bool {
        if probability <= 0.0 {
            return false;
        }
        let high = u32::try_from(self.bits() >> 32).unwrap_or(u32::MAX);
        probability >= 1.0 || f64::from(high) / f64::from(u32::MAX) < probability
    }

    /// True with a probability of `per_mille` thousandths; draws as [`Self::chance`] does.
    pub fn hits(&mut self, per_mille: u16) -> bool {
        self.chance(f64::from(per_mille) / 1000.0)
    }

    /// An independent generator for one component, so that its draws do not shift those of other components.
    #[must_use]
    pub const fn fork(&mut self) -> Self {
        Self(self.bits())
    }

    /// True or false.
    pub const fn flip(&mut self) -> bool {
        self.below(2) == 1
    }

    /// A random one of `first` and `others`. `first` is a separate argument because there must be at least one.
    pub fn pick<T: Clone>(&mut self, first: T, others: &[T]) -> T {
        let index = self.below(others.len() as u64 + 1);
        usize::try_from(index)
            .ok()
            .and_then(|index| others.get(index))
            .cloned()
            .unwrap_or(first)
    }

    /// A duration from `low` to `high`, both included, in whole milliseconds.
    pub fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let span = u64::try_from(high.saturating_sub(low).as_millis()).unwrap_or(u64::MAX - 1);
        low + Duration::from_millis(self.below(span + 1))
    }

    /// A version 4 UUID: the format of Routee's ids and tokens.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.bits(), self.bits());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48) & 0x3fff,
            low & 0xffff_ffff_ffff,
        )
    }
}

/// An enum for a detail of a provider's behavior that its documentation leaves open: the default and its alternatives.
macro_rules! question {
    ($(#[$doc:meta])* $name:ident { $(#[$default_doc:meta])* $default:ident, $($(#[$other_doc:meta])* $other:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name {
            $(#[$default_doc])*
            #[default]
            $default,
            $($(#[$other_doc])* $other,)+
        }

        impl $name {
            pub(crate) fn random(rng: &mut $crate::rng::Rng) -> Self {
                rng.pick(Self::$default, &[$(Self::$other),+])
            }
        }
    };
}
pub(crate) use question;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_published_generator() {
        let mut rng = Rng::new(1_234_567);
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!([rng.bits(), rng.bits(), rng.bits()], published);
    }

    #[test]
    fn the_same_seed_draws_the_same_values_and_another_seed_others() {
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (rng.uuid(), rng.below(1000), rng.flip())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7).0, draw(8).0);
    }

    #[test]
    fn a_uuid_has_the_format_of_version_4() {
        let uuid = Rng::new(1).uuid();
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "4");
    }

    #[test]
    fn every_choice_is_drawn_and_nothing_else() {
        let mut rng = Rng::new(3);
        let picked: std::collections::BTreeSet<u8> = (0..200).map(|_| rng.pick(1, &[2, 3])).collect();
        assert_eq!(picked, [1, 2, 3].into());
        let (low, high) = (Duration::from_millis(2), Duration::from_millis(4));
        assert!((0..200).all(|_| (low..=high).contains(&rng.between(low, high))));
    }

    #[test]
    fn a_probability_of_zero_draws_nothing() {
        let mut rng = Rng::new(3);
        let before = rng.clone().bits();
        assert!(!rng.chance(0.0));
        assert_eq!(rng.bits(), before);
        assert!(rng.chance(1.0));
        let hits = (0..1000).filter(|_| rng.chance(0.25)).count();
        assert!((200..300).contains(&hits), "{hits}");
    }
}
