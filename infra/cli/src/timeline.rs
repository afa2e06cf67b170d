//! The timeline of a dispatch on a terminal: of the demo's, as it happens, and of a deployed one, afterwards.

use console::style;
use patchbay::dispatch::{Dispatch, Entry, Fact};

/// What happened, with a mark in front by which an eye finds what matters.
pub(crate) fn told(fact: &Fact, dispatch: &Dispatch) -> String {
    let sentence = fact.sentence(dispatch);
    let Some(status) = fact.status() else {
        return match fact {
            Fact::Dialling { .. } => format!("☎ {sentence}"),
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

/// A whole timeline, the days set apart. Times are UTC.
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
        lines.push(format!("  {time}  {}", told(&entry.fact, dispatch)));
    }
    lines
}
