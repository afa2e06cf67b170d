//! Where the demo is shown: lines of at most 100 columns, and times since the beginning.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use console::{measure_text_width, truncate_str};

/// Longest line, in columns.
pub(crate) const COLUMNS: usize = 100;
/// Of a line, at least so many columns are left beside its label.
const LEAST_ROOM: usize = 20;

/// Takes lines from wherever something happens. Clones write to the same place.
#[derive(Clone)]
pub(crate) struct Screen {
    state: Arc<Mutex<State>>,
    is_watched: bool,
}

struct State {
    writer: Box<dyn Write + Send>,
    /// The first line that could not be written: what happens on a telephone line cannot fail because of it.
    failure: Option<io::Error>,
}

impl Screen {
    /// Writes to `writer`. Somebody may be watching: then there is time to read, and a bar.
    pub(crate) fn new(writer: impl Write + Send + 'static, is_watched: bool) -> Self {
        let state = State {
            writer: Box::new(writer),
            failure: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            is_watched,
        }
    }

    /// Whether somebody watches.
    pub(crate) const fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// A line, or as many as it takes.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        self.entry("", text);
    }

    /// A label and a text beside it. What has no room goes on below the text's beginning.
    pub(crate) fn entry(&self, label: &str, text: impl AsRef<str>) {
        let mut state = self.lock();
        if state.failure.is_some() {
            return;
        }
        for line in wrapped(label, text.as_ref()) {
            if let Err(error) = writeln!(state.writer, "{}", line.trim_end()) {
                state.failure = Some(error);
                return;
            }
        }
    }

    /// Fails if a line could not be written, for instance because nobody reads any more.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.lock().failure.take().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Breaks a text between words; a word that is longer than a line is shortened.
fn wrapped(label: &str, text: &str) -> Vec<String> {
    let indent = measure_text_width(label);
    let room = COLUMNS.saturating_sub(indent).max(LEAST_ROOM);
    let mut lines = Vec::new();
    let mut line = label.to_owned();
    let mut used = 0;
    for (index, word) in text.split(' ').enumerate() {
        let word = truncate_str(word, room, "…");
        let width = measure_text_width(&word);
        let gap = usize::from(index > 0);
        if used > 0 && used + gap + width > room {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            used = 0;
        } else if gap > 0 {
            line.push(' ');
            used += gap;
        }
        line.push_str(&word);
        used += width;
    }
    lines.push(line);
    lines
}

/// A text in so many columns: without its end, when it is longer.
pub(crate) fn shortened(text: &str, columns: usize) -> String {
    truncate_str(text, columns, "…").into_owned()
}

/// Minutes and seconds.
pub(crate) fn minutes(time: Duration) -> String {
    format!("{:02}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_goes_on_below_its_beginning() {
        let text = "word ".repeat(40);
        let lines = wrapped("00:01  ", text.trim());
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("00:01  word word"));
        for line in &lines[1..] {
            assert!(line.starts_with("       word"), "{line}");
        }
        for line in &lines {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
        assert_eq!(lines.join(" ").matches("word").count(), 40, "nothing is lost");
    }

    #[test]
    fn a_text_that_fits_stays_as_it_is() {
        let exact = "x".repeat(COLUMNS - 4);
        assert_eq!(wrapped("  a ", &exact), [format!("  a {exact}")]);
        assert_eq!(wrapped("", ""), [""]);
        assert_eq!(wrapped("", "  two  gaps"), ["  two  gaps"]);
    }

    #[test]
    fn a_word_that_is_longer_than_a_line_is_shortened() {
        let lines = wrapped("at ", &format!("see {} now", "é".repeat(300)));
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[1].chars().count(), COLUMNS);
        assert!(lines[1].ends_with('…'));
        assert_eq!(lines[2], "   now");
    }

    #[test]
    fn what_colours_take_is_not_counted() {
        let text = format!("\u{1b}[2m{}\u{1b}[0m", "ab ".repeat(32).trim());
        assert_eq!(wrapped("     ", &text).len(), 1);
    }

    /// A terminal that was closed.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_could_not_be_written_is_noticed_later() {
        let screen = Screen::new(Closed, false);
        assert!(screen.check().is_ok());
        screen.line("a");
        screen.line("b");
        let error = screen.check().expect_err("closed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
