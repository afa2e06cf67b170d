//! Lists, page by page: how many lines, and the places that the API gives out and takes back.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::{Request, RequestExt as _};

use crate::clock::Timestamp;
use crate::ids::Tenant;
use crate::store::{Listed, RETENTION_SECONDS, Store};
use crate::web::problem::Problem;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;
/// Days looked through for one answer; a list with gaps is had in several pages.
const MAX_DAYS: usize = 31;
const DAY_MILLIS: i64 = 86_400_000;

/// How many lines a request wants.
///
/// # Errors
/// 422 when that is no number, or out of range.
pub fn limit(request: &Request) -> Result<usize, Problem> {
    let query = request.query_string_parameters();
    let Some(text) = query.first("limit") else {
        return Ok(DEFAULT_LIMIT);
    };
    let number = text.parse().ok().filter(|number| (1..=MAX_LIMIT).contains(number));
    number.ok_or_else(|| Problem::invalid_field("limit", format!("must be from 1 to {MAX_LIMIT}")))
}

/// A place that a list has given out, as it comes back in `cursor`.
///
/// # Errors
/// 422 when it is not one of ours.
pub fn cursor<T: FromStr>(request: &Request) -> Result<Option<T>, Problem> {
    let query = request.query_string_parameters();
    let place = query.first("cursor").map(str::parse).transpose();
    place.map_err(|_| not_ours("cursor"))
}

/// What is said of a place that is not one of ours.
fn not_ours(parameter: &str) -> Problem {
    Problem::invalid_field(parameter, "is not one that a list has given out")
}

/// A tenant's things of one kind, newest first: a page, and where it goes on; none at the end.
///
/// # Errors
/// 422 for a wrong `limit` or `cursor`; 503 when the table does not answer.
pub async fn newest_first<L: Listed>(
    store: &Store,
    request: &Request,
    tenant: &Tenant,
    now: Timestamp,
) -> Result<(Vec<L>, Option<String>), Problem> {
    let limit = limit(request)?;
    let query = request.query_string_parameters();
    let mut place = match query.first("cursor") {
        Some(text) => Place::decode::<L::Id>(text)?,
        None => Place {
            day: now.day(),
            after: None,
        },
    };
    let mut lines = Vec::new();
    for _ in 0..MAX_DAYS {
        let room = i32::try_from(limit - lines.len()).unwrap_or(i32::MAX);
        let page = store
            .list_day::<L>(tenant, &place.day, place.after.as_deref(), room)
            .await?;
        lines.extend(page.lines);
        let next = match page.more_after {
            Some(after) => Some(Place {
                after: Some(after),
                ..place
            }),
            None => day_before(&place.day, now).map(|day| Place { day, after: None }),
        };
        let Some(next) = next else {
            return Ok((lines, None));
        };
        place = next;
        if lines.len() >= limit {
            break;
        }
    }
    Ok((lines, Some(place.encode())))
}

/// The day before `day`; none once nothing that old is kept.
fn day_before(day: &str, now: Timestamp) -> Option<String> {
    // A thing is kept after its last change, and lives for a week at most before a re-opening.
    let oldest = now.plus_millis(-(RETENTION_SECONDS * 1000 + 8 * DAY_MILLIS));
    let before = start_of(day)?.plus_millis(-DAY_MILLIS);
    (before >= oldest).then(|| before.day())
}

/// The first moment of a day, `YYYYMMDD`.
fn start_of(day: &str) -> Option<Timestamp> {
    let (year, month, date) = (day.get(0..4)?, day.get(4..6)?, day.get(6..)?);
    Timestamp::parse(&format!("{year}-{month}-{date}T00:00:00Z")).filter(|start| start.day() == day)
}

/// Where a list by days goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// The day, `YYYYMMDD`.
    day: String,
    /// The place in the day's list; none for its beginning.
    after: Option<String>,
}

impl Place {
    fn encode(&self) -> String {
        let Self { day, after } = self;
        URL_SAFE_NO_PAD.encode(format!("{day}~{}", after.as_deref().unwrap_or_default()))
    }

    fn decode<Id: FromStr>(text: &str) -> Result<Self, Problem> {
        let wrong = || not_ours("cursor");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let plain = String::from_utf8(bytes).map_err(|_| wrong())?;
        let (day, after) = plain.split_once('~').ok_or_else(wrong)?;
        // The place names a thing of this kind; anything else would not be a key of the index.
        let is_place = after
            .rsplit_once('#')
            .is_some_and(|(created, id)| Timestamp::parse(created).is_some() && id.parse::<Id>().is_ok());
        if start_of(day).is_none() || !(after.is_empty() || is_place) {
            return Err(wrong());
        }
        Ok(Self {
            day: day.to_owned(),
            after: Some(after.to_owned()).filter(|after| !after.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::DispatchId;

    #[test]
    fn a_cursor_survives_its_text_form() {
        let line = "2026-11-20T01:02:03.004Z#dsp_00000000000000000000000000000001";
        for after in [None, Some(line.to_owned())] {
            let place = Place {
                day: "20261120".into(),
                after,
            };
            assert_eq!(
                Place::decode::<DispatchId>(&place.encode()).expect("one of ours"),
                place
            );
        }
    }

    #[test]
    fn a_cursor_of_somebody_elses_making_is_refused() {
        for text in [
            "",
            "?",
            "MjAyNjExMjA",
            &URL_SAFE_NO_PAD.encode("20261340~"),
            &URL_SAFE_NO_PAD.encode("20261120~x#y"),
        ] {
            assert!(Place::decode::<DispatchId>(text).is_err(), "{text}");
        }
    }
}
