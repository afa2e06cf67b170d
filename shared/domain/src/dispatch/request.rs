//! The request that creates a dispatch, and its validation field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::employee::{Duty, Employee, Gender, Language, MAX_EMPLOYEES, QuietHours};
use super::policy::Policy;
use super::script;
use super::state::{DispatchPriority, NewDispatch};
use super::ticket::{MAX_REFERENCE_CHARS, MAX_TEXT_CHARS, Ticket};
use crate::field::FieldError;
use crate::phone::PhoneNumber;
use crate::webhook::Webhook;

/// Maximum length of an employee's id or name, in characters.
const MAX_NAME_CHARS: usize = 80;
/// Maximum number of duty periods of one employee.
const MAX_DUTIES: usize = 31;

/// The body of `POST /v1/dispatches`. Here and in the types below, the API's reader of bodies refuses unknown fields:
/// it names all of them at once, serde only the first.
#[derive(Clone, Debug, Deserialize)]
pub struct DispatchRequest {
    /// The ticket to read to the employees.
    pub ticket: Ticket,
    /// The employees to phone, in order.
    pub employees: Vec<EmployeeRequest>,
    /// The policy; fields that are left out have their default.
    #[serde(default)]
    pub policy: Policy,
    /// Priority of the dispatch's calls.
    #[serde(default)]
    pub priority: DispatchPriority,
    /// The webhook that receives the dispatch's events.
    #[serde(default)]
    pub webhook: Option<Webhook>,
}

/// An employee in a request.
#[derive(Clone, Debug, Deserialize)]
pub struct EmployeeRequest {
    /// The requester's id for the person; the position in the list, counted from 1, when left out.
    #[serde(default)]
    pub id: Option<String>,
    /// The person's name.
    pub name: String,
    /// Phone number in E.164; separators are allowed.
    pub phone: String,
    /// Language of the texts and voices.
    #[serde(default)]
    pub language: Option<Language>,
    /// Voice that reads the ticket.
    #[serde(default)]
    pub voice: Option<Gender>,
    /// Periods of duty; empty means always.
    #[serde(default)]
    pub on_duty: Vec<Duty>,
    /// Daily hours in which the person is not phoned.
    #[serde(default)]
    pub quiet_hours: Option<QuietHoursRequest>,
    /// Whether the person wants no calls at all.
    #[serde(default)]
    pub opted_out: bool,
    /// Whether it is verified that the number belongs to the person.
    #[serde(default = "yes")]
    pub verified: bool,
}

const fn yes() -> bool {
    true
}

/// Quiet hours in a request.
#[derive(Clone, Debug, Deserialize)]
pub struct QuietHoursRequest {
    /// Start, as `HH:MM`.
    pub from: String,
    /// End, as `HH:MM`.
    pub until: String,
    /// UTC offset of both times, as `+HH:MM` or `-HH:MM`; UTC when left out.
    #[serde(default)]
    pub utc_offset: Option<String>,
}

impl DispatchRequest {
    /// Validates every field. Of the webhook's URL only the length is checked; the caller has to check that it is an
    /// allowed target.
    ///
    /// # Errors
    /// All invalid fields, each with what is expected.
    pub fn check(self) -> Result<NewDispatch, Vec<FieldError>> {
        let mut errors = self.policy.errors();
        check_ticket(&self.ticket, &mut errors);
        if self.employees.is_empty() || self.employees.len() > MAX_EMPLOYEES {
            errors.push(FieldError::new(
                "employees",
                format!("must have from 1 to {MAX_EMPLOYEES} entries"),
            ));
        }
        let webhook = self.webhook.as_ref().map(Webhook::check_length);
        errors.extend(webhook.and_then(Result::err));
        let mut employees = Vec::with_capacity(self.employees.len().min(MAX_EMPLOYEES));
        let (mut ids, mut phones) = (BTreeSet::new(), BTreeMap::new());
        for (index, request) in self.employees.into_iter().enumerate().take(MAX_EMPLOYEES) {
            let Some(employee) = request.check(index, &mut errors) else {
                continue;
            };
            if !ids.insert(employee.id.clone()) {
                errors.push(FieldError::new(
                    format!("employees[{index}].id"),
                    "is used by an earlier employee",
                ));
            }
            // A duplicate employee would be phoned twice as often, and before others.
            if let Some(earlier) = phones.insert(employee.phone.clone(), index) {
                errors.push(FieldError::new(
                    format!("employees[{index}].phone"),
                    format!("duplicates the number of employees[{earlier}]"),
                ));
            }
            employees.push(employee);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let spec = NewDispatch {
            ticket: self.ticket,
            employees,
            policy: self.policy,
            priority: self.priority,
            webhook: self.webhook,
        };
        check_length(&spec).map_or(Ok(spec), |error| Err(vec![error]))
    }
}

/// Refuses a policy whose calls would be cut off before all options are spoken: such a call could never be accepted.
fn check_length(spec: &NewDispatch) -> Option<FieldError> {
    let limit = spec.policy.max_duration?;
    let least = |employee| script::offer(&spec.ticket, employee, &spec.policy).shortest_seconds();
    let longest = spec.employees.iter().map(least).max()?;
    (longest > limit).then(|| {
        let message = format!("is too short: ticket, options and pauses take at least {longest} s");
        FieldError::new("policy.max_duration", message)
    })
}

fn check_ticket(ticket: &Ticket, errors: &mut Vec<FieldError>) {
    if ticket.text.trim().is_empty() || ticket.text.chars().count() > MAX_TEXT_CHARS {
        errors.push(FieldError::new(
            "ticket.text",
            format!("must have from 1 to {MAX_TEXT_CHARS} characters"),
        ));
    }
    if ticket
        .reference
        .as_ref()
        .is_some_and(|r| r.is_empty() || r.chars().count() > MAX_REFERENCE_CHARS)
    {
        errors.push(FieldError::new(
            "ticket.reference",
            format!("must have from 1 to {MAX_REFERENCE_CHARS} characters"),
        ));
    }
}

impl EmployeeRequest {
    fn check(self, index: usize, errors: &mut Vec<FieldError>) -> Option<Employee> {
        let before = errors.len();
        let mut wrong = |field: &str, detail: &str| {
            errors.push(FieldError::new(format!("employees[{index}].{field}"), detail));
        };
        let id = self.id.unwrap_or_else(|| format!("{}", index + 1));
        if id.is_empty() || id.chars().count() > MAX_NAME_CHARS || id.chars().any(char::is_control) {
            wrong(
                "id",
                &format!("must have from 1 to {MAX_NAME_CHARS} printable characters"),
            );
        }
        if self.name.trim().is_empty() || self.name.chars().count() > MAX_NAME_CHARS {
            wrong("name", &format!("must have from 1 to {MAX_NAME_CHARS} characters"));
        }
        let phone = PhoneNumber::parse(&self.phone);
        if let Err(error) = &phone {
            wrong("phone", &error.to_string());
        }
        if self.on_duty.len() > MAX_DUTIES {
            wrong("on_duty", &format!("must have at most {MAX_DUTIES} entries"));
        }
        if let Some(duty) = self.on_duty.iter().position(|duty| duty.until <= duty.from) {
            wrong(&format!("on_duty[{duty}].until"), "must be later than from");
        }
        let quiet_hours = self.quiet_hours.and_then(|quiet| quiet.check(&mut wrong));
        if errors.len() > before {
            return None;
        }
        Some(Employee {
            id,
            name: self.name.trim().to_owned(),
            phone: phone.ok()?,
            language: self.language,
            voice: self.voice,
            on_duty: self.on_duty,
            quiet_hours,
            opted_out: self.opted_out,
            unverified: !self.verified,
        })
    }
}

impl QuietHoursRequest {
    fn check(&self, wrong: &mut impl FnMut(&str, &str)) -> Option<QuietHours> {
        const TIME: &str = "must be a time of day such as 22:00";
        let from = minute_of_day(&self.from);
        let until = minute_of_day(&self.until);
        let offset = self.utc_offset.as_deref().map_or(Some(0), utc_offset);
        if from.is_none() {
            wrong("quiet_hours.from", TIME);
        }
        if until.is_none() {
            wrong("quiet_hours.until", TIME);
        }
        if from.is_some() && from == until {
            wrong("quiet_hours.until", "must differ from from");
        }
        if offset.is_none() {
            wrong(
                "quiet_hours.utc_offset",
                "must be an offset from -12:00 to +14:00, such as +02:00",
            );
        }
        Some(QuietHours {
            from_minute: from?,
            until_minute: until?,
            utc_offset_minutes: offset?,
        })
    }
}

/// Minutes since midnight of `HH:MM`.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// Minutes ahead of UTC of `+HH:MM` or `-HH:MM`.
fn utc_offset(text: &str) -> Option<i16> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let minutes = sign * i16::try_from(minute_of_day(rest)?).ok()?;
    (-720..=840).contains(&minutes).then_some(minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Result<NewDispatch, Vec<String>> {
        let request: DispatchRequest = serde_json::from_str(json).expect(json);
        request
            .check()
            .map_err(|errors| errors.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn minimal_request_gets_every_default() {
        let spec =
            request(r#"{"ticket":{"text":"Pump four"},"employees":[{"name":" Anna ","phone":"+1 202 555 0101"}]}"#)
                .expect("a valid request");
        assert_eq!(spec.policy, Policy::default());
        let anna = spec.employees.first().expect("anna");
        assert_eq!(
            (anna.id.as_str(), anna.name.as_str(), anna.phone.as_str()),
            ("1", "Anna", "+12025550101")
        );
        assert!(!anna.unverified);
    }

    #[test]
    fn all_invalid_fields_are_reported_at_once() {
        let errors = request(
            r#"{"ticket":{"text":" ","reference":""},
                "employees":[{"id":"a","name":"","phone":"555","quiet_hours":{"from":"24:00","until":"7:00","utc_offset":"CET"}},
                             {"id":"b","name":"B","phone":"+12025550102","on_duty":[{"from":"2026-01-02T00:00:00Z","until":"2026-01-01T00:00:00Z"}]},
                             {"id":"c","name":"C","phone":"+12025550103"},{"id":"c","name":"C","phone":"+12025550103"}],
                "policy":{"attempts":0,"ring_timeout":61}}"#,
        )
        .expect_err("invalid fields");
        assert_eq!(
            errors,
            [
                "policy.attempts",
                "policy.ring_timeout",
                "ticket.text",
                "ticket.reference",
                "employees[0].name",
                "employees[0].phone",
                "employees[0].quiet_hours.from",
                "employees[0].quiet_hours.until",
                "employees[0].quiet_hours.utc_offset",
                "employees[1].on_duty[0].until",
                "employees[3].id",
                "employees[3].phone",
            ]
        );
    }

    #[test]
    fn max_duration_too_short_for_ticket_and_options_is_refused() {
        let with = |policy: &str| {
            request(&format!(
                r#"{{"ticket":{{"text":"{}"}},"employees":[{{"name":"Anna","phone":"+12025550101"}}],"policy":{policy}}}"#,
                "Pump four has stopped. ".repeat(8)
            ))
            .map(|_| ())
        };
        assert_eq!(with(r#"{"max_duration":60}"#), Ok(()));
        for short in [
            r#"{"max_duration":30}"#,
            r#"{"repeats":5,"repeat_after":60}"#,
            r#"{"greeting_pause":60,"options_pause":60,"closing_pause":60}"#,
        ] {
            assert_eq!(with(short), Err(vec!["policy.max_duration".to_owned()]), "{short}");
        }
        assert_eq!(with(r#"{"repeats":5,"repeat_after":60,"max_duration":null}"#), Ok(()));
    }

    #[test]
    fn utc_offset_has_one_form_and_a_range() {
        assert_eq!(utc_offset("+05:30"), Some(330));
        assert_eq!(utc_offset("-12:00"), Some(-720));
        for wrong in ["", "+", "05:30", "+5:30", "+15:00", "-13:00", "+05:60", "Z"] {
            assert_eq!(utc_offset(wrong), None, "{wrong}");
        }
    }
}
