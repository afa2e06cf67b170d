//! Evaluates rules: selects the matching rule and renders its reply.

use std::time::Duration;

use serde_json::Value;

use super::addresses::{has_no_dot_segments, host, is_email};
use super::document::{FailureReplies, Fetch, Rule};
use super::fetch::{FetchOutcome, FetchRequest, FetchResult, FetchResults};
use super::reply::Reply;
use super::source::{element, field};
use super::template::{Kind, Scope, TemplateError, Templates, lone_expression};

const DEFAULT_TIMEOUT_MS: u16 = 2_500;
/// Maximum length of a rendered URL, in bytes.
const MAX_URL: usize = 4_096;

/// An error during evaluation. It quotes no value of a request or of a back end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct RuleError {
    /// Path in the document.
    pub path: String,
    /// What went wrong.
    pub reason: String,
}

impl RuleError {
    /// An error at `path`.
    pub fn new(path: impl Into<String>, reason: &(impl std::fmt::Display + ?Sized)) -> Self {
        Self {
            path: path.into(),
            reason: reason.to_string(),
        }
    }
}

/// Why evaluation stopped without a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum EvalError {
    /// The request must be sent first. Evaluate again with its result under its `path`.
    FetchNeeded(Box<FetchRequest>),
    /// Evaluation failed; there will be no reply.
    Failed(RuleError),
}

impl From<RuleError> for EvalError {
    fn from(error: RuleError) -> Self {
        Self::Failed(error)
    }
}

/// A rendered reply, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated<W> {
    /// The rendered reply.
    pub reply: W,
    /// Path of the reply in the document.
    pub path: String,
}

/// Evaluates a document, with the results of the requests so far.
#[derive(Clone, Copy, Debug)]
pub struct Evaluator<'a> {
    /// The compiled templates of the document.
    pub templates: &'a Templates,
    /// Results of the requests so far.
    pub fetched: &'a FetchResults,
}

impl Evaluator<'_> {
    /// Evaluates the rules at `path`. Their templates see `scope`.
    ///
    /// # Errors
    /// When a request must be sent first, or evaluation fails.
    pub fn eval_rules<R: Reply>(
        &self,
        mut rules: &[Rule<R>],
        mut path: String,
        mut scope: Scope,
    ) -> Result<Evaluated<R::Rendered>, EvalError> {
        let reply = 'matching: loop {
            let Some((index, rule)) = self.matching_rule(rules, &path, &scope)? else {
                let reply = R::unmatched().ok_or_else(|| RuleError::new(&path, "no rule matches"))?;
                return Ok(self.eval_reply(&reply, path, &scope)?);
            };
            path = element(&path, index);
            for (index, fetch) in rule.fetch.iter().enumerate() {
                let fetch_path = element(&field(&path, "fetch"), index);
                let result = self.resolve_fetch(fetch, &fetch_path, &scope)?;
                let answer = reply_for(&fetch.on, result.outcome);
                scope.set_inside("fetch", &fetch.name, result);
                if let Some((name, reply)) = answer {
                    path = field(&field(&fetch_path, "on"), name);
                    break 'matching reply;
                }
            }
            for (index, value) in rule.values.iter().enumerate() {
                let computed = self.templates.eval(&value.value, &scope);
                let at = || field(&element(&field(&path, "let"), index), "value");
                scope.set(&value.name, computed.map_err(|error| RuleError::new(at(), &error))?);
            }
            if rule.rules.is_empty() {
                break &rule.reply;
            }
            path = field(&path, "rules");
            rules = &rule.rules;
        };
        Ok(self.eval_reply(reply, path, &scope)?)
    }

    /// Renders one reply.
    ///
    /// # Errors
    /// When a template cannot be rendered.
    pub fn eval_reply<R: Reply>(
        &self,
        reply: &R,
        path: String,
        scope: &Scope,
    ) -> Result<Evaluated<R::Rendered>, RuleError> {
        let reply = reply.render(&Renderer::new(self.templates, scope, &path))?;
        Ok(Evaluated { reply, path })
    }

    /// The first rule whose `when` is true or missing.
    fn matching_rule<'r, R>(
        &self,
        rules: &'r [Rule<R>],
        path: &str,
        scope: &Scope,
    ) -> Result<Option<(usize, &'r Rule<R>)>, RuleError> {
        for (index, rule) in rules.iter().enumerate() {
            let Some(when) = &rule.when else {
                return Ok(Some((index, rule)));
            };
            let is_true = self.templates.is_true(when, scope);
            if is_true.map_err(|error| RuleError::new(field(&element(path, index), "when"), &error))? {
                return Ok(Some((index, rule)));
            }
        }
        Ok(None)
    }

    /// The result of a request if it is known; else the rendered request as [`EvalError::FetchNeeded`].
    fn resolve_fetch<R>(&self, fetch: &Fetch<R>, path: &str, scope: &Scope) -> Result<FetchResult, EvalError> {
        let renderer = Renderer::new(self.templates, scope, path);
        if let Some(when) = &fetch.when
            && !self
                .templates
                .is_true(when, scope)
                .map_err(|error| RuleError::new(renderer.field_path("when"), &error))?
        {
            return Ok(FetchResult::no_response(FetchOutcome::Skipped));
        }
        if let Some(result) = self.fetched.get(path) {
            return Ok(result.clone());
        }
        let url = renderer
            .render_url(&fetch.url)
            .map_err(|error| RuleError::new(renderer.field_path("url"), &error))?;
        if url.len() > MAX_URL {
            return Err(RuleError::new(renderer.field_path("url"), "the URL is too long with its values").into());
        }
        let host = host(&fetch.url).ok_or_else(|| RuleError::new(renderer.field_path("url"), "has no literal host"))?;
        let mut headers = Vec::with_capacity(fetch.headers.len());
        for (name, value) in &fetch.headers {
            let value = renderer.render(Kind::Line, value);
            let value = value.map_err(|error| RuleError::new(field(&renderer.field_path("headers"), name), &error))?;
            headers.push((name.clone(), value));
        }
        let body = fetch.json.as_ref().map(|json| renderer.render_data(json)).transpose();
        Err(EvalError::FetchNeeded(Box::new(FetchRequest {
            path: path.into(),
            name: fetch.name.clone(),
            method: fetch.method,
            url,
            host,
            headers,
            auth: fetch.auth.clone(),
            body: body.map_err(|error| RuleError::new(renderer.field_path("json"), &error))?,
            timeout: Duration::from_millis(fetch.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS).into()),
        })))
    }
}

/// The reply of the document for an outcome, if there is one: the specific reply, else `failed`.
fn reply_for<R>(on: &FailureReplies<R>, outcome: FetchOutcome) -> Option<(&'static str, &R)> {
    let (name, specific) = match outcome {
        FetchOutcome::Ok | FetchOutcome::Skipped => return None,
        FetchOutcome::NotFound => ("not_found", &on.not_found),
        FetchOutcome::RateLimited => ("rate_limited", &on.rate_limited),
        FetchOutcome::ServerError => ("server_error", &on.server_error),
        FetchOutcome::TimedOut => ("timed_out", &on.timed_out),
        FetchOutcome::Failed => ("failed", &on.failed),
    };
    let specific = specific.as_ref().map(|reply| (name, reply));
    specific.or_else(|| on.failed.as_ref().map(|reply| ("failed", reply)))
}

/// Renders the templates of one reply.
#[derive(Clone, Copy, Debug)]
pub struct Renderer<'a> {
    pub(super) templates: &'a Templates,
    pub(super) scope: &'a Scope,
    pub(super) path: &'a str,
}

impl<'a> Renderer<'a> {
    /// A renderer for the reply at `path`. Its templates see `scope`.
    pub const fn new(templates: &'a Templates, scope: &'a Scope, path: &'a str) -> Self {
        Self { templates, scope, path }
    }

    /// The variables that the templates see.
    pub const fn scope(&self) -> &'a Scope {
        self.scope
    }

    /// The path of a field of the reply.
    pub fn field_path(&self, name: &str) -> String {
        field(self.path, name)
    }

    /// Renders a field that is a template.
    ///
    /// # Errors
    /// When the template cannot be rendered; the error has the path of the field.
    pub fn render_field(&self, name: &str, kind: Kind, source: &str) -> Result<String, RuleError> {
        self.render(kind, source)
            .map_err(|error| RuleError::new(self.field_path(name), &error))
    }

    /// Renders a template.
    ///
    /// # Errors
    /// When the template cannot be rendered.
    pub fn render(&self, kind: Kind, source: &str) -> Result<String, TemplateError> {
        self.templates.render(kind, source, self.scope)
    }

    /// Renders a template of an email address.
    ///
    /// # Errors
    /// When the template cannot be rendered, or the result is not an email address.
    pub fn render_email(&self, source: &str) -> Result<String, TemplateError> {
        let address = self.render(Kind::Line, source)?;
        if is_email(&address) {
            Ok(address)
        } else {
            Err(TemplateError::new("is not an email address"))
        }
    }

    /// Renders a template of a URL.
    ///
    /// # Errors
    /// When the template cannot be rendered, or a value would lead to another path.
    pub fn render_url(&self, source: &str) -> Result<String, TemplateError> {
        let url = self.render(Kind::Url, source)?;
        if has_no_dot_segments(&url) {
            Ok(url)
        } else {
            Err(TemplateError::new("a value puts `.` or `..` into the path of the URL"))
        }
    }

    /// Renders JSON whose strings are templates. A string that is a single expression becomes the value of that
    /// expression, with its type.
    ///
    /// # Errors
    /// When one of the templates cannot be rendered.
    pub fn render_data(&self, value: &Value) -> Result<Value, TemplateError> {
        Ok(match value {
            Value::String(text) => match lone_expression(text) {
                Some(expression) => self.templates.eval(expression, self.scope)?,
                None => Value::String(self.render(Kind::Plain, text)?),
            },
            Value::Array(items) => {
                let items = items.iter().map(|item| self.render_data(item));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), self.render_data(value)?)));
                Value::Object(fields.collect::<Result<_, TemplateError>>()?)
            }
            plain => plain.clone(),
        })
    }
}
