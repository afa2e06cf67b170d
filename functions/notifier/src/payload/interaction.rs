//! Bodies of the webhooks about interactions.
//!
//! | `type` | when | besides `interaction`, `skill`, `sequence` and `at`, `data` has |
//! |---|---|---|
//! | `interaction.sending`, `.sent`, `.opened` | its state changed | `state`, `status` |
//! | `interaction.unknown` | it is unclear whether something was sent | `state`, `status` |
//! | `interaction.ended` | it is over | `state`, `status`, `reason` |
//! | `interaction.attempt_ended` | an attempt ended | `attempt`, `channel`, `reason` |
//! | `interaction.attempt_settled` | it became known later how an attempt really ended | `attempt`, `channel`, `reason` |
//! | `interaction.received` | the customer wrote, or pressed a key | `channel`, `text`, perhaps `cut` and `opt_out` |
//! | `interaction.progressed` | a provider reported how far an attempt got | `attempt`, `channel`, `progress` |
//!
//! `status` is the word with which `GET /api/v1/calls/{id}` answers in that state; `state` and `reason` are those of
//! `GET /v1/interactions/{id}`. `data.sequence` grows with every event of an interaction. Webhooks arrive in any order; of
//! two, the one with the higher number is newer.
//!
//! No body says who the customer is, how they are reached, or what was sent to them.

use patchbay::interaction::{Channel, Entry, Fact, Interaction};
use patchbay::providers::elemente::Word;
use serde_json::{Map, Value, json};

/// The body of the webhook about `entry`; none if requesters are not notified of such entries.
///
/// Made from the entry and the immutable parts of the interaction. So a retry hours later has the same body as the first
/// delivery, whatever has happened since. Fields that do not apply are left out.
pub fn payload(interaction: &Interaction, entry: &Entry) -> Option<Value> {
    let event_type = entry.fact.event_type()?;
    let mut data = Map::new();
    let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
    put("interaction", json!(interaction.key.id));
    put("skill", json!(interaction.parties.skill));
    if let Some(sequence) = entry.sequence() {
        put("sequence", json!(sequence));
    }
    put("at", json!(entry.at));
    for (name, value) in fields(interaction, &entry.fact) {
        put(name, value);
    }
    Some(json!({ "type": event_type, "timestamp": entry.at, "data": data }))
}

fn fields(interaction: &Interaction, fact: &Fact) -> Vec<(&'static str, Value)> {
    match fact {
        Fact::StateChanged { to, .. } => {
            let word = Word::of(*to, interaction.channel().unwrap_or(Channel::Call));
            let mut fields = vec![("state", json!(to.name())), ("status", json!(word.as_str()))];
            fields.extend(to.end_reason().map(|reason| ("reason", json!(reason.name()))));
            fields
        }
        Fact::AttemptEnded {
            attempt,
            channel,
            outcome,
        } => vec![
            ("attempt", json!({ "id": attempt })),
            ("channel", json!(channel.name())),
            ("reason", json!(outcome.name())),
        ],
        Fact::SettledLate {
            attempt,
            channel,
            outcome,
        } => {
            let mut fields = vec![("attempt", json!({ "id": attempt })), ("reason", json!(outcome.name()))];
            fields.extend(channel.map(|channel| ("channel", json!(channel.name()))));
            fields
        }
        Fact::Progressed {
            attempt,
            channel,
            progress,
        } => {
            let mut fields = vec![("attempt", json!({ "id": attempt })), ("progress", json!(progress))];
            fields.extend(channel.map(|channel| ("channel", json!(channel.name()))));
            fields
        }
        // Without the id of the message: some providers write the customer's number into it.
        Fact::Received {
            channel,
            text,
            is_cut,
            is_opt_out,
            ..
        } => {
            let mut fields = vec![("channel", json!(channel.name())), ("text", json!(text))];
            fields.extend(is_cut.then(|| ("cut", json!(true))));
            fields.extend(is_opt_out.then(|| ("opt_out", json!(true))));
            fields
        }
        _ => Vec::new(),
    }
}
