//! A document is checked whole, and compiled: whatever can be known to go wrong is said when it is uploaded, not when
//! a caller is on the line.

mod names;
mod rules;
mod urls;

use std::collections::{BTreeSet, VecDeque};

use serde_json::Value;

use super::MAX_DOCUMENT;
use super::document::{Document, Invalid, Link, ReplyRef};
use super::schema;
use super::source::{Issue, Source, element, field};
use super::template::{Kind, Templates, is_literal, lone_expression};
use super::wire::{Action, OWN_STATE};
use names::Names;
pub(super) use urls::{host, is_tame};

/// Most links of a chain.
const MAX_LINKS: usize = 50;
/// Most rules of a chain, those inside others included.
const MAX_RULES: usize = 1_000;
/// Most issues that are told at once.
const MAX_ISSUES: usize = 50;
/// Most times that a caller may be asked again.
const MAX_RETRIES: u8 = 5;

/// A document that has been checked, ready to answer.
#[derive(Clone, Debug)]
pub struct Chain {
    document: Document,
    templates: Templates,
}

impl Chain {
    /// Reads YAML or JSON, checks and compiles it.
    ///
    /// # Errors
    /// Everything that is wrong with it, with lines.
    pub fn read(text: &str) -> Result<Self, Vec<Issue>> {
        if text.len() > MAX_DOCUMENT {
            return Err(vec![Issue::new("", format!("has more than {MAX_DOCUMENT} bytes"))]);
        }
        let source = Source::parse(text).map_err(|issue| vec![issue])?;
        let placed = |issues: Vec<Issue>| {
            let mut issues: Vec<Issue> = issues.into_iter().map(|issue| source.placed(issue)).collect();
            issues.sort_by_key(|issue| issue.place);
            issues
        };
        Self::from_value(&source.value).map_err(placed)
    }

    /// Checks and compiles a document.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_value(value: &Value) -> Result<Self, Vec<Issue>> {
        Self::compile(deserialized(value)?, false)
    }

    /// Compiles a document that was checked when it was uploaded. What has been refused only since then is taken: a
    /// stricter patchbay must not silence a chain that answers.
    ///
    /// # Errors
    /// What keeps it from answering.
    pub fn from_kept(value: &Value) -> Result<Self, Vec<Issue>> {
        Self::compile(deserialized(value)?, true)
    }

    fn compile(document: Document, is_kept: bool) -> Result<Self, Vec<Issue>> {
        let mut checker = Checker {
            document: &document,
            is_kept,
            templates: Templates::default(),
            issues: Vec::new(),
            used: BTreeSet::new(),
            targets: BTreeSet::new(),
            rules: 0,
        };
        checker.document();
        let Checker {
            templates, mut issues, ..
        } = checker;
        if issues.is_empty() {
            return Ok(Self { document, templates });
        }
        issues.truncate(MAX_ISSUES);
        Err(issues)
    }

    /// The document.
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// Its templates.
    pub const fn templates(&self) -> &Templates {
        &self.templates
    }

    /// The link called `name`, and its place in the list.
    pub fn link(&self, name: &str) -> Option<(usize, &Link)> {
        self.document
            .links
            .iter()
            .enumerate()
            .find(|(_, link)| link.name == name)
    }
}

fn deserialized(value: &Value) -> Result<Document, Vec<Issue>> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        vec![Issue::new(path, in_words(&error.into_inner().to_string()))]
    })
}

struct Checker<'a> {
    document: &'a Document,
    /// Whether it was checked before, by this or an earlier version.
    is_kept: bool,
    templates: Templates,
    issues: Vec<Issue>,
    /// Variables that the templates looked at so far need.
    used: BTreeSet<String>,
    /// Where the link looked at leads.
    targets: BTreeSet<Target>,
    rules: usize,
}

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Next,
    Named(String),
}

impl<'a> Checker<'a> {
    fn wrong(&mut self, path: impl Into<String>, detail: impl Into<String>) {
        self.issues.push(Issue::new(path, detail));
    }

    fn document(&mut self) {
        let document = self.document;
        for name in document.state.keys() {
            self.name(&field("state", name), name);
            if name == OWN_STATE {
                self.wrong(field("state", name), "is a name that patchbay keeps for itself");
            }
        }
        for name in document.metadata.keys() {
            self.name(&field("metadata", name), name);
        }
        if document.links.is_empty() || document.links.len() > MAX_LINKS {
            self.wrong("links", format!("a chain has 1 to {MAX_LINKS} links"));
        }
        let outer = Names::of(document);
        if let Some(fallback) = &document.fallback {
            self.reply(fallback.reply(), "fallback", &outer);
        }
        let from_everywhere = std::mem::take(&mut self.targets);
        let mut seen = BTreeSet::new();
        let mut leads = Vec::new();
        for (index, link) in document.links.iter().enumerate() {
            let path = element("links", index);
            let has_form =
                !link.name.is_empty() && link.name.chars().count() <= 100 && !link.name.chars().any(char::is_control);
            if !has_form {
                self.wrong(field(&path, "name"), "has 1 to 100 characters");
            }
            if !seen.insert(link.name.as_str()) {
                self.wrong(field(&path, "name"), "is the name of an earlier link too");
            }
            self.link(link, &path, &outer);
            let mut targets = std::mem::take(&mut self.targets);
            targets.extend(from_everywhere.iter().cloned());
            leads.push(targets);
        }
        self.reach(&leads);
        if self.rules > MAX_RULES {
            self.wrong("links", format!("has {} rules; there may be {MAX_RULES}", self.rules));
        }
    }

    /// That every link can be reached from the first.
    fn reach(&mut self, leads: &[BTreeSet<Target>]) {
        let links = &self.document.links;
        let mut reached = BTreeSet::from([0]);
        let mut open = VecDeque::from([0]);
        while let Some(index) = open.pop_front() {
            for target in leads.get(index).into_iter().flatten() {
                let next = match target {
                    Target::Next => (index + 1 < links.len()).then_some(index + 1),
                    Target::Named(name) => links.iter().position(|link| link.name == *name),
                };
                open.extend(next.filter(|next| reached.insert(*next)));
            }
        }
        for index in 0..links.len() {
            if !reached.contains(&index) {
                self.wrong(
                    field(&element("links", index), "name"),
                    "cannot be reached: no `switch_task` names it, and no `next_task` leads to it",
                );
            }
        }
    }

    fn link(&mut self, link: &'a Link, path: &str, outer: &Names) {
        for (name, parameters) in [
            ("qualified_parameters", &link.qualified_parameters),
            ("disqualified_parameters", &link.disqualified_parameters),
            ("interrupt_parameters", &link.interrupt_parameters),
        ] {
            if let Some(parameters) = parameters
                && !self.is_kept
            {
                schema::check(parameters, &field(path, name), &mut self.issues);
            }
        }
        self.rules(&link.initial, &field(path, "initial"), &outer.clone(), true, 0);
        let with = |parameters: &Option<Value>| outer.with_context(parameters.as_ref());
        self.rules(
            &link.qualified,
            &field(path, "qualified"),
            &with(&link.qualified_parameters),
            false,
            0,
        );
        self.rules(
            &link.disqualified,
            &field(path, "disqualified"),
            &with(&link.disqualified_parameters),
            false,
            0,
        );
        if !link.interrupt.is_empty() {
            // Agent4 has parameters for this moment, and is said to send no context in it. Whoever declares some has thought
            // of it; what is missing is null.
            let names = if self.is_kept || link.interrupt_parameters.is_some() {
                with(&link.interrupt_parameters)
            } else {
                outer.at_interrupt()
            };
            self.rules(&link.interrupt, &field(path, "interrupt"), &names, false, 0);
        }
        if let Some(invalid) = &link.invalid {
            self.invalid(link, invalid, &field(path, "invalid"), outer);
        }
    }

    fn invalid(&mut self, link: &Link, invalid: &'a Invalid, path: &str, outer: &Names) {
        if link.qualified_parameters.is_none() {
            self.wrong(
                path,
                "says what happens when `qualified_parameters` are not kept, and there are none",
            );
        }
        if invalid.retries.is_some_and(|retries| retries > MAX_RETRIES) {
            self.wrong(field(path, "retries"), format!("must be from 0 to {MAX_RETRIES}"));
        }
        if let Some(retry) = &invalid.retry {
            self.reply(retry.reply(), &field(path, "retry"), outer);
        }
        if let Some(give_up) = &invalid.give_up {
            self.reply(give_up.reply(), &field(path, "give_up"), outer);
        }
    }

    fn reply(&mut self, reply: ReplyRef<'a>, path: &str, names: &Names) {
        if let Some(content) = reply.content {
            self.template(Kind::Speech, content, &field(path, "content"), names);
        }
        let actions = field(path, "actions");
        for (index, action) in reply.actions.iter().enumerate() {
            self.action(action, &element(&actions, index), names);
        }
        if let Some(early) = reply
            .actions
            .iter()
            .position(Action::moves)
            .filter(|at| at + 1 < reply.actions.len())
            && reply.actions.iter().skip(early + 1).any(Action::moves)
        {
            self.wrong(&actions, "more than one action ends the link");
        }
        for (name, value) in reply.state {
            let path = field(&field(path, "state"), name);
            if !self.document.state.contains_key(name) {
                self.wrong(&path, "is not declared in the chain's `state`");
            }
            self.data(value, &path, names);
        }
        let notifications = field(path, "additional_call_notifications");
        for (index, notification) in reply.notifications.iter().enumerate() {
            let path = element(&notifications, index);
            if notification.email.is_some() == notification.webhook.is_some() {
                self.wrong(&path, "has either `email` or `webhook`");
            }
            if let Some(email) = &notification.email {
                self.address(email, &field(&path, "email"), names);
            }
            if let Some(webhook) = &notification.webhook {
                self.url(&webhook.host, &field(&path, "webhook.host"), names);
                for (name, value) in &webhook.headers {
                    self.header(name, value, &field(&field(&path, "webhook.headers"), name), names);
                }
            }
        }
        if let Some(remember) = reply.remember {
            if let Some(description) = &remember.description {
                self.template(Kind::Speech, description, &field(path, "remember.description"), names);
            }
            self.template(Kind::Speech, &remember.memory, &field(path, "remember.memory"), names);
        }
    }

    fn action(&mut self, action: &'a Action, path: &str, names: &Names) {
        match action {
            Action::NextTask => {
                self.targets.insert(Target::Next);
            }
            Action::SwitchTask { name } => {
                if !self.document.links.iter().any(|link| link.name == *name) {
                    self.wrong(field(path, "context.name"), "is not the name of a link of this chain");
                }
                self.targets.insert(Target::Named(name.clone()));
            }
            Action::Sms { message } => self.template(Kind::Speech, message, &field(path, "context.message"), names),
            Action::Say { content } => self.template(Kind::Speech, content, &field(path, "context.content"), names),
            Action::SetTrigger { trigger } => {
                self.template(Kind::Speech, trigger, &field(path, "context.trigger"), names);
            }
            Action::TransferCall { number } => {
                let path = field(path, "context.number");
                if !self.is_kept
                    && is_literal(number)
                    && let Err(error) = crate::phone::PhoneNumber::parse(number)
                {
                    self.wrong(&path, error.to_string());
                }
                self.template(Kind::Line, number, &path, names);
            }
            Action::Email { email } => self.address(email, &field(path, "context.email"), names),
            Action::EndCall | Action::EndTask => {}
        }
    }

    fn address(&mut self, address: &'a str, path: &str, names: &Names) {
        if is_literal(address) && !is_address(address) {
            self.wrong(path, "is no mail address");
        }
        self.template(Kind::Line, address, path, names);
    }

    /// A template of this kind: compiled, and all that it needs is there.
    fn template(&mut self, kind: Kind, source: &str, path: &str, names: &Names) {
        let added = if self.is_kept {
            self.templates.add_kept(kind, source)
        } else {
            self.templates.add(kind, source)
        };
        match added {
            Err(error) => self.wrong(path, error.to_string()),
            Ok(variables) => {
                for variable in variables {
                    if let Err(why) = names.know(&variable) {
                        self.wrong(path, why);
                    }
                    self.used.insert(variable);
                }
            }
        }
    }

    /// Data with templates in its texts.
    fn data(&mut self, value: &'a Value, path: &str, names: &Names) {
        match value {
            Value::String(text) => match lone_expression(text) {
                Some(expression) => self.template(Kind::Expression, expression, path, names),
                None => self.template(Kind::Plain, text, path, names),
            },
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.data(item, &element(path, index), names);
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.data(value, &field(path, name), names);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn name(&mut self, path: &str, name: &str) {
        if !schema::is_name(name) {
            self.wrong(path, "a name has 1 to 64 of a-z, A-Z, 0-9 and _, and no digit first");
        }
    }
}

/// What serde says, without the names of our types.
fn in_words(message: &str) -> String {
    if message.contains("expected struct ") {
        return "must be an object with the fields that the schema names".to_owned();
    }
    if message.starts_with("invalid ") {
        return crate::web::body::expected(message);
    }
    message.to_owned()
}

/// Whether something has the form of a mail address; only its server knows more.
pub(super) fn is_address(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_graphic() && !"()<>[]:;,\\\"@".contains(c);
    let Some((name, host)) = text.split_once('@') else {
        return false;
    };
    let parts = |text: &str| {
        text.split('.')
            .all(|part| !part.is_empty() && part.chars().all(allowed))
    };
    text.len() <= 254 && parts(name) && parts(host) && host.contains('.')
}

#[cfg(test)]
mod tests;
