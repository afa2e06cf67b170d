//! The scripted person or voicemail in an answered call: performs the actions of a [`crate::phones::Behavior`] at their
//! moments. All providers share it.

use std::time::Duration;

use patchbay::clock::{Clock, Timestamp};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::phones::{Action, When};

/// Between two keys of one [`Action`].
const KEY_GAP: Duration = Duration::from_millis(400);

/// How long before the end [`When::JustBeforeEnd`] is, in milliseconds.
const JUST_BEFORE: i64 = 500;

/// The next command to a call, or `None` at `until`.
pub(crate) async fn command_before<C>(
    commands: &mut UnboundedReceiver<C>,
    clock: &Clock,
    until: Timestamp,
) -> Option<C> {
    // Biased: if both are ready, the choice must not be random, or a seed would not replay.
    tokio::select! {
        biased;
        Some(command) = commands.recv() => Some(command),
        () = clock.sleep_until(until) => None,
    }
}

/// A single input to the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Key(char),
    HangUp,
    Beep,
}

/// The scripted actions of one call that are still to come.
#[derive(Debug, Default)]
pub(crate) struct ScriptRunner {
    /// Actions whose time is not yet known.
    waiting: Vec<(When, Action)>,
    /// Inputs with their times, sorted.
    due: Vec<(Timestamp, Input)>,
    /// The first text that was spoken.
    ticket: Option<String>,
    options: u32,
    pauses: u32,
}

impl ScriptRunner {
    /// Starts the script when the call is answered.
    pub(crate) fn new(actions: Vec<(When, Action)>, answered_at: Timestamp) -> Self {
        let mut runner = Self {
            waiting: actions,
            ..Self::default()
        };
        let mut later = Vec::new();
        for (when, action) in std::mem::take(&mut runner.waiting) {
            match when {
                When::AfterAnswer(after) => runner.schedule(later_by(answered_at, after), &action),
                _ => later.push((when, action)),
            }
        }
        runner.waiting = later;
        runner
    }

    /// A text starts to be spoken. Its actions are due in the middle of it.
    pub(crate) fn text_started(&mut self, text: &str, now: Timestamp, duration: Duration) {
        let middle = later_by(now, duration / 2);
        match &self.ticket {
            None => {
                self.ticket = Some(text.to_owned());
                self.trigger(When::TicketSay, middle);
            }
            Some(ticket) if ticket == text => {}
            Some(_) => {
                self.options += 1;
                self.trigger(When::OptionsSay(self.options), middle);
            }
        }
    }

    /// A pause starts. Its actions are due in the middle of it.
    pub(crate) fn pause_started(&mut self, now: Timestamp, duration: Duration) {
        self.pauses += 1;
        self.trigger(When::Pause(self.pauses), later_by(now, duration / 2));
    }

    /// When to call [`ScriptRunner::end_is_near`] if the call would end at `end`; `None` if no action waits for it.
    pub(crate) fn wakes_before(&self, end: Timestamp) -> Option<Timestamp> {
        let has_action = self.waiting.iter().any(|(when, _)| *when == When::JustBeforeEnd);
        has_action.then(|| end.plus_millis(-JUST_BEFORE))
    }

    /// The call is about to end.
    pub(crate) fn end_is_near(&mut self, now: Timestamp) {
        self.trigger(When::JustBeforeEnd, now);
    }

    /// When the next input is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Removes and returns the next input if it is due.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<Input> {
        self.next_due()
            .is_some_and(|at| at <= now)
            .then(|| self.due.remove(0).1)
    }

    fn trigger(&mut self, moment: When, at: Timestamp) {
        let (now, later) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(when, _)| *when == moment);
        self.waiting = later;
        let now: Vec<(When, Action)> = now;
        for (_, action) in now {
            self.schedule(at, &action);
        }
    }

    fn schedule(&mut self, at: Timestamp, action: &Action) {
        let mut at = at;
        match action {
            Action::HangUp => self.due.push((at, Input::HangUp)),
            Action::Beep => self.due.push((at, Input::Beep)),
            Action::Press(keys) | Action::PressAndHangUp(keys) => {
                let mut last = at;
                for key in keys.chars() {
                    self.due.push((at, Input::Key(key)));
                    last = at;
                    at = later_by(at, KEY_GAP);
                }
                if matches!(action, Action::PressAndHangUp(_)) {
                    self.due.push((last, Input::HangUp));
                }
            }
        }
        // The sort is stable: of inputs at the same time, the one that was scheduled first comes first.
        self.due.sort_by_key(|(at, _)| *at);
    }
}

/// Speaking rate of the simulated voice, the same for all providers.
const CHARACTERS_PER_SECOND: u64 = 14;

/// Assumed duration of a sound file. Simulators do not fetch it.
pub(crate) const PLAY_TIME: Duration = Duration::from_secs(2);

/// How long it takes to speak `text`: at least one second.
pub(crate) fn speaking_time(text: &str) -> Duration {
    let characters = u64::try_from(text.chars().count()).unwrap_or(u64::MAX / 1000);
    Duration::from_millis(characters.saturating_mul(1000) / CHARACTERS_PER_SECOND).max(Duration::from_secs(1))
}

/// `moment` plus `duration`.
pub(crate) fn later_by(moment: Timestamp, duration: Duration) -> Timestamp {
    moment.plus_millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaking_takes_a_second_for_14_characters_and_at_least_one_second() {
        assert_eq!(speaking_time("Hi"), Duration::from_secs(1));
        assert_eq!(speaking_time(&"x".repeat(140)), Duration::from_secs(10));
    }
}
