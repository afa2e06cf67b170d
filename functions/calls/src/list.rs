//! `GET /api/v1/calls`: a list of interactions, newest first.

use futures_util::future::join_all;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{HeaderValue, LINK};
use lambda_http::{Request, RequestExt as _};
use patchbay::access::Scope;
use patchbay::api::paging::Position;
use patchbay::clock::Timestamp;
use patchbay::ids::{InteractionId, InteractionKey, Tenant};
use patchbay::interaction::{Channel, EndReason, Interaction, State};
use patchbay::providers::elemente::{DateRangeStyle, ListQuery};
use patchbay::store::{InteractionSummary, RETENTION_SECONDS};
use patchbay::web::body::json_response;
use patchbay::web::problem::Problem;
use serde_json::value::{RawValue, to_raw_value};

use crate::feedback::feedback;
use crate::recordings::Recordings;
use crate::{Answer, Deps};

/// Most interactions on a page.
const PAGE: usize = 200;
/// Bytes after which a page is full: Lambda answers with 6 MB at most, and one interaction more may have 0.5 MB.
const PAGE_BYTES: usize = 4_000_000;
/// How many interactions are loaded at once.
const CONCURRENT: usize = 20;
/// Summaries of one request to the index.
const SUMMARIES: i32 = 200;
/// Most requests to the index for one page: all days on which an interaction in the table can have been created.
const MAX_QUERIES: usize = 140;
/// How long before today the oldest interaction in a list was created: its retention begins when it ends, a week after its
/// creation or a month later if it waits for its time.
const OLDEST_SECONDS: i64 = RETENTION_SECONDS + 38 * 86_400;
/// The parameter that is ours, not Elemente's.
const CURSOR: &str = "cursor";

pub(crate) async fn list(deps: &Deps, request: &Request) -> Answer {
    let tenant = deps.tenant(request, Scope::CallsRead).await?;
    let query = ListQuery::parse(&without_cursor(request.uri().query().unwrap_or_default()));
    let query = query.map_err(Problem::invalid_fields)?;
    let now = deps.interactions.clock.now();
    let period = Period::new(&query, now);
    let start = match request.query_string_parameters().first(CURSOR) {
        Some(text) => Position::decode::<InteractionId>(text)?,
        None => period.newest(),
    };
    let mut page = Page::default();
    let next = fill(deps, &tenant, &Filter { query: &query, period }, start, &mut page).await?;
    let mut response = json_response(StatusCode::OK, &page.lines);
    if let Some(next) = next
        && let Ok(link) = HeaderValue::from_str(&link(&query, &next))
    {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// The query of Elemente's API, which knows no cursor and refuses what it does not know.
fn without_cursor(query: &str) -> String {
    let is_other = |pair: &&str| pair.split('=').next() != Some(CURSOR);
    query.split('&').filter(is_other).collect::<Vec<_>>().join("&")
}

/// The value of a `Link` header to the next page, relative to the path of the list.
fn link(query: &ListQuery, next: &Position) -> String {
    let filters = query.to_query(DateRangeStyle::Json);
    let separator = if filters.is_empty() { "" } else { "&" };
    format!("<?{filters}{separator}{CURSOR}={}>; rel=\"next\"", next.encode())
}

/// When the listed interactions were created: from the first time on, until just before the second.
#[derive(Clone, Copy, Debug)]
struct Period {
    from: Timestamp,
    until: Timestamp,
}

impl Period {
    fn new(query: &ListQuery, now: Timestamp) -> Self {
        let oldest = now.plus_millis(-OLDEST_SECONDS * 1_000);
        let hours = query
            .last_seconds
            .map(|seconds| now.plus_millis(-i64::from(seconds) * 1_000));
        let from = [query.date_range.starts_at(), hours].into_iter().flatten();
        // The clocks of two functions differ: what was just created belongs to the list.
        let end_of_day = midnight(now).plus_seconds(86_400);
        Self {
            from: from.fold(oldest, Timestamp::max),
            until: query.date_range.ends_at().unwrap_or(end_of_day).min(end_of_day),
        }
    }

    /// The start of the newest day.
    fn newest(&self) -> Position {
        Position {
            day: self.until.plus_millis(-1).day(),
            after: None,
        }
    }

    fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

fn midnight(at: Timestamp) -> Timestamp {
    at.plus_millis(-(at.millis() % 86_400_000))
}

/// Which interactions a list has.
struct Filter<'a> {
    query: &'a ListQuery,
    period: Period,
}

impl Filter<'_> {
    fn selects(&self, created_at: Timestamp, state: Option<State>, channel: Option<Channel>) -> bool {
        let selects_state = |state| {
            let channel = channel.unwrap_or(Channel::Call);
            self.query.status.is_none_or(|word| word.selects(state, channel))
        };
        self.period.contains(created_at)
            && (self.query.channel.is_none() || self.query.channel == channel)
            && state.is_none_or(selects_state)
    }

    /// The index lags the table by moments: what it says decides only what is loaded.
    fn selects_summary(&self, line: &InteractionSummary) -> bool {
        self.selects(line.created_at, state_named(&line.status), line.channel)
    }

    fn selects_interaction(&self, interaction: &Interaction) -> bool {
        self.selects(interaction.created_at, Some(interaction.state), interaction.channel())
    }
}

/// The state that a summary names.
fn state_named(name: &str) -> Option<State> {
    let states = [
        State::Scheduled,
        State::Sending,
        State::Sent,
        State::Open,
        State::Unknown,
    ];
    let state = states.into_iter().find(|state| state.name() == name);
    state.or_else(|| EndReason::named(name).map(State::ended))
}

/// A page, already as JSON.
#[derive(Default)]
struct Page {
    lines: Vec<Box<RawValue>>,
    bytes: usize,
}

impl Page {
    const fn is_full(&self) -> bool {
        self.lines.len() >= PAGE || self.bytes >= PAGE_BYTES
    }

    fn add(&mut self, interaction: &Interaction, recordings: &Recordings<'_>) {
        match to_raw_value(&feedback(interaction, recordings)) {
            Ok(line) => {
                self.bytes += line.get().len();
                self.lines.push(line);
            }
            Err(error) => {
                tracing::error!(interaction = %interaction.key.id, %error, "could not serialize an interaction");
            }
        }
    }
}

/// Fills a page from `start` on, and returns where the next one starts.
async fn fill(
    deps: &Deps,
    tenant: &Tenant,
    filter: &Filter<'_>,
    start: Position,
    page: &mut Page,
) -> Result<Option<Position>, Problem> {
    let store = &deps.interactions.store;
    let mut position = start;
    for _ in 0..MAX_QUERIES {
        let (day, after) = (&position.day, position.after.as_deref());
        let summaries = store
            .list_day::<InteractionSummary>(tenant, day, after, SUMMARIES)
            .await?;
        let wanted: Vec<&InteractionSummary> = summaries
            .lines
            .iter()
            .filter(|line| filter.selects_summary(line))
            .collect();
        for chunk in wanted.chunks(CONCURRENT) {
            let loaded = load_all(deps, tenant, chunk).await?;
            for (line, interaction) in chunk.iter().zip(loaded) {
                if let Some(interaction) = interaction.filter(|interaction| filter.selects_interaction(interaction)) {
                    page.add(&interaction, &deps.recordings());
                }
                if page.is_full() {
                    return Ok(Some(after_line(line)));
                }
            }
        }
        let next = match summaries.next_cursor {
            Some(after) => Some(Position {
                after: Some(after),
                ..position
            }),
            None => position.day_before(midnight(filter.period.from)),
        };
        let Some(next) = next else { return Ok(None) };
        position = next;
    }
    Ok(Some(position))
}

/// The position after a line of a list.
fn after_line(line: &InteractionSummary) -> Position {
    Position {
        day: line.created_at.day(),
        after: Some(format!("{}#{}", line.created_at, line.id)),
    }
}

/// Loads the interactions of these lines. One that was deleted since is none.
async fn load_all(
    deps: &Deps,
    tenant: &Tenant,
    lines: &[&InteractionSummary],
) -> Result<Vec<Option<Interaction>>, Problem> {
    let keys: Vec<InteractionKey> = lines
        .iter()
        .map(|line| InteractionKey {
            tenant: tenant.clone(),
            id: line.id,
        })
        .collect();
    let loaded = join_all(keys.iter().map(|key| deps.interactions.load(key))).await;
    Ok(loaded.into_iter().collect::<Result<_, _>>()?)
}
