//! A dead letter, described without private data.

use std::collections::BTreeSet;

use anyhow::Context as _;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName};
use patchbay::clock::Timestamp;
use patchbay::conversation::{self, ConversationKey};
use patchbay::dispatch::work::{Message, Work};
use patchbay::ids::{AttemptId, DispatchKey, InteractionKey};
use patchbay::interaction;
use patchbay::queue::{QueueError, REASON};
use patchbay::webhook::{Notice, SubjectKey};
use serde::Serialize;

use super::{QueuePair, Source};

/// Maximum number of messages that SQS returns per request.
const BATCH: i32 = 10;
/// Long-polling time. With 0, SQS queries only a subset of its servers.
const WAIT_SECONDS: i32 = 1;

/// A dead letter and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct DeadLetter {
    pub(super) queue: Source,
    pub(super) message_id: String,
    /// `dial`, `watch`, …, `notify`, `turn`, …; `unreadable` if it is not one of our messages.
    pub(super) work: &'static str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    subject: Option<Subject>,
    /// When it was first sent to a queue.
    pub(super) sent_at: Option<Timestamp>,
    /// How often it was received, including by `patchbay dlq list`.
    pub(super) receives: Option<u32>,
    /// Why the function moved it to the dead letters; none if SQS did, after too many receives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Subject {
    Dispatch {
        tenant: String,
        dispatch: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        attempt: Option<AttemptId>,
        /// Id of the timeline entry that the message is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        entry: Option<String>,
    },
    Conversation {
        tenant: String,
        conversation: String,
    },
    Interaction {
        tenant: String,
        interaction: String,
        /// Id of the timeline entry that the message is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        entry: Option<String>,
    },
}

impl DeadLetter {
    pub(super) fn parse(source: Source, message: &SqsMessage) -> Self {
        let body = message.body().unwrap_or_default();
        let (work, subject) = match source {
            Source::Dialing => serde_json::from_str::<Message>(body).map_or(UNREADABLE, |message| dialing(&message)),
            Source::Notifications => serde_json::from_str::<Notice>(body).map_or(UNREADABLE, |notice| {
                let entry = Some(notice.entry);
                let subject = match &notice.subject {
                    SubjectKey::Dispatch(key) => Subject::dispatch(key, None, entry),
                    SubjectKey::Interaction(key) => Subject::interaction(key, entry),
                };
                ("notify", Some(subject))
            }),
            Source::Conversations => {
                serde_json::from_str::<conversation::Message>(body).map_or(UNREADABLE, |message| chat(&message))
            }
            Source::Interactions => {
                serde_json::from_str::<interaction::Message>(body).map_or(UNREADABLE, |message| contact(&message))
            }
        };
        let system = |name| message.attributes().and_then(|attributes| attributes.get(&name));
        let sent_at = system(MessageSystemAttributeName::SentTimestamp).and_then(|millis| millis.parse().ok());
        let receives = system(MessageSystemAttributeName::ApproximateReceiveCount);
        let reason = message
            .message_attributes()
            .and_then(|attributes| attributes.get(REASON));
        Self {
            queue: source,
            message_id: message.message_id().unwrap_or_default().to_owned(),
            work,
            subject,
            sent_at: sent_at.map(Timestamp::from_millis),
            receives: receives.and_then(|count| count.parse().ok()),
            reason: reason.and_then(|reason| reason.string_value().map(str::to_owned)),
        }
    }

    /// Table cells: the id of the dispatch, conversation or interaction, and the ordinal of the call, or `-`.
    pub(super) fn subject_columns(&self) -> [String; 2] {
        let none = || "-".to_owned();
        match &self.subject {
            None => [none(), none()],
            Some(Subject::Dispatch { dispatch, attempt, .. }) => {
                let ordinal = attempt.map(|attempt| attempt.ordinal.to_string());
                [dispatch.clone(), ordinal.unwrap_or_else(none)]
            }
            Some(Subject::Conversation { conversation, .. }) => [conversation.clone(), none()],
            Some(Subject::Interaction { interaction, .. }) => [interaction.clone(), none()],
        }
    }

    pub(super) fn dispatch(&self) -> Option<DispatchKey> {
        let Some(Subject::Dispatch { tenant, dispatch, .. }) = &self.subject else {
            return None;
        };
        Some(DispatchKey {
            tenant: tenant.parse().ok()?,
            id: dispatch.parse().ok()?,
        })
    }

    pub(super) fn conversation(&self) -> Option<ConversationKey> {
        let Some(Subject::Conversation { tenant, conversation }) = &self.subject else {
            return None;
        };
        Some(ConversationKey {
            tenant: tenant.parse().ok()?,
            id: conversation.parse().ok()?,
        })
    }

    pub(super) fn interaction(&self) -> Option<InteractionKey> {
        let Some(Subject::Interaction {
            tenant, interaction, ..
        }) = &self.subject
        else {
            return None;
        };
        Some(InteractionKey {
            tenant: tenant.parse().ok()?,
            id: interaction.parse().ok()?,
        })
    }
}

/// Not one of our messages. Its text is not shown: it may contain anything.
const UNREADABLE: (&str, Option<Subject>) = ("unreadable", None);

fn dialing(message: &Message) -> (&'static str, Option<Subject>) {
    let (work, attempt, entry) = match &message.work {
        Work::Dial { attempt, .. } => ("dial", Some(*attempt), None),
        Work::Watch { attempt, .. } => ("watch", Some(*attempt), None),
        Work::Resume { .. } => ("resume", None, None),
        Work::Remind { attempt } => ("remind", Some(*attempt), None),
        Work::HangUp { attempt, .. } => ("hang_up", Some(*attempt), None),
        Work::Apply { .. } => ("apply", None, None),
        Work::Count { entry } => ("count", None, Some(entry.clone())),
        Work::Notify { entry } => ("notify", None, Some(entry.clone())),
    };
    (work, Some(Subject::dispatch(&message.subject, attempt, entry)))
}

fn chat(message: &conversation::Message) -> (&'static str, Option<Subject>) {
    let subject = Subject::Conversation {
        tenant: message.subject.tenant.to_string(),
        conversation: message.subject.id.to_string(),
    };
    (message.work.name(), Some(subject))
}

fn contact(message: &interaction::Message) -> (&'static str, Option<Subject>) {
    let entry = match &message.work {
        interaction::Work::Notify { entry } => Some(entry.clone()),
        // Nobody knows yet which interaction the customer's message belongs to.
        interaction::Work::Incoming { .. } => return (message.work.name(), None),
        _ => None,
    };
    (message.work.name(), Some(Subject::interaction(&message.subject, entry)))
}

impl Subject {
    fn interaction(key: &InteractionKey, entry: Option<String>) -> Self {
        Self::Interaction {
            tenant: key.tenant.to_string(),
            interaction: key.id.to_string(),
            entry,
        }
    }

    fn dispatch(dispatch: &DispatchKey, attempt: Option<AttemptId>, entry: Option<String>) -> Self {
        Self::Dispatch {
            tenant: dispatch.tenant.to_string(),
            dispatch: dispatch.id.to_string(),
            attempt,
            entry,
        }
    }
}

/// Receives up to `limit` dead letters, each once, with a visibility time-out of `hidden` seconds.
pub(super) async fn receive(
    sqs: &Client,
    pair: &QueuePair,
    limit: usize,
    hidden: i32,
) -> anyhow::Result<Vec<SqsMessage>> {
    let mut found: Vec<SqsMessage> = Vec::new();
    let mut seen = BTreeSet::new();
    while found.len() < limit {
        let batch = i32::try_from(limit - found.len()).unwrap_or(BATCH).min(BATCH);
        let output = sqs
            .receive_message()
            .queue_url(&pair.dead_url)
            .max_number_of_messages(batch)
            .visibility_timeout(hidden)
            .wait_time_seconds(WAIT_SECONDS)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names(REASON)
            .send()
            .await
            .map_err(|error| QueueError::request(&error))?;
        let messages = output.messages.unwrap_or_default();
        let before = found.len();
        for message in messages {
            if seen.insert(message.message_id().unwrap_or_default().to_owned()) {
                found.push(message);
            }
        }
        // Nothing new: SQS may deliver a message twice.
        if found.len() == before {
            break;
        }
    }
    Ok(found)
}

/// Makes a message visible again at once.
pub(super) async fn release(sqs: &Client, pair: &QueuePair, message: &SqsMessage) -> anyhow::Result<()> {
    let receipt = message.receipt_handle().context("the message has no receipt handle")?;
    let request = sqs.change_message_visibility().queue_url(&pair.dead_url);
    let request = request.receipt_handle(receipt).visibility_timeout(0);
    request.send().await.map_err(|error| QueueError::request(&error))?;
    Ok(())
}
