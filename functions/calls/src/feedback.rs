//! An interaction as Elemente's API answers.

use patchbay::ids::Nonce;
use patchbay::interaction::{AttemptOutcome, Channel, Interaction, Progress, Sender, ThreadMessage};
use patchbay::providers::elemente::{Feedback, FeedbackMessage, Word};

use crate::recordings::Recordings;

/// The answer about an interaction.
pub fn feedback(interaction: &Interaction, recordings: &Recordings<'_>) -> Feedback {
    let parties = &interaction.parties;
    let (agent, customer) = (&parties.agent, &parties.customer);
    Feedback {
        id: interaction.key.id.to_string(),
        status: word_of(interaction).to_string(),
        agent_phone: agent.phone.clone(),
        agent_email: agent.email.clone(),
        customer_phone: customer.phone.clone(),
        customer_email: customer.email.clone(),
        agent_id: agent.id.clone(),
        customer_id: customer.id.clone(),
        skill_id: parties.skill.clone(),
        customer_name: customer.name.clone(),
        transcription: interaction
            .transcript
            .as_ref()
            .map_or_else(String::new, |transcript| transcript.text.clone()),
        recording_url: recordings.url(interaction).unwrap_or_default(),
        messages: interaction
            .thread
            .iter()
            .map(|message| message_of(interaction, message))
            .collect(),
        duration: seconds(interaction),
    }
}

/// The status of an interaction.
pub fn word_of(interaction: &Interaction) -> Word {
    Word::of(interaction.state, interaction.channel().unwrap_or(Channel::Call))
}

fn message_of(interaction: &Interaction, message: &ThreadMessage) -> FeedbackMessage {
    let sender = match message.by {
        Sender::Agent => "agent",
        Sender::Customer => "customer",
    };
    FeedbackMessage {
        sid: message.id.clone(),
        timestamp: message.at.to_string(),
        sender: sender.to_owned(),
        content: message.text.clone(),
        media_url: String::new(),
        status: message_status(interaction, message).to_owned(),
    }
}

fn message_status(interaction: &Interaction, message: &ThreadMessage) -> &'static str {
    if message.by == Sender::Customer {
        return "received";
    }
    if message.attempt.is_some_and(|attempt| has_failed(interaction, attempt)) {
        return "failed";
    }
    match message.progress {
        None | Some(Progress::Accepted) => "queued",
        Some(Progress::Underway) => "sent",
        Some(Progress::Delivered) => "delivered",
        Some(Progress::Read | Progress::Answered) => "read",
    }
}

fn has_failed(interaction: &Interaction, attempt: Nonce) -> bool {
    let mut past = interaction.past.iter().filter(|past| past.id == attempt);
    past.any(|past| matches!(past.outcome, AttemptOutcome::Failed { .. }))
}

/// How long the session took: the calls, or else from the first message of the thread to the last.
fn seconds(interaction: &Interaction) -> u32 {
    let talked = interaction.talk_seconds();
    if talked > 0 {
        return talked;
    }
    let times = || interaction.thread.iter().map(|message| message.at);
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
        return 0;
    };
    u32::try_from(last.since(first).as_secs()).unwrap_or(u32::MAX)
}
