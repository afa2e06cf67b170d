//! JSON view of an interaction, shared by the API and the `patchbay` command.

use patchbay::api::webhooks::WebhookSummary;
use patchbay::clock::Timestamp;
use patchbay::ids::{InteractionId, Nonce};
use patchbay::interaction::{
    self, Agent, Attempt, AttemptOutcome, Channel, Customer, EndReason, Entry, Interaction, PastAttempt, Phase, Plan,
    Progress, ThreadMessage,
};
use patchbay::store::TimelinePage;
use patchbay::webhook::Delivery;
use serde::Serialize;

/// Most timeline entries in one response.
pub const TIMELINE_LIMIT: i32 = 500;

/// JSON view of an interaction: where it stands, what was tried, what was written, and its timeline.
#[derive(Debug, Serialize)]
pub struct InteractionView<'a> {
    id: InteractionId,
    /// `scheduled`, `sending`, `sent`, `open`, `ended` or `unknown`.
    state: &'static str,
    /// Why it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<EndReason>,
    state_since: Timestamp,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// The channel that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<Channel>,
    agent: &'a Agent,
    skill: &'a str,
    customer: &'a Customer,
    plan: &'a Plan,
    /// When something is due next, if nothing happens before.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_at: Option<Timestamp>,
    /// What was tried, the oldest first. The last one may be in progress.
    attempts: Vec<AttemptView<'a>>,
    /// The last messages.
    thread: &'a [ThreadMessage],
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'a str,
    /// What was said in the last call that has a transcript.
    #[serde(skip_serializing_if = "Option::is_none")]
    transcript: Option<&'a str>,
    /// Where the last recorded call can be listened to, for an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    recording: Option<String>,
    /// Seconds of all calls.
    talk_seconds: u32,
    /// Where its events go, and how many went there.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<WebhookSummary<'a>>,
    /// What happened, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<&'a [Entry]>,
    /// Pass it as `timeline_cursor` to read the next page of the timeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline_next_cursor: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct AttemptView<'a> {
    id: Nonce,
    /// The position of its channel in the plan, counted from 0.
    leg: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<Channel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    back_end: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_id: Option<&'a str>,
    #[serde(flatten)]
    stage: Stage<'a>,
}

/// How far an attempt is, or how it ended.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Stage<'a> {
    InProgress {
        phase: &'a Phase,
        #[serde(skip_serializing_if = "Option::is_none")]
        progress: Option<Progress>,
        /// Tries to send that certainly had no effect.
        tries: u16,
    },
    Ended {
        outcome: &'a AttemptOutcome,
        ended_at: Timestamp,
    },
}

impl<'a> InteractionView<'a> {
    /// View of an interaction, without its timeline.
    pub fn new(interaction: &'a Interaction) -> Self {
        let past = interaction.past.iter().map(|past| ended(interaction, past));
        let current = interaction.attempt.iter();
        let current = current.map(|attempt| in_progress(interaction, attempt));
        let parties = &interaction.parties;
        Self {
            id: interaction.key.id,
            state: interaction.state.name(),
            reason: interaction.state.end_reason(),
            state_since: interaction.state_since,
            created_at: interaction.created_at,
            updated_at: interaction.updated_at,
            channel: interaction.channel(),
            agent: &parties.agent,
            skill: &parties.skill,
            customer: &parties.customer,
            plan: &interaction.plan,
            next_at: interaction::pending_work(interaction).map(|(_, due_at)| due_at),
            attempts: past.chain(current).collect(),
            thread: &interaction.thread,
            note: &interaction.note,
            transcript: interaction
                .transcript
                .as_ref()
                .map(|transcript| transcript.text.as_str()),
            recording: None,
            talk_seconds: interaction.talk_seconds(),
            webhook: webhook(interaction, None),
            timeline: None,
            timeline_next_cursor: None,
        }
    }

    /// The view with the webhook and its deliveries: those that were attempted, and whether there are more.
    #[must_use]
    pub fn with_webhook(mut self, interaction: &'a Interaction, deliveries: &'a (Vec<Delivery>, bool)) -> Self {
        self.webhook = webhook(interaction, Some(deliveries));
        self
    }

    /// The view with the URL of the recording.
    #[must_use]
    pub fn with_recording(self, recording: Option<String>) -> Self {
        Self { recording, ..self }
    }

    /// The view with a page of the timeline.
    #[must_use]
    pub fn with_timeline(mut self, page: &'a TimelinePage<Entry>) -> Self {
        self.timeline = Some(&page.entries);
        self.timeline_next_cursor = page.next_cursor.as_deref();
        self
    }
}

fn webhook<'a>(
    interaction: &'a Interaction,
    deliveries: Option<&'a (Vec<Delivery>, bool)>,
) -> Option<WebhookSummary<'a>> {
    let webhook = interaction.webhook.as_ref()?;
    Some(WebhookSummary::new(webhook, deliveries))
}

fn ended<'a>(interaction: &'a Interaction, past: &'a PastAttempt) -> AttemptView<'a> {
    let stage = Stage::Ended {
        outcome: &past.outcome,
        ended_at: past.at,
    };
    attempt(interaction, past.id, past.leg, past.provider_id.as_deref(), stage)
}

fn in_progress<'a>(interaction: &'a Interaction, current: &'a Attempt) -> AttemptView<'a> {
    let stage = Stage::InProgress {
        phase: &current.phase,
        progress: current.progress,
        tries: current.tries,
    };
    attempt(
        interaction,
        current.id,
        current.leg,
        current.provider_id.as_deref(),
        stage,
    )
}

fn attempt<'a>(
    interaction: &'a Interaction,
    id: Nonce,
    leg: usize,
    provider_id: Option<&'a str>,
    stage: Stage<'a>,
) -> AttemptView<'a> {
    let plan = interaction.leg(leg);
    AttemptView {
        id,
        leg,
        channel: plan.map(|leg| leg.channel),
        back_end: plan.map(|leg| leg.back_end.as_str()),
        provider_id,
        stage,
    }
}
