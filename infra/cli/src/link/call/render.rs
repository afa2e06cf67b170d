//! Renders a call for a terminal: exchanges, prompts, speech and actions.

use console::style;
use patchbay_simulators::agent4::Ending;
use serde_json::{Value, json};

use super::recorder::Exchange;

/// Actions that end a link.
const ENDS_LINK: [&str; 5] = ["next_task", "switch_task", "transfer_call", "end_call", "end_task"];

/// The lines of an exchange and its answer.
pub(super) fn lines(exchange: &Exchange) -> Vec<String> {
    let context = exchange.request.get("context").filter(|context| !context.is_null());
    let context = context.map_or_else(String::new, |context| format!(" {}", plain(&context.to_string())));
    let outcome = style(exchange.outcome()).dim();
    let name = style(plain(&exchange.name())).bold();
    let mut lines = vec![format!("{name}{context}  {outcome}")];
    if let Some(answer) = &exchange.answer {
        lines.extend(answer_lines(exchange, answer));
    }
    lines
}

fn answer_lines(exchange: &Exchange, answer: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let field = |name: &str| answer.get(name).filter(|value| !value.is_null());
    let actions = field("actions")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    if let Some(content) = field("content").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        let is_initial = exchange.request.get("action").is_some_and(|action| action == "initial");
        let ends_link = actions.iter().any(|action| ENDS_LINK.contains(&name(action)));
        let label = if is_initial && !ends_link { "prompt" } else { "says" };
        lines.extend(labeled(label, content));
    }
    if let Some(parameters) = field("qualified_parameters") {
        lines.extend(labeled("takes", &parameters.to_string()));
    }
    for action in actions {
        let context = action.get("context").filter(|context| !context.is_null());
        let context = context.map_or_else(String::new, |context| format!(" {context}"));
        lines.extend(labeled("action", &format!("{}{context}", name(action))));
    }
    for name in ["state", "additional_call_notifications"] {
        let is_something = |value: &&Value| **value != json!({}) && **value != json!([]);
        if let Some(value) = field(name).filter(is_something) {
            let label = if name == "state" { "state" } else { "notifies" };
            lines.extend(labeled(label, &value.to_string()));
        }
    }
    lines
}

fn name(action: &Value) -> &str {
    action.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// A text with a label in front. Its lines are aligned.
fn labeled(label: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    lines
        .map(|(index, line)| {
            let label = if index == 0 { label } else { "" };
            format!("  {label:<9} {}", plain(line))
        })
        .collect()
}

/// A text without control characters. It comes from another server, and a terminal would obey them.
pub(super) fn plain(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(shown).collect()
}

/// How a call ended, in words.
pub(super) fn ending(ending: &Ending) -> String {
    match ending {
        Ending::HungUp => "the caller hung up".to_owned(),
        Ending::EndCall => "the chain ended the call (end_call)".to_owned(),
        Ending::EndTask => "the chain ended, the call continues (end_task)".to_owned(),
        Ending::Transferred(number) => format!("the call was transferred to {}", plain(number)),
        Ending::LastLink => "the last link continued to a next one, which does not exist".to_owned(),
        Ending::Nothing => "an answer did not end its link".to_owned(),
        Ending::Broken(reason) => format!("aborted: {}", plain(reason)),
        Ending::Endless => "aborted: the chain loops forever".to_owned(),
    }
}

/// How a call ended, as a fixed name for JSON output.
pub(super) const fn ending_name(ending: &Ending) -> &'static str {
    match ending {
        Ending::HungUp => "hung_up",
        Ending::EndCall => "end_call",
        Ending::EndTask => "end_task",
        Ending::Transferred(_) => "transfer_call",
        Ending::LastLink => "last_link",
        Ending::Nothing => "nothing",
        Ending::Broken(_) => "broken",
        Ending::Endless => "endless",
    }
}
