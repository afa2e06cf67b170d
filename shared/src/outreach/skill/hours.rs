//! When customers may be contacted.

use std::iter;

use serde::Deserialize;

use crate::bot::hours::time_of_day;
use crate::bot::window::{CallingWindow, CallingWindowError, Period, Weekday};
use crate::flow::Issue;
use crate::flow::source::{element, field};
use crate::phone::PhoneNumber;
use crate::phone::zones::zones_of;

/// The zone that depends on whom is contacted.
const CALLEE: &str = "callee";
/// A zone that every zone library knows, to check periods with.
const ANY_ZONE: &str = "UTC";
/// The days by their names, from Monday.
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// Hours of the week in which customers may be contacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Whose clocks count.
    pub zone: HoursZone,
    /// The periods; at least one.
    pub periods: Vec<Period>,
}

/// Whose clocks count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoursZone {
    /// Those where the customer may be, as far as their phone number tells: all of its zones.
    Callee,
    /// Those of this zone, by its IANA name.
    Named(String),
}

/// No hour is known to be a good one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWindow {
    /// The hours are the customer's, who has no phone number that would tell where they may be.
    #[error("without a phone number the customer's time zone is unknown: the skill's hours need a named zone")]
    NoNumber,
    /// The hours are the customer's, and their number tells no zone, as those of satellite phones.
    #[error("the customer's number tells no time zone: the skill's hours need a named zone")]
    NoZone,
    /// The hours are invalid. Those of a checked document are not.
    #[error("the skill's hours are invalid: one {0}")]
    Invalid(#[from] CallingWindowError),
}

impl Hours {
    /// The window in which a customer with this number may be contacted, over whatever channel. `time_zone` is that of the
    /// customer, if it is known: their number may lie in several.
    ///
    /// # Errors
    /// No hour is known to be a good one: nothing may be sent.
    pub fn window(&self, phone: Option<&PhoneNumber>, time_zone: Option<&str>) -> Result<CallingWindow, NoWindow> {
        match (&self.zone, time_zone) {
            (HoursZone::Named(zone), _) => Ok(CallingWindow::new(iter::once(zone.as_str()), &self.periods)?),
            (HoursZone::Callee, Some(zone)) => Ok(CallingWindow::new(iter::once(zone), &self.periods)?),
            (HoursZone::Callee, None) => {
                let zones = zones_of(phone.ok_or(NoWindow::NoNumber)?).ok_or(NoWindow::NoZone)?;
                Ok(CallingWindow::new(zones.names().iter().copied(), &self.periods)?)
            }
        }
    }
}

/// When customers may be contacted.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Hours"))]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// `callee` for the zones where the customer may be as their number tells, or the name of a time zone such as
    /// `Europe/Berlin`.
    #[cfg_attr(feature = "schema", schemars(required))]
    zone: Option<String>,
    /// The periods: at least one, at most 28 in a week.
    #[cfg_attr(feature = "schema", schemars(required))]
    periods: Option<Vec<PeriodFields>>,
}

/// A period on some days of the week, in local time.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Period"))]
#[serde(deny_unknown_fields)]
struct PeriodFields {
    /// The days on which it begins: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`.
    #[cfg_attr(feature = "schema", schemars(required))]
    days: Option<Vec<String>>,
    /// When it begins, such as `09:00`.
    #[cfg_attr(feature = "schema", schemars(required))]
    from: Option<String>,
    /// When it ends, such as `20:00`, at the latest `24:00`. On the next day if that is before `from`.
    #[cfg_attr(feature = "schema", schemars(required))]
    until: Option<String>,
}

impl Fields {
    pub(super) fn check(&self, path: &str, issues: &mut Vec<Issue>) -> Hours {
        let before = issues.len();
        let zone = check_zone(self.zone.as_deref(), &field(path, "zone"), issues);
        let path = field(path, "periods");
        let written = self.periods.iter().flatten().enumerate();
        let periods: Vec<Period> = written
            .map(|(index, period)| period.check(&element(&path, index), issues))
            .collect();
        // Only what is wrong with all periods together is left to say then.
        if issues.len() == before
            && let Err(error) = CallingWindow::new(iter::once(ANY_ZONE), &periods)
        {
            issues.push(Issue::new(&path, error.to_string()));
        }
        Hours { zone, periods }
    }
}

fn check_zone(zone: Option<&str>, path: &str, issues: &mut Vec<Issue>) -> HoursZone {
    let all_day = Period {
        days: vec![Weekday::Monday],
        from: 0,
        until: 60,
    };
    match zone {
        None => issues.push(Issue::new(
            path,
            "is missing: callee, or a time zone such as Europe/Berlin",
        )),
        Some(CALLEE) => {}
        Some(name) => match CallingWindow::new(iter::once(name), &[all_day]) {
            Ok(_) => return HoursZone::Named(name.to_owned()),
            Err(_) => issues.push(Issue::new(path, "must be callee, or a time zone such as Europe/Berlin")),
        },
    }
    HoursZone::Callee
}

impl PeriodFields {
    fn check(&self, path: &str, issues: &mut Vec<Issue>) -> Period {
        let from = minute(self.from.as_deref(), &field(path, "from"), issues);
        let until = minute(self.until.as_deref(), &field(path, "until"), issues);
        if from == Some(24 * 60) {
            issues.push(Issue::new(field(path, "from"), "must be before 24:00"));
        } else if from.is_some() && from == until {
            issues.push(Issue::new(field(path, "until"), "must be another time than `from`"));
        }
        Period {
            days: self.days(&field(path, "days"), issues),
            from: from.unwrap_or_default(),
            until: until.unwrap_or_default(),
        }
    }

    fn days(&self, path: &str, issues: &mut Vec<Issue>) -> Vec<Weekday> {
        let mut days = Vec::new();
        for (index, name) in self.days.iter().flatten().enumerate() {
            if let Some((_, day)) = DAYS.iter().find(|(known, _)| known == name) {
                days.push(*day);
            } else {
                let detail = "must be one of mon, tue, wed, thu, fri, sat and sun";
                issues.push(Issue::new(element(path, index), detail));
            }
        }
        if self.days.iter().flatten().next().is_none() {
            issues.push(Issue::new(path, "must have at least one day"));
        }
        days
    }
}

fn minute(text: Option<&str>, path: &str, issues: &mut Vec<Issue>) -> Option<u16> {
    let minute = text.and_then(time_of_day);
    if minute.is_none() {
        issues.push(Issue::new(path, "must be a time of day, such as 09:00"));
    }
    minute
}
