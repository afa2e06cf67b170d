//! `POST /Calls/{CA}.json`: ends a live call, or replaces its document (twilio/CONTRACT.md 1.4).

use patchbay::http::Request;
use patchbay::providers::twilio::webhook::Form;

use super::super::Twilio;
use super::api::{Reply, error, not_found, refused};
use super::order::{BAD_REQUEST, Reader, Source};
use super::records::Status;
use super::state::Command;
use super::switches::{CancelTooLate, CompleteTooEarly, UpdateAfterEnd};

const KNOWN: [&str; 4] = ["Status", "Url", "Twiml", "Method"];

/// The effect of an update on a call in its current state.
enum Effect {
    Stop(Status),
    Nothing,
    Refused,
}

impl Twilio {
    pub(super) fn update(&self, sid: &str, request: &Request) -> Reply {
        let form = Form::parse(request.body());
        let switches = self.switches();
        let mut reader = Reader::new(&form, &switches);
        reader.note_fields(&KNOWN, &[]);
        let redirect = match (form.get("Twiml"), reader.url("Url", 21_205)) {
            (_, Err(refusal)) => return refused(refusal),
            (Some(_), Ok(Some(_))) => return error(400, BAD_REQUEST, "Url and Twiml exclude one another"),
            (None, Ok(url)) => url.map(Source::At),
            (Some(twiml), Ok(None)) => match reader.inline(twiml.to_owned()) {
                Ok(source) => Some(source),
                Err(refusal) => return refused(refusal),
            },
        };
        self.record_ignored(reader.ignored);
        match (form.get("Status"), redirect) {
            (Some("canceled"), _) => self.stop(sid, true),
            (Some("completed"), _) => self.stop(sid, false),
            (Some(_), _) => error(400, BAD_REQUEST, "Status must be canceled or completed"),
            (None, Some(source)) => self.redirect(sid, source),
            (None, None) => error(400, BAD_REQUEST, "Nothing to update"),
        }
    }

    fn stop(&self, sid: &str, cancel: bool) -> Reply {
        let Some(record) = self.outbound().leg_by_sid(sid).map(|leg| leg.record.clone()) else {
            return not_found();
        };
        let effect = self.effect(record.status(), cancel);
        let stops = match effect {
            Effect::Refused => return wrong_state("Call is not in a state that allows this"),
            Effect::Nothing => None,
            Effect::Stop(status) => Some(status),
        };
        if let Some(status) = stops {
            self.command(record.id, Command::Stop(status));
        }
        let shown = stops.filter(|_| self.switches().calls.update_shows_outcome);
        Reply::Json(200, self.call_json(&record, shown))
    }

    fn effect(&self, status: Status, cancel: bool) -> Effect {
        let switches = self.switches().calls;
        if status.is_final() {
            return match switches.update_after_end {
                UpdateAfterEnd::Refused => Effect::Refused,
                UpdateAfterEnd::Ignored => Effect::Nothing,
            };
        }
        match (status == Status::InProgress, cancel) {
            (false, true) => Effect::Stop(Status::Canceled),
            (true, false) => Effect::Stop(Status::Completed),
            (true, true) => match switches.cancel_too_late {
                CancelTooLate::Ignored => Effect::Nothing,
                CancelTooLate::Refused => Effect::Refused,
                CancelTooLate::HangsUp => Effect::Stop(Status::Completed),
            },
            (false, false) => match switches.complete_too_early {
                CompleteTooEarly::Canceled => Effect::Stop(Status::Canceled),
                CompleteTooEarly::Completed => Effect::Stop(Status::Completed),
                CompleteTooEarly::Refused => Effect::Refused,
                CompleteTooEarly::Ignored => Effect::Nothing,
            },
        }
    }

    fn redirect(&self, sid: &str, source: Source) -> Reply {
        let Some(record) = self.outbound().leg_by_sid(sid).map(|leg| leg.record.clone()) else {
            return not_found();
        };
        if record.status() != Status::InProgress {
            return wrong_state("Unable to update record: Call is not in-progress. Cannot redirect.");
        }
        self.command(record.id, Command::Redirect(source));
        Reply::Json(200, self.call_json(&record, None))
    }
}

fn wrong_state(message: &str) -> Reply {
    error(400, 21_220, message)
}
