//! What became of the webhooks to a requester: a delivery for each event that is told, and how to have one sent again.

use std::collections::BTreeMap;

use crate::dispatch::delivery::{Delivery, event_id};
use crate::dispatch::work::Notice;
use crate::dispatch::{Dispatch, Entry};
use crate::engine::{Engine, EngineError};
use crate::store::{Store, StoreError};

/// Entries of a timeline that are looked through at once.
const PAGE: i32 = 500;

/// An event that the requester is told of, and how that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What happened.
    pub entry: Entry,
    /// None while the notifier has not tried yet.
    pub delivery: Option<Delivery>,
}

/// Some of the events that a requester is told of, in the order of the timeline's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldPage {
    /// The events.
    pub told: Vec<Told>,
    /// Name of the last entry that was looked at when there are more after it.
    pub more_after: Option<String>,
}

/// Events that the requester of `dispatch` is told of, from after the entry called `after` on. Two requests.
pub async fn told(store: &Store, dispatch: &Dispatch, after: Option<&str>) -> Result<ToldPage, StoreError> {
    let mut page = store.timeline(&dispatch.key, after, PAGE).await?;
    let Some(webhook) = &dispatch.brief.webhook else {
        page.entries.clear();
        return Ok(ToldPage {
            told: Vec::new(),
            more_after: None,
        });
    };
    page.entries.retain(|entry| entry.is_told(webhook.strategy));
    let names = || page.entries.iter().map(|entry| entry.id.as_str());
    let mut deliveries: BTreeMap<String, Delivery> = match (names().min(), names().max()) {
        (Some(first), Some(last)) => store
            .deliveries(&dispatch.key, first..=last)
            .await?
            .into_iter()
            .collect(),
        _ => BTreeMap::new(),
    };
    // By name, an entry of an earlier attempt may stand before what happened before it.
    page.entries.sort_by_key(|entry| entry.sequence);
    let told = page.entries.into_iter().map(|entry| Told {
        delivery: deliveries.remove(&entry.id),
        entry,
    });
    Ok(ToldPage {
        told: told.collect(),
        more_after: page.more_after,
    })
}

/// Has the event called `id` ([`event_id`]) sent again, at once and under the same name, whatever became of it before;
/// none when the requester is told of no such event.
pub async fn resend(engine: &Engine, dispatch: &Dispatch, id: &str) -> Result<Option<Told>, EngineError> {
    let mut after = None;
    loop {
        let page = told(&engine.store, dispatch, after.as_deref()).await?;
        let found = page.told.into_iter();
        let found = found
            .into_iter()
            .find(|one| event_id(&dispatch.key, &one.entry.id) == id);
        if let Some(found) = found {
            let now = engine.clock.now();
            let resent = found.delivery.as_ref().map_or(0, |delivery| delivery.resent);
            let notice = Notice {
                resent: resent.saturating_add(1),
                asked: true,
                ..Notice::first(dispatch.key.clone(), found.entry.id.clone(), now)
            };
            engine.notifications.send(&[notice], now).await?;
            return Ok(Some(found));
        }
        after = page.more_after;
        if after.is_none() {
            return Ok(None);
        }
    }
}
