//! `GET /v1/dispatches`.

use lambda_http::http::StatusCode;
use lambda_http::{Request, RequestExt};
use patchbay::clock::Timestamp;
use patchbay::ids::Tenant;
use patchbay::store::{RETENTION_SECONDS, Summary};
use patchbay::web::body::json_response;
use patchbay::web::problem::Problem;
use serde::Serialize;

use crate::cursor::{Cursor, start_of};
use crate::{Answer, Deps};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;
/// Days looked through for one answer; a list with gaps is had in several pages.
const MAX_DAYS: usize = 31;
const DAY_MILLIS: i64 = 86_400_000;

#[derive(Debug, Serialize)]
struct List {
    dispatches: Vec<Summary>,
    /// Give it back to go on; none at the end.
    next_cursor: Option<String>,
}

pub(crate) async fn list(deps: &Deps, request: &Request, tenant: &Tenant) -> Answer {
    let query = request.query_string_parameters();
    let limit = query.first("limit").map_or(Ok(DEFAULT_LIMIT), limit)?;
    let now = deps.engine.clock.now();
    let mut place = match query.first("cursor") {
        Some(text) => Cursor::decode(text)?,
        None => Cursor {
            day: now.day(),
            after: None,
        },
    };
    let mut dispatches = Vec::new();
    for _ in 0..MAX_DAYS {
        let room = i32::try_from(limit - dispatches.len()).unwrap_or(i32::MAX);
        let page = deps
            .engine
            .store
            .list_day(tenant, &place.day, place.after.as_deref(), room)
            .await?;
        dispatches.extend(page.dispatches);
        let next = match page.more_after {
            Some(after) => Some(Cursor {
                after: Some(after),
                ..place
            }),
            None => day_before(&place.day, now).map(|day| Cursor { day, after: None }),
        };
        let Some(next) = next else {
            return Ok(json_response(
                StatusCode::OK,
                &List {
                    dispatches,
                    next_cursor: None,
                },
            ));
        };
        place = next;
        if dispatches.len() >= limit {
            break;
        }
    }
    let next_cursor = Some(place.encode());
    Ok(json_response(
        StatusCode::OK,
        &List {
            dispatches,
            next_cursor,
        },
    ))
}

fn limit(text: &str) -> Result<usize, Problem> {
    let number = text.parse().ok().filter(|number| (1..=MAX_LIMIT).contains(number));
    number.ok_or_else(|| Problem::invalid_field("limit", format!("must be from 1 to {MAX_LIMIT}")))
}

/// The day before `day`; none once nothing that old is kept.
fn day_before(day: &str, now: Timestamp) -> Option<String> {
    // A dispatch is kept after its last change, and lives for a week at most before a re-opening.
    let oldest = now.plus_millis(-(RETENTION_SECONDS * 1000 + 8 * DAY_MILLIS));
    let before = start_of(day)?.plus_millis(-DAY_MILLIS);
    (before >= oldest).then(|| before.day())
}
