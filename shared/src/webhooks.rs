//! Webhooks to the requester of a dispatch or an interaction: the delivery of each notified event, and sending one again.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::dispatch::{self, Dispatch};
use crate::interaction::{self, Interaction};
use crate::queue::{Queue, QueueError};
use crate::store::{Store, StoreError, TimelinePage};
use crate::webhook::{Delivery, Event, Notice, SubjectKey, event_id};

/// Timeline entries read per page.
const PAGE: i32 = 500;

/// What a requester is notified of.
pub trait Source: Sync {
    /// An entry of its timeline.
    type Entry: Send;

    /// Its key.
    fn subject(&self) -> SubjectKey;
    /// Whether it has a webhook.
    fn has_webhook(&self) -> bool;
    /// The event of an entry, if the webhook receives it.
    fn event(&self, entry: &Self::Entry) -> Option<Event>;
    /// A page of its timeline, starting after the entry named `after`. One request.
    fn timeline(
        &self,
        store: &Store,
        after: Option<&str>,
    ) -> impl Future<Output = Result<TimelinePage<Self::Entry>, StoreError>> + Send;
}

impl Source for Dispatch {
    type Entry = dispatch::Entry;

    fn subject(&self) -> SubjectKey {
        self.key.clone().into()
    }

    fn has_webhook(&self) -> bool {
        self.spec.webhook.is_some()
    }

    fn event(&self, entry: &dispatch::Entry) -> Option<Event> {
        self.event(entry)
    }

    async fn timeline(&self, store: &Store, after: Option<&str>) -> Result<TimelinePage<Self::Entry>, StoreError> {
        store.timeline(&self.key, after, PAGE).await
    }
}

impl Source for Interaction {
    type Entry = interaction::Entry;

    fn subject(&self) -> SubjectKey {
        self.key.clone().into()
    }

    fn has_webhook(&self) -> bool {
        self.webhook.is_some()
    }

    fn event(&self, entry: &interaction::Entry) -> Option<Event> {
        self.event(entry)
    }

    async fn timeline(&self, store: &Store, after: Option<&str>) -> Result<TimelinePage<Self::Entry>, StoreError> {
        store.timeline_of::<Self>(&self.key, after, PAGE).await
    }
}

/// An event that the requester is notified of, and its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEvent {
    /// Its id: the `webhook-id` that the receiver sees.
    pub id: String,
    /// The event.
    pub event: Event,
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

/// Why a webhook could not be sent again. It may have been sent.
#[derive(Debug, thiserror::Error)]
pub enum ResendError {
    /// DynamoDB failed, or an item is malformed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The notice could not be sent.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// A page of events that the requester of `source` is notified of, starting after the entry named `after`. Two requests.
///
/// # Errors
/// When DynamoDB fails, or an item is malformed.
pub async fn events<S: Source>(store: &Store, source: &S, after: Option<&str>) -> Result<WebhookEventPage, StoreError> {
    if !source.has_webhook() {
        return Ok(WebhookEventPage {
            events: Vec::new(),
            next_cursor: None,
        });
    }
    let page = source.timeline(store, after).await?;
    let entries = page.entries.iter();
    let mut events: Vec<Event> = entries.filter_map(|entry| source.event(entry)).collect();
    let (subject, names) = (source.subject(), || events.iter().map(|event| event.entry.as_str()));
    let mut deliveries: BTreeMap<String, Delivery> = match (names().min(), names().max()) {
        (Some(first), Some(last)) => store.deliveries(&subject, first..=last).await?.into_iter().collect(),
        _ => BTreeMap::new(),
    };
    // In the order of names, an entry of an earlier attempt may precede an older entry.
    events.sort_by_key(|event| event.sequence);
    let events = events.into_iter().map(|event| WebhookEvent {
        id: event_id(&subject, &event.entry),
        delivery: deliveries.remove(&event.entry),
        event,
    });
    Ok(WebhookEventPage {
        events: events.collect(),
        next_cursor: page.next_cursor,
    })
}

/// Sends the webhook of the event with this id again, at once and under the same id, whatever the state of its delivery.
/// `None` if the requester is not notified of such an event.
///
/// # Errors
/// When DynamoDB or SQS fails.
pub async fn resend<S: Source>(
    store: &Store,
    notifications: &Queue,
    source: &S,
    id: &str,
    now: Timestamp,
) -> Result<Option<WebhookEvent>, ResendError> {
    let mut after = None;
    loop {
        let page = events(store, source, after.as_deref()).await?;
        if let Some(found) = page.events.into_iter().find(|event| event.id == id) {
            let resent = found.delivery.as_ref().map_or(0, |delivery| delivery.resent);
            let notice = Notice {
                resent: resent.saturating_add(1),
                manual: true,
                ..Notice::first(source.subject(), found.event.entry.clone(), now)
            };
            notifications.send(&[notice], now).await?;
            return Ok(Some(found));
        }
        after = page.next_cursor;
        if after.is_none() {
            return Ok(None);
        }
    }
}
