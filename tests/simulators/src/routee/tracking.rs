//! Tracking: looks up calls and their statuses (3.2).

use std::borrow::Cow;

use patchbay::clock::Timestamp;
use patchbay::http::Request;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::Routee;
use super::api::Reply;
use super::state::{Leg, price};
use super::switches::{AnsweredBy, FilterShape};
use crate::script_runner::later_by;

/// Default page size.
const PAGE_SIZE: usize = 20;

impl Routee {
    /// `GET /voice/conversation/{trackingId}`: the create request, without a status.
    pub(super) fn conversation(&self, tracking_id: &str) -> Reply {
        let state = self.lock();
        let Some(leg) = state.leg_by_tracking(tracking_id).filter(|leg| self.is_visible(leg)) else {
            return self.not_found();
        };
        let mut body = leg.echo.clone();
        if let Some(map) = body.as_object_mut() {
            map.insert("recordings".to_owned(), json!([]));
        }
        Reply::Json(200, body)
    }

    /// `GET /voice/tracking/conversation/{trackingId}`: the call legs of a conversation, with status.
    pub(super) fn conversation_legs(&self, tracking_id: &str) -> Reply {
        let state = self.lock();
        let Some(leg) = state.leg_by_tracking(tracking_id) else {
            return self.not_found();
        };
        let legs = if self.is_visible(leg) {
            vec![self.leg_json(leg)]
        } else {
            Vec::new()
        };
        Reply::Json(200, page(legs, 0, PAGE_SIZE))
    }

    /// `GET /voice/tracking/{messageId}`: one call leg.
    pub(super) fn tracked_leg(&self, message_id: &str) -> Reply {
        let state = self.lock();
        let leg = state.leg_by_message(message_id).filter(|leg| self.is_visible(leg));
        leg.map_or_else(|| self.not_found(), |leg| Reply::Json(200, self.leg_json(leg)))
    }

    /// `GET /accounts/me/balance`.
    pub(super) fn balance(&self) -> Reply {
        let empty = self.lock().faults.out_of_money.is_some();
        let balance = if empty { 0.0 } else { 100.0 };
        let body = json!({ "currency": { "code": "EUR", "name": "Euro", "sign": "€" }, "balance": balance });
        Reply::Json(200, body)
    }

    /// `POST /voice/tracking`: searches call legs, newest first.
    pub(super) fn search(&self, request: &Request) -> Reply {
        let query = match Query::read(request.uri().query().unwrap_or_default()) {
            Ok(query) => query,
            Err(field) => return self.invalid_because(&field, "is not valid"),
        };
        let filters = match self.read_filters(request) {
            Ok(filters) => filters,
            Err(message) => return self.invalid_because("body", message),
        };
        let state = self.lock();
        let found = state.legs.iter().filter(|leg| self.is_visible(leg) && query.fits(leg));
        let mut legs: Vec<Value> = found
            .map(|leg| self.leg_json(leg))
            .filter(|leg| filters.iter().all(|filter| filter.fits(leg)))
            .collect();
        if !query.ascending {
            legs.reverse();
        }
        Reply::Json(200, page(legs, query.page, query.size))
    }

    fn read_filters(&self, request: &Request) -> Result<Vec<Filter>, &'static str> {
        if request.body().is_empty() {
            return Ok(Vec::new());
        }
        let body: Value = serde_json::from_slice(request.body()).map_err(|_| "is not JSON")?;
        match (body, self.0.switches.filter_shape) {
            (Value::Array(filters), FilterShape::Either | FilterShape::Array) => {
                filters.iter().map(Filter::read).collect()
            }
            (Value::Object(map), FilterShape::Either | FilterShape::Object) if map.is_empty() => Ok(Vec::new()),
            (filter @ Value::Object(_), FilterShape::Either | FilterShape::Object) => Ok(vec![Filter::read(&filter)?]),
            (_, FilterShape::Array) => Err("must be an array"),
            _ => Err("must be an object"),
        }
    }

    fn is_visible(&self, leg: &Leg) -> bool {
        self.now() >= later_by(leg.record.created_at, self.0.switches.tracking_appears_after)
    }

    /// A call leg in tracking. Unlike in a callback, the status is in `status.status` and `status.date`.
    fn leg_json(&self, leg: &Leg) -> Value {
        let now = self.now();
        let switches = &self.0.switches;
        let (since, status) = leg.tracked_status(now, switches.tracking_lag);
        let seconds = leg.seconds(now);
        let mut body = json!({
            "messageId": leg.record.message_id,
            "conversationTrackingId": leg.record.tracking_id,
            "from": leg.from,
            "to": leg.record.to,
            "country": country(&leg.record.to),
            "status": { "status": status.as_str(), "date": self.date(since) },
            "originatingService": "Voice",
            "direction": "Outbound",
            "duration": seconds,
            "price": price(seconds),
            "chargeInterval": 1,
            "recordings": [],
        });
        if let Some(map) = body.as_object_mut() {
            if switches.tones_are_tracked {
                map.insert("collectedTones".to_owned(), leg.tones.tracked(switches).into());
            }
            let who = match (switches.answered_by, leg.machine) {
                (AnsweredBy::Absent, _) => return body,
                (AnsweredBy::Truth, Some(true)) => "MACHINE",
                (AnsweredBy::Truth, Some(false)) => "HUMAN",
                _ => "UNKNOWN",
            };
            map.insert("answeredBy".to_owned(), who.into());
        }
        body
    }
}

/// The query parameters of a search.
struct Query {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    tracking_id: Option<String>,
    page: usize,
    size: usize,
    ascending: bool,
}

impl Query {
    /// Returns the name of an invalid parameter as the error.
    fn read(text: &str) -> Result<Self, String> {
        let mut query = Self {
            from: None,
            to: None,
            tracking_id: None,
            page: 0,
            size: PAGE_SIZE,
            ascending: false,
        };
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            let bad = || key.clone().into_owned();
            let date = |value: Cow<'_, str>| Timestamp::parse(&value).map(Some).ok_or_else(bad);
            match &*key {
                "from" => query.from = date(value)?,
                "to" => query.to = date(value)?,
                "trackingId" => query.tracking_id = Some(value.into_owned()),
                "page" => query.page = value.parse().map_err(|_| bad())?,
                "size" => query.size = value.parse().ok().filter(|size| *size > 0).ok_or_else(bad)?,
                "sort" => query.ascending = value.ends_with(",asc"),
                _ => {}
            }
        }
        Ok(query)
    }

    fn fits(&self, leg: &Leg) -> bool {
        let record = &leg.record;
        self.from.is_none_or(|from| record.created_at >= from)
            && self.to.is_none_or(|to| record.created_at <= to)
            && self
                .tracking_id
                .as_ref()
                .is_none_or(|id| *id == record.tracking_id || *id == record.message_id)
    }
}

/// One condition of a search. All must match.
struct Filter {
    pointer: &'static str,
    operator: Operator,
    term: String,
}

#[derive(Clone, Copy)]
enum Operator {
    Is,
    IsNot,
    Contains,
    StartsWith,
    EndsWith,
}

impl Filter {
    fn read(value: &Value) -> Result<Self, &'static str> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let pointer = match text("fieldName") {
            Some("id") => "/messageId",
            Some("recipient") => "/to",
            Some("from") => "/from",
            Some("collectedTones") => "/collectedTones",
            Some("country") => "/country",
            Some("status.status") => "/status/status",
            // Call legs of a conversation have neither.
            Some("groups") => "/groups",
            Some("campaign") => "/campaign",
            _ => return Err("has an unknown fieldName"),
        };
        let operator = match text("searchOperator") {
            Some("is") => Operator::Is,
            Some("is_not") => Operator::IsNot,
            Some("contains") => Operator::Contains,
            Some("starts_with") => Operator::StartsWith,
            Some("ends_with") => Operator::EndsWith,
            _ => return Err("has an unknown searchOperator"),
        };
        let term = text("searchTerm").ok_or("has no searchTerm")?.to_owned();
        Ok(Self {
            pointer,
            operator,
            term,
        })
    }

    fn fits(&self, leg: &Value) -> bool {
        let value = leg.pointer(self.pointer).and_then(Value::as_str).unwrap_or_default();
        match self.operator {
            Operator::Is => value == self.term,
            Operator::IsNot => value != self.term,
            Operator::Contains => value.contains(&self.term),
            Operator::StartsWith => value.starts_with(&self.term),
            Operator::EndsWith => value.ends_with(&self.term),
        }
    }
}

fn page(legs: Vec<Value>, number: usize, size: usize) -> Value {
    let total = legs.len();
    let pages = total.div_ceil(size);
    let content: Vec<Value> = legs.into_iter().skip(number.saturating_mul(size)).take(size).collect();
    let mut body = Map::new();
    body.insert("numberOfElements".to_owned(), content.len().into());
    body.insert("content".to_owned(), content.into());
    body.insert("first".to_owned(), (number == 0).into());
    body.insert("last".to_owned(), (number + 1 >= pages).into());
    body.insert("number".to_owned(), number.into());
    body.insert("size".to_owned(), size.into());
    body.insert("totalElements".to_owned(), total.into());
    body.insert("totalPages".to_owned(), pages.into());
    body.into()
}

fn country(number: &str) -> Option<&'static str> {
    [("+1", "US"), ("+30", "GR"), ("+44", "GB"), ("+49", "DE")]
        .into_iter()
        .find_map(|(prefix, country)| number.starts_with(prefix).then_some(country))
}
