//! Webhooks of a dispatch or an interaction: `GET …/webhooks` and `POST …/webhooks/{webhook}/resend`.

use http::StatusCode;
use lambda_http::{Body, Request, RequestExt as _, Response};
use serde::Serialize;

use super::paging::timeline_cursor;
use crate::clock::Timestamp;
use crate::queue::Queue;
use crate::store::Store;
use crate::web::body::json_response;
use crate::web::problem::Problem;
use crate::webhook::{Delivery, DeliveryStatus, Webhook};
use crate::webhooks::{self, Source, WebhookEvent};

/// Status of a webhook that the notifier has not attempted yet.
const PENDING: &str = "Pending";

/// JSON view of one webhook, shared by the API and the `patchbay` command.
#[derive(Debug, Serialize)]
pub struct WebhookView<'a> {
    /// The `webhook-id` that the receiver sees.
    pub id: &'a str,
    /// Type of the event, such as `dispatch.accepted`.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// The `data.sequence` that the receiver sees.
    pub sequence: Option<u64>,
    /// When the event happened.
    pub happened_at: Timestamp,
    /// `Pending`, `Delivered`, `Retrying`, `Failed` or `Superseded`.
    pub status: &'static str,
    /// Number of POST requests so far.
    pub posts: u32,
    /// The receiver's last response, or why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<&'a str>,
    /// When the status last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// When the next attempt is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct List<'a> {
    webhooks: Vec<WebhookView<'a>>,
    /// Pass it as `cursor` to read the next page; none on the last page.
    next_cursor: Option<String>,
}

/// Where the events go, and how many went there.
#[derive(Debug, Serialize)]
pub struct WebhookSummary<'a> {
    #[serde(flatten)]
    webhook: &'a Webhook,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<DeliverySummary<'a>>,
}

impl<'a> WebhookSummary<'a> {
    /// Summary of a webhook, with the deliveries that were attempted if they were loaded, and whether there are more.
    pub fn new(webhook: &'a Webhook, deliveries: Option<&'a (Vec<Delivery>, bool)>) -> Self {
        Self {
            webhook,
            deliveries: deliveries.map(|(deliveries, more)| DeliverySummary::new(deliveries, *more)),
        }
    }
}

/// Counts of webhooks by status.
#[derive(Debug, Serialize)]
pub struct DeliverySummary<'a> {
    /// Whether there are more webhooks than are counted here; the list returns all of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    has_more: bool,
    delivered: usize,
    retrying: usize,
    failed: usize,
    /// The most recent response to any of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<LastResponse<'a>>,
    /// When the earliest retry is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct LastResponse<'a> {
    status: &'static str,
    at: Timestamp,
    answer: &'a str,
}

impl<'a> WebhookView<'a> {
    /// View of one webhook.
    pub fn new(webhook: &'a WebhookEvent) -> Self {
        let WebhookEvent { id, event, delivery } = webhook;
        let delivery = delivery.as_ref();
        Self {
            id,
            event_type: event.event_type,
            sequence: event.sequence,
            happened_at: event.at,
            status: delivery.map_or(PENDING, |delivery| delivery.outcome.name()),
            posts: delivery.map_or(0, |delivery| delivery.posts),
            answer: delivery
                .map(|delivery| delivery.answer.as_str())
                .filter(|answer| !answer.is_empty()),
            updated_at: delivery.map(|delivery| delivery.at),
            next_at: delivery.and_then(next_at),
        }
    }
}

impl<'a> DeliverySummary<'a> {
    /// Summary of the deliveries that were attempted; `more` says whether there are further ones.
    pub fn new(deliveries: &'a [Delivery], more: bool) -> Self {
        let count = |is: fn(&DeliveryStatus) -> bool| deliveries.iter().filter(|one| is(&one.outcome)).count();
        let last = deliveries.iter().filter(|one| one.posts > 0).max_by_key(|one| one.at);
        Self {
            has_more: more,
            delivered: count(|outcome| matches!(outcome, DeliveryStatus::Delivered)),
            retrying: count(|outcome| matches!(outcome, DeliveryStatus::Retrying { .. })),
            failed: count(|outcome| matches!(outcome, DeliveryStatus::Failed)),
            last: last.map(|one| LastResponse {
                status: one.outcome.name(),
                at: one.at,
                answer: &one.answer,
            }),
            next_at: deliveries.iter().filter_map(next_at).min(),
        }
    }
}

const fn next_at(delivery: &Delivery) -> Option<Timestamp> {
    match delivery.outcome {
        DeliveryStatus::Retrying { next_at } => Some(next_at),
        _ => None,
    }
}

/// The answer to `GET …/webhooks`.
///
/// # Errors
/// 400 for a wrong cursor; 503 when DynamoDB is unavailable.
pub async fn list<S: Source>(store: &Store, source: &S, request: &Request) -> Result<Response<Body>, Problem> {
    let query = request.query_string_parameters();
    let after = query.first("cursor");
    let after = after.map(|text| timeline_cursor("cursor", text)).transpose()?;
    let page = webhooks::events(store, source, after).await?;
    let body = List {
        webhooks: page.events.iter().map(WebhookView::new).collect(),
        next_cursor: page.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &body))
}

/// The answer to `POST …/webhooks/{webhook}/resend`: sends the webhook with this id again.
///
/// # Errors
/// 404 if there is no such webhook; 503 when DynamoDB or SQS is unavailable.
pub async fn resend<S: Source>(
    (store, notifications): (&Store, &Queue),
    source: &S,
    id: &str,
    now: Timestamp,
) -> Result<Response<Body>, Problem> {
    let resent = webhooks::resend(store, notifications, source, id, now).await?;
    let webhook = resent.ok_or_else(Problem::not_found)?;
    let subject = source.subject();
    tracing::info!(tenant = %subject.tenant(), subject = %subject.id(), webhook = id, "webhook resent by the requester");
    let body = WebhookView {
        status: PENDING,
        next_at: None,
        ..WebhookView::new(&webhook)
    };
    Ok(json_response(StatusCode::ACCEPTED, &body))
}
