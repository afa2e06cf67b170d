//! `patchbay dlq list`: lists dead letters without removing them.

use std::collections::BTreeMap;

use console::style;
use patchbay::conversation::{Conversation, ConversationKey};
use patchbay::ids::{DispatchKey, InteractionKey};
use patchbay::interaction::Interaction;
use patchbay::store::Store;
use serde::Serialize;
use serde_json::json;

use super::letter::{DeadLetter, receive, release};
use super::{QueuePair, SourceQueue};
use crate::aws::{Clients, Deployment};
use crate::output::{Output, counted, format_age};

/// Visibility time-out while dead letters are read. They are released earlier, unless this command dies.
const HIDDEN_SECONDS: i32 = 60;

/// A dead letter and the status of what it is about.
#[derive(Debug, Serialize)]
struct ListedLetter {
    #[serde(flatten)]
    letter: DeadLetter,
    age_seconds: Option<u64>,
    #[serde(flatten)]
    status: Status,
}

/// The current status of a dispatch, conversation or interaction; none where it does not exist.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Status {
    #[serde(rename = "dispatch_status")]
    dispatch: Option<&'static str>,
    /// Who answers the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<&'static str>,
    /// The state of an interaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
}

pub(super) async fn list(
    clients: &Clients,
    deployment: &Deployment,
    queues: &[SourceQueue],
    limit: u16,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    let mut letters = Vec::new();
    for queue in queues {
        letters.extend(peek(clients, queue, usize::from(limit)).await?);
    }
    let listed = with_status(clients, deployment, letters).await?;
    if output.is_json() {
        return Ok(output.json(&json!({ "dead_letters": listed }))?);
    }
    if listed.is_empty() {
        return Ok(output.line("no dead letters")?);
    }
    let rows: Vec<_> = listed.iter().map(row).collect();
    output.table(
        [
            "QUEUE", "WORK", "SUBJECT", "CALL", "STATUS", "AGE", "RECEIVES", "MESSAGE", "REASON",
        ],
        &rows,
    )?;
    let count = counted(listed.len(), "dead letter", "dead letters");
    Ok(output.line(
        style(format!("{count}; `patchbay dlq redrive` moves them back"))
            .dim()
            .to_string(),
    )?)
}

/// Reads the dead letters of a queue and releases them.
async fn peek(clients: &Clients, queue: &SourceQueue, limit: usize) -> anyhow::Result<Vec<DeadLetter>> {
    let pair = QueuePair::find(&clients.sqs, queue).await?;
    let messages = receive(&clients.sqs, &pair, limit, HIDDEN_SECONDS).await?;
    for message in &messages {
        release(&clients.sqs, &pair, message).await?;
    }
    Ok(messages
        .iter()
        .map(|message| DeadLetter::parse(queue.source, message))
        .collect())
}

async fn with_status(
    clients: &Clients,
    deployment: &Deployment,
    letters: Vec<DeadLetter>,
) -> anyhow::Result<Vec<ListedLetter>> {
    let mut known = KnownStatuses {
        store: clients.store(&deployment.table),
        dispatches: BTreeMap::new(),
        conversations: BTreeMap::new(),
        interactions: BTreeMap::new(),
    };
    let mut listed = Vec::with_capacity(letters.len());
    for letter in letters {
        let now = clients.clock.now();
        listed.push(ListedLetter {
            age_seconds: letter.sent_at.map(|sent_at| now.since(sent_at).as_secs()),
            status: known.status(&letter).await?,
            letter,
        });
    }
    Ok(listed)
}

/// The statuses that were read so far: many letters may be about one subject.
struct KnownStatuses {
    store: Store,
    dispatches: BTreeMap<DispatchKey, Option<&'static str>>,
    conversations: BTreeMap<ConversationKey, Option<&'static str>>,
    interactions: BTreeMap<InteractionKey, Option<&'static str>>,
}

impl KnownStatuses {
    async fn status(&mut self, letter: &DeadLetter) -> anyhow::Result<Status> {
        let mut status = Status::default();
        if let Some(key) = letter.dispatch() {
            if !self.dispatches.contains_key(&key) {
                let dispatch = self.store.load(&key).await?;
                self.dispatches
                    .insert(key.clone(), dispatch.map(|dispatch| dispatch.state.name()));
            }
            status.dispatch = self.dispatches.get(&key).copied().flatten();
        }
        if let Some(key) = letter.conversation() {
            if !self.conversations.contains_key(&key) {
                let conversation = self.store.load_subject::<Conversation>(&key).await?;
                let holder = conversation.map(|conversation| conversation.holder.name());
                self.conversations.insert(key.clone(), holder);
            }
            status.holder = self.conversations.get(&key).copied().flatten();
        }
        if let Some(key) = letter.interaction() {
            if !self.interactions.contains_key(&key) {
                let interaction = self.store.load_subject::<Interaction>(&key).await?;
                let state = interaction.map(|interaction| interaction.state.name());
                self.interactions.insert(key.clone(), state);
            }
            status.state = self.interactions.get(&key).copied().flatten();
        }
        Ok(status)
    }
}

fn row(listed: &ListedLetter) -> [String; 9] {
    let ListedLetter {
        letter,
        age_seconds,
        status,
    } = listed;
    let [subject, attempt] = letter.subject_columns();
    let status = status.dispatch.or(status.holder).or(status.state);
    [
        letter.queue.name().to_owned(),
        letter.work.to_owned(),
        subject,
        attempt,
        status.unwrap_or("-").to_owned(),
        age_seconds.map_or_else(|| "-".to_owned(), format_age),
        letter
            .receives
            .map_or_else(|| "-".to_owned(), |count| count.to_string()),
        letter.message_id.clone(),
        letter.reason.clone().unwrap_or_else(|| "too many receives".to_owned()),
    ]
}
