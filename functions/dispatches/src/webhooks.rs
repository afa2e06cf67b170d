//! Webhooks of a dispatch: `GET …/webhooks` and `POST …/webhooks/{webhook}/resend`.

use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt as _};
use patchbay::clock::Timestamp;
use patchbay::dispatch::Dispatch;
use patchbay::dispatch::delivery::{Delivery, DeliveryStatus, event_id};
use patchbay::ids::Tenant;
use patchbay::web::body::json_response;
use patchbay::web::problem::Problem;
use patchbay::webhooks::{self, WebhookEvent};
use serde::Serialize;

use crate::{ApiResult, Deps, cursor, dispatch_of};

/// Status of a webhook that the notifier has not attempted yet.
const PENDING: &str = "Pending";

/// JSON view of one webhook, shared by the API and the `patchbay` command.
#[derive(Debug, Serialize)]
pub struct WebhookView<'a> {
    /// The `webhook-id` that the receiver sees.
    pub id: String,
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

/// Counts of a dispatch's webhooks by status.
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
    /// View of one webhook of `dispatch`.
    pub fn new(dispatch: &Dispatch, event: &'a WebhookEvent) -> Self {
        let WebhookEvent { entry, delivery } = event;
        let delivery = delivery.as_ref();
        Self {
            id: event_id(&dispatch.key, &entry.id),
            event_type: entry.fact.event_type().unwrap_or_default(),
            sequence: entry.sequence,
            happened_at: entry.at,
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

pub(crate) async fn list(deps: &Deps, request: &Request, tenant: Tenant, id: &str) -> ApiResult {
    let query = request.query_string_parameters();
    let after = query
        .first("cursor")
        .map(|text| cursor::parse("cursor", text))
        .transpose()?;
    let dispatch = dispatch_of(deps, tenant, id).await?;
    let page = webhooks::events(&deps.engine.store, &dispatch, after).await?;
    let body = List {
        webhooks: page
            .events
            .iter()
            .map(|event| WebhookView::new(&dispatch, event))
            .collect(),
        next_cursor: page.next_cursor,
    };
    Ok(json_response(StatusCode::OK, &body))
}

pub(crate) async fn resend(deps: &Deps, tenant: Tenant, id: &str, webhook: &str) -> ApiResult {
    let dispatch = dispatch_of(deps, tenant, id).await?;
    let resent = webhooks::resend(&deps.engine, &dispatch, webhook).await?;
    let event = resent.ok_or_else(Problem::not_found)?;
    tracing::info!(dispatch = %dispatch.key.id, webhook, "webhook resent by the requester");
    let body = WebhookView {
        status: PENDING,
        next_at: None,
        ..WebhookView::new(&dispatch, &event)
    };
    Ok(json_response(StatusCode::ACCEPTED, &body))
}
