//! The screen of the demo: lines of at most 100 columns, and times since the start.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use console::{measure_text_width, truncate_str};

/// Maximum length of a line, in columns.
pub(crate) const COLUMNS: usize = 100;
/// Columns that a line has at least for its text, however long the label is.
const MIN_TEXT_COLUMNS: usize = 20;

/// Writes lines. Clones share the writer.
#[derive(Clone)]
pub(crate) struct Screen {
    state: Arc<Mutex<State>>,
    is_interactive: bool,
}

struct State {
    writer: Box<dyn Write + Send>,
    /// The first write error. It is kept for [`Screen::check`], because phone events are printed where no error can be
    /// returned.
    failure: Option<io::Error>,
}

impl Screen {
    /// Writes to `writer`. `is_interactive` means that a person watches: the demo then pauses between lines and shows a
    /// progress bar.
    pub(crate) fn new(writer: impl Write + Send + 'static, is_interactive: bool) -> Self {
        let state = State {
            writer: Box::new(writer),
            failure: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            is_interactive,
        }
    }

    pub(crate) const fn is_interactive(&self) -> bool {
        self.is_interactive
    }

    /// Writes a text, wrapped over as many lines as it needs.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        self.entry("", text);
    }

    /// Writes a label followed by a text. Wrapped lines of the text are indented to where it starts.
    pub(crate) fn entry(&self, label: &str, text: impl AsRef<str>) {
        let mut state = self.lock();
        if state.failure.is_some() {
            return;
        }
        for line in wrap(label, text.as_ref()) {
            if let Err(error) = writeln!(state.writer, "{}", line.trim_end()) {
                state.failure = Some(error);
                return;
            }
        }
    }

    /// Returns the first write error, for instance because the reader closed the pipe.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.lock().failure.take().map_or(Ok(()), Err)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wraps a text between words; a word that is longer than a line is truncated.
fn wrap(label: &str, text: &str) -> Vec<String> {
    let indent = measure_text_width(label);
    let columns = COLUMNS.saturating_sub(indent).max(MIN_TEXT_COLUMNS);
    let mut lines = Vec::new();
    let mut line = label.to_owned();
    let mut used = 0;
    for (index, word) in text.split(' ').enumerate() {
        let word = truncate_str(word, columns, "…");
        let width = measure_text_width(&word);
        let gap = usize::from(index > 0);
        if used > 0 && used + gap + width > columns {
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

/// The text, cut to `columns` columns with an ellipsis if it is longer.
pub(crate) fn truncate(text: &str, columns: usize) -> String {
    truncate_str(text, columns, "…").into_owned()
}

/// A duration as `MM:SS`.
pub(crate) fn format_minutes(time: Duration) -> String {
    format!("{:02}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_are_indented_to_the_text() {
        let text = "word ".repeat(40);
        let lines = wrap("00:01  ", text.trim());
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("00:01  word word"));
        for line in &lines[1..] {
            assert!(line.starts_with("       word"), "{line}");
        }
        for line in &lines {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
        assert_eq!(lines.join(" ").matches("word").count(), 40, "no word is lost");
    }

    #[test]
    fn a_text_that_fits_is_unchanged() {
        let exact = "x".repeat(COLUMNS - 4);
        assert_eq!(wrap("  a ", &exact), [format!("  a {exact}")]);
        assert_eq!(wrap("", ""), [""]);
        assert_eq!(wrap("", "  two  gaps"), ["  two  gaps"]);
    }

    #[test]
    fn a_word_longer_than_a_line_is_truncated() {
        let lines = wrap("at ", &format!("see {} now", "é".repeat(300)));
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[1].chars().count(), COLUMNS);
        assert!(lines[1].ends_with('…'));
        assert_eq!(lines[2], "   now");
    }

    #[test]
    fn color_codes_do_not_count_as_columns() {
        let text = format!("\u{1b}[2m{}\u{1b}[0m", "ab ".repeat(32).trim());
        assert_eq!(wrap("     ", &text).len(), 1);
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
    fn a_write_error_is_returned_by_check() {
        let screen = Screen::new(Closed, false);
        assert!(screen.check().is_ok());
        screen.line("a");
        screen.line("b");
        let error = screen.check().expect_err("closed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
