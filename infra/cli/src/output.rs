//! The output of a command: text and tables for people, JSON for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use console::{Alignment, measure_text_width, pad_str, style};
use serde::Serialize;

/// Separates two columns of a table.
const GAP: &str = "  ";

/// The output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text and tables, for people
    #[default]
    Text,
    /// JSON, for programs; field names are stable
    Json,
}

/// Writes the output of a command in one [`Format`].
pub(crate) struct Output<'a> {
    writer: &'a mut dyn Write,
    format: Format,
}

impl<'a> Output<'a> {
    pub(crate) fn new(writer: &'a mut dyn Write, format: Format) -> Self {
        Self { writer, format }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Writes the JSON document of a command. Nothing else may be written to the same output.
    pub(crate) fn json(&mut self, document: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self.writer, document)?;
        writeln!(self.writer)
    }

    /// Writes a line of text, without trailing blanks.
    pub(crate) fn line(&mut self, line: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.writer, "{}", line.as_ref().trim_end())
    }

    /// Writes a table. Nothing limits the width of a column; the last one is not padded.
    pub(crate) fn table<const N: usize>(&mut self, head: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
        let head = head.map(|name| style(name).dim().to_string());
        let width = |column: usize| {
            let cell_width = |row: &[String; N]| row.get(column).map_or(0, |cell| measure_text_width(cell));
            rows.iter()
                .map(cell_width)
                .chain([cell_width(&head)])
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..N).map(width).collect();
        for row in [&head].into_iter().chain(rows) {
            let cells = row.iter().zip(&widths);
            let cells: Vec<_> = cells
                .map(|(cell, width)| pad_str(cell, *width, Alignment::Left, None))
                .collect();
            self.line(cells.join(GAP))?;
        }
        Ok(())
    }
}

/// `count` with the noun in the singular (`one`) or the plural (`many`).
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {many}")
    }
}

/// An age in seconds, minutes, hours or days: the largest unit of which there are at least two.
pub(crate) fn format_age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_columns_are_aligned_without_trailing_blanks() {
        console::set_colors_enabled(false);
        let mut buffer = Vec::new();
        let rows = [["a".into(), "long enough".into()], ["bbbb".into(), String::new()]];
        let mut output = Output::new(&mut buffer, Format::Text);
        output.table(["ID", "TEXT"], &rows).expect("a write to a buffer");
        let text = String::from_utf8(buffer).expect("text");
        assert_eq!(text, "ID    TEXT\na     long enough\nbbbb\n");
    }

    #[test]
    fn an_age_is_shown_in_the_largest_unit_with_at_least_two() {
        for (seconds, expected) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7_200, "2 h"),
            (200_000, "2 d"),
        ] {
            assert_eq!(format_age(seconds), expected);
        }
    }
}
