//! Reads habits. Every line is looked at, so that all mistakes are told at once.

use std::collections::HashMap;
use std::time::Duration;

use patchbay::phone::PhoneNumber;
use patchbay_simulators::phones::{Deed, When};

use super::words::ordinal;
use super::{Habit, Habits, Mistake, Phone};

/// Longest time that can be named; no call lasts longer.
const MAX_SECONDS: u32 = 3_600;
/// Most keys that are pressed in one go.
const MAX_KEYS: usize = 32;
/// How far options and pauses can be counted; no dial plan has more.
const MAX_ORDINAL: u32 = 99;

type Expected<T> = Result<T, String>;

pub(super) fn habits(text: &str) -> Result<Habits, Vec<Mistake>> {
    let mut phones: Vec<Phone> = Vec::new();
    let mut mistakes = Vec::new();
    let mut seen: HashMap<PhoneNumber, usize> = HashMap::new();
    // Editors of some systems begin a file with this mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, text) in text.lines().enumerate() {
        let line = index + 1;
        let phone = match phone(text) {
            Ok(None) => continue,
            Ok(Some(phone)) => phone,
            Err(what) => {
                mistakes.push(Mistake { line, what });
                continue;
            }
        };
        if let Some(first) = seen.get(&phone.number) {
            let what = format!("{} is in line {first} already", phone.number.as_str());
            mistakes.push(Mistake { line, what });
        } else {
            seen.insert(phone.number.clone(), line);
            phones.push(phone);
        }
    }
    if mistakes.is_empty() {
        Ok(Habits(phones))
    } else {
        Err(mistakes)
    }
}

/// The phone in a line; none when there is only a comment.
fn phone(line: &str) -> Expected<Option<Phone>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let is_of_number = |c: char| c.is_ascii_digit() || c.is_whitespace() || "+-.()".contains(c);
    let end = line.find(|c| !is_of_number(c)).unwrap_or(line.len());
    let (number, habit) = line.split_at(end);
    let number = PhoneNumber::parse(number).map_err(|why| {
        let found = if number.trim().is_empty() { line } else { number };
        format!("{why}, at the beginning of the line; found `{}`", short(found))
    })?;
    let mut words = Words::of(habit.strip_prefix(':').unwrap_or(habit));
    let first = words.habit()?;
    let mut then = Vec::new();
    while words.take(";") {
        if !words.take("then") {
            return Err(words.expected("`then`"));
        }
        then.push(words.habit()?);
    }
    if words.peek().is_some() {
        return Err(words.expected(words.what_may_follow()));
    }
    Ok(Some(Phone { number, first, then }))
}

/// A text as it is shown in an error.
fn short(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The words of a line, and how far it is read.
struct Words<'a> {
    words: Vec<&'a str>,
    next: usize,
}

impl<'a> Words<'a> {
    /// Commas and semicolons are words of their own. A `#` begins a comment, unless it is a key that is pressed.
    fn of(text: &'a str) -> Self {
        let mut words: Vec<&str> = Vec::new();
        for word in text.split_whitespace() {
            let is_key = words.last().is_some_and(|last| last.eq_ignore_ascii_case("presses"));
            if word.starts_with('#') && !is_key {
                break;
            }
            let bare = word.trim_end_matches([',', ';']);
            let marks = word.get(bare.len()..).unwrap_or_default();
            words.extend(Some(bare).filter(|bare| !bare.is_empty()));
            words.extend(marks.split_inclusive([',', ';']));
        }
        Self { words, next: 0 }
    }

    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.next).copied()
    }

    /// Takes these words, if all of them are next.
    fn take(&mut self, phrase: &str) -> bool {
        let mut next = self.next;
        for word in phrase.split(' ') {
            if !self
                .words
                .get(next)
                .is_some_and(|found| found.eq_ignore_ascii_case(word))
            {
                return false;
            }
            next += 1;
        }
        self.next = next;
        true
    }

    /// That something else should stand here.
    fn expected(&self, what: impl AsRef<str>) -> String {
        let found = match self.peek() {
            Some(word) => format!("`{}`", short(word)),
            None => "the end of the line".to_owned(),
        };
        format!("expected {}; found {found}", what.as_ref())
    }

    fn habit(&mut self) -> Expected<Habit> {
        for (phrase, habit) in [
            ("never picks up", Habit::NeverPicksUp),
            ("is busy", Habit::IsBusy),
            ("fails", Habit::Fails),
            ("gets lost", Habit::GetsLost),
        ] {
            if self.take(phrase) {
                return Ok(habit);
            }
        }
        if self.take("rejects after") {
            return Ok(Habit::Rejects { after: self.seconds()? });
        }
        if self.take("voicemail answers after") {
            return Ok(Habit::Voicemail { after: self.seconds()? });
        }
        if self.take("picks up after") {
            return self.answer();
        }
        Err(self.expected(
            "`never picks up`, `is busy`, `fails`, `gets lost`, `rejects after … s`, `voicemail answers after … s` or \
             `picks up after … s`",
        ))
    }

    /// What somebody does who has picked up.
    fn answer(&mut self) -> Expected<Habit> {
        let after = self.seconds()?;
        let mut deeds = Vec::new();
        if !self.take("and says nothing") {
            while self.take(",") {
                deeds.push(self.deed()?);
            }
            if deeds.is_empty() {
                return Err(self.expected("`and says nothing`, or `,` and what is done"));
            }
        }
        Ok(Habit::PicksUp { after, deeds })
    }

    fn deed(&mut self) -> Expected<(Deed, When)> {
        if self.take("hangs up") {
            return Ok((Deed::HangUp, self.moment()?));
        }
        if !self.take("presses") {
            return Err(self.expected("`presses …` or `hangs up`"));
        }
        let keys = self.keys()?;
        let when = self.moment()?;
        if self.take("and hangs up") {
            return Ok((Deed::PressAndHangUp(keys), when));
        }
        Ok((Deed::Press(keys), when))
    }

    fn keys(&mut self) -> Expected<String> {
        let is_key = |c: char| c.is_ascii_digit() || c == '*' || c == '#';
        match self.peek() {
            Some(keys) if keys.len() <= MAX_KEYS && keys.chars().all(is_key) => {
                self.next += 1;
                Ok(keys.to_owned())
            }
            _ => Err(self.expected(format!("1 to {MAX_KEYS} keys of 0–9, * and #"))),
        }
    }

    fn moment(&mut self) -> Expected<When> {
        if self.take("after") {
            let seconds = self.seconds()?;
            // Nobody takes it for anything else.
            let _ = self.take("on the line");
            return Ok(When::AfterAnswer(Duration::from_secs(seconds.into())));
        }
        if self.take("during the ticket") {
            return Ok(When::TicketSay);
        }
        if self.take("in the last moment") {
            return Ok(When::JustBeforeEnd);
        }
        if self.take("at the options") {
            return Ok(When::OptionsSay(1));
        }
        if self.take("at the") {
            return self.nth("options").map(When::OptionsSay);
        }
        if self.take("in the") {
            return self.nth("pause").map(When::Pause);
        }
        Err(self.expected(
            "`after … s on the line`, `during the ticket`, `at the options`, `at the 2nd options`, `in the 3rd pause` or \
             `in the last moment`",
        ))
    }

    /// `4 s` or `4s`.
    fn seconds(&mut self) -> Expected<u32> {
        let expected = format!("a number of seconds up to {MAX_SECONDS}, such as `4 s`");
        let Some(word) = self.peek() else {
            return Err(self.expected(expected));
        };
        let digits = word.strip_suffix(['s', 'S']).unwrap_or(word);
        let seconds = whole(digits, MAX_SECONDS).ok_or_else(|| self.expected(expected))?;
        self.next += 1;
        if digits.len() == word.len() && !self.take("s") {
            return Err(self.expected(format!("`s` after {digits}")));
        }
        Ok(seconds)
    }

    /// `2nd options`, `3rd pause`.
    fn nth(&mut self, noun: &str) -> Expected<u32> {
        let number = self.peek().and_then(|word| {
            let number = whole(word.get(..word.len().checked_sub(2)?)?, MAX_ORDINAL)?;
            word.eq_ignore_ascii_case(&ordinal(number)).then_some(number)
        });
        let Some(number) = number.filter(|number| *number > 0) else {
            return Err(self.expected(format!(
                "which: `1st {noun}`, `2nd {noun}` and so on, up to {MAX_ORDINAL}"
            )));
        };
        self.next += 1;
        if self.take(noun) {
            Ok(number)
        } else {
            Err(self.expected(format!("`{noun}`")))
        }
    }

    /// What could have followed the last word that was read.
    fn what_may_follow(&self) -> &'static str {
        let read = self.words.get(..self.next).unwrap_or_default();
        let habit = read.rsplit(|word| *word == ";").next().unwrap_or_default();
        let is = |word: &&str, name: &str| word.eq_ignore_ascii_case(name);
        if habit.iter().any(|word| is(word, "presses") || is(word, "hangs")) {
            "`,` and what is done next, `; then`, or the end of the line"
        } else {
            "`; then`, or the end of the line"
        }
    }
}

/// A whole number that is written with digits only.
fn whole(text: &str, most: u32) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= most)
}
