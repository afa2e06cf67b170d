//! `PUT /voice/conversation/{messageId}`: ends a live call (3.1).

use bytes::Bytes;
use serde_json::{Value, json};

use super::Routee;
use super::api::Reply;
use super::records::Status;
use super::state::Command;
use super::switches::WrongState;

impl Routee {
    /// Hangs up an answered call, or rejects one that is ringing.
    pub(super) fn control(&self, message_id: &str, body: &Bytes) -> Reply {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let hangup = match body.get("action").and_then(Value::as_str) {
            Some("hangup") => true,
            Some("reject") => false,
            _ => return self.invalid_because("action", "must be one of hangup, reject"),
        };
        let state = self.lock();
        let Some(leg) = state.leg_by_message(message_id) else {
            return self.not_found();
        };
        let fits = match leg.record.status() {
            Status::InProgress => hangup,
            Status::Initiated | Status::Ringing => !hangup,
            _ => false,
        };
        let command = if hangup { Command::ApiHangup } else { Command::ApiReject };
        if !fits || leg.commands.send(command).is_err() {
            let status = match self.0.switches.wrong_state {
                WrongState::Conflict => 409,
                WrongState::BadRequest => 400,
            };
            return self.error(status, "013000", "The call is not in a state that allows this action");
        }
        let body = json!({
            "messageId": message_id,
            "message": if hangup { "The call is hung up" } else { "The call is rejected" },
            "createdAt": self.date(self.now()),
        });
        Reply::Json(200, body)
    }
}
