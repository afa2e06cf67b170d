//! The bodies of Sangoma's responses, in every form that the switches allow.

use serde_json::{Value, json};

use super::super::Chat;
use super::super::payload::{Payload, ids_as};
use super::super::questions::{AnswerForm, CreatedStatus};
use super::super::records::Status;
use super::super::setup::{BotRecord, ContactRecord, InboxRecord};
use super::super::state::State;
use super::super::{CHATWOOT_ACCOUNT, CHATWOOT_HOST};
use super::Reply;

/// What a response is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Bot,
    Inboxes,
    Assignment,
    Webhook,
    Contact,
    Conversation,
    Message,
    /// The status of a conversation.
    Status,
    Call,
}

impl Subject {
    /// The name of the field in [`AnswerForm::Named`].
    const fn name(self) -> &'static str {
        match self {
            Self::Bot | Self::Assignment => "agent_bot",
            Self::Inboxes => "results",
            Self::Webhook => "webhook",
            Self::Contact => "contact",
            Self::Conversation | Self::Status => "conversation",
            Self::Message => "message",
            Self::Call => "call",
        }
    }

    /// Whether a client depends on the body.
    const fn is_needed(self) -> bool {
        matches!(self, Self::Bot | Self::Inboxes | Self::Contact | Self::Conversation)
    }

    const fn is_created(self) -> bool {
        !matches!(self, Self::Inboxes | Self::Assignment | Self::Status)
    }
}

impl Chat {
    /// A successful response of Sangoma's API.
    pub(super) fn sangoma_answer(&self, subject: Subject, object: Value) -> Reply {
        let switches = &self.0.switches;
        let status = match switches.created_status {
            CreatedStatus::Created if subject.is_created() => 201,
            _ => 200,
        };
        let object = ids_as(switches.answer_ids, object);
        let body = match switches.answers {
            AnswerForm::AsChatwoot => return chatwoot_answer(status, subject, object),
            AnswerForm::Payload => json!({ "payload": object }),
            AnswerForm::Named => json!({ subject.name(): object }),
            AnswerForm::Empty if !subject.is_needed() => return Reply::empty(200),
            AnswerForm::NoContent if !subject.is_needed() => return Reply::empty(204),
            AnswerForm::Bare | AnswerForm::Empty | AnswerForm::NoContent => object,
        };
        Reply::json(status, &body)
    }
}

/// The response as Chatwoot writes it.
pub(super) fn chatwoot_answer(status: u16, subject: Subject, object: Value) -> Reply {
    let body = match subject {
        Subject::Assignment => return Reply::empty(200),
        Subject::Inboxes => json!({ "payload": object }),
        Subject::Webhook => json!({ "payload": { "webhook": object } }),
        Subject::Contact => {
            let source_id = object.get("email").cloned();
            json!({ "payload": { "contact": object, "contact_inbox": { "inbox": {}, "source_id": source_id } } })
        }
        Subject::Status => json!({ "meta": {}, "payload": object }),
        Subject::Bot | Subject::Conversation | Subject::Message | Subject::Call => object,
    };
    Reply::json(status, &body)
}

pub(super) fn bot(bot: &BotRecord) -> Value {
    json!({
        "id": bot.id, "name": bot.name, "description": bot.description, "outgoing_url": bot.outgoing_url,
        "account_id": CHATWOOT_ACCOUNT, "bot_type": "webhook", "bot_config": {}, "thumbnail": "",
        "access_token": bot.token,
    })
}

pub(super) fn inbox(inbox: &InboxRecord) -> Value {
    json!({
        "id": inbox.id, "name": inbox.name, "channel_id": inbox.id + 100, "channel_type": inbox.channel,
        "avatar_url": "", "greeting_enabled": false, "website_token": format!("token-{}", inbox.id),
        "web_widget_script": format!("https://{CHATWOOT_HOST}/packs/js/sdk.js"),
    })
}

pub(super) fn contact(contact: &ContactRecord) -> Value {
    json!({
        "id": contact.id, "name": contact.name, "email": contact.email, "phone_number": contact.phone,
        "identifier": null, "thumbnail": "", "custom_attributes": {}, "additional_attributes": {},
        "contact_inboxes": [],
    })
}

/// The result of a change of status.
pub(super) fn status(conversation: u64, status: Status) -> Value {
    json!({
        "success": true, "current_status": status.name(), "conversation_id": conversation, "snoozed_until": null,
    })
}

impl Chat {
    /// A conversation as in responses; null if it does not exist.
    pub(super) fn conversation_object(&self, state: &State, id: u64) -> Value {
        let payload = Payload {
            state,
            switches: &self.0.switches,
        };
        let Some(conversation) = state.conversation(id) else {
            return Value::Null;
        };
        let mut object = payload.conversation(conversation);
        super::super::payload::set(&mut object, "account_id", CHATWOOT_ACCOUNT.into());
        object
    }

    /// A message as in responses; null if it does not exist.
    pub(super) fn message_object(&self, state: &State, conversation: u64, id: u64) -> Value {
        let payload = Payload {
            state,
            switches: &self.0.switches,
        };
        let Some(conversation) = state.conversation(conversation) else {
            return Value::Null;
        };
        let message = conversation.messages.iter().find(|message| message.id == id);
        message.map_or(Value::Null, |message| payload.listed(conversation, message))
    }
}
