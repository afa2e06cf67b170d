//! Chatwoot's API (chatwoot 5): routes, and everything about conversations.

use http::Method;
use serde_json::{Value, json};

use super::super::faults::Endpoint;
use super::super::platform::NewMessage;
use super::super::questions::ChatwootAnswers;
use super::super::records::{Author, Cause, MessageKind, Status};
use super::super::{CHATWOOT_ACCOUNT, Chat};
use super::answers::{self, Subject, chatwoot_answer};
use super::auth::Caller;
use super::fields::Fields;
use super::{Received, Reply};
use crate::chat::payload::{ids_as, set};

/// The group of a request, from the path after `/api/v1` and the body. `None` if there is no such path.
pub(super) fn endpoint(path: &[&str], body: &Value) -> Option<Endpoint> {
    let path = match path {
        ["profile"] => return Some(Endpoint::SetUp),
        ["accounts", _, rest @ ..] => rest,
        _ => return None,
    };
    Some(match path {
        ["agent_bots", ..] => Endpoint::Bots,
        ["inboxes", _, "set_agent_bot"] => Endpoint::Assign,
        ["inboxes", ..] => Endpoint::Inboxes,
        ["webhooks", ..] => Endpoint::Webhooks,
        ["agents"] => Endpoint::SetUp,
        ["conversations", _, "messages"] => Endpoint::Messages,
        ["conversations", _, "toggle_status"] => match body.get("status").and_then(Value::as_str) {
            Some("resolved") => Endpoint::Finish,
            _ => Endpoint::Deliver,
        },
        ["contacts" | "conversations", ..] => Endpoint::Conversations,
        _ => return None,
    })
}

impl Chat {
    pub(super) fn chatwoot(&self, received: Received<'_>) -> Reply {
        let Some(caller) = self.caller(received) else {
            return Reply::error(401, "Invalid Access Token");
        };
        let segments = received.segments();
        let (account, path) = match segments.as_slice() {
            ["api", "v1", "profile"] => {
                return Reply::json(200, &json!({ "id": 1, "name": "API", "role": "administrator" }));
            }
            ["api", "v1", "accounts", account, path @ ..] => (*account, path),
            _ => return Reply::not_found(),
        };
        if account.parse() != Ok(CHATWOOT_ACCOUNT) {
            return Reply::error(401, "You are not authorized to access this account");
        }
        // Routes are case-sensitive, and some clients end a path with a slash.
        let path = path.strip_suffix(&[""]).unwrap_or(path);
        let done = match path {
            ["conversations", rest @ ..] => self.chatwoot_conversations(received, caller, rest),
            _ if caller != Caller::User => {
                return Reply::error(401, "Access to this endpoint is not authorized for bots");
            }
            _ => self.chatwoot_setup(received, path),
        };
        done.unwrap_or_else(|problem| problem)
    }

    fn chatwoot_conversations(&self, received: Received<'_>, caller: Caller, path: &[&str]) -> Result<Reply, Reply> {
        let method = received.request.method();
        match (method, path) {
            (&Method::GET, []) => Ok(self.conversation_list()),
            (&Method::POST, []) => self.chatwoot_begins(received, caller),
            (method, [id, rest @ ..]) => {
                let id = id.parse().map_err(|_| Reply::not_found())?;
                if self.lock().conversation(id).is_none() {
                    return Err(Reply::not_found());
                }
                match (method, rest) {
                    (&Method::GET, []) => Ok(self.chatwoot_object(self.conversation_object(&self.lock(), id))),
                    (&Method::GET, ["messages"]) => Ok(self.message_list(id)),
                    (&Method::POST, ["messages"]) => self.chatwoot_posts(received, caller, id),
                    (&Method::POST, ["toggle_status"]) => self.toggle_status(received, id),
                    (&Method::POST, ["toggle_typing_status"]) => Ok(Reply::empty(200)),
                    (&Method::POST, ["assignments"]) => self.assignments(received, id),
                    (&Method::GET | &Method::POST, ["labels"]) => self.labels(received, id),
                    _ => Err(Reply::not_found()),
                }
            }
            _ => Err(Reply::not_found()),
        }
    }

    /// A successful response with the bare object.
    pub(super) fn chatwoot_object(&self, object: Value) -> Reply {
        Reply::json(200, &ids_as(self.0.switches.answer_ids, object))
    }

    fn conversation_list(&self) -> Reply {
        let state = self.lock();
        let ids: Vec<u64> = state.conversations.iter().map(|found| found.record.id).collect();
        let objects: Value = ids.iter().map(|id| self.conversation_object(&state, *id)).collect();
        drop(state);
        self.chatwoot_object(json!({ "data": { "meta": { "all_count": ids.len() }, "payload": objects } }))
    }

    fn chatwoot_begins(&self, received: Received<'_>, caller: Caller) -> Result<Reply, Reply> {
        let fields = Fields::read(received.json())?;
        let (inbox, contact) = (fields.number("inbox_id")?, fields.number("contact_id")?);
        let source_id = match fields.text("source_id") {
            Ok(source_id) => source_id.to_owned(),
            Err(_) => self.lock().rng.uuid(),
        };
        let first = fields.get("message").cloned().unwrap_or_default();
        let kind = self.kind_of_message(first.get("message_type"), Some(inbox))?;
        let text = first.get("content").and_then(Value::as_str).unwrap_or_default();
        let message = NewMessage {
            request: Some(received.index),
            ..NewMessage::text(0, author(kind, caller.bot()), kind, text)
        };
        let id = self.begin_conversation(inbox, contact, source_id, message)?;
        Ok(self.chatwoot_object(self.conversation_object(&self.lock(), id)))
    }

    /// The kind of a message to post. A customer's messages are only for inboxes of the API (chatwoot 5.1).
    fn kind_of_message(&self, name: Option<&Value>, inbox: Option<u64>) -> Result<MessageKind, Reply> {
        let state = self.lock();
        let inbox = inbox.and_then(|inbox| state.inbox(inbox));
        match name.map(Value::as_str) {
            None | Some(Some("outgoing")) => Ok(MessageKind::Outgoing),
            Some(Some("incoming")) if inbox.is_some_and(|inbox| inbox.channel == "Channel::Api") => {
                Ok(MessageKind::Incoming)
            }
            Some(Some("incoming")) => Err(Reply::error(422, "Incoming messages are only allowed in Api inboxes")),
            Some(_) => Err(Reply::error(422, "message_type is invalid")),
        }
    }

    fn message_list(&self, id: u64) -> Reply {
        let ids: Vec<u64> = self.messages(id).iter().map(|message| message.id).collect();
        let state = self.lock();
        let messages: Value = ids
            .iter()
            .map(|message| self.message_object(&state, id, *message))
            .collect();
        drop(state);
        self.chatwoot_object(json!({ "meta": {}, "payload": messages }))
    }

    fn chatwoot_posts(&self, received: Received<'_>, caller: Caller, conversation: u64) -> Result<Reply, Reply> {
        let fields = Fields::read(received.json())?;
        let inbox = self.conversation(conversation).map(|record| record.inbox);
        let kind = self.kind_of_message(fields.get("message_type"), inbox)?;
        let as_bot = fields.get("sender_type").and_then(Value::as_str) == Some("AgentBot");
        let bot = match caller {
            Caller::User if as_bot => Some(fields.number("sender_id")?),
            caller => caller.bot(),
        };
        let text = fields.get("content").and_then(Value::as_str).unwrap_or_default();
        let message = NewMessage {
            private: fields.flag("private"),
            content_type: fields.get("content_type").and_then(Value::as_str).map(str::to_owned),
            attributes: checked_attributes(&fields)?,
            request: Some(received.index),
            ..NewMessage::text(conversation, author(kind, bot), kind, text)
        };
        let id = self.post_message(&message)?;
        Ok(self.chatwoot_object(self.message_object(&self.lock(), conversation, id)))
    }

    /// Without a status, an open conversation is resolved, and any other one opened.
    fn toggle_status(&self, received: Received<'_>, id: u64) -> Result<Reply, Reply> {
        let fields = Fields::read(received.json())?;
        let current = self.conversation(id).map(|record| record.status);
        let to = match fields.get("status") {
            None if current == Some(Status::Open) => Status::Resolved,
            None => Status::Open,
            Some(status) => {
                let status = status.as_str().and_then(Status::named);
                status.ok_or_else(|| Reply::error(422, "status is invalid"))?
            }
        };
        match to {
            Status::Open | Status::Resolved => self.conclude_conversation(id, received.index, to)?,
            Status::Pending | Status::Snoozed => {
                let by = Cause::Request(received.index);
                self.change_by_request(|platform| platform.set_status(id, to, by));
            }
        }
        let object = ids_as(self.0.switches.answer_ids, answers::status(id, to));
        Ok(match self.0.switches.chatwoot_answers {
            ChatwootAnswers::Server => chatwoot_answer(200, Subject::Status, object),
            ChatwootAnswers::Description => Reply::json(200, &object),
        })
    }

    fn assignments(&self, received: Received<'_>, id: u64) -> Result<Reply, Reply> {
        let fields = Fields::read(received.json())?;
        let agent = if fields.get("assignee_id").is_some() {
            let agent = fields.number("assignee_id")?;
            let known = self.agents().into_iter().find(|known| known.id == agent);
            Some(known.ok_or_else(Reply::not_found)?)
        } else {
            None
        };
        let name = agent.as_ref().map(|agent| agent.name.as_str());
        self.change_by_request(|platform| platform.assign(id, name));
        let assigned = agent.map(|agent| json!({ "id": agent.id, "name": agent.name, "type": "user" }));
        Ok(self.chatwoot_object(json!(assigned)))
    }

    fn labels(&self, received: Received<'_>, id: u64) -> Result<Reply, Reply> {
        if received.request.method() == Method::POST {
            let fields = Fields::read(received.json())?;
            let labels = fields.get("labels").and_then(Value::as_array);
            let labels = labels.ok_or_else(|| Reply::error(422, "labels are missing"))?;
            let labels = labels.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            self.change_by_request(|platform| {
                platform.state.changed.insert(id);
                if let Some(found) = platform.state.conversation_mut(id) {
                    found.record.labels = labels;
                }
            });
        }
        let labels = self.conversation(id).map(|record| record.labels);
        Ok(Reply::json(200, &json!({ "payload": labels })))
    }
}

/// The author of a message that is posted.
fn author(kind: MessageKind, bot: Option<u64>) -> Author {
    match kind {
        MessageKind::Incoming => Author::Customer,
        _ => Author::Bot { bot },
    }
}

/// The attributes of a message. Items may only have the fields that their kind of content has.
fn checked_attributes(fields: &Fields) -> Result<Value, Reply> {
    let mut attributes = json!({});
    let given = fields.get("content_attributes").and_then(Value::as_object);
    let allowed: &[&str] = match fields.get("content_type").and_then(Value::as_str) {
        Some("input_select") => &["title", "value"],
        Some("cards") => &["title", "description", "media_url", "actions"],
        Some("article") => &["title", "description", "link"],
        Some("form") => &[
            "type",
            "placeholder",
            "label",
            "name",
            "options",
            "default",
            "required",
            "pattern",
            "title",
            "pattern_error",
        ],
        _ => &[],
    };
    for (name, value) in given.into_iter().flatten() {
        let items = value.as_array().filter(|_| name == "items" && !allowed.is_empty());
        let mut keys = items
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .flat_map(|item| item.keys());
        if keys.any(|key| !allowed.contains(&key.as_str())) {
            return Err(Reply::error(422, "Content attributes contains items with invalid keys"));
        }
        set(&mut attributes, name, value.clone());
    }
    Ok(attributes)
}
