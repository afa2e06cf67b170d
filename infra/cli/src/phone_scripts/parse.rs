//! Parses phone scripts. Every line is parsed, so that all errors are reported at once.

use std::collections::HashMap;
use std::time::Duration;

use patchbay::phone::PhoneNumber;
use patchbay_simulators::phones::{Action, When};

use super::format::ordinal;
use super::{CallBehavior, Phone, PhoneScripts, SyntaxError};

/// Maximum of a time, in seconds; no call lasts longer.
const MAX_SECONDS: u32 = 3_600;
/// Maximum number of keys pressed in a row.
const MAX_KEYS: usize = 32;
/// Maximum ordinal of options and pauses; no dial plan has more of them.
const MAX_ORDINAL: u32 = 99;

type ParseResult<T> = Result<T, String>;

pub(super) fn scripts(text: &str) -> Result<PhoneScripts, Vec<SyntaxError>> {
    let mut phones: Vec<Phone> = Vec::new();
    let mut errors = Vec::new();
    let mut seen: HashMap<PhoneNumber, usize> = HashMap::new();
    // Some editors write a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, text) in text.lines().enumerate() {
        let line = index + 1;
        let phone = match phone(text) {
            Ok(None) => continue,
            Ok(Some(phone)) => phone,
            Err(message) => {
                errors.push(SyntaxError { line, message });
                continue;
            }
        };
        if let Some(first) = seen.get(&phone.number) {
            let message = format!("{} already has a script in line {first}", phone.number.as_str());
            errors.push(SyntaxError { line, message });
        } else {
            seen.insert(phone.number.clone(), line);
            phones.push(phone);
        }
    }
    if errors.is_empty() {
        Ok(PhoneScripts(phones))
    } else {
        Err(errors)
    }
}

/// The phone in a line; none for a blank line or a comment.
fn phone(line: &str) -> ParseResult<Option<Phone>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let is_number_char = |c: char| c.is_ascii_digit() || c.is_whitespace() || "+-.()".contains(c);
    let end = line.find(|c| !is_number_char(c)).unwrap_or(line.len());
    let (number, behavior) = line.split_at(end);
    let number = PhoneNumber::parse(number).map_err(|reason| {
        let found = if number.trim().is_empty() { line } else { number };
        format!("{reason}, at the beginning of the line; found `{}`", truncate(found))
    })?;
    let mut tokens = Tokens::new(behavior.strip_prefix(':').unwrap_or(behavior));
    let first = tokens.behavior()?;
    let mut then = Vec::new();
    while tokens.take(";") {
        if !tokens.take("then") {
            return Err(tokens.expected("`then`"));
        }
        then.push(tokens.behavior()?);
    }
    if tokens.peek().is_some() {
        return Err(tokens.expected(tokens.expected_next()));
    }
    Ok(Some(Phone { number, first, then }))
}

/// A text as shown in errors: at most 40 characters.
fn truncate(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The tokens of a line, and the position of the parser.
struct Tokens<'a> {
    tokens: Vec<&'a str>,
    next: usize,
}

impl<'a> Tokens<'a> {
    /// Commas and semicolons are separate tokens. A `#` begins a comment, unless it follows `presses`: there it is a
    /// key.
    fn new(text: &'a str) -> Self {
        let mut tokens: Vec<&str> = Vec::new();
        for token in text.split_whitespace() {
            let is_key = tokens.last().is_some_and(|last| last.eq_ignore_ascii_case("presses"));
            if token.starts_with('#') && !is_key {
                break;
            }
            let bare = token.trim_end_matches([',', ';']);
            let marks = token.get(bare.len()..).unwrap_or_default();
            tokens.extend(Some(bare).filter(|bare| !bare.is_empty()));
            tokens.extend(marks.split_inclusive([',', ';']));
        }
        Self { tokens, next: 0 }
    }

    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.next).copied()
    }

    /// Consumes these tokens if they come next; ignores case.
    fn take(&mut self, phrase: &str) -> bool {
        let mut next = self.next;
        for token in phrase.split(' ') {
            if !self
                .tokens
                .get(next)
                .is_some_and(|found| found.eq_ignore_ascii_case(token))
            {
                return false;
            }
            next += 1;
        }
        self.next = next;
        true
    }

    /// The error that `what` was expected at the current position.
    fn expected(&self, what: impl AsRef<str>) -> String {
        let found = match self.peek() {
            Some(token) => format!("`{}`", truncate(token)),
            None => "the end of the line".to_owned(),
        };
        format!("expected {}; found {found}", what.as_ref())
    }

    fn behavior(&mut self) -> ParseResult<CallBehavior> {
        for (phrase, behavior) in [
            ("never picks up", CallBehavior::NeverPicksUp),
            ("is busy", CallBehavior::IsBusy),
            ("fails", CallBehavior::Fails),
            ("gets lost", CallBehavior::GetsLost),
        ] {
            if self.take(phrase) {
                return Ok(behavior);
            }
        }
        if self.take("rejects after") {
            return Ok(CallBehavior::Rejects { after: self.seconds()? });
        }
        if self.take("voicemail answers after") {
            return Ok(CallBehavior::Voicemail { after: self.seconds()? });
        }
        if self.take("picks up after") {
            return self.answer();
        }
        Err(self.expected(
            "`never picks up`, `is busy`, `fails`, `gets lost`, `rejects after … s`, `voicemail answers after … s` or \
             `picks up after … s`",
        ))
    }

    /// The behavior of a person who picks up.
    fn answer(&mut self) -> ParseResult<CallBehavior> {
        let after = self.seconds()?;
        let mut actions = Vec::new();
        if !self.take("and says nothing") {
            while self.take(",") {
                actions.push(self.action()?);
            }
            if actions.is_empty() {
                return Err(self.expected("`and says nothing`, or `,` and an action"));
            }
        }
        Ok(CallBehavior::PicksUp { after, actions })
    }

    fn action(&mut self) -> ParseResult<(Action, When)> {
        if self.take("hangs up") {
            return Ok((Action::HangUp, self.when()?));
        }
        if !self.take("presses") {
            return Err(self.expected("`presses …` or `hangs up`"));
        }
        let keys = self.keys()?;
        let when = self.when()?;
        if self.take("and hangs up") {
            return Ok((Action::PressAndHangUp(keys), when));
        }
        Ok((Action::Press(keys), when))
    }

    fn keys(&mut self) -> ParseResult<String> {
        let is_key = |c: char| c.is_ascii_digit() || c == '*' || c == '#';
        match self.peek() {
            Some(keys) if keys.len() <= MAX_KEYS && keys.chars().all(is_key) => {
                self.next += 1;
                Ok(keys.to_owned())
            }
            _ => Err(self.expected(format!("1 to {MAX_KEYS} keys of 0–9, * and #"))),
        }
    }

    fn when(&mut self) -> ParseResult<When> {
        if self.take("after") {
            let seconds = self.seconds()?;
            // `on the line` may be left out: nothing else can be meant.
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
            "`after … s on the line`, `during the ticket`, `at the options`, `at the 2nd options`, `in the 3rd pause` \
             or `in the last moment`",
        ))
    }

    /// `4 s` or `4s`.
    fn seconds(&mut self) -> ParseResult<u32> {
        let expected = format!("a number of seconds up to {MAX_SECONDS}, such as `4 s`");
        let Some(token) = self.peek() else {
            return Err(self.expected(expected));
        };
        let digits = token.strip_suffix(['s', 'S']).unwrap_or(token);
        let seconds = parse_number(digits, MAX_SECONDS).ok_or_else(|| self.expected(expected))?;
        self.next += 1;
        if digits.len() == token.len() && !self.take("s") {
            return Err(self.expected(format!("`s` after {digits}")));
        }
        Ok(seconds)
    }

    /// `2nd options`, `3rd pause`.
    fn nth(&mut self, noun: &str) -> ParseResult<u32> {
        let number = self.peek().and_then(|token| {
            let number = parse_number(token.get(..token.len().checked_sub(2)?)?, MAX_ORDINAL)?;
            token.eq_ignore_ascii_case(&ordinal(number)).then_some(number)
        });
        let Some(number) = number.filter(|number| *number > 0) else {
            return Err(self.expected(format!(
                "an ordinal: `1st {noun}`, `2nd {noun}` and so on, up to {MAX_ORDINAL}"
            )));
        };
        self.next += 1;
        if self.take(noun) {
            Ok(number)
        } else {
            Err(self.expected(format!("`{noun}`")))
        }
    }

    /// What may follow the last token that was consumed.
    fn expected_next(&self) -> &'static str {
        let consumed = self.tokens.get(..self.next).unwrap_or_default();
        let behavior = consumed.rsplit(|token| *token == ";").next().unwrap_or_default();
        let is = |token: &&str, name: &str| token.eq_ignore_ascii_case(name);
        if behavior.iter().any(|token| is(token, "presses") || is(token, "hangs")) {
            "`,` and another action, `; then`, or the end of the line"
        } else {
            "`; then`, or the end of the line"
        }
    }
}

/// A number of at most `most`, written with digits only.
fn parse_number(text: &str, most: u32) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= most)
}
