//! Bodies of events, and the objects that responses share with them (chatwoot 3).

use patchbay::clock::Timestamp;
use serde_json::{Map, Value, json};

use super::CHATWOOT_ACCOUNT;
use super::questions::{
    CreatedEvent, EchoAuthor, EventName, HumanSender, IdForm, IncomingSender, NestedMessage, PendingName, TextChange,
    TimeForm,
};
use super::records::{Author, Message, MessageKind, Status};
use super::setup::ContactRecord;
use super::state::{Conversation, State};
use super::switches::Switches;

/// The name of the account.
const ACCOUNT_NAME: &str = "Acme";
/// Where attachments of customers are.
const ATTACHMENT_URL: &str = "https://chatwoot.example.org/rails/active_storage/blobs/photo.jpg";

/// Builds bodies.
pub(super) struct Payload<'a> {
    pub(super) state: &'a State,
    pub(super) switches: &'a Switches,
}

impl Payload<'_> {
    /// The body of an event about a conversation, and the inbox. `None` if there is no such conversation.
    pub(super) fn conversation_event(&self, id: u64, name: EventName, changed: &Value) -> Option<(u64, Value)> {
        let conversation = self.state.conversation(id)?;
        let mut body = self.conversation(conversation);
        if name == EventName::ConversationCreated && self.switches.created_event == CreatedEvent::WithoutMessage {
            set(&mut body, "messages", json!([]));
        }
        if matches!(
            name,
            EventName::ConversationUpdated | EventName::ConversationStatusChanged
        ) {
            set(&mut body, "changed_attributes", changed.clone());
        }
        set(&mut body, "event", name.as_str().into());
        Some((conversation.record.inbox, body))
    }

    /// The body of an event about a message, and the inbox. `None` if there is no such message.
    pub(super) fn message_event(&self, conversation: u64, id: u64, name: EventName) -> Option<(u64, Value)> {
        let conversation = self.state.conversation(conversation)?;
        let message = conversation.messages.iter().find(|message| message.id == id)?;
        let mut body = json!({
            "id": message.id,
            "content": self.content(message),
            "created_at": self.time(message.at),
            "message_type": message.kind.name(),
            "content_type": self.content_type(message),
            "private": message.private,
            "content_attributes": self.attributes(message),
            "source_id": null,
            "sender": self.sender(conversation, message),
            "inbox": self.inbox(conversation.record.inbox),
            "conversation": self.conversation(conversation),
            "account": account(),
        });
        if message.attachments > 0 {
            set(&mut body, "attachments", attachments(message));
        }
        set(&mut body, "event", name.as_str().into());
        Some((conversation.record.inbox, body))
    }

    /// The body of the event about a visitor who opened the widget of an inbox.
    pub(super) fn widget_event(&self, inbox: u64, contact: u64, source_id: &str) -> Value {
        json!({
            "id": contact,
            "contact": self.state.contact(contact).map(|contact| self.contact(contact, true)),
            "inbox": self.inbox(inbox),
            "account": account(),
            "current_conversation": null,
            "source_id": source_id,
            "event": EventName::WidgetTriggered.as_str(),
            "event_info": {
                "widget_language": "en", "browser_language": "en", "browser": browser(),
                "referer": "https://shop.example.com/", "initiated_at": { "timestamp": "Mon Nov 23 2026 08:00:00 GMT+0000" },
            },
        })
    }

    fn inbox(&self, id: u64) -> Value {
        let name = self.state.inbox(id).map(|inbox| inbox.name.as_str());
        json!({ "id": id, "name": name })
    }

    /// A conversation object (chatwoot 3.2).
    pub(super) fn conversation(&self, conversation: &Conversation) -> Value {
        let record = &conversation.record;
        let created = record.created_at.seconds();
        let last = conversation
            .messages
            .last()
            .map_or(created, |message| message.at.seconds());
        let channel = self.state.inbox(record.inbox).map(|inbox| inbox.channel.as_str());
        let unread = conversation.messages.iter().rev();
        let unread = unread
            .take_while(|message| message.kind == MessageKind::Incoming)
            .count();
        // No browser begins a conversation in such an inbox.
        let additional_attributes = match channel {
            Some("Channel::Api") => json!({}),
            _ => json!({
                "browser": browser(), "browser_language": "en", "referer": "https://shop.example.com/",
                "initiated_at": { "timestamp": "Mon Nov 23 2026 08:00:00 GMT+0000" },
            }),
        };
        let mut body = json!({
            "additional_attributes": additional_attributes,
            "can_reply": true,
            "channel": channel,
            "contact_inbox": {
                "id": record.id + 10_000, "contact_id": record.contact, "inbox_id": record.inbox,
                "source_id": record.source_id, "created_at": self.time(record.created_at),
                "updated_at": self.time(record.created_at), "hmac_verified": false,
            },
            "id": record.id,
            "inbox_id": record.inbox,
            "messages": self.nested(conversation),
            "labels": record.labels,
            "meta": self.meta(conversation),
            "status": self.status(record.status),
            "custom_attributes": {},
            "snoozed_until": null,
            "priority": null,
            "unread_count": unread,
            "first_reply_created_at": self.first_reply(conversation),
            "agent_last_seen_at": 0,
            "contact_last_seen_at": 0,
            "waiting_since": created,
            "timestamp": last,
            "last_activity_at": last,
            "created_at": created,
        });
        if self.switches.account {
            set(&mut body, "account", account());
        }
        body
    }

    fn first_reply(&self, conversation: &Conversation) -> Value {
        let first = conversation.messages.iter().find(|message| message.is_of_human());
        first.map_or(Value::Null, |message| self.time(message.at))
    }

    fn meta(&self, conversation: &Conversation) -> Value {
        let record = &conversation.record;
        let bot = self
            .state
            .bot_of_inbox(record.inbox)
            .filter(|_| self.switches.bot_is_assignee && record.status == Status::Pending);
        let (assignee, kind) = match (&record.assignee, bot) {
            (Some(name), _) => (self.user(name), json!("User")),
            (None, Some(bot)) => (
                json!({ "id": bot.id, "name": bot.name, "type": "agent_bot" }),
                json!("AgentBot"),
            ),
            (None, None) => (Value::Null, Value::Null),
        };
        json!({
            "sender": self.state.contact(record.contact).map(|contact| self.contact(contact, true)),
            "assignee": assignee,
            "assignee_type": kind,
            "team": null,
            "hmac_verified": false,
        })
    }

    /// The message inside a conversation.
    fn nested(&self, conversation: &Conversation) -> Vec<Value> {
        let mut public = conversation.messages.iter().rev().filter(|message| message.is_public());
        let message = match self.switches.nested_message {
            NestedMessage::Last => public.next(),
            NestedMessage::Older => public.nth(1),
            NestedMessage::Missing => None,
        };
        let object = message.map(|message| self.listed(conversation, message));
        object.into_iter().collect()
    }

    /// A message as in lists (chatwoot 3.3).
    pub(super) fn listed(&self, conversation: &Conversation, message: &Message) -> Value {
        let sender = self.sender(conversation, message);
        let (sender_type, sender_id) = match sender.get("type").and_then(Value::as_str) {
            Some("user") => (json!("User"), sender.get("id").cloned().unwrap_or_default()),
            Some("agent_bot") => (json!("AgentBot"), sender.get("id").cloned().unwrap_or_default()),
            _ if sender.is_object() => (json!("Contact"), json!(conversation.record.contact)),
            _ => (Value::Null, Value::Null),
        };
        let mut object = json!({
            "id": message.id,
            "content": self.content(message),
            "account_id": CHATWOOT_ACCOUNT,
            "inbox_id": conversation.record.inbox,
            "conversation_id": message.conversation,
            "message_type": message.kind.number(),
            "created_at": message.at.seconds(),
            "updated_at": self.time(message.at),
            "private": message.private,
            "status": if message.is_read { "read" } else { "sent" },
            "source_id": null,
            "content_type": self.content_type(message),
            "content_attributes": self.attributes(message),
            "sender_type": sender_type,
            "sender_id": sender_id,
            "external_source_ids": {},
        });
        if sender.is_object() {
            let mut sender = sender;
            if sender.get("type").is_none() {
                set(&mut sender, "type", "contact".into());
            }
            set(&mut object, "sender", sender);
        }
        if message.attachments > 0 {
            set(&mut object, "attachments", attachments(message));
        }
        object
    }

    fn content(&self, message: &Message) -> Value {
        if message.text.is_empty() {
            return Value::Null;
        }
        if !matches!(message.author, Author::Bot { .. }) {
            return message.text.as_str().into();
        }
        let changed = match self.switches.echo_text {
            TextChange::Unchanged => message.text.clone(),
            TextChange::LineFeed => format!("{}\n", message.text),
            TextChange::Trimmed => message.text.trim().to_owned(),
            TextChange::Escaped => {
                let text = message.text.replace('&', "&amp;");
                text.replace('<', "&lt;").replace('>', "&gt;")
            }
        };
        changed.into()
    }

    fn content_type(&self, message: &Message) -> Value {
        match &message.content_type {
            Some(kind) => kind.as_str().into(),
            None if self.switches.empty_array => Value::Null,
            None => "text".into(),
        }
    }

    fn attributes(&self, message: &Message) -> Value {
        let mut attributes = message.attributes.clone();
        if let (Author::Human(name), HumanSender::External) = (&message.author, self.switches.human_sender)
            && !message.private
        {
            set(&mut attributes, "external_sender_name", name.as_str().into());
        }
        let is_empty = attributes.as_object().is_none_or(Map::is_empty);
        if is_empty && self.switches.empty_array {
            return json!([]);
        }
        attributes
    }

    /// The sender of a message (chatwoot 3.4).
    fn sender(&self, conversation: &Conversation, message: &Message) -> Value {
        match (&message.author, message.kind) {
            (_, MessageKind::Incoming) => self.incoming_sender(conversation),
            (Author::Human(name), _) => match self.switches.human_sender {
                HumanSender::External if !message.private => Value::Null,
                HumanSender::User | HumanSender::External => self.user(name),
            },
            (Author::Bot { bot }, _) => {
                let bot = bot.and_then(|id| self.state.bot(id));
                match (self.switches.echo_author, bot) {
                    (EchoAuthor::AgentBot, Some(bot)) => {
                        json!({ "id": bot.id, "name": bot.name, "type": "agent_bot" })
                    }
                    (EchoAuthor::AgentBot | EchoAuthor::User, _) => owner(),
                    (EchoAuthor::Nobody, _) => Value::Null,
                }
            }
            (Author::Other(name), _) => json!({ "id": 2, "name": name, "type": "agent_bot" }),
            (Author::Customer | Author::Template | Author::Activity, _) => Value::Null,
        }
    }

    fn incoming_sender(&self, conversation: &Conversation) -> Value {
        let contact = self.state.contact(conversation.record.contact);
        match self.switches.incoming_sender {
            IncomingSender::Contact => contact.map_or(Value::Null, |contact| self.contact(contact, true)),
            IncomingSender::Untyped => contact.map_or(Value::Null, |contact| self.contact(contact, false)),
            IncomingSender::Nobody => Value::Null,
            IncomingSender::User => owner(),
        }
    }

    /// A contact as sender.
    fn contact(&self, contact: &ContactRecord, is_typed: bool) -> Value {
        let mut object = json!({
            "additional_attributes": {}, "avatar": "", "custom_attributes": {}, "email": contact.email,
            "id": contact.id, "identifier": null, "name": contact.name, "phone_number": contact.phone, "thumbnail": "",
        });
        if is_typed {
            set(&mut object, "type", "contact".into());
        } else if self.switches.account {
            set(&mut object, "account", account());
        }
        object
    }

    /// A person of the team.
    fn user(&self, name: &str) -> Value {
        let id = self.state.agent(name).map(|agent| agent.id);
        json!({
            "id": id, "name": name, "available_name": name, "email": format!("{name}@example.org"), "avatar_url": "",
            "type": "user",
        })
    }

    fn time(&self, at: Timestamp) -> Value {
        match self.switches.times {
            TimeForm::Zulu => at.to_string().into(),
            TimeForm::WithoutZone => at.to_string().trim_end_matches('Z').into(),
            TimeForm::Spaced => format!("{} UTC", at.to_the_second()).into(),
            TimeForm::Epoch => at.seconds().into(),
        }
    }

    /// A status in the words of this version.
    pub(super) fn status(&self, status: Status) -> &'static str {
        self.switches.status_name(status)
    }
}

impl Switches {
    /// A status in the words of this version.
    pub(super) const fn status_name(&self, status: Status) -> &'static str {
        match (status, self.pending_name) {
            (Status::Pending, PendingName::Bot) => "bot",
            (status, _) => status.name(),
        }
    }
}

/// The person to whom the API's credentials belong.
fn owner() -> Value {
    json!({ "id": 1, "name": "API", "available_name": "API", "email": "api@example.org", "type": "user" })
}

fn account() -> Value {
    json!({ "id": CHATWOOT_ACCOUNT, "name": ACCOUNT_NAME })
}

fn browser() -> Value {
    json!({
        "device_name": "Unknown", "browser_name": "Firefox", "platform_name": "Linux", "browser_version": "129.0",
        "platform_version": "6",
    })
}

fn attachments(message: &Message) -> Value {
    let attachment = |index: u64| {
        json!({
            "id": message.id * 10 + index, "message_id": message.id, "file_type": "image",
            "account_id": CHATWOOT_ACCOUNT, "extension": null, "data_url": ATTACHMENT_URL,
            "thumb_url": ATTACHMENT_URL, "file_size": 48_213, "width": null, "height": null,
        })
    };
    (0..u64::from(message.attachments)).map(attachment).collect()
}

/// Sets a field of an object.
pub(super) fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

/// JSON with ids of this form: every number whose field is `id` or ends with `_id`.
pub(super) fn ids_as(form: IdForm, value: Value) -> Value {
    if form == IdForm::Number {
        return value;
    }
    match value {
        Value::Object(fields) => {
            let with_text = fields.into_iter().map(|(name, value)| {
                let is_id = name == "id" || name.ends_with("_id");
                let value = match value {
                    Value::Number(number) if is_id => number.to_string().into(),
                    other => ids_as(form, other),
                };
                (name, value)
            });
            Value::Object(with_text.collect())
        }
        Value::Array(values) => values.into_iter().map(|value| ids_as(form, value)).collect(),
        other => other,
    }
}
