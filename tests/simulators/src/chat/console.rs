//! The view of an installation for `patchbay local`: its inboxes and conversations as JSON, and what people can do, by
//! name.

use serde_json::{Value, json};

use super::Chat;
use super::people::ActionError;
use super::records::{Author, Cause, Change, ChangeKind, ConversationRecord, Message};

impl Chat {
    /// Inboxes, conversations with their messages, and people, as JSON.
    pub fn inbox_json(&self) -> Value {
        let (inboxes, bots, agents) = (self.inboxes(), self.bots(), self.agents());
        let inboxes = inboxes.iter().map(|inbox| {
            let bot = bots.iter().find(|bot| Some(bot.id) == inbox.bot);
            json!({ "id": inbox.id, "name": inbox.name, "bot": bot.map(|bot| &bot.name) })
        });
        let agents = agents
            .iter()
            .map(|agent| json!({ "name": agent.name, "is_logged_in": agent.is_logged_in }));
        let conversations = self.conversations();
        let conversations = conversations.iter().map(|record| self.conversation_json(record));
        let calls = self.calls();
        json!({
            "inboxes": inboxes.collect::<Value>(),
            "agents": agents.collect::<Value>(),
            "conversations": conversations.collect::<Value>(),
            "calls": json!(calls),
        })
    }

    fn conversation_json(&self, record: &ConversationRecord) -> Value {
        let contacts = self.contacts();
        let customer = contacts.iter().find(|contact| contact.id == record.contact);
        let messages = self.messages(record.id);
        json!({
            "id": record.id,
            "inbox": record.inbox,
            "customer": customer.map(|contact| &contact.name),
            "email": customer.and_then(|contact| contact.email.as_ref()),
            "phone": customer.and_then(|contact| contact.phone.as_ref()),
            "status": record.status.name(),
            "assignee": record.assignee,
            "created_at": record.created_at.to_string(),
            "messages": messages.iter().map(message_json).collect::<Value>(),
            "changes": record.changes.iter().map(change_json).collect::<Value>(),
        })
    }

    /// Does what people can do, by name, and returns the id of the conversation or message as JSON. The fields are those
    /// of a form: `inbox`, `conversation`, `agent`, `text`.
    ///
    /// | name | fields |
    /// |---|---|
    /// | `open` | `inbox` |
    /// | `write`, `attach`, `click` | `conversation`, `text` |
    /// | `reply`, `note` | `conversation`, `agent`, `text` |
    /// | `take`, `resolve`, `snooze`, `release` | `conversation`, `agent` |
    /// | `log-in`, `log-out` | `agent` |
    ///
    /// # Errors
    /// When there is no such action, a field is missing, or the action is impossible.
    pub fn act(&self, name: &str, fields: &Value) -> Result<Value, ActionError> {
        let number = |field: &str| {
            let value = fields.get(field);
            let number = value.and_then(|value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok()));
            number.ok_or_else(|| ActionError::NoAction(format!("`{field}` is missing, or is no id")))
        };
        let text = |field: &str| {
            let value = fields.get(field).and_then(Value::as_str);
            value.ok_or_else(|| ActionError::NoAction(format!("`{field}` is missing, or is no text")))
        };
        let conversation = || number("conversation");
        let message = |id: u64| json!({ "message": id });
        let done = |()| json!({});
        match name {
            "open" => Ok(json!({ "conversation": self.customer_opens(number("inbox")?)? })),
            "write" => self.customer_writes(conversation()?, text("text")?).map(message),
            "attach" => self
                .customer_sends_attachment(conversation()?, text("text")?)
                .map(message),
            "click" => self.customer_clicks(conversation()?, text("text")?).map(message),
            "reply" => self
                .agent_replies(conversation()?, text("agent")?, text("text")?)
                .map(message),
            "note" => self
                .agent_notes(conversation()?, text("agent")?, text("text")?)
                .map(message),
            "take" => self.agent_takes(conversation()?, text("agent")?).map(done),
            "resolve" => self.agent_resolves(conversation()?, text("agent")?).map(done),
            "snooze" => self.agent_snoozes(conversation()?, text("agent")?).map(done),
            "release" => self.agent_releases(conversation()?, text("agent")?).map(done),
            "log-in" | "log-out" => {
                self.set_logged_in(text("agent")?, name == "log-in");
                Ok(json!({}))
            }
            _ => Err(ActionError::NoAction(format!("no action `{name}`"))),
        }
    }
}

fn message_json(message: &Message) -> Value {
    let (by, name) = match &message.author {
        Author::Customer => ("customer", None),
        Author::Bot { .. } => ("bot", None),
        Author::Human(name) => ("agent", Some(name)),
        Author::Template | Author::Activity => ("platform", None),
        Author::Other(name) => ("other", Some(name)),
    };
    json!({
        "id": message.id,
        "at": message.at.to_string(),
        "by": by,
        "name": name,
        "direction": message.kind.name(),
        "private": message.private,
        "text": message.text,
        "attachments": message.attachments,
        "choices": message.attributes.get("items"),
    })
}

/// A change of the status has `status`, `by` and, if a person made it, `name`; another assignment has `assignee`.
fn change_json(change: &Change) -> Value {
    let at = change.at.to_string();
    let (to, by) = match &change.kind {
        ChangeKind::Status { to, by } => (to, by),
        ChangeKind::Assigned(agent) => return json!({ "at": at, "assignee": agent }),
        ChangeKind::Unassigned => return json!({ "at": at, "assignee": null }),
    };
    let (by, name) = match by {
        Cause::Request(_) => ("bot", None),
        Cause::Human(name) => ("agent", Some(name)),
        Cause::Customer => ("customer", None),
        Cause::Undelivered => ("platform", None),
    };
    json!({ "at": at, "status": to.name(), "by": by, "name": name })
}
