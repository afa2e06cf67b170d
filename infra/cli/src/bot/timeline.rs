//! Formats the timeline of a conversation for a terminal: of one that runs here, and of a deployed one.

use console::style;
use patchbay::conversation::{ChangeReason, DropReason, Entry, Fact, HandOverReason, Holder, HolderChange, StepAction};
use serde_json::Value;

use crate::output::counted;

/// Width of the name in front of a message.
const NAME_WIDTH: usize = 9;

/// The lines of an entry; none for an entry that the lines before already tell.
pub(super) fn lines(entry: &Entry) -> Vec<String> {
    match &entry.fact {
        Fact::CustomerWrote { text, unread, .. } => {
            let mut lines = message("customer", text);
            if *unread > 0 {
                lines.push(note(&format!(
                    "{unread} characters of it are not read: too much waits for an answer"
                )));
            }
            lines
        }
        Fact::PersonWrote { by, text, .. } => message(by.as_deref().unwrap_or("a person"), text),
        Fact::Done { text: Some(text), .. } => message("bot", text),
        Fact::Done { step, .. } => vec![note(&format!("{}: done", step_in_words(step)))],
        Fact::Answered { by, messages, error } => answered(by, *messages, error.as_deref()),
        Fact::TurnDropped { reason } => vec![note(&format!("an answer was dropped: {}", drop_reason(*reason)))],
        Fact::NotDone { step, reason } => vec![problem(&format!("{}: not done: {reason}", step_in_words(step)))],
        Fact::Unclear { step, reason, .. } => {
            let what = step_in_words(step);
            vec![problem(&format!("{what}: perhaps done, and not repeated: {reason}"))]
        }
        Fact::Dropped { step, reason } => {
            vec![note(&format!(
                "{}: dropped: {}",
                step_in_words(step),
                drop_reason(*reason)
            ))]
        }
        Fact::HolderChanged(change) => vec![style(format!("▶ {}", changed(change))).yellow().to_string()],
        Fact::WaitedTooLong => vec![style("▶ nobody took over in time").yellow().to_string()],
    }
}

/// What a step does, with its details.
pub(super) fn step(action: &StepAction) -> String {
    note(&match action {
        StepAction::Post { .. } | StepAction::Deliver | StepAction::Finish => step_in_words(action.name()).to_owned(),
        StepAction::Remember {
            phone,
            description,
            memory,
        } => format!("context of {}: {}; {}", plain(phone), plain(description), plain(memory)),
        StepAction::QueueCall { queue, destination } => {
            format!("phones {} and queues the call in {}", plain(destination), plain(queue))
        }
        StepAction::Dispatch { request, .. } => format!("phones employees: {}", plain(&request.to_string())),
        StepAction::Resolve { dispatch } => format!("phones nobody any more for {dispatch}"),
    })
}

/// A message with the name of its author in front. Its lines are aligned.
pub(crate) fn message(name: &str, text: &str) -> Vec<String> {
    if text.is_empty() {
        return message(name, "(no text)");
    }
    let lines = text.lines().enumerate();
    lines
        .map(|(index, line)| {
            let name = if index == 0 { plain(name) } else { String::new() };
            let name = style(format!("{name:<NAME_WIDTH$}")).bold();
            format!("{name} {}", plain(line))
        })
        .collect()
}

fn answered(by: &str, messages: usize, error: Option<&str>) -> Vec<String> {
    let count = counted(messages, "message", "messages");
    let mut lines = vec![note(&format!("{count} answered by {}", plain(by)))];
    lines.extend(error.map(|error| problem(&format!("the bot failed: {}", plain(error)))));
    lines
}

/// Something that happened, in the background.
pub(crate) fn note(text: &str) -> String {
    style(format!("· {text}")).dim().to_string()
}

/// Something that went wrong.
pub(crate) fn problem(text: &str) -> String {
    style(format!("✗ {text}")).red().to_string()
}

fn step_in_words(name: &str) -> &str {
    match name {
        "post" => "a message",
        "deliver" => "handed to people's inbox",
        "finish" => "finished on the platform",
        "remember" => "the caller context",
        "queue_call" => "a call for a queue",
        "dispatch" => "calls to employees",
        "resolve" => "no more calls to employees",
        other => other,
    }
}

fn changed(change: &HolderChange) -> String {
    let who = match change.to {
        Holder::Bot => "the bot answers again",
        Holder::HandingOff => "the bot hands over",
        Holder::Waiting => "the customer waits for a person",
        Holder::Human => "a person has taken over",
    };
    let by = change
        .by
        .as_deref()
        .map(|by| format!(" ({})", plain(by)))
        .unwrap_or_default();
    format!("{who}{by}: {}", change_reason(change.reason))
}

const fn change_reason(reason: ChangeReason) -> &'static str {
    match reason {
        ChangeReason::HandOver(reason) => hand_over_reason(reason),
        ChangeReason::Delivered => "the platform has put the conversation into their inbox",
        ChangeReason::DeliveryRefused => "the platform has not put the conversation into their inbox",
        ChangeReason::Wrote => "a person wrote",
        ChangeReason::Assigned => "a person is assigned on the platform",
        ChangeReason::Cancelled => "the customer no longer wants to wait",
        ChangeReason::GivenBack => "a person returned it",
        ChangeReason::Silence => "the person gave no sign for a while",
        ChangeReason::WaitedTooLong => "nobody took over in time",
        ChangeReason::Resolved => "resolved on the platform",
        ChangeReason::Requested => "requested through the API",
    }
}

const fn hand_over_reason(reason: HandOverReason) -> &'static str {
    match reason {
        HandOverReason::Word => "the customer asked for a person",
        HandOverReason::Topic => "a topic for people",
        HandOverReason::Rule => "a rule of the document",
        HandOverReason::Misses => "too often not understood",
        HandOverReason::Error => "the bot failed",
        HandOverReason::RateCap => "too many answers in a short time",
        HandOverReason::Requested => "requested through the API",
    }
}

const fn drop_reason(reason: DropReason) -> &'static str {
    match reason {
        DropReason::Overtaken => "the customer wrote again",
        DropReason::TakenOver => "a person took over",
        DropReason::NotHeld => "the conversation is no longer with the bot",
    }
}

/// A text without control characters. It comes from a customer or a platform, and a terminal would obey them.
pub(crate) fn plain(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(shown).collect()
}

/// An entry that the API returned; none if a later version of patchbay wrote it.
pub(super) fn read(entry: &Value) -> Option<Entry> {
    serde_json::from_value(entry.clone()).ok()
}

#[cfg(test)]
mod tests {
    use patchbay::clock::Timestamp;

    use super::*;

    fn shown(fact: Fact) -> Vec<String> {
        console::set_colors_enabled(false);
        lines(&Entry {
            id: "1".to_owned(),
            at: Timestamp::from_millis(0),
            fact,
        })
    }

    #[test]
    fn lines_of_a_message_are_aligned_and_cannot_control_the_terminal() {
        let fact = Fact::PersonWrote {
            message: "7".parse().expect("an id"),
            by: Some("Jo".to_owned()),
            text: "first\nsecond\u{1b}[2J".to_owned(),
        };
        assert_eq!(shown(fact), ["Jo        first", "          second [2J"]);
    }

    #[test]
    fn a_change_of_the_holder_names_who_and_why() {
        let change = |to, reason, by: Option<&str>| {
            Fact::HolderChanged(HolderChange {
                from: Holder::Waiting,
                to,
                reason,
                by: by.map(str::to_owned),
            })
        };
        assert_eq!(
            shown(change(Holder::Human, ChangeReason::Wrote, Some("Jo"))),
            ["▶ a person has taken over (Jo): a person wrote"]
        );
        assert_eq!(
            shown(change(
                Holder::HandingOff,
                ChangeReason::HandOver(HandOverReason::Word),
                None
            )),
            ["▶ the bot hands over: the customer asked for a person"]
        );
    }

    #[test]
    fn a_failed_turn_is_shown_with_its_error() {
        let fact = Fact::Answered {
            by: "fallback".to_owned(),
            messages: 2,
            error: Some("no number".to_owned()),
        };
        assert_eq!(
            shown(fact),
            ["· 2 messages answered by fallback", "✗ the bot failed: no number"]
        );
    }
}
