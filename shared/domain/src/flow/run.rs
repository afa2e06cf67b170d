//! Which rule is taken, and how its reply is written out.

use std::time::Duration;

use serde_json::Value;

use super::addresses::{host, is_address, is_tame};
use super::document::{Fetch, On, Rule};
use super::lookup::{Findings, Found, Lookup, Outcome};
use super::reply::Reply;
use super::source::{element, field};
use super::template::{Kind, Scope, TemplateError, Templates, lone_expression};

const DEFAULT_TIMEOUT_MS: u16 = 2_500;
/// Longest URL that is fetched.
const MAX_URL: usize = 4_096;

/// What went wrong while something was answered. It quotes nothing that anybody said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Trouble {
    /// Where in the document.
    pub path: String,
    /// What.
    pub why: String,
}

impl Trouble {
    /// Something at a path.
    pub fn new(path: impl Into<String>, why: &(impl std::fmt::Display + ?Sized)) -> Self {
        Self {
            path: path.into(),
            why: why.to_string(),
        }
    }
}

/// Why there is no answer yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// Look this up, and come again with what was found under its `path`.
    Fetch(Box<Lookup>),
    /// There will be none.
    Trouble(Trouble),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// A reply, written out.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered<W> {
    /// What it says.
    pub reply: W,
    /// Where in the document it stands.
    pub by: String,
}

/// A document being asked: its templates, and what was found so far.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The templates.
    pub templates: &'a Templates,
    /// What was found.
    pub found: &'a Findings,
}

impl Run<'_> {
    /// What the rules at `path` answer, where their templates see what is in `scope`.
    ///
    /// # Errors
    /// When something is to be looked up first, or goes wrong.
    pub fn rules<R: Reply>(
        &self,
        mut rules: &[Rule<R>],
        mut path: String,
        mut scope: Scope,
    ) -> Result<Answered<R::Written>, Stop> {
        let reply = 'taken: loop {
            let (index, rule) = self.taken(rules, &path, &scope)?;
            path = element(&path, index);
            for (index, fetch) in rule.fetch.iter().enumerate() {
                let place = element(&field(&path, "fetch"), index);
                let found = self.fetch(fetch, &place, &scope)?;
                let answer = reply_to(&fetch.on, found.outcome);
                scope.set_inside("fetch", &fetch.name, found);
                if let Some((name, reply)) = answer {
                    path = field(&field(&place, "on"), name);
                    break 'taken reply;
                }
            }
            for (index, value) in rule.values.iter().enumerate() {
                let computed = self.templates.eval(&value.value, &scope);
                let at = || field(&element(&field(&path, "let"), index), "value");
                scope.set(&value.name, computed.map_err(|error| Trouble::new(at(), &error))?);
            }
            if rule.rules.is_empty() {
                break &rule.reply;
            }
            path = field(&path, "rules");
            rules = &rule.rules;
        };
        Ok(self.reply(reply, path, &scope)?)
    }

    /// What one reply says.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn reply<R: Reply>(&self, reply: &R, path: String, scope: &Scope) -> Result<Answered<R::Written>, Trouble> {
        let reply = reply.write(&Pen::new(self.templates, scope, &path))?;
        Ok(Answered { reply, by: path })
    }

    /// The first rule that is true.
    fn taken<'r, R>(&self, rules: &'r [Rule<R>], path: &str, scope: &Scope) -> Result<(usize, &'r Rule<R>), Trouble> {
        for (index, rule) in rules.iter().enumerate() {
            let Some(when) = &rule.when else {
                return Ok((index, rule));
            };
            let holds = self.templates.holds(when, scope);
            if holds.map_err(|error| Trouble::new(field(&element(path, index), "when"), &error))? {
                return Ok((index, rule));
            }
        }
        Err(Trouble::new(path, "no rule is true"))
    }

    /// What came of a request: known, or the request itself, written out.
    fn fetch<R>(&self, fetch: &Fetch<R>, path: &str, scope: &Scope) -> Result<Found, Stop> {
        let pen = Pen::new(self.templates, scope, path);
        if let Some(when) = &fetch.when
            && !self
                .templates
                .holds(when, scope)
                .map_err(|error| Trouble::new(pen.at("when"), &error))?
        {
            return Ok(Found::without_answer(Outcome::Skipped));
        }
        if let Some(found) = self.found.get(path) {
            return Ok(found.clone());
        }
        let url = pen
            .url(&fetch.url)
            .map_err(|error| Trouble::new(pen.at("url"), &error))?;
        if url.len() > MAX_URL {
            return Err(Trouble::new(pen.at("url"), "a value does not fit into the URL").into());
        }
        let host = host(&fetch.url).ok_or_else(|| Trouble::new(pen.at("url"), "has no host"))?;
        let mut headers = Vec::with_capacity(fetch.headers.len());
        for (name, value) in &fetch.headers {
            let value = pen.text(Kind::Line, value);
            let value = value.map_err(|error| Trouble::new(field(&pen.at("headers"), name), &error))?;
            headers.push((name.clone(), value));
        }
        let body = fetch.json.as_ref().map(|json| pen.data(json)).transpose();
        Err(Stop::Fetch(Box::new(Lookup {
            path: path.into(),
            name: fetch.name.clone(),
            method: fetch.method,
            url,
            host,
            headers,
            auth: fetch.auth.clone(),
            body: body.map_err(|error| Trouble::new(pen.at("json"), &error))?,
            timeout: Duration::from_millis(fetch.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS).into()),
        })))
    }
}

/// The reply that the document has for an outcome, if it has one.
fn reply_to<R>(on: &On<R>, outcome: Outcome) -> Option<(&'static str, &R)> {
    let (name, own) = match outcome {
        Outcome::Ok | Outcome::Skipped => return None,
        Outcome::NotFound => ("not_found", &on.not_found),
        Outcome::RateLimited => ("rate_limited", &on.rate_limited),
        Outcome::ServerError => ("server_error", &on.server_error),
        Outcome::TimedOut => ("timed_out", &on.timed_out),
        Outcome::Failed => ("failed", &on.failed),
    };
    let own = own.as_ref().map(|reply| (name, reply));
    own.or_else(|| on.failed.as_ref().map(|reply| ("failed", reply)))
}

/// Writes the templates of one reply.
#[derive(Clone, Copy, Debug)]
pub struct Pen<'a> {
    pub(super) templates: &'a Templates,
    pub(super) scope: &'a Scope,
    pub(super) path: &'a str,
}

impl<'a> Pen<'a> {
    /// One for the reply at `path`, whose templates see what is in `scope`.
    pub const fn new(templates: &'a Templates, scope: &'a Scope, path: &'a str) -> Self {
        Self { templates, scope, path }
    }

    /// The path of a field of the reply.
    pub fn at(&self, name: &str) -> String {
        field(self.path, name)
    }

    /// A field of the reply that is a template.
    ///
    /// # Errors
    /// When it cannot be written here.
    pub fn field(&self, name: &str, kind: Kind, source: &str) -> Result<String, Trouble> {
        self.text(kind, source)
            .map_err(|error| Trouble::new(self.at(name), &error))
    }

    /// A template.
    ///
    /// # Errors
    /// When it cannot be written here.
    pub fn text(&self, kind: Kind, source: &str) -> Result<String, TemplateError> {
        self.templates.render(kind, source, self.scope)
    }

    /// A template of a mail address.
    ///
    /// # Errors
    /// When it cannot be written here, or is none then.
    pub fn address(&self, source: &str) -> Result<String, TemplateError> {
        let address = self.text(Kind::Line, source)?;
        if is_address(&address) {
            Ok(address)
        } else {
            Err(TemplateError::new("is no mail address"))
        }
    }

    /// A template of a URL.
    ///
    /// # Errors
    /// When it cannot be written here, or a value in it would lead elsewhere.
    pub fn url(&self, source: &str) -> Result<String, TemplateError> {
        let url = self.text(Kind::Url, source)?;
        if is_tame(&url) {
            Ok(url)
        } else {
            Err(TemplateError::new("a value does not fit into the URL"))
        }
    }

    /// Data whose texts are templates. A text that is one expression and nothing else becomes its value, with its type.
    ///
    /// # Errors
    /// When one of them cannot be written here.
    pub fn data(&self, value: &Value) -> Result<Value, TemplateError> {
        Ok(match value {
            Value::String(text) => match lone_expression(text) {
                Some(expression) => self.templates.eval(expression, self.scope)?,
                None => Value::String(self.text(Kind::Plain, text)?),
            },
            Value::Array(items) => {
                let items = items.iter().map(|item| self.data(item));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| Ok((name.clone(), self.data(value)?)));
                Value::Object(fields.collect::<Result<_, TemplateError>>()?)
            }
            plain => plain.clone(),
        })
    }
}
