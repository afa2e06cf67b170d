//! Webhooks to the requester of a dispatch: the delivery of each notified event, and sending one again.

use std::collections::BTreeMap;

use crate::dispatch::delivery::{Delivery, event_id};
use crate::dispatch::work::Notice;
use crate::dispatch::{Dispatch, Entry};
use crate::engine::{Engine, EngineError};
use crate::store::{Store, StoreError};

/// Timeline entries read per page.
const PAGE: i32 = 500;

/// An event that the requester is notified of, and its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEvent {
    /// The timeline entry of the event.
    pub entry: Entry,
    /// The delivery; `None` until the notifier first tries.
    pub delivery: Option<Delivery>,
}

/// A page of events that a requester is notified of. Pages follow the order of the entries' names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEventPage {
    /// The events of this page, in the order in which they happened.
    pub events: Vec<WebhookEvent>,
    /// Where the next page starts: the name of the last entry that was read. `None` on the last page.
    pub next_cursor: Option<String>,
}

/// A page of events that the requester of `dispatch` is notified of, starting after the entry named `after`. Two
/// requests.
pub async fn events(store: &Store, dispatch: &Dispatch, after: Option<&str>) -> Result<WebhookEventPage, StoreError> {
    let mut page = store.timeline(&dispatch.key, after, PAGE).await?;
    let Some(webhook) = &dispatch.spec.webhook else {
        page.entries.clear();
        return Ok(WebhookEventPage {
            events: Vec::new(),
            next_cursor: None,
        });
    };
    page.entries.retain(|entry| entry.notifies(webhook.strategy));
    let names = || page.entries.iter().map(|entry| entry.id.as_str());
    let mut deliveries: BTreeMap<String, Delivery> = match (names().min(), names().max()) {
        (Some(first), Some(last)) => store
            .deliveries(&dispatch.key, first..=last)
            .await?
            .into_iter()
            .collect(),
        _ => BTreeMap::new(),
    };
    // In the order of names, an entry of an earlier attempt may precede an older entry.
    page.entries.sort_by_key(|entry| entry.sequence);
    let events = page.entries.into_iter().map(|entry| WebhookEvent {
        delivery: deliveries.remove(&entry.id),
        entry,
    });
    Ok(WebhookEventPage {
        events: events.collect(),
        next_cursor: page.next_cursor,
    })
}

/// Sends the webhook of the event with this id ([`event_id`]) again, at once and under the same id, whatever the state
/// of its delivery. `None` if the requester is not notified of such an event.
pub async fn resend(engine: &Engine, dispatch: &Dispatch, id: &str) -> Result<Option<WebhookEvent>, EngineError> {
    let mut after = None;
    loop {
        let page = events(&engine.store, dispatch, after.as_deref()).await?;
        let mut events = page.events.into_iter();
        let found = events.find(|event| event_id(&dispatch.key, &event.entry.id) == id);
        if let Some(found) = found {
            let now = engine.clock.now();
            let resent = found.delivery.as_ref().map_or(0, |delivery| delivery.resent);
            let notice = Notice {
                resent: resent.saturating_add(1),
                manual: true,
                ..Notice::first(dispatch.key.clone(), found.entry.id.clone(), now)
            };
            engine.notifications.send(&[notice], now).await?;
            return Ok(Some(found));
        }
        after = page.next_cursor;
        if after.is_none() {
            return Ok(None);
        }
    }
}
