//! Formats timelines for a terminal: that of a dispatch, live in the demo and afterwards for a deployed one; and those that
//! the API returns.

use console::style;
use patchbay::dispatch::{Dispatch, Entry, Fact};
use serde_json::Value;

use crate::api::{Api, text};
use crate::output::Output;

/// An event as one sentence, with a mark by importance: `▶` for a status, `☎` for a call, `·` for anything else.
pub(crate) fn format_fact(fact: &Fact, dispatch: &Dispatch) -> String {
    let sentence = fact.sentence(dispatch);
    let Some(status) = fact.status() else {
        return match fact {
            Fact::Dialing { .. } => format!("☎ {sentence}"),
            _ => style(format!("· {sentence}")).dim().to_string(),
        };
    };
    let words = match status {
        "Accepted" | "Resolved" => style(sentence).green().bold(),
        "Rejected" | "Exhausted" | "OutOfMoney" | "Expired" => style(sentence).red(),
        _ => style(sentence).yellow(),
    };
    format!("{} {words}", style("▶").bold())
}

/// A whole timeline, with a heading for each day. Times are UTC.
pub(crate) fn lines(entries: &[Entry], dispatch: &Dispatch) -> Vec<String> {
    let mut lines = Vec::new();
    let mut day = String::new();
    for entry in entries {
        let date: String = entry.at.to_string().chars().take(10).collect();
        if date != day {
            lines.push(style(&date).bold().to_string());
            day = date;
        }
        let time = style(entry.at.time_of_day()).dim();
        lines.push(format!("  {time}  {}", format_fact(&entry.fact, dispatch)));
    }
    lines
}

/// What the API returns at `path`, with its whole timeline in place of the first page.
pub(crate) async fn load(api: &Api, path: &str) -> anyhow::Result<Value> {
    let mut subject = api.get(path).await?;
    let mut entries = entries_of(&subject);
    let mut cursor = text(&subject, "timeline_next_cursor").to_owned();
    while !cursor.is_empty() {
        let page = api.get(&format!("{path}?timeline_cursor={cursor}")).await?;
        entries.extend(entries_of(&page));
        text(&page, "timeline_next_cursor").clone_into(&mut cursor);
    }
    if let Some(fields) = subject.as_object_mut() {
        fields.remove("timeline_next_cursor");
        fields.insert("timeline".to_owned(), Value::Array(entries));
    }
    Ok(subject)
}

fn entries_of(subject: &Value) -> Vec<Value> {
    let entries = subject.get("timeline").and_then(Value::as_array);
    entries.cloned().unwrap_or_default()
}

/// Prints entries that the API returned, with a heading for each day. Times are UTC.
#[derive(Debug, Default)]
pub(crate) struct Days {
    day: String,
}

impl Days {
    /// Prints the lines of an entry.
    pub(crate) fn print(&mut self, entry: &Value, lines: &[String], output: &mut Output<'_>) -> anyhow::Result<()> {
        let at = moment(text(entry, "at"));
        let (date, time) = at.split_once(' ').unwrap_or_default();
        if date != self.day {
            output.line(style(date).bold().to_string())?;
            date.clone_into(&mut self.day);
        }
        for (index, line) in lines.iter().enumerate() {
            let time = if index == 0 { time } else { "" };
            output.line(format!("  {}  {line}", style(format!("{time:<8}")).dim()))?;
        }
        Ok(())
    }
}

/// A moment without its fraction of a second.
pub(crate) fn moment(text: &str) -> String {
    text.replacen('T', " ", 1).chars().take(19).collect()
}
