//! `patchbay dlq list`.

use std::collections::BTreeMap;

use console::style;
use patchbay::ids::DispatchKey;
use serde::Serialize;
use serde_json::json;

use super::letter::{Letter, give_back, receive};
use super::{Pair, Source};
use crate::aws::{Clients, Deployment};
use crate::output::{Output, age, counted};

/// How long letters are hidden while they are read; they are given back before that, unless this command dies.
const HIDDEN_SECONDS: i32 = 60;

/// A letter, and how its dispatch stands.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    letter: Letter,
    age_seconds: Option<u64>,
    /// The dispatch's status now; none when there is no such dispatch.
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
        letters.extend(look_at(clients, deployment, *source, usize::from(limit)).await?);
    }
    let shown = with_status(clients, deployment, letters).await?;
    if output.is_json() {
        return Ok(output.json(&json!({ "dead_letters": shown }))?);
    }
    if shown.is_empty() {
        return Ok(output.line("no dead letters")?);
    }
    let rows: Vec<_> = shown.iter().map(row).collect();
    output.table(
        [
            "QUEUE", "WORK", "DISPATCH", "CALL", "IS NOW", "AGE", "RECEIVES", "MESSAGE", "REASON",
        ],
        &rows,
    )?;
    let many = counted(shown.len(), "dead letter", "dead letters");
    Ok(output.line(
        style(format!("{many}; patchbay dlq redrive moves them back"))
            .dim()
            .to_string(),
    )?)
}

/// Reads what a queue gave up, and leaves it there.
async fn look_at(
    clients: &Clients,
    deployment: &Deployment,
    source: Source,
    limit: usize,
) -> anyhow::Result<Vec<Letter>> {
    let pair = Pair::find(&clients.sqs, deployment, source).await?;
    let messages = receive(&clients.sqs, &pair, limit, HIDDEN_SECONDS).await?;
    for message in &messages {
        give_back(&clients.sqs, &pair, message).await?;
    }
    Ok(messages.iter().map(|message| Letter::read(source, message)).collect())
}

async fn with_status(clients: &Clients, deployment: &Deployment, letters: Vec<Letter>) -> anyhow::Result<Vec<Shown>> {
    let store = clients.store(&deployment.table);
    let mut known: BTreeMap<DispatchKey, Option<&'static str>> = BTreeMap::new();
    let mut shown = Vec::with_capacity(letters.len());
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
        shown.push(Shown {
            age_seconds: letter.sent_at.map(|sent_at| now.since(sent_at).as_secs()),
            letter,
            dispatch_status,
        });
    }
    Ok(shown)
}

fn row(shown: &Shown) -> [String; 9] {
    let Shown {
        letter,
        age_seconds,
        dispatch_status,
    } = shown;
    let [dispatch, attempt] = letter.subject();
    [
        letter.queue.name().to_owned(),
        letter.work.to_owned(),
        dispatch,
        attempt,
        dispatch_status.unwrap_or("-").to_owned(),
        age_seconds.map_or_else(|| "-".to_owned(), age),
        letter
            .receives
            .map_or_else(|| "-".to_owned(), |count| count.to_string()),
        letter.message_id.clone(),
        letter.reason.clone().unwrap_or_else(|| "received too often".to_owned()),
    ]
}
