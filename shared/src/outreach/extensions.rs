//! Fields of a request to contact a customer that Elemente does not have: when, in which zone, at which hours, and who is
//! notified.

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::bot::window::is_time_zone;
use crate::clock::Timestamp;
use crate::field::FieldError;
use crate::interaction::limits::MAX_SCHEDULE_SECONDS;
use crate::lenient_json::{self, Selection};
use crate::providers::elemente::fields::{Findings, Object, TextRule, mismatch};
use crate::target::Targets;
use crate::webhook::{Strategy, Webhook};

/// The names of the fields.
pub const NAMES: [&str; 5] = [SCHEDULE_AT, LATEST_AT, TIME_ZONE, BYPASS_HOURS, WEBHOOK];
const SCHEDULE_AT: &str = "scheduleAt";
const LATEST_AT: &str = "latestAt";
const TIME_ZONE: &str = "timeZone";
const BYPASS_HOURS: &str = "bypassHours";
const WEBHOOK: &str = "webhook";

/// For how long after that it may be sent, in seconds: as long as a skill can say.
const MAX_OPEN_SECONDS: u32 = 7 * 86_400;
/// Longest reason, in characters.
const MAX_REASON_CHARS: usize = 200;
const MAX_TEXT_CHARS: usize = 2_000;
const LINE: TextRule = TextRule::line(MAX_TEXT_CHARS);

/// What a request says in the fields of our own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Nothing is sent before.
    pub schedule_at: Option<Timestamp>,
    /// Nothing is sent from then on.
    pub latest_at: Option<Timestamp>,
    /// The IANA name of the customer's time zone.
    pub time_zone: Option<String>,
    /// Why the skill's hours do not count.
    pub hours_bypass: Option<String>,
    /// Who is notified of what happens.
    pub webhook: Option<Webhook>,
}

impl Extensions {
    /// Reads the fields of a body that is JSON.
    ///
    /// # Errors
    /// All invalid fields at once.
    pub fn parse(body: &[u8], targets: &Targets, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        // The reader of Elemente's fields says what is wrong with the body as a whole.
        let Ok(body @ Value::Object(_)) = lenient_json::select(body, Selection::All) else {
            return Ok(Self::default());
        };
        let mut findings = Findings::default();
        let read = Object::read(&body, "", &NAMES, &mut findings).map(|body| Self {
            schedule_at: time(&body, SCHEDULE_AT, &mut findings),
            latest_at: time(&body, LATEST_AT, &mut findings),
            time_zone: time_zone(&body, &mut findings),
            hours_bypass: hours_bypass(&body, &mut findings),
            webhook: webhook(&body, targets, &mut findings),
        });
        if let Some(read) = &read {
            read.check_times(now, &mut findings);
        }
        findings.finish(read).map(|(read, _)| read)
    }

    /// When something is sent at the earliest.
    pub fn not_before(&self, now: Timestamp) -> Timestamp {
        self.schedule_at.unwrap_or(now).max(now)
    }

    fn check_times(&self, now: Timestamp, findings: &mut Findings) {
        let start = self.not_before(now);
        if start > now.plus_seconds(MAX_SCHEDULE_SECONDS) {
            findings.error(SCHEDULE_AT, "must be within 30 days");
            return;
        }
        let Some(latest) = self.latest_at else { return };
        if latest <= now {
            findings.error(LATEST_AT, "must be in the future");
        } else if latest <= start {
            findings.error(LATEST_AT, "must be after scheduleAt");
        } else if latest > start.plus_seconds(MAX_OPEN_SECONDS) {
            findings.error(
                LATEST_AT,
                "must be within 7 days after scheduleAt, or from now without it",
            );
        }
    }
}

fn time(body: &Object<'_>, name: &str, findings: &mut Findings) -> Option<Timestamp> {
    let text = body.text(name, LINE, findings)?;
    let time = Timestamp::parse(text.trim());
    if time.is_none() {
        findings.error(
            name,
            "expected a time with date and offset such as 2026-11-30T09:00:00+01:00",
        );
    }
    time
}

fn time_zone(body: &Object<'_>, findings: &mut Findings) -> Option<String> {
    let name = body.text(TIME_ZONE, LINE, findings)?;
    let name = name.trim();
    if is_time_zone(name) {
        return Some(name.to_owned());
    }
    findings.error(TIME_ZONE, "expected the name of a time zone such as Europe/Berlin");
    None
}

fn hours_bypass(body: &Object<'_>, findings: &mut Findings) -> Option<String> {
    const REASON: TextRule = TextRule::line(MAX_REASON_CHARS);
    body.value(BYPASS_HOURS)?;
    let bypass = object(body, BYPASS_HOURS, &["reason"], findings)?;
    let reason = bypass.required_text("reason", REASON, findings)?;
    Some(reason.trim().to_owned())
}

fn webhook(body: &Object<'_>, targets: &Targets, findings: &mut Findings) -> Option<Webhook> {
    const URL: TextRule = TextRule::prose(usize::MAX);
    body.value(WEBHOOK)?;
    let fields = object(body, WEBHOOK, &["url", "strategy"], findings)?;
    let url = fields.required_text("url", URL, findings);
    let strategy = match fields.text("strategy", LINE, findings) {
        None => Some(Strategy::default()),
        Some(name) => Strategy::named(&name),
    };
    if strategy.is_none() {
        let detail = "must be one of OnCompletion, OnChange and OnStatus";
        findings.error(fields.path_of("strategy"), detail);
    }
    let webhook = Webhook {
        url: url?.trim().to_owned(),
        strategy: strategy.unwrap_or_default(),
    };
    let checked = webhook.check_length().and_then(|()| webhook.check_target(targets));
    if let Err(error) = checked {
        findings.error(error.field, error.detail);
    }
    Some(webhook)
}

/// An object of our own, in which an unknown field is an error: nobody else has it.
fn object<'a>(body: &Object<'a>, name: &str, known: &[&str], findings: &mut Findings) -> Option<Object<'a>> {
    let value = body.value(name)?;
    let Value::Object(fields) = value else {
        findings.error(name, mismatch("an object", value));
        return None;
    };
    for unknown in fields.keys().filter(|field| !known.contains(&field.as_str())) {
        let printable: String = unknown.chars().filter(|c| !c.is_control()).take(100).collect();
        findings.error(format!("{name}.{printable}"), "is not known");
    }
    body.object(name, known, findings)
}
