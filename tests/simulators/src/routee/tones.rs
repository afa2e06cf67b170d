//! The keys of a call as the provider collects them.

use serde::{Deserialize, Serialize};

use super::plan::Collect;
use super::switches::{QuietKeys, Switches, ToneJoin, TonesAfterReplacement};

/// Keys that were collected, and how far they have been told.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tones {
    /// All of the call.
    all: Vec<char>,
    /// Earlier ones are never told again.
    from: usize,
    /// How many an event has told.
    told: usize,
}

impl Tones {
    /// Collects a key, and says whether an event tells the keys now. `quiet` is a PAUSE, or a verb without bargeIn.
    pub(super) fn press(&mut self, key: char, quiet: bool, collect: &Collect, switches: &Switches) -> bool {
        // `#` is a command, never a digit: `collectedTones` has none (5.3).
        if key != '#' {
            self.all.push(key);
        }
        let full = self.all.len() - self.told >= collect.max_digits;
        let waits_for_hash = collect.submit_on_hash;
        (key == '#' && waits_for_hash)
            || !quiet
            || (full && switches.max_digits_submits && !waits_for_hash)
            || (switches.quiet_keys == QuietKeys::AtOnce && !waits_for_hash && key != '#')
    }

    /// The text of an event that is sent now.
    pub(super) fn tell(&mut self, switches: &Switches) -> String {
        self.told = self.all.len();
        join(self.all.get(self.from..).unwrap_or_default(), switches)
    }

    /// The text of the event after the call.
    pub(super) fn at_end(&self, collect: &Collect, switches: &Switches) -> String {
        let lost = collect.submit_on_hash && !switches.unsubmitted_keys_are_kept;
        let until = if lost { self.told } else { self.all.len() };
        join(self.all.get(self.from..until).unwrap_or_default(), switches)
    }

    /// Another plan begins.
    pub(super) const fn plan_replaced(&mut self, switches: &Switches) {
        if matches!(switches.tones_after_replacement, TonesAfterReplacement::Reset) {
            self.from = self.told;
        }
    }

    /// Whether no key was collected.
    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All keys of the call, as tracking has them.
    pub(super) fn tracked(&self, switches: &Switches) -> String {
        join(&self.all, switches)
    }
}

fn join(tones: &[char], switches: &Switches) -> String {
    let tones: Vec<String> = tones.iter().map(char::to_string).collect();
    tones.join(match switches.tone_join {
        ToneJoin::Comma => ",",
        ToneJoin::Plain => "",
    })
}
