//! JSON view of a conversation, shared by the API and the `patchbay` command.

use patchbay::clock::Timestamp;
use patchbay::conversation::{Contact, Conversation, Entry, HandOverReason, PlatformId, StepState, TranscriptLine};
use patchbay::store::TimelinePage;
use serde::Serialize;

/// Most timeline entries in one response.
pub const TIMELINE_LIMIT: i32 = 500;

/// JSON view of a conversation: who holds it, what is under way, and its timeline.
#[derive(Debug, Serialize)]
pub struct ConversationView<'a> {
    id: &'a PlatformId,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    inbox: Option<&'a PlatformId>,
    contact: &'a Contact,
    /// Who answers the customer: `bot`, `handing_off`, `waiting` or `human`.
    holder: &'static str,
    holder_since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    hand_over: Option<HandOverView>,
    /// Number of messages that no turn has answered yet.
    pending_messages: usize,
    /// When the next turn begins, or began.
    #[serde(skip_serializing_if = "Option::is_none")]
    turn_due_at: Option<Timestamp>,
    /// What remains to be done on the platform, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<StepView>,
    /// The last lines of the conversation.
    transcript: &'a [TranscriptLine],
    /// What happened, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<&'a [Entry]>,
    /// Pass it as `timeline_cursor` to read the next page of the timeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline_next_cursor: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct HandOverView {
    reason: HandOverReason,
    at: Timestamp,
}

#[derive(Debug, Serialize)]
struct StepView {
    step: &'static str,
    /// Since when the request may be under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    begun_at: Option<Timestamp>,
    /// Tries that certainly had no effect.
    tries: u16,
}

impl<'a> ConversationView<'a> {
    /// View of a conversation, without its timeline.
    pub fn new(conversation: &'a Conversation) -> Self {
        let steps = conversation.steps.iter().map(|step| StepView {
            step: step.action.name(),
            begun_at: match step.state {
                StepState::Ready => None,
                StepState::Begun(at) => Some(at),
            },
            tries: step.tries,
        });
        Self {
            id: &conversation.key.id,
            created_at: conversation.created_at,
            updated_at: conversation.updated_at,
            inbox: conversation.inbox.as_ref(),
            contact: &conversation.contact,
            holder: conversation.holder.name(),
            holder_since: conversation.holder_since,
            hand_over: conversation.hand_over.as_ref().map(|hand_over| HandOverView {
                reason: hand_over.reason,
                at: hand_over.at,
            }),
            pending_messages: conversation.pending.len(),
            turn_due_at: conversation.turn.as_ref().map(|turn| turn.due_at),
            steps: steps.collect(),
            transcript: &conversation.transcript,
            timeline: None,
            timeline_next_cursor: None,
        }
    }

    /// The view with a page of the timeline.
    #[must_use]
    pub fn with_timeline(mut self, page: &'a TimelinePage<Entry>) -> Self {
        self.timeline = Some(&page.entries);
        self.timeline_next_cursor = page.next_cursor.as_deref();
        self
    }
}
