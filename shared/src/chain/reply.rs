//! The reply of a link document: deserialized in a rule, checked and rendered.

use std::collections::BTreeSet;

use serde::de::MapAccess;
use serde_json::{Map, Value};

use super::document::{Document, Reply};
use crate::flow::source::{element, field};
use crate::flow::template::{Kind, TemplateError, is_literal};
use crate::flow::{self, Checker, Names, Renderer, ReplySite, RuleError};
use crate::phone::PhoneNumber;
use crate::providers::agent4::{Action, Notification, NotificationWebhook};

/// A rendered reply.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderedReply {
    /// The prompt, or what is spoken.
    pub content: Option<String>,
    /// Actions of Agent4, in order.
    pub actions: Vec<Action>,
    /// Notifications that Agent4 sends after the call.
    pub notifications: Vec<Notification>,
    /// New values in the state.
    pub changes: Map<String, Value>,
    /// The note for the context of the caller.
    pub remembered: Option<CallerMemory>,
}

/// A note for the context of the caller, which voice agents share.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CallerMemory {
    /// Why the caller is calling: the first line of the note. Empty when the document states none.
    pub description: String,
    /// The text that replaces the memory of the caller.
    pub memory: String,
}

/// Scratch data while a chain is checked.
#[derive(Debug)]
pub struct Scratch<'a> {
    pub(super) document: &'a Document,
    /// Targets of the link that is being checked.
    pub(super) targets: BTreeSet<Target<'a>>,
    /// Whether the rules being checked are those of `initial`, where the answer is a prompt.
    pub(super) is_initial: bool,
}

/// The target of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target<'a> {
    Next,
    Named(&'a str),
}

impl flow::Reply for Reply {
    type Rendered = RenderedReply;
    type Scratch<'a> = Scratch<'a>;
    const FIELDS: &'static [&'static str] = &[
        "content",
        "actions",
        "state",
        "additional_call_notifications",
        "remember",
    ];

    fn read_field<'de, A: MapAccess<'de>>(&mut self, field: &str, access: &mut A) -> Result<(), A::Error> {
        match field {
            "content" => self.content = access.next_value()?,
            "actions" => self.actions = access.next_value()?,
            "state" => self.state = access.next_value()?,
            "additional_call_notifications" => self.additional_call_notifications = access.next_value()?,
            _ => self.remember = access.next_value()?,
        }
        Ok(())
    }

    fn check<'a>(&'a self, site: ReplySite<'_>, checker: &mut Checker<'a, Self>) {
        let ReplySite { path, names, .. } = site;
        if let Some(content) = &self.content {
            checker.template(Kind::Speech, content, &field(path, "content"), names);
        }
        check_actions(&self.actions, &field(path, "actions"), names, checker);
        for (name, value) in &self.state {
            let path = field(&field(path, "state"), name);
            if !checker.scratch.document.state.contains_key(name) {
                checker.report(&path, "is not declared in the `state` of the chain");
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
        if site.in_rule && checker.scratch.is_initial && !self.ends_link() {
            check_prompt(self.content.as_deref(), path, checker);
        }
    }

    fn render(&self, renderer: &Renderer<'_>) -> Result<RenderedReply, RuleError> {
        let content = self.content.as_ref();
        let content = content.map(|content| renderer.render_field("content", Kind::Speech, content));
        let changes = self.state.iter().map(|(name, value)| {
            let value = renderer.render_data(value);
            let value_path = || field(&renderer.field_path("state"), name);
            Ok((
                name.clone(),
                value.map_err(|error| RuleError::new(value_path(), &error))?,
            ))
        });
        Ok(RenderedReply {
            content: content.transpose()?,
            actions: render_each(&self.actions, &renderer.field_path("actions"), |action| {
                render_action(action, renderer)
            })?,
            notifications: render_each(
                &self.additional_call_notifications,
                &renderer.field_path("additional_call_notifications"),
                |notification| render_notification(notification, renderer),
            )?,
            changes: changes.collect::<Result<_, RuleError>>()?,
            remembered: self.remembered(renderer)?,
        })
    }
}

impl Reply {
    fn remembered(&self, renderer: &Renderer<'_>) -> Result<Option<CallerMemory>, RuleError> {
        let Some(remember) = &self.remember else {
            return Ok(None);
        };
        let description = remember.description.as_ref();
        let description = description.map(|source| renderer.render_field("remember.description", Kind::Speech, source));
        Ok(Some(CallerMemory {
            description: description.transpose()?.unwrap_or_default(),
            memory: renderer.render_field("remember.memory", Kind::Speech, &remember.memory)?,
        }))
    }
}

/// Renders every item of a list. An error has the path of its item.
fn render_each<T>(
    items: &[T],
    path: &str,
    render: impl Fn(&T) -> Result<T, TemplateError>,
) -> Result<Vec<T>, RuleError> {
    let items = items.iter().enumerate();
    let items = items.map(|(index, item)| render(item).map_err(|error| RuleError::new(element(path, index), &error)));
    items.collect()
}

fn check_actions<'a>(actions: &'a [Action], path: &str, names: &Names, checker: &mut Checker<'a, Reply>) {
    for (index, action) in actions.iter().enumerate() {
        check_action(action, &element(path, index), names, checker);
    }
    if actions.iter().filter(|action| action.ends_link()).count() > 1 {
        checker.report(path, "more than one action ends the link");
    }
}

fn check_action<'a>(action: &'a Action, path: &str, names: &Names, checker: &mut Checker<'a, Reply>) {
    let mut speech = |source: &'a str, name: &str| checker.template(Kind::Speech, source, &field(path, name), names);
    match action {
        Action::NextTask => {
            checker.scratch.targets.insert(Target::Next);
        }
        Action::SwitchTask { name } => {
            if checker.scratch.document.link(name).is_none() {
                checker.report(field(path, "context.name"), "is not the name of a link of this chain");
            }
            checker.scratch.targets.insert(Target::Named(name));
        }
        Action::Sms { message } => speech(message, "context.message"),
        Action::Say { content } => speech(content, "context.content"),
        Action::SetTrigger { trigger } => speech(trigger, "context.trigger"),
        Action::TransferCall { number } => {
            let path = field(path, "context.number");
            if !checker.is_stored()
                && is_literal(number)
                && let Err(error) = PhoneNumber::parse(number)
            {
                checker.report(&path, error.to_string());
            }
            checker.template(Kind::Line, number, &path, names);
        }
        Action::Email { email } => checker.email(email, &field(path, "context.email"), names),
        Action::EndCall | Action::EndTask => {}
    }
}

fn check_notification<'a>(notification: &'a Notification, path: &str, names: &Names, checker: &mut Checker<'a, Reply>) {
    if notification.email.is_some() == notification.webhook.is_some() {
        checker.report(path, "must have either `email` or `webhook`");
    }
    if let Some(email) = &notification.email {
        checker.email(email, &field(path, "email"), names);
    }
    if let Some(webhook) = &notification.webhook {
        checker.url(&webhook.host, &field(path, "webhook.host"), names);
        for (name, value) in &webhook.headers {
            checker.header(name, value, &field(&field(path, "webhook.headers"), name), names);
        }
    }
}

/// At `initial` the answer is a prompt, and only the prompt makes the model end the conversation.
fn check_prompt(prompt: Option<&str>, path: &str, checker: &mut Checker<'_, Reply>) {
    match prompt {
        None => checker.report(
            path,
            "the answer to `initial` needs `content`, the prompt, or an action that ends the link",
        ),
        Some(prompt) if is_literal(prompt) && !prompt.contains("qualified") => {
            let reason = "the prompt must tell the model when to call `qualified`: nothing else ends the conversation";
            checker.report(field(path, "content"), reason);
        }
        Some(_) => {}
    }
}

fn render_action(action: &Action, renderer: &Renderer<'_>) -> Result<Action, TemplateError> {
    let speech = |source: &str| renderer.render(Kind::Speech, source);
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
            email: renderer.render_email(email)?,
        },
        Action::TransferCall { number } => {
            let number = renderer.render(Kind::Line, number)?;
            // An E.164 number is transferred as it is: the document or the back end decides whether it exists. Other
            // notations are parsed.
            let read = PhoneNumber::from_e164(&number).or_else(|_| PhoneNumber::parse(&number));
            let number = read.map_err(|error| {
                TemplateError::new(format!("is not a number that a call can be transferred to: {error}"))
            })?;
            Action::TransferCall {
                number: number.as_str().to_owned(),
            }
        }
        fixed => fixed.clone(),
    })
}

fn render_notification(notification: &Notification, renderer: &Renderer<'_>) -> Result<Notification, TemplateError> {
    let webhook = notification.webhook.as_ref().map(|webhook| {
        let host = renderer.render_url(&webhook.host)?;
        let headers = webhook.headers.iter();
        let headers = headers.map(|(name, value)| Ok((name.clone(), renderer.render(Kind::Line, value)?)));
        Ok(NotificationWebhook {
            host,
            headers: headers.collect::<Result<_, TemplateError>>()?,
        })
    });
    let email = notification.email.as_ref().map(|email| renderer.render_email(email));
    Ok(Notification {
        webhook: webhook.transpose()?,
        email: email.transpose()?,
    })
}
