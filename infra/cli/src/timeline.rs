//! Formats the timeline of a dispatch for a terminal: live in the demo, afterwards for a deployed dispatch.

use console::style;
use patchbay::dispatch::{Dispatch, Entry, Fact};

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
