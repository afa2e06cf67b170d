//! The timeline of an interaction as a story for a terminal.

use console::style;
use patchbay::clock::Timestamp;
use patchbay::interaction::{AttemptOutcome, Channel, Entry, Fact, State};
use serde_json::Value;

use crate::api::text;
use crate::bot::timeline::{message, note, problem};

/// The lines of an entry of the API.
pub(super) fn lines(entry: &Value) -> Vec<String> {
    match serde_json::from_value::<Entry>(entry.clone()) {
        Ok(entry) => tell(&entry.fact),
        // Written by a newer version of patchbay.
        Err(_) => vec![note(text(entry, "fact"))],
    }
}

fn tell(fact: &Fact) -> Vec<String> {
    match fact {
        Fact::Created {
            channels,
            due_at,
            blank_variables,
            unused_fields,
            hours_bypass,
            ..
        } => created(
            channels,
            *due_at,
            blank_variables,
            unused_fields,
            hours_bypass.as_deref(),
        ),
        Fact::Planned { channel, due_at, .. } => vec![note(&format!("next: {channel} at {}", due_at.to_the_second()))],
        Fact::Postponed { due_at, reason, .. } => {
            vec![note(&format!("postponed to {}: {reason}", due_at.to_the_second()))]
        }
        Fact::Sending { channel, back_end, .. } => vec![note(&format!("sending by {channel} over {back_end}"))],
        Fact::NotSent { due_at, reason, .. } => vec![problem(&format!(
            "not sent, to be tried again at {}: {reason}",
            due_at.to_the_second()
        ))],
        Fact::Unclear { reason, .. } => vec![problem(&format!("perhaps sent, and never sent again: {reason}"))],
        Fact::Sent { provider_id, .. } => {
            let id = provider_id.as_ref().map_or_else(String::new, |id| format!(" as {id}"));
            vec![note(&format!("the provider has it{id}"))]
        }
        Fact::SentAfterAll { .. } => vec![note("the provider has it after all")],
        Fact::Progressed { progress, .. } => vec![note(&word(progress))],
        Fact::AttemptEnded { channel, outcome, .. } => vec![ended(channel.name(), outcome)],
        Fact::SettledLate { channel, outcome, .. } => {
            let channel = channel.map_or("an earlier attempt", Channel::name);
            vec![ended(&format!("{channel}, as is known now"), outcome)]
        }
        Fact::Recorded { .. } => vec![note("the call was recorded")],
        Fact::Transcribed { .. } => vec![note("the call has a transcript")],
        Fact::Received {
            channel,
            text,
            is_cut,
            is_opt_out,
            ..
        } => received(*channel, text, *is_cut, *is_opt_out),
        Fact::HungUp { .. } => vec![note("the call is hung up")],
        Fact::HangUpFailed { reason, .. } => vec![problem(&format!("the call could not be hung up: {reason}"))],
        Fact::StateChanged { to, .. } => vec![state(*to)],
        Fact::NoteChanged { note } => message("note", note),
        Fact::AgentChanged { agent } => vec![note(&format!("the agent {agent} has it now"))],
    }
}

fn created(
    channels: &[Channel],
    due_at: Timestamp,
    blank: &[String],
    unused: &[String],
    hours_bypass: Option<&str>,
) -> Vec<String> {
    let names: Vec<&str> = channels.iter().map(|channel| channel.name()).collect();
    let plan = if names.is_empty() {
        "nothing to send".to_owned()
    } else {
        names.join(", then ")
    };
    let mut lines = vec![note(&format!("created: {plan}, from {} on", due_at.to_the_second()))];
    for (what, names) in [("blank variables", blank), ("fields without an effect", unused)] {
        if !names.is_empty() {
            lines.push(note(&format!("{what}: {}", names.join(", "))));
        }
    }
    lines.extend(hours_bypass.map(|reason| note(&format!("at any hour: {reason}"))));
    lines
}

fn received(channel: Channel, text: &str, is_cut: bool, is_opt_out: bool) -> Vec<String> {
    let mut lines = match channel {
        Channel::Call => message("customer", &format!("pressed {text}")),
        _ => message("customer", text),
    };
    if is_cut {
        lines.push(note("the rest of the message is not kept"));
    }
    if is_opt_out {
        lines.push(problem("the customer does not want to be contacted any more"));
    }
    lines
}

fn ended(what: &str, outcome: &AttemptOutcome) -> String {
    let detail = match outcome {
        AttemptOutcome::Failed { detail }
        | AttemptOutcome::NotAccepted { detail }
        | AttemptOutcome::Refused { detail }
        | AttemptOutcome::OutsideHours { detail }
            if !detail.is_empty() =>
        {
            format!(" ({detail})")
        }
        _ => String::new(),
    };
    let line = format!("{what}: {}{detail}", outcome.name().replace('_', " "));
    if outcome.is_success() {
        note(&line)
    } else {
        problem(&line)
    }
}

fn state(to: State) -> String {
    let words = match to {
        State::Scheduled => "▶ waits for its time".to_owned(),
        State::Sending => "▶ is being sent".to_owned(),
        State::Sent => "▶ is sent".to_owned(),
        State::Open => "▶ the customer answered".to_owned(),
        State::Unknown => "▶ it is unclear whether it was sent".to_owned(),
        State::Ended { reason } => format!("▶ has ended: {}", reason.name().replace('_', " ")),
    };
    style(words).yellow().to_string()
}

/// The published word of a value.
fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().replace('_', " ")
}
