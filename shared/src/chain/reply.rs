//! An answer of a document: how it is read in a rule, checked, and written out.

use std::collections::BTreeSet;

use serde::de::MapAccess;
use serde_json::{Map, Value};

use super::document::{Document, Reply};
use crate::flow::source::{element, field};
use crate::flow::template::{Kind, TemplateError, is_literal};
use crate::flow::{self, At, Checker, Names, Pen, Trouble};
use crate::phone::PhoneNumber;
use crate::providers::agent4::{Action, Notification, NotificationWebhook};

/// An answer, written out.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The prompt, or what is spoken.
    pub content: Option<String>,
    /// What Agent4 does.
    pub actions: Vec<Action>,
    /// What Agent4 does after the call.
    pub notifications: Vec<Notification>,
    /// New values in the state.
    pub changes: Map<String, Value>,
    /// What is remembered.
    pub remembered: Option<Remembered>,
}

/// Something that is kept in what voice agents share about the caller.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Remembered {
    /// What the caller is calling about, which goes before the rest; empty when the document does not say.
    pub description: String,
    /// What becomes the caller's memory.
    pub memory: String,
}

/// What is kept in mind while a chain is checked.
#[derive(Debug)]
pub struct Notes<'a> {
    pub(super) document: &'a Document,
    /// Where the link looked at leads.
    pub(super) targets: BTreeSet<Target<'a>>,
    /// Whether the rules looked at are of `initial`, where the answer is a prompt.
    pub(super) is_initial: bool,
}

/// Where a link leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target<'a> {
    Next,
    Named(&'a str),
}

impl flow::Reply for Reply {
    type Written = Written;
    type Notes<'a> = Notes<'a>;
    const FIELDS: &'static [&'static str] = &[
        "content",
        "actions",
        "state",
        "additional_call_notifications",
        "remember",
    ];

    fn read<'de, A: MapAccess<'de>>(&mut self, field: &str, access: &mut A) -> Result<(), A::Error> {
        match field {
            "content" => self.content = access.next_value()?,
            "actions" => self.actions = access.next_value()?,
            "state" => self.state = access.next_value()?,
            "additional_call_notifications" => self.additional_call_notifications = access.next_value()?,
            _ => self.remember = access.next_value()?,
        }
        Ok(())
    }

    fn check<'a>(&'a self, at: At<'_>, checker: &mut Checker<'a, Self>) {
        let At { path, names, .. } = at;
        if let Some(content) = &self.content {
            checker.template(Kind::Speech, content, &field(path, "content"), names);
        }
        check_actions(&self.actions, &field(path, "actions"), names, checker);
        for (name, value) in &self.state {
            let path = field(&field(path, "state"), name);
            if !checker.notes.document.state.contains_key(name) {
                checker.wrong(&path, "is not declared in the chain's `state`");
            }
            checker.data(value, &path, names);
        }
        let notifications = field(path, "additional_call_notifications");
        for (index, notification) in self.additional_call_notifications.iter().enumerate() {
            check_notification(notification, &element(&notifications, index), names, checker);
        }
        if let Some(remember) = &self.remember {
            if let Some(description) = &remember.description {
                checker.template(Kind::Speech, description, &field(path, "remember.description"), names);
            }
            checker.template(Kind::Speech, &remember.memory, &field(path, "remember.memory"), names);
        }
        if at.is_of_rule && checker.notes.is_initial && !self.moves() {
            check_prompt(self.content.as_deref(), path, checker);
        }
    }

    fn write(&self, pen: &Pen<'_>) -> Result<Written, Trouble> {
        let content = self.content.as_ref();
        let content = content.map(|content| pen.field("content", Kind::Speech, content));
        let changes = self.state.iter().map(|(name, value)| {
            let value = pen.data(value);
            let at = || field(&pen.at("state"), name);
            Ok((name.clone(), value.map_err(|error| Trouble::new(at(), &error))?))
        });
        Ok(Written {
            content: content.transpose()?,
            actions: each(&self.actions, &pen.at("actions"), |action| write_action(action, pen))?,
            notifications: each(
                &self.additional_call_notifications,
                &pen.at("additional_call_notifications"),
                |notification| write_notification(notification, pen),
            )?,
            changes: changes.collect::<Result<_, Trouble>>()?,
            remembered: self.remembered(pen)?,
        })
    }
}

impl Reply {
    fn remembered(&self, pen: &Pen<'_>) -> Result<Option<Remembered>, Trouble> {
        let Some(remember) = &self.remember else {
            return Ok(None);
        };
        let description = remember.description.as_ref();
        let description = description.map(|source| pen.field("remember.description", Kind::Speech, source));
        Ok(Some(Remembered {
            description: description.transpose()?.unwrap_or_default(),
            memory: pen.field("remember.memory", Kind::Speech, &remember.memory)?,
        }))
    }
}

/// Every item of a list, written out; an error is at its place.
fn each<T>(items: &[T], path: &str, write: impl Fn(&T) -> Result<T, TemplateError>) -> Result<Vec<T>, Trouble> {
    let items = items.iter().enumerate();
    let items = items.map(|(index, item)| write(item).map_err(|error| Trouble::new(element(path, index), &error)));
    items.collect()
}

fn check_actions<'a>(actions: &'a [Action], path: &str, names: &Names, checker: &mut Checker<'a, Reply>) {
    for (index, action) in actions.iter().enumerate() {
        check_action(action, &element(path, index), names, checker);
    }
    if actions.iter().filter(|action| action.moves()).count() > 1 {
        checker.wrong(path, "more than one action ends the link");
    }
}

fn check_action<'a>(action: &'a Action, path: &str, names: &Names, checker: &mut Checker<'a, Reply>) {
    let mut speech = |source: &'a str, name: &str| checker.template(Kind::Speech, source, &field(path, name), names);
    match action {
        Action::NextTask => {
            checker.notes.targets.insert(Target::Next);
        }
        Action::SwitchTask { name } => {
            if checker.notes.document.link(name).is_none() {
                checker.wrong(field(path, "context.name"), "is not the name of a link of this chain");
            }
            checker.notes.targets.insert(Target::Named(name));
        }
        Action::Sms { message } => speech(message, "context.message"),
        Action::Say { content } => speech(content, "context.content"),
        Action::SetTrigger { trigger } => speech(trigger, "context.trigger"),
        Action::TransferCall { number } => {
            let path = field(path, "context.number");
            if !checker.is_kept()
                && is_literal(number)
                && let Err(error) = PhoneNumber::parse(number)
            {
                checker.wrong(&path, error.to_string());
            }
            checker.template(Kind::Line, number, &path, names);
        }
        Action::Email { email } => checker.address(email, &field(path, "context.email"), names),
        Action::EndCall | Action::EndTask => {}
    }
}

fn check_notification<'a>(notification: &'a Notification, path: &str, names: &Names, checker: &mut Checker<'a, Reply>) {
    if notification.email.is_some() == notification.webhook.is_some() {
        checker.wrong(path, "has either `email` or `webhook`");
    }
    if let Some(email) = &notification.email {
        checker.address(email, &field(path, "email"), names);
    }
    if let Some(webhook) = &notification.webhook {
        checker.url(&webhook.host, &field(path, "webhook.host"), names);
        for (name, value) in &webhook.headers {
            checker.header(name, value, &field(&field(path, "webhook.headers"), name), names);
        }
    }
}

/// At `initial` the answer is a prompt, and nothing but the prompt makes the model end the conversation.
fn check_prompt(prompt: Option<&str>, path: &str, checker: &mut Checker<'_, Reply>) {
    match prompt {
        None => checker.wrong(
            path,
            "the answer to `initial` needs `content`, the prompt, or an action that moves on",
        ),
        Some(prompt) if is_literal(prompt) && !prompt.contains("qualified") => {
            let why = "the prompt must tell the model when to call `qualified`: nothing else ends the conversation";
            checker.wrong(field(path, "content"), why);
        }
        Some(_) => {}
    }
}

fn write_action(action: &Action, pen: &Pen<'_>) -> Result<Action, TemplateError> {
    let speech = |source: &str| pen.text(Kind::Speech, source);
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
            email: pen.address(email)?,
        },
        Action::TransferCall { number } => {
            let number = pen.text(Kind::Line, number)?;
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

fn write_notification(notification: &Notification, pen: &Pen<'_>) -> Result<Notification, TemplateError> {
    let webhook = notification.webhook.as_ref().map(|webhook| {
        let host = pen.url(&webhook.host)?;
        let headers = webhook.headers.iter();
        let headers = headers.map(|(name, value)| Ok((name.clone(), pen.text(Kind::Line, value)?)));
        Ok(NotificationWebhook {
            host,
            headers: headers.collect::<Result<_, TemplateError>>()?,
        })
    });
    let email = notification.email.as_ref().map(|email| pen.address(email));
    Ok(Notification {
        webhook: webhook.transpose()?,
        email: email.transpose()?,
    })
}
