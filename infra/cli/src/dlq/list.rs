//! `patchbay dlq list`: lists dead letters without removing them.

use std::collections::BTreeMap;

use console::style;
use patchbay::ids::DispatchKey;
use serde::Serialize;
use serde_json::json;

use super::letter::{DeadLetter, receive, release};
use super::{QueuePair, Source};
use crate::aws::{Clients, Deployment};
use crate::output::{Output, counted, format_age};

/// Visibility time-out while dead letters are read. They are released earlier, unless this command dies.
const HIDDEN_SECONDS: i32 = 60;

/// A dead letter and the status of its dispatch.
#[derive(Debug, Serialize)]
struct ListedLetter {
    #[serde(flatten)]
    letter: DeadLetter,
    age_seconds: Option<u64>,
    /// Current status of the dispatch; none if it does not exist.
    dispatch_status: Option<&'static str>,
}

pub(super) async fn list(
    clients: &Clients,
    deployment: &Deployment,
    sources: &[Source],
    limit: u16,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    let mut letters = Vec::new();
    for source in sources {
        letters.extend(peek(clients, deployment, *source, usize::from(limit)).await?);
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
            "QUEUE", "WORK", "DISPATCH", "CALL", "STATUS", "AGE", "RECEIVES", "MESSAGE", "REASON",
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
async fn peek(
    clients: &Clients,
    deployment: &Deployment,
    source: Source,
    limit: usize,
) -> anyhow::Result<Vec<DeadLetter>> {
    let pair = QueuePair::find(&clients.sqs, deployment, source).await?;
    let messages = receive(&clients.sqs, &pair, limit, HIDDEN_SECONDS).await?;
    for message in &messages {
        release(&clients.sqs, &pair, message).await?;
    }
    Ok(messages
        .iter()
        .map(|message| DeadLetter::parse(source, message))
        .collect())
}

async fn with_status(
    clients: &Clients,
    deployment: &Deployment,
    letters: Vec<DeadLetter>,
) -> anyhow::Result<Vec<ListedLetter>> {
    let store = clients.store(&deployment.table);
    let mut known: BTreeMap<DispatchKey, Option<&'static str>> = BTreeMap::new();
    let mut listed = Vec::with_capacity(letters.len());
    for letter in letters {
        let dispatch = letter.dispatch();
        if let Some(key) = &dispatch
            && !known.contains_key(key)
        {
            let status = store.load(key).await?.map(|dispatch| dispatch.state.name());
            known.insert(key.clone(), status);
        }
        let dispatch_status = dispatch.and_then(|key| known.get(&key).copied().flatten());
        let now = clients.clock.now();
        listed.push(ListedLetter {
            age_seconds: letter.sent_at.map(|sent_at| now.since(sent_at).as_secs()),
            letter,
            dispatch_status,
        });
    }
    Ok(listed)
}

fn row(listed: &ListedLetter) -> [String; 9] {
    let ListedLetter {
        letter,
        age_seconds,
        dispatch_status,
    } = listed;
    let [dispatch, attempt] = letter.subject_columns();
    [
        letter.queue.name().to_owned(),
        letter.work.to_owned(),
        dispatch,
        attempt,
        dispatch_status.unwrap_or("-").to_owned(),
        age_seconds.map_or_else(|| "-".to_owned(), format_age),
        letter
            .receives
            .map_or_else(|| "-".to_owned(), |count| count.to_string()),
        letter.message_id.clone(),
        letter.reason.clone().unwrap_or_else(|| "too many receives".to_owned()),
    ]
}
