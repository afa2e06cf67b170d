//! Writing an answer: every template in it, the actions, the state.

use serde_json::{Map, Value};

use super::{Done, OWN_STATE, Remembered, Run, Trouble, declared_state, own_state};
use crate::chain::check::{is_address, is_tame};
use crate::chain::document::ReplyRef;
use crate::chain::source::{element, field};
use crate::chain::template::{Kind, Scope, TemplateError, lone_expression};
use crate::chain::wire::{Action, Answer, Notification, NotificationWebhook};
use crate::phone::PhoneNumber;

/// Most bytes of the state that we send; more of somebody else's is not carried on.
const MAX_STATE: usize = 16 * 1024;

impl Run<'_> {
    /// Data with its texts written out.
    pub(super) fn data(&self, value: &Value, scope: &Scope) -> Result<Value, TemplateError> {
        let templates = self.chain.templates();
        Ok(match value {
            Value::String(text) => match lone_expression(text) {
                Some(expression) => templates.eval(expression, scope)?,
                None => Value::String(templates.render(Kind::Plain, text, scope)?),
            },
            Value::Array(items) => {
                let items = items.iter().map(|item| self.data(item, scope));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), self.data(value, scope)?)));
                Value::Object(fields.collect::<Result<_, TemplateError>>()?)
            }
            plain => plain.clone(),
        })
    }

    pub(super) fn reply(&self, reply: ReplyRef<'_>, path: &str, scope: &Scope) -> Result<Done, Trouble> {
        let templates = self.chain.templates();
        let write = |kind: Kind, source: &str, name: &str| {
            templates
                .render(kind, source, scope)
                .map_err(|error| Trouble::new(field(path, name), &error))
        };
        let content = reply
            .content
            .map(|content| write(Kind::Speech, content, "content"))
            .transpose()?;
        let mut actions = Vec::with_capacity(reply.actions.len());
        for (index, action) in reply.actions.iter().enumerate() {
            let path = element(&field(path, "actions"), index);
            actions.push(self.action(action, scope).map_err(|error| Trouble::new(path, &error))?);
        }
        let mut notifications = Vec::with_capacity(reply.notifications.len());
        for (index, notification) in reply.notifications.iter().enumerate() {
            let path = element(&field(path, "additional_call_notifications"), index);
            notifications.push(
                self.notification(notification, scope)
                    .map_err(|error| Trouble::new(path, &error))?,
            );
        }
        let mut changes = Map::new();
        for (name, value) in reply.state {
            let value = self.data(value, scope);
            let at = || field(&field(path, "state"), name);
            changes.insert(name.clone(), value.map_err(|error| Trouble::new(at(), &error))?);
        }
        let remembered = match reply.remember {
            None => None,
            Some(remember) => Some(Remembered {
                description: match &remember.description {
                    Some(description) => write(Kind::Speech, description, "remember.description")?,
                    None => String::new(),
                },
                memory: write(Kind::Speech, &remember.memory, "remember.memory")?,
            }),
        };
        Ok(Done {
            leaves: self.leaves(&actions),
            answer: Answer {
                key: self.call.key.into(),
                content,
                actions,
                state: self
                    .state(changes)
                    .map_err(|why| Trouble::new(field(path, "state"), why))?,
                additional_call_notifications: notifications,
                ..Answer::default()
            },
            remembered,
            answered_by: path.into(),
            trouble: None,
        })
    }

    fn action(&self, action: &Action, scope: &Scope) -> Result<Action, TemplateError> {
        let templates = self.chain.templates();
        let speech = |source: &str| templates.render(Kind::Speech, source, scope);
        Ok(match action {
            Action::Sms { message } => Action::Sms {
                message: speech(message)?,
            },
            Action::Say { content } => Action::Say {
                content: speech(content)?,
            },
            Action::SetTrigger { trigger } => Action::SetTrigger {
                trigger: speech(trigger)?,
            },
            Action::Email { email } => Action::Email {
                email: self.address(email, scope)?,
            },
            Action::TransferCall { number } => {
                let number = templates.render(Kind::Line, number, scope)?;
                // As a machine writes it, it is the document's business, or a back end's, whether there is such a number.
                let read = PhoneNumber::from_e164(&number).or_else(|_| PhoneNumber::parse(&number));
                let number =
                    read.map_err(|why| TemplateError::new(format!("is no number to transfer a call to: {why}")))?;
                Action::TransferCall {
                    number: number.as_str().to_owned(),
                }
            }
            fixed => fixed.clone(),
        })
    }

    fn address(&self, source: &str, scope: &Scope) -> Result<String, TemplateError> {
        let address = self.chain.templates().render(Kind::Line, source, scope)?;
        if is_address(&address) {
            Ok(address)
        } else {
            Err(TemplateError::new("is no mail address"))
        }
    }

    fn notification(&self, notification: &Notification, scope: &Scope) -> Result<Notification, TemplateError> {
        let templates = self.chain.templates();
        let webhook = match &notification.webhook {
            None => None,
            Some(webhook) => {
                let host = templates.render(Kind::Url, &webhook.host, scope)?;
                if !is_tame(&host) {
                    return Err(TemplateError::new("a value does not fit into the URL"));
                }
                let headers = webhook.headers.iter();
                let headers =
                    headers.map(|(name, value)| Ok((name.clone(), templates.render(Kind::Line, value, scope)?)));
                Some(NotificationWebhook {
                    host,
                    headers: headers.collect::<Result<_, TemplateError>>()?,
                })
            }
        };
        let email = notification.email.as_ref();
        Ok(Notification {
            email: email.map(|email| self.address(email, scope)).transpose()?,
            webhook,
        })
    }

    /// The whole state as it is after this answer.
    fn state(&self, changes: Map<String, Value>) -> Result<Map<String, Value>, &'static str> {
        let request = self.call.request;
        let mut state = request.state.clone();
        state.remove(OWN_STATE);
        if size(&state) > MAX_STATE / 2 {
            state.clear();
        }
        state.extend(declared_state(self.document, request));
        state.extend(changes);
        let mut tries = Map::new();
        for link in &self.document.links {
            let count = match self.tries.get() {
                Some(count) if link.name == request.name => count,
                _ => request.tries(&link.name),
            };
            if count > 0 {
                tries.insert(link.name.clone(), count.into());
            }
        }
        state.insert(OWN_STATE.into(), own_state(self.call.key, &Value::Object(tries)));
        if size(&state) > MAX_STATE {
            return Err("would have more than 16 KB");
        }
        Ok(state)
    }
}

fn size(state: &Map<String, Value>) -> usize {
    serde_json::to_string(state).map_or(usize::MAX, |text| text.len())
}
