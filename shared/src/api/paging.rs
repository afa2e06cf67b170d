//! Paging of lists: page size and cursors.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::{Request, RequestExt as _};

use crate::clock::Timestamp;
use crate::ids::Tenant;
use crate::store::{ListItem, RETENTION_SECONDS, Store};
use crate::web::problem::Problem;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;
/// Maximum number of days searched for one page. A list with longer gaps takes more pages, some of them short or empty.
const MAX_DAYS: usize = 31;
const DAY_MILLIS: i64 = 86_400_000;

/// The page size that a request asks for in `limit`.
///
/// # Errors
/// 422 when it is not a number or out of range.
pub fn limit(request: &Request) -> Result<usize, Problem> {
    let query = request.query_string_parameters();
    let Some(text) = query.first("limit") else {
        return Ok(DEFAULT_LIMIT);
    };
    let number = text.parse().ok().filter(|number| (1..=MAX_LIMIT).contains(number));
    number.ok_or_else(|| Problem::invalid_field("limit", format!("must be from 1 to {MAX_LIMIT}")))
}

/// The cursor in a request, as an earlier page returned it.
///
/// # Errors
/// 422 when it is malformed.
pub fn cursor<T: FromStr>(request: &Request) -> Result<Option<T>, Problem> {
    let query = request.query_string_parameters();
    let cursor = query.first("cursor").map(str::parse).transpose();
    cursor.map_err(|_| invalid_cursor())
}

/// The parameter `name` of a request as a cursor into a timeline: the id of an entry, 1 to 100 letters, digits and hyphens.
///
/// # Errors
/// 422 when it is malformed.
pub fn timeline_cursor<'a>(name: &str, text: &'a str) -> Result<&'a str, Problem> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if text.is_empty() || text.len() > 100 || !text.bytes().all(allowed) {
        return Err(Problem::invalid_field(
            name,
            "must be a cursor from a previous response",
        ));
    }
    Ok(text)
}

fn invalid_cursor() -> Problem {
    Problem::invalid_field("cursor", "is not a cursor that a list has returned")
}

/// A page of a tenant's resources of one kind, newest first, and the cursor of the next page; `None` at the end.
///
/// # Errors
/// 422 for an invalid `limit` or `cursor`; 503 when DynamoDB is unavailable.
pub async fn newest_first<L: ListItem>(
    store: &Store,
    request: &Request,
    tenant: &Tenant,
    now: Timestamp,
) -> Result<(Vec<L>, Option<String>), Problem> {
    let limit = limit(request)?;
    let query = request.query_string_parameters();
    let mut position = match query.first("cursor") {
        Some(text) => Position::decode::<L::Id>(text)?,
        None => Position {
            day: now.day(),
            after: None,
        },
    };
    let mut lines = Vec::new();
    for _ in 0..MAX_DAYS {
        let remaining = i32::try_from(limit - lines.len()).unwrap_or(i32::MAX);
        let page = store
            .list_day::<L>(tenant, &position.day, position.after.as_deref(), remaining)
            .await?;
        lines.extend(page.lines);
        let next = match page.next_cursor {
            Some(after) => Some(Position {
                after: Some(after),
                ..position
            }),
            None => position.day_before(oldest(now)),
        };
        let Some(next) = next else {
            return Ok((lines, None));
        };
        position = next;
        if lines.len() >= limit {
            break;
        }
    }
    Ok((lines, Some(position.encode())))
}

/// The oldest day that a list can have. Retention starts at the last change, and a dispatch lives for a week at most
/// before it may be reopened.
fn oldest(now: Timestamp) -> Timestamp {
    now.plus_millis(-(RETENTION_SECONDS * 1000 + 8 * DAY_MILLIS))
}

/// The start of a day in the form `YYYYMMDD`.
fn start_of(day: &str) -> Option<Timestamp> {
    let (year, month, date) = (day.get(0..4)?, day.get(4..6)?, day.get(6..)?);
    Timestamp::parse(&format!("{year}-{month}-{date}T00:00:00Z")).filter(|start| start.day() == day)
}

/// Where the next page of a list by days starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The day, `YYYYMMDD`.
    pub day: String,
    /// The `day_sk` of the last item read; `None` for the start of the day.
    pub after: Option<String>,
}

impl Position {
    /// The start of the day before; `None` if that day began before `oldest`.
    pub fn day_before(&self, oldest: Timestamp) -> Option<Self> {
        let before = start_of(&self.day)?.plus_millis(-DAY_MILLIS);
        (before >= oldest).then(|| Self {
            day: before.day(),
            after: None,
        })
    }

    /// The position as a cursor.
    pub fn encode(&self) -> String {
        let Self { day, after } = self;
        URL_SAFE_NO_PAD.encode(format!("{day}~{}", after.as_deref().unwrap_or_default()))
    }

    /// The position that a cursor encodes, in a list of resources with ids of this type.
    ///
    /// # Errors
    /// 422 when it is malformed.
    pub fn decode<Id: FromStr>(text: &str) -> Result<Self, Problem> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid_cursor())?;
        let plain = String::from_utf8(bytes).map_err(|_| invalid_cursor())?;
        let (day, after) = plain.split_once('~').ok_or_else(invalid_cursor)?;
        // The position must name a resource of this kind; anything else is not a key of the index.
        let is_key = after
            .rsplit_once('#')
            .is_some_and(|(created, id)| Timestamp::parse(created).is_some() && id.parse::<Id>().is_ok());
        if start_of(day).is_none() || !(after.is_empty() || is_key) {
            return Err(invalid_cursor());
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
    fn a_cursor_round_trips() {
        let line = "2026-11-20T01:02:03.004Z#dsp_00000000000000000000000000000001";
        for after in [None, Some(line.to_owned())] {
            let position = Position {
                day: "20261120".into(),
                after,
            };
            assert_eq!(
                Position::decode::<DispatchId>(&position.encode()).expect("a valid cursor"),
                position
            );
        }
    }

    #[test]
    fn a_malformed_cursor_is_refused() {
        for text in [
            "",
            "?",
            "MjAyNjExMjA",
            &URL_SAFE_NO_PAD.encode("20261340~"),
            &URL_SAFE_NO_PAD.encode("20261120~x#y"),
        ] {
            assert!(Position::decode::<DispatchId>(text).is_err(), "{text}");
        }
    }
}
