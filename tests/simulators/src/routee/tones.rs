//! The keys of a call that COLLECT collected.

use serde::{Deserialize, Serialize};

use super::plan::Collect;
use super::switches::{QuietKeys, Switches, ToneJoin, TonesAfterReplacement};

/// Collected keys, and how many of them were reported.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tones {
    /// All keys of the call.
    all: Vec<char>,
    /// Index of the first key that events include. Earlier keys were reported before a replacement of the plan.
    from: usize,
    /// The number of keys that an event has reported.
    #[serde(rename = "told")]
    reported: usize,
}

impl Tones {
    /// Collects a key. Returns whether it causes an event now. `quiet` means a PAUSE or a verb without bargeIn.
    pub(super) fn press(&mut self, key: char, quiet: bool, collect: &Collect, switches: &Switches) -> bool {
        // `#` is a command, never a digit: `collectedTones` does not include it (5.3).
        if key != '#' {
            self.all.push(key);
        }
        let full = self.all.len() - self.reported >= collect.max_digits;
        let waits_for_hash = collect.submit_on_hash;
        (key == '#' && waits_for_hash)
            || !quiet
            || (full && switches.max_digits_submits && !waits_for_hash)
            || (switches.quiet_keys == QuietKeys::AtOnce && !waits_for_hash && key != '#')
    }

    /// The keys of an event that is sent now. Marks them as reported.
    pub(super) fn report(&mut self, switches: &Switches) -> String {
        self.reported = self.all.len();
        join(self.all.get(self.from..).unwrap_or_default(), switches)
    }

    /// The keys of the event after the call.
    pub(super) fn at_end(&self, collect: &Collect, switches: &Switches) -> String {
        let lost = collect.submit_on_hash && !switches.unsubmitted_keys_are_kept;
        let until = if lost { self.reported } else { self.all.len() };
        join(self.all.get(self.from..until).unwrap_or_default(), switches)
    }

    /// Another plan replaced the running one.
    pub(super) const fn plan_replaced(&mut self, switches: &Switches) {
        if matches!(switches.tones_after_replacement, TonesAfterReplacement::Reset) {
            self.from = self.reported;
        }
    }

    /// Whether no key was collected.
    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All keys of the call, as tracking shows them.
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
