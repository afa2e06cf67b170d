//! The webhooks of a dispatch: `GET …/webhooks` and `POST …/webhooks/{webhook}/resend`.

use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt as _};
use patchbay::clock::Timestamp;
use patchbay::dispatch::Dispatch;
use patchbay::dispatch::delivery::{Delivery, Outcome, event_id};
use patchbay::ids::Tenant;
use patchbay::web::body::json_response;
use patchbay::web::problem::Problem;
use patchbay::webhooks::{self, Told};
use serde::Serialize;

use crate::{Answer, Deps, cursor, dispatch_of};

/// What a webhook is called that the notifier has not tried yet.
const PENDING: &str = "Pending";

/// A webhook as the API shows it, and as everybody else does who shows one.
#[derive(Debug, Serialize)]
pub struct Webhook<'a> {
    /// The `webhook-id` that the receiver sees.
    pub id: String,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// The `data.sequence` that the receiver sees.
    pub sequence: Option<u64>,
    /// When it happened.
    pub happened_at: Timestamp,
    /// `Pending`, `Delivered`, `Retrying`, `GivenUp` or `Overtaken`.
    pub status: &'static str,
    /// How often it has been posted.
    pub posts: u32,
    /// What the receiver said last, or what was wrong instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<&'a str>,
    /// When it came to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct List<'a> {
    webhooks: Vec<Webhook<'a>>,
    /// Give it back to go on; none at the end.
    next_cursor: Option<String>,
}

/// How the webhooks of a dispatch stand, in short.
#[derive(Debug, Serialize)]
pub struct Summary<'a> {
    /// There are more webhooks than these: the list has them all.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more: bool,
    delivered: usize,
    retrying: usize,
    given_up: usize,
    /// The newest news of any of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Last<'a>>,
    /// When the next one is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct Last<'a> {
    status: &'static str,
    at: Timestamp,
    answer: &'a str,
}

impl<'a> Webhook<'a> {
    /// How `told` of a dispatch stands.
    pub fn of(dispatch: &Dispatch, told: &'a Told) -> Self {
        let Told { entry, delivery } = told;
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

impl<'a> Summary<'a> {
    /// Of the deliveries that have been tried, and whether there are `more` of them.
    pub fn of(deliveries: &'a [Delivery], more: bool) -> Self {
        let count = |is: fn(&Outcome) -> bool| deliveries.iter().filter(|one| is(&one.outcome)).count();
        let last = deliveries.iter().filter(|one| one.posts > 0).max_by_key(|one| one.at);
        Self {
            more,
            delivered: count(|outcome| matches!(outcome, Outcome::Delivered)),
            retrying: count(|outcome| matches!(outcome, Outcome::Retrying { .. })),
            given_up: count(|outcome| matches!(outcome, Outcome::GivenUp)),
            last: last.map(|one| Last {
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
        Outcome::Retrying { next_at } => Some(next_at),
        _ => None,
    }
}

pub(crate) async fn list(deps: &Deps, request: &Request, tenant: Tenant, id: &str) -> Answer {
    let query = request.query_string_parameters();
    let after = query
        .first("cursor")
        .map(|text| cursor::entry("cursor", text))
        .transpose()?;
    let dispatch = dispatch_of(deps, tenant, id).await?;
    let page = webhooks::told(&deps.engine.store, &dispatch, after).await?;
    let body = List {
        webhooks: page.told.iter().map(|told| Webhook::of(&dispatch, told)).collect(),
        next_cursor: page.more_after,
    };
    Ok(json_response(StatusCode::OK, &body))
}

pub(crate) async fn resend(deps: &Deps, tenant: Tenant, id: &str, webhook: &str) -> Answer {
    let dispatch = dispatch_of(deps, tenant, id).await?;
    let resent = webhooks::resend(&deps.engine, &dispatch, webhook).await?;
    let told = resent.ok_or_else(Problem::not_found)?;
    tracing::info!(dispatch = %dispatch.key.id, webhook, "sent again by the requester");
    let body = Webhook {
        status: PENDING,
        next_at: None,
        ..Webhook::of(&dispatch, &told)
    };
    Ok(json_response(StatusCode::ACCEPTED, &body))
}
