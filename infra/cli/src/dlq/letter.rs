//! A dead letter: what it is, told without what is private in it.

use std::collections::BTreeSet;

use anyhow::Context as _;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName};
use patchbay::clock::Timestamp;
use patchbay::dispatch::work::{Message, Notice, Work};
use patchbay::ids::{AttemptId, DispatchKey};
use patchbay::queue::{QueueError, REASON};
use serde::Serialize;

use super::{Pair, Source};

/// Most messages that SQS hands out at once.
const BATCH: i32 = 10;
/// How long SQS may look for messages; with less it asks only some of its servers.
const WAIT_SECONDS: i32 = 1;

/// What a dead letter is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Letter {
    pub(super) queue: Source,
    pub(super) message_id: String,
    /// `dial`, `watch`, …, `notify`; `unreadable` for what is no message of ours.
    pub(super) work: &'static str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    about: Option<About>,
    /// When it was first sent to a queue.
    pub(super) sent_at: Option<Timestamp>,
    /// How often it was handed out, lookers at dead letters included.
    pub(super) receives: Option<u32>,
    /// Why the function gave it up; none when SQS did, after too many receives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct About {
    tenant: String,
    dispatch: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<AttemptId>,
    /// The entry of the timeline that the requester was not told of.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<String>,
}

impl Letter {
    pub(super) fn read(source: Source, message: &SqsMessage) -> Self {
        let body = message.body().unwrap_or_default();
        let (work, about) = match source {
            Source::Dialing => serde_json::from_str::<Message>(body).map_or(UNREADABLE, |message| dialing(&message)),
            Source::Notifications => serde_json::from_str::<Notice>(body).map_or(UNREADABLE, |notice| {
                let about = About::new(&notice.dispatch, None, Some(notice.entry));
                ("notify", Some(about))
            }),
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
            about,
            sent_at: sent_at.map(Timestamp::from_millis),
            receives: receives.and_then(|count| count.parse().ok()),
            reason: reason.and_then(|reason| reason.string_value().map(str::to_owned)),
        }
    }

    /// The dispatch, the employee's turn or the entry that it is about.
    pub(super) fn subject(&self) -> [String; 2] {
        let Some(about) = &self.about else {
            return ["-".to_owned(), "-".to_owned()];
        };
        let attempt = about.attempt.map(|attempt| attempt.ordinal.to_string());
        [about.dispatch.clone(), attempt.unwrap_or_else(|| "-".to_owned())]
    }

    pub(super) fn dispatch(&self) -> Option<DispatchKey> {
        let about = self.about.as_ref()?;
        Some(DispatchKey {
            tenant: about.tenant.parse().ok()?,
            id: about.dispatch.parse().ok()?,
        })
    }
}

/// What is no message of ours. Its text is not shown: nobody knows what is in it.
const UNREADABLE: (&str, Option<About>) = ("unreadable", None);

fn dialing(message: &Message) -> (&'static str, Option<About>) {
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
    (work, Some(About::new(&message.subject, attempt, entry)))
}

impl About {
    fn new(dispatch: &DispatchKey, attempt: Option<AttemptId>, entry: Option<String>) -> Self {
        Self {
            tenant: dispatch.tenant.to_string(),
            dispatch: dispatch.id.to_string(),
            attempt,
            entry,
        }
    }
}

/// Receives up to `limit` dead letters, each once, and hides them for `hidden` seconds.
pub(super) async fn receive(sqs: &Client, pair: &Pair, limit: usize, hidden: i32) -> anyhow::Result<Vec<SqsMessage>> {
    let mut found: Vec<SqsMessage> = Vec::new();
    let mut seen = BTreeSet::new();
    while found.len() < limit {
        let room = i32::try_from(limit - found.len()).unwrap_or(BATCH).min(BATCH);
        let output = sqs
            .receive_message()
            .queue_url(&pair.dead_url)
            .max_number_of_messages(room)
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
        // Nothing, or nothing new: SQS may deliver twice.
        if found.len() == before {
            break;
        }
    }
    Ok(found)
}

/// Lets everybody see a message again.
pub(super) async fn give_back(sqs: &Client, pair: &Pair, message: &SqsMessage) -> anyhow::Result<()> {
    let receipt = message.receipt_handle().context("a message without a receipt")?;
    let request = sqs.change_message_visibility().queue_url(&pair.dead_url);
    let request = request.receipt_handle(receipt).visibility_timeout(0);
    request.send().await.map_err(|error| QueueError::request(&error))?;
    Ok(())
}
