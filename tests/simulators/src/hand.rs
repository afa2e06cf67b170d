//! The hand at the phone: does what a behaviour says, when its moment comes. It is the same at every provider's calls.

use std::time::Duration;

use patchbay::clock::{Clock, Timestamp};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::phones::{Deed, When};

/// Between two keys of one sequence.
const KEY_GAP: Duration = Duration::from_millis(400);

/// How long before the end "just before the end" is.
const JUST_BEFORE: i64 = 500;

/// The next command to a call; none when `until` comes first.
pub(crate) async fn command_before<C>(
    commands: &mut UnboundedReceiver<C>,
    clock: &Clock,
    until: Timestamp,
) -> Option<C> {
    // In this order always: chance must not decide between the two when both are ready.
    tokio::select! {
        biased;
        Some(command) = commands.recv() => Some(command),
        () = clock.sleep_until(until) => None,
    }
}

/// One movement of the hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Key(char),
    HangUp,
    Beep,
}

/// What is still to be done in a call.
#[derive(Debug, Default)]
pub(crate) struct Hand {
    /// Deeds whose moment has not come into sight.
    waiting: Vec<(When, Deed)>,
    /// Acts with their time, in order.
    due: Vec<(Timestamp, Act)>,
    ticket: Option<String>,
    options: u32,
    pauses: u32,
}

impl Hand {
    /// At the moment of the answer.
    pub(crate) fn new(deeds: Vec<(When, Deed)>, answered_at: Timestamp) -> Self {
        let mut hand = Self {
            waiting: deeds,
            ..Self::default()
        };
        let mut later = Vec::new();
        for (when, deed) in std::mem::take(&mut hand.waiting) {
            match when {
                When::AfterAnswer(after) => hand.plan(later_by(answered_at, after), &deed),
                _ => later.push((when, deed)),
            }
        }
        hand.waiting = later;
        hand
    }

    /// A text begins.
    pub(crate) fn hears(&mut self, text: &str, now: Timestamp, duration: Duration) {
        let middle = later_by(now, duration / 2);
        match &self.ticket {
            None => {
                self.ticket = Some(text.to_owned());
                self.when(When::TicketSay, middle);
            }
            Some(ticket) if ticket == text => {}
            Some(_) => {
                self.options += 1;
                self.when(When::OptionsSay(self.options), middle);
            }
        }
    }

    /// A PAUSE begins.
    pub(crate) fn hears_nothing(&mut self, now: Timestamp, duration: Duration) {
        self.pauses += 1;
        self.when(When::Pause(self.pauses), later_by(now, duration / 2));
    }

    /// When the hand wakes up to act just before `end`, if it means to.
    pub(crate) fn before(&self, end: Timestamp) -> Option<Timestamp> {
        let means_to = self.waiting.iter().any(|(when, _)| *when == When::JustBeforeEnd);
        means_to.then(|| end.plus_millis(-JUST_BEFORE))
    }

    /// The end is near.
    pub(crate) fn end_is_near(&mut self, now: Timestamp) {
        self.when(When::JustBeforeEnd, now);
    }

    /// When the next act is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The next act, if it is due.
    pub(crate) fn act(&mut self, now: Timestamp) -> Option<Act> {
        self.next().is_some_and(|at| at <= now).then(|| self.due.remove(0).1)
    }

    fn when(&mut self, moment: When, at: Timestamp) {
        let (now, later) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(when, _)| *when == moment);
        self.waiting = later;
        let now: Vec<(When, Deed)> = now;
        for (_, deed) in now {
            self.plan(at, &deed);
        }
    }

    fn plan(&mut self, at: Timestamp, deed: &Deed) {
        let mut at = at;
        match deed {
            Deed::HangUp => self.due.push((at, Act::HangUp)),
            Deed::Beep => self.due.push((at, Act::Beep)),
            Deed::Press(keys) | Deed::PressAndHangUp(keys) => {
                let mut last = at;
                for key in keys.chars() {
                    self.due.push((at, Act::Key(key)));
                    last = at;
                    at = later_by(at, KEY_GAP);
                }
                if matches!(deed, Deed::PressAndHangUp(_)) {
                    self.due.push((last, Act::HangUp));
                }
            }
        }
        // Stable: what was planned first is done first.
        self.due.sort_by_key(|(at, _)| *at);
    }
}

/// How fast a voice speaks, in whichever provider's call.
const CHARACTERS_PER_SECOND: u64 = 14;

/// How long a sound file plays: no simulator fetches it.
pub(crate) const PLAY_TIME: Duration = Duration::from_secs(2);

/// How long it takes to say `text`.
pub(crate) fn speaking_time(text: &str) -> Duration {
    let characters = u64::try_from(text.chars().count()).unwrap_or(u64::MAX / 1000);
    Duration::from_millis(characters.saturating_mul(1000) / CHARACTERS_PER_SECOND).max(Duration::from_secs(1))
}

/// `moment` and `duration` more.
pub(crate) fn later_by(moment: Timestamp, duration: Duration) -> Timestamp {
    moment.plus_millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fourteen_characters_take_a_second_and_nothing_takes_less() {
        assert_eq!(speaking_time("Hi"), Duration::from_secs(1));
        assert_eq!(speaking_time(&"x".repeat(140)), Duration::from_secs(10));
    }
}
