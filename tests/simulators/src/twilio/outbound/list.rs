//! `GET /Calls.json`: lists calls by numbers, status and times, newest first (twilio/CONTRACT.md 1.4).

use patchbay::clock::Timestamp;
use patchbay::http::Request;
use patchbay::providers::twilio::webhook::Form;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::super::{ACCOUNT, Twilio};
use super::api::{Reply, error, path_and_query};
use super::order::BAD_REQUEST;
use super::records::{OutboundCall, Unexpected};
use super::switches::QueuedStart;

const KNOWN: [&str; 13] = [
    "To",
    "From",
    "Status",
    "ParentCallSid",
    "StartTime",
    "StartTime<",
    "StartTime>",
    "EndTime",
    "EndTime<",
    "EndTime>",
    "PageSize",
    "Page",
    "PageToken",
];
const PAGE_SIZE: usize = 50;

/// How a time filter compares.
#[derive(Clone, Copy)]
enum Comparison {
    On,
    OnOrBefore,
    OnOrAfter,
}

impl Twilio {
    pub(super) fn list(&self, request: &Request) -> Reply {
        let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes());
        let at = self.now();
        for (name, _) in query.fields().filter(|(name, _)| !KNOWN.contains(name)) {
            let what = format!("{name}: unknown filter");
            self.outbound().unexpected.push(Unexpected::Field { at, what });
        }
        let integer = |name: &str| query.get(name).map(str::parse::<usize>).transpose();
        let (Ok(size), Ok(page)) = (integer("PageSize"), integer("Page")) else {
            return error(400, BAD_REQUEST, "PageSize and Page must be numbers");
        };
        let (size, page) = (size.unwrap_or(PAGE_SIZE), page.unwrap_or(0));
        if !(1..=1_000).contains(&size) {
            return error(400, BAD_REQUEST, "PageSize must be from 1 to 1000");
        }
        let mut found = Vec::new();
        for record in self.calls().into_iter().rev().filter(|record| self.is_visible(record)) {
            match self.fits(&query, &record) {
                Ok(true) => found.push(self.call_json(&record, None)),
                Ok(false) => {}
                Err(name) => return error(400, BAD_REQUEST, &format!("{name} is not a date")),
            }
        }
        Reply::Json(200, page_json(&found, &query, &path_and_query(request), (size, page)))
    }

    fn fits(&self, query: &Form, record: &OutboundCall) -> Result<bool, &'static str> {
        let switches = self.switches().calls;
        let same = |name: &str, value: &str| query.get(name).is_none_or(|wanted| wanted == value);
        let started = match switches.queued_start {
            QueuedStart::Created => Some(record.dialed_at.unwrap_or(record.created_at)),
            QueuedStart::Never => record.dialed_at,
        };
        let mut fits = same("To", &record.to)
            && same("From", &record.from)
            && same("Status", self.shown_status(record).as_str())
            && query.get("ParentCallSid").is_none();
        let times = [
            ("StartTime", started, Comparison::On),
            ("StartTime<", started, Comparison::OnOrBefore),
            ("StartTime>", started, Comparison::OnOrAfter),
            ("EndTime", record.ended_at, Comparison::On),
            ("EndTime<", record.ended_at, Comparison::OnOrBefore),
            ("EndTime>", record.ended_at, Comparison::OnOrAfter),
        ];
        for (name, at, comparison) in times {
            let Some(text) = query.get(name) else { continue };
            let wanted = TimeFilter::read(text, switches.filters_by_day).ok_or(name)?;
            fits &= at.is_some_and(|at| wanted.matches(at, comparison));
        }
        Ok(fits)
    }
}

/// The value of a time filter.
enum TimeFilter {
    Day(String),
    Moment(Timestamp),
}

impl TimeFilter {
    fn read(text: &str, by_day: bool) -> Option<Self> {
        let moment = Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")))?;
        let is_day = text.len() == "2025-03-04".len();
        Some(if by_day || is_day {
            Self::Day(moment.day())
        } else {
            Self::Moment(moment)
        })
    }

    fn matches(&self, at: Timestamp, comparison: Comparison) -> bool {
        let ordering = match self {
            Self::Day(day) => at.day().cmp(day),
            Self::Moment(moment) => at.seconds().cmp(&moment.seconds()),
        };
        match comparison {
            Comparison::On => ordering.is_eq(),
            Comparison::OnOrBefore => ordering.is_le(),
            Comparison::OnOrAfter => ordering.is_ge(),
        }
    }
}

/// The link to a page of a list, with the filters of `query`.
pub(crate) fn page_link(list: &str, query: &Form, size: usize, page: usize) -> String {
    let paging = ["Page", "PageSize", "PageToken"];
    let filters = query.fields().filter(|(name, _)| !paging.contains(name));
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(filters)
        .append_pair("PageSize", &size.to_string())
        .append_pair("Page", &page.to_string())
        .append_pair("PageToken", &format!("PACA{page:032x}"))
        .finish();
    format!("/2010-04-01/Accounts/{ACCOUNT}/{list}.json?{query}")
}

fn page_json(found: &[Value], query: &Form, uri: &str, (size, page): (usize, usize)) -> Value {
    let start = page.saturating_mul(size);
    let calls: Vec<&Value> = found.iter().skip(start).take(size).collect();
    let link = |page: usize| page_link("Calls", query, size, page);
    json!({
        "calls": calls,
        "first_page_uri": link(0),
        "next_page_uri": (start.saturating_add(size) < found.len()).then(|| link(page + 1)),
        "previous_page_uri": page.checked_sub(1).map(link),
        "page": page,
        "page_size": size,
        "start": start,
        "end": start + calls.len().saturating_sub(1),
        "uri": uri,
    })
}
