//! The query of `GET /api/v1/calls` (CONTRACT.md 5.2).

use serde_json::Value;
use time::{Date, Month, OffsetDateTime, Time, UtcOffset};
use url::form_urlencoded;

use super::fields::{Findings, Object, TextRule};
use super::request::{CHANNELS, statuses, unknown_word};
use super::status::Word;
use crate::clock::Timestamp;
use crate::field::FieldError;
use crate::interaction::Channel;
use crate::lenient_json::{self, Selection};

/// Longest period of `hrs`, in hours: a leap year.
pub const MAX_HOURS: f64 = 8_784.0;
const SECONDS_PER_HOUR: f64 = 3_600.0;
/// The parameters.
const PARAMETERS: [&str; 9] = [
    "dateRange",
    "dateRange[from]",
    "dateRange[to]",
    "from",
    "to",
    "hrs",
    "status",
    "channel",
    "sanitised",
];
/// Longest query, in bytes.
const MAX_QUERY: usize = 2_000;
const DATE: TextRule = TextRule::line(10);

/// Which interactions a list has. All filters apply together; none selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Created within these days.
    pub date_range: DateRange,
    /// Created within the last so many seconds.
    pub last_seconds: Option<u32>,
    /// With this status, or one of the same meaning: [`Word::selects`].
    pub status: Option<Word>,
    /// Over this channel.
    pub channel: Option<Channel>,
    /// The parameter `sanitised`, whose effect is not documented: whether it is present and not `no`, `false` or `0`.
    pub sanitised: Option<bool>,
}

/// Days in UTC, both inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DateRange {
    /// First day.
    pub from: Option<Date>,
    /// Last day.
    pub to: Option<Date>,
}

impl DateRange {
    /// Whether no day is excluded.
    pub const fn is_unlimited(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// When the first day begins.
    pub fn starts_at(&self) -> Option<Timestamp> {
        self.from.map(midnight)
    }

    /// When the last day is over. The range ends just before.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.to.map(|day| midnight(day).plus_seconds(86_400))
    }

    /// Whether a time is within the range.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.starts_at().is_none_or(|start| start <= at) && self.ends_at().is_none_or(|end| at < end)
    }
}

fn midnight(day: Date) -> Timestamp {
    let midnight = OffsetDateTime::new_in_offset(day, Time::MIDNIGHT, UtcOffset::UTC);
    Timestamp::from_millis(midnight.unix_timestamp().saturating_mul(1_000))
}

/// How a client writes a date range. None is documented; as a server we read all three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateRangeStyle {
    /// `dateRange={"from":"2026-11-01","to":"2026-11-30"}`.
    #[default]
    Json,
    /// `dateRange[from]=2026-11-01&dateRange[to]=2026-11-30`.
    Brackets,
    /// `from=2026-11-01&to=2026-11-30`: what `OpenAPI` means by an object without a style.
    Exploded,
}

impl ListQuery {
    /// Reads a query, as it is in the URL, without `?`. A known parameter with a blank value counts as missing.
    ///
    /// # Errors
    /// All invalid parameters at once. Unknown ones are refused: a filter that is ignored would select everything.
    pub fn parse(query: &str) -> Result<Self, Vec<FieldError>> {
        if query.len() > MAX_QUERY {
            let detail = format!("must have at most {MAX_QUERY} bytes");
            return Err(vec![FieldError::new("(query)", detail)]);
        }
        let mut reader = QueryReader::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            reader.parameter(&name, value.trim());
        }
        reader.finish()
    }

    /// The query as a client writes it, without `?`; empty if there is no filter.
    pub fn to_query(&self, style: DateRangeStyle) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let (from, to) = (self.date_range.from.map(day_text), self.date_range.to.map(day_text));
        match style {
            DateRangeStyle::Json if !self.date_range.is_unlimited() => {
                let days = [("from", from), ("to", to)].into_iter();
                let days = days.filter_map(|(name, day)| Some((name.to_owned(), Value::String(day?))));
                query.append_pair("dateRange", &Value::Object(days.collect()).to_string());
            }
            DateRangeStyle::Json => {}
            DateRangeStyle::Exploded => {
                query.extend_pairs(from.map(|day| ("from", day)));
                query.extend_pairs(to.map(|day| ("to", day)));
            }
            DateRangeStyle::Brackets => {
                query.extend_pairs(from.map(|day| ("dateRange[from]", day)));
                query.extend_pairs(to.map(|day| ("dateRange[to]", day)));
            }
        }
        let hours = self.last_seconds.map(|seconds| f64::from(seconds) / SECONDS_PER_HOUR);
        query.extend_pairs(hours.map(|hours| ("hrs", hours.to_string())));
        query.extend_pairs(self.status.map(|word| ("status", word.as_str())));
        query.extend_pairs(self.channel.map(|channel| ("channel", channel.name())));
        let sanitised = self.sanitised.map(|yes| if yes { "yes" } else { "no" });
        query.extend_pairs(sanitised.map(|word| ("sanitised", word)));
        query.finish()
    }
}

/// A query that is being read.
#[derive(Default)]
struct QueryReader {
    query: ListQuery,
    seen: Vec<String>,
    findings: Findings,
}

impl QueryReader {
    fn parameter(&mut self, name: &str, value: &str) {
        if value.is_empty() && PARAMETERS.contains(&name) {
            return;
        }
        if self.seen.iter().any(|seen| seen == name) {
            // Which one counts would be a guess.
            self.error(name, "is given more than once");
            return;
        }
        self.seen.push(name.to_owned());
        match name {
            "dateRange" => self.date_range(value),
            "dateRange[from]" | "from" => self.query.date_range.from = self.day(name, value),
            "dateRange[to]" | "to" => self.query.date_range.to = self.day(name, value),
            "hrs" => self.hours(value),
            "status" => {
                self.query.status = Word::parse(value);
                if self.query.status.is_none() {
                    self.error(name, &unknown_word(&statuses(), value));
                }
            }
            "channel" => {
                self.query.channel = Channel::named(value);
                if self.query.channel.is_none() {
                    self.error(name, &unknown_word(CHANNELS, value));
                }
            }
            "sanitised" => {
                let no = ["no", "false", "0"];
                self.query.sanitised = Some(!no.iter().any(|word| value.eq_ignore_ascii_case(word)));
            }
            _ => self.error(name, "is not known"),
        }
    }

    fn error(&mut self, name: &str, detail: &str) {
        let printable = name.chars().filter(|c| !c.is_control());
        self.findings.error(printable.take(100).collect::<String>(), detail);
    }

    fn date_range(&mut self, json: &str) {
        let Ok(value) = lenient_json::select_str(json, Selection::All) else {
            self.error("dateRange", EXPECTED_RANGE);
            return;
        };
        let Some(range) = Object::read(&value, "dateRange", &["from", "to"], &mut self.findings) else {
            return;
        };
        self.query.date_range = DateRange {
            from: self.day_in(&range, "from"),
            to: self.day_in(&range, "to"),
        };
        for unknown in std::mem::take(&mut self.findings.ignored).paths {
            self.error(&unknown, "is not known");
        }
    }

    fn day_in(&mut self, range: &Object<'_>, name: &str) -> Option<Date> {
        let text = range.text(name, DATE, &mut self.findings)?;
        self.day(&range.path_of(name), &text)
    }

    fn day(&mut self, path: &str, text: &str) -> Option<Date> {
        let day = parse_day(text);
        if day.is_none() {
            self.error(path, "expected a date such as 2026-11-30");
        }
        day
    }

    fn hours(&mut self, text: &str) {
        let hours = text.parse::<f64>().ok();
        let seconds = hours.filter(|hours| *hours > 0.0 && *hours <= MAX_HOURS);
        let Some(seconds) = seconds.map(|hours| (hours * SECONDS_PER_HOUR).round().max(1.0)) else {
            self.error(
                "hrs",
                &format!("expected a number of hours above 0, and {MAX_HOURS} at most"),
            );
            return;
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and limited by MAX_HOURS"
        )]
        let seconds = seconds as u32;
        self.query.last_seconds = Some(seconds);
    }

    fn finish(mut self) -> Result<ListQuery, Vec<FieldError>> {
        let notations: [&[&str]; 3] = [&["dateRange"], &["dateRange[from]", "dateRange[to]"], &["from", "to"]];
        let is_used = |names: &&&[&str]| names.iter().any(|name| self.seen.iter().any(|seen| seen == name));
        // They may contradict each other.
        if notations.iter().filter(is_used).count() > 1 {
            self.error("dateRange", "is given in more than one notation");
        }
        let DateRange { from, to } = self.query.date_range;
        if from.zip(to).is_some_and(|(from, to)| to < from) {
            self.error("dateRange.to", "must not be before dateRange.from");
        }
        self.findings.finish(Some(self.query)).map(|(query, _)| query)
    }
}

const EXPECTED_RANGE: &str = "expected {\"from\":\"YYYY-MM-DD\",\"to\":\"YYYY-MM-DD\"}";

fn parse_day(text: &str) -> Option<Date> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let number = |text: &str, digits: usize| {
        let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u16>().ok()).flatten()
    };
    let month = Month::try_from(u8::try_from(number(month, 2)?).ok()?).ok()?;
    let (year, day) = (number(year, 4)?, u8::try_from(number(day, 2)?).ok()?);
    Date::from_calendar_date(i32::from(year), month, day).ok()
}

fn day_text(day: Date) -> String {
    format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fields::MAX_ERRORS;
    use super::*;

    fn encoded(pairs: &[(&str, &str)]) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish()
    }

    fn parsed(pairs: &[(&str, &str)]) -> ListQuery {
        ListQuery::parse(&encoded(pairs)).expect("a query")
    }

    fn errors(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let errors = ListQuery::parse(&encoded(pairs)).expect_err("errors");
        errors.into_iter().map(|error| (error.field, error.detail)).collect()
    }

    fn day(text: &str) -> Option<Date> {
        let day = parse_day(text);
        assert!(day.is_some(), "{text}");
        day
    }

    #[test]
    fn both_notations_of_a_date_range_are_the_same() {
        let range = DateRange {
            from: day("2026-11-01"),
            to: day("2026-11-30"),
        };
        let json = parsed(&[("dateRange", r#"{"from":"2026-11-01","to":"2026-11-30"}"#)]);
        let brackets = ListQuery::parse("dateRange[from]=2026-11-01&dateRange%5Bto%5D=2026-11-30").expect("a query");
        assert_eq!((json.date_range, brackets.date_range), (range, range));
        let open = parsed(&[("dateRange", r#"{"from":"2026-11-01"}"#)]);
        assert_eq!((open.date_range.from, open.date_range.to), (day("2026-11-01"), None));
    }

    #[test]
    fn both_days_of_a_range_are_included() {
        let range = DateRange {
            from: day("2026-11-01"),
            to: day("2026-11-01"),
        };
        let at = |text| Timestamp::parse(text).expect("a time");
        assert!(range.contains(at("2026-11-01T00:00:00Z")) && range.contains(at("2026-11-01T23:59:59.999Z")));
        assert!(!range.contains(at("2026-10-31T23:59:59.999Z")) && !range.contains(at("2026-11-02T00:00:00Z")));
        assert!(DateRange::default().contains(at("1999-01-01T00:00:00Z")));
    }

    #[test]
    fn every_filter_is_read() {
        let query = parsed(&[
            ("hrs", "24"),
            ("status", "no-answer"),
            ("channel", "sms"),
            ("sanitised", "yes"),
        ]);
        let expected = ListQuery {
            last_seconds: Some(86_400),
            status: Some(Word::NoAnswer),
            channel: Some(Channel::Sms),
            sanitised: Some(true),
            ..ListQuery::default()
        };
        assert_eq!(query, expected);
        assert_eq!(parsed(&[("hrs", "0.5")]).last_seconds, Some(1_800));
        assert_eq!(parsed(&[("sanitised", "No")]).sanitised, Some(false));
        assert_eq!(ListQuery::parse("status=&channel=%20&hrs"), Ok(ListQuery::default()));
        assert_eq!(ListQuery::parse(""), Ok(ListQuery::default()));
        assert_eq!(errors(&[("page", ""), ("Status", " ")]).len(), 2);
    }

    #[test]
    fn all_errors_are_in_one_answer() {
        let errors = errors(&[
            ("status", "no_answer"),
            ("channel", "call +12025550143"),
            ("hrs", "a day"),
            ("dateRange[from]", "2026-02-30"),
            ("page", "2"),
        ]);
        let fields: Vec<&str> = errors.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["status", "channel", "hrs", "dateRange[from]", "page"]);
        assert!(errors[0].1.ends_with("queued, found \"no_answer\""), "{}", errors[0].1);
        assert!(
            errors[1].1.ends_with("webchat, found \"call [number]\""),
            "{}",
            errors[1].1
        );
        assert_eq!(errors[4].1, "is not known");
    }

    #[test]
    fn contradictions_are_refused() {
        let range = r#"{"from":"2026-11-02","to":"2026-11-01"}"#;
        for (pairs, field) in [
            (vec![("dateRange", range)], "dateRange.to"),
            (vec![("status", "open"), ("status", "busy")], "status"),
            (vec![("dateRange", "{}"), ("dateRange[to]", "2026-11-01")], "dateRange"),
            (vec![("dateRange", r#"{"until":"2026-11-01"}"#)], "dateRange.until"),
            (vec![("dateRange", r#"{"from":20261101}"#)], "dateRange.from"),
            (vec![("dateRange", r#"["2026-11-01"]"#)], "dateRange"),
            (vec![("dateRange", "2026-11-01")], "dateRange"),
        ] {
            let fields: Vec<String> = errors(&pairs).into_iter().map(|(field, _)| field).collect();
            assert_eq!(fields, [field], "{pairs:?}");
        }
    }

    #[test]
    fn numbers_that_are_no_period_are_refused() {
        for hours in ["0", "-1", "NaN", "inf", "1e9", "8784.1", "0x10"] {
            assert_eq!(errors(&[("hrs", hours)]).len(), 1, "{hours}");
        }
        assert_eq!(parsed(&[("hrs", "8784")]).last_seconds, Some(31_622_400));
        for text in [
            "2026-1-01",
            "26-01-01",
            "2026-13-01",
            "2026-02-29",
            "+026-01-01",
            "2026-01-01T00:00",
        ] {
            assert_eq!(errors(&[("dateRange[to]", text)]).len(), 1, "{text}");
        }
        assert!(ListQuery::parse("dateRange[to]=2028-02-29").is_ok());
    }

    #[test]
    fn hostile_query_has_a_bounded_answer() {
        let many: Vec<String> = (0..180).map(|n| format!("x{n}=1")).collect();
        let errors = ListQuery::parse(&many.join("&")).expect_err("unknown");
        assert_eq!(errors.len(), MAX_ERRORS);
        assert_eq!(ListQuery::parse(&"a".repeat(2_001)).expect_err("long").len(), 1);
        let errors = ListQuery::parse(&format!("{}%0a=1", "a".repeat(1_900))).expect_err("unknown");
        assert_eq!(errors[0].field.len(), 100);
    }

    #[test]
    fn written_query_is_read_as_it_was() {
        let full = ListQuery {
            date_range: DateRange {
                from: day("2026-11-01"),
                to: day("2026-11-30"),
            },
            last_seconds: Some(5_400),
            status: Some(Word::InProgress),
            channel: Some(Channel::Whatsapp),
            sanitised: Some(true),
        };
        let half = ListQuery {
            date_range: DateRange {
                from: None,
                to: day("2026-11-30"),
            },
            ..ListQuery::default()
        };
        for style in [DateRangeStyle::Json, DateRangeStyle::Brackets, DateRangeStyle::Exploded] {
            for query in [&full, &half, &ListQuery::default()] {
                assert_eq!(
                    ListQuery::parse(&query.to_query(style)).as_ref(),
                    Ok(query),
                    "{style:?}"
                );
            }
        }
        assert_eq!(ListQuery::default().to_query(DateRangeStyle::Json), "");
    }

    proptest! {
        #[test]
        fn every_period_is_read_as_it_was_written(seconds in 1_u32..=31_622_400) {
            let query = ListQuery { last_seconds: Some(seconds), ..ListQuery::default() };
            prop_assert_eq!(ListQuery::parse(&query.to_query(DateRangeStyle::Json)), Ok(query));
        }

        #[test]
        fn no_query_panics(query in "[a-zA-Z0-9=&%\\[\\]{}\":.-]{0,60}", range in "\\PC{0,30}") {
            let _ = ListQuery::parse(&query);
            let _ = ListQuery::parse(&encoded(&[("dateRange", &range), ("dateRange[from]", &range), ("hrs", &range)]));
        }
    }
}
