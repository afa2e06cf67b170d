//! Templates and expressions: minijinja, reduced to what a sentence needs.
//!
//! A template comes from the document, never from the request. The text of a request is a value, and a value is never
//! parsed as a template. The context decides how a value is escaped ([`Kind`]): a single line without markup in speech,
//! percent-encoding in a URL, no line breaks in a header. An expression evaluates to a typed value instead of text.
//!
//! There are no loaders, macros, includes or assignments. An undefined variable is an error, and so is a value that
//! cannot be spoken, such as null or a blank string: a sentence never has a gap. A template that allows an empty value
//! states it with an empty string literal: `{{ x if y else '' }}`.
//!
//! The engine's fuel bounds the cost of a template: one unit for each instruction, and one for each 64 bytes of output.
//! The guards that `scan` adds around operators and our own filters stop what the engine does without charging fuel:
//! repeating a list a hundred million times, joining it, or converting it to text.

mod custom;
mod filters;
mod guards;
mod output;
mod scan;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::io;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use output::{BoundedWriter, finish_url};

/// Fuel of one template: instructions, and one unit for each 64 bytes of output. So a template produces at most 3 MB.
const FUEL: u64 = 50_000;
/// Maximum output of one template, in bytes.
const MAX_OUTPUT: usize = 16 * 1024;
/// Maximum length of a template, in bytes.
const MAX_SOURCE: usize = 16 * 1024;
/// Stack size in bytes for compiling a stored template that exceeds the limit on operators, which was added later. Only
/// the pages that are used take memory.
const STORED_TEMPLATE_STACK: usize = 256 * 1024 * 1024;
/// Maximum recursion depth of a template.
const RECURSION: usize = 64;

/// What a template is for. Decides how values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Text that a person hears or reads, or a prompt for a model.
    Speech,
    /// Text that a person reads in a chat. A value keeps its line breaks and its markup.
    Message,
    /// A URL. Every value is percent-encoded.
    Url,
    /// A header, an email address or a phone number. A value becomes a single line.
    Line,
    /// A string inside JSON.
    Plain,
    /// An expression. It evaluates to a value instead of text.
    Expression,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Speech,
        Self::Message,
        Self::Url,
        Self::Line,
        Self::Plain,
        Self::Expression,
    ];

    /// The kind called `name`.
    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Speech => "speech",
            Self::Message => "message",
            Self::Url => "url",
            Self::Line => "line",
            Self::Plain => "plain",
            Self::Expression => "value",
        }
    }
}

/// An error of a template. It never quotes a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

impl TemplateError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// The variables that templates see, by root name.
#[derive(Clone, Debug, Default)]
pub struct Scope(BTreeMap<String, Value>);

impl Scope {
    /// Sets a root.
    pub fn set(&mut self, name: &str, value: impl serde::Serialize) {
        self.0.insert(name.to_owned(), Value::from(Serde(value)));
    }

    /// Sets a field of a root, which becomes an object if it is none.
    pub fn set_inside(&mut self, root: &str, name: &str, value: impl serde::Serialize) {
        let mut fields: BTreeMap<String, Value> = BTreeMap::new();
        if let Some(current) = self.0.get(root) {
            for key in current.try_iter().into_iter().flatten() {
                if let (Some(name), Ok(value)) = (key.as_str(), current.get_item(&key)) {
                    fields.insert(name.to_owned(), value);
                }
            }
        }
        fields.insert(name.to_owned(), Value::from(Serde(value)));
        self.0.insert(root.to_owned(), Value::from(fields));
    }

    /// The text of a root. None if the root is not a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn roots(&self) -> Value {
        Value::from(self.0.clone())
    }
}

/// The compiled templates of a document.
#[derive(Clone, Debug)]
pub struct Templates {
    environment: Environment<'static>,
}

impl Default for Templates {
    fn default() -> Self {
        let mut environment = Environment::empty();
        filters::add(&mut environment);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(RECURSION);
        environment.set_auto_escape_callback(|name| {
            let kind = Kind::from_name(name.split(':').next().unwrap_or_default());
            AutoEscape::Custom(kind.unwrap_or(Kind::Speech).name().into())
        });
        environment.set_formatter(output::format);
        Self { environment }
    }
}

impl Templates {
    /// Compiles a template unless it is already compiled. Returns the variables that it uses, such as `state.order`.
    ///
    /// # Errors
    /// What is wrong with the template.
    pub fn add(&mut self, kind: Kind, source: &str) -> Result<Vec<String>, TemplateError> {
        self.compile(kind, source, false)
    }

    /// As [`Templates::add`], for a template of a stored document. Checks that were added after it was stored are
    /// skipped.
    ///
    /// # Errors
    /// What prevents the template from being rendered.
    pub fn add_stored(&mut self, kind: Kind, source: &str) -> Result<Vec<String>, TemplateError> {
        // It may have any number of operators that fits into its length, and the engine uses stack for each.
        if source.len() <= scan::MAX_TOKENS || guarded(kind, source, false).is_ok() {
            return self.compile(kind, source, true);
        }
        std::thread::scope(|scope| {
            let stack = std::thread::Builder::new().stack_size(STORED_TEMPLATE_STACK);
            let spawned = stack.spawn_scoped(scope, || self.compile(kind, source, true));
            let spawned = spawned.map_err(|_| TemplateError("cannot be compiled at the moment".into()))?;
            spawned
                .join()
                .unwrap_or_else(|_| Err(TemplateError("cannot be compiled".into())))
        })
    }

    fn compile(&mut self, kind: Kind, source: &str, is_stored: bool) -> Result<Vec<String>, TemplateError> {
        if kind != Kind::Expression && is_literal(source) {
            return Ok(Vec::new());
        }
        if source.len() > MAX_SOURCE {
            return Err(TemplateError(format!("has more than {MAX_SOURCE} bytes")));
        }
        let text = guarded(kind, source, is_stored)?;
        let text = if kind == Kind::Expression {
            let inner = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
            let inner = inner.unwrap_or_default().trim();
            // Also compiled as an expression, so that nothing else hides between the braces. The guards are kept,
            // because the engine evaluates constant expressions while it compiles.
            self.environment
                .compile_expression_owned(inner.to_owned())
                .map_err(|error| syntax_error(&error))?;
            as_template(inner)
        } else {
            text
        };
        let name = template_name(kind, source);
        self.environment
            .add_template_owned(name.clone(), text)
            .map_err(|error| syntax_error(&error))?;
        let template = self
            .environment
            .get_template(&name)
            .map_err(|error| syntax_error(&error))?;
        let mut variables: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        variables.sort();
        Ok(variables)
    }

    /// Renders a template.
    ///
    /// # Errors
    /// When a value is missing or cannot be rendered in this context, or a limit is exceeded.
    pub fn render(&self, kind: Kind, source: &str, scope: &Scope) -> Result<String, TemplateError> {
        if is_literal(source) {
            return Ok(source.to_owned());
        }
        let mut output = BoundedWriter {
            text: Vec::new(),
            limit: MAX_OUTPUT,
        };
        let template = self.environment.get_template(&template_name(kind, source));
        let written = template.and_then(|template| template.render_captured_to(scope.roots(), &mut output));
        written.map_err(|error| render_error(&error))?;
        let text = String::from_utf8(output.text).map_err(|_| TemplateError::new("is not UTF-8"))?;
        if kind == Kind::Url { finish_url(&text) } else { Ok(text) }
    }

    /// Evaluates an expression.
    ///
    /// # Errors
    /// As [`Templates::render`].
    pub fn eval(&self, source: &str, scope: &Scope) -> Result<serde_json::Value, TemplateError> {
        let template = self.environment.get_template(&template_name(Kind::Expression, source));
        let rendered = template.and_then(|template| template.render_captured_to(scope.roots(), io::sink()));
        let mut rendered = rendered.map_err(|error| render_error(&error))?;
        let value = rendered.with_state_mut(value::take);
        value.ok_or_else(|| TemplateError::new("has no value"))
    }

    /// Whether the value of an expression is true: not false, null, zero or empty.
    ///
    /// # Errors
    /// As [`Templates::render`].
    pub fn is_true(&self, source: &str, scope: &Scope) -> Result<bool, TemplateError> {
        Ok(match self.eval(source, scope)? {
            serde_json::Value::Null => false,
            serde_json::Value::Bool(value) => value,
            serde_json::Value::Number(number) => number.as_f64() != Some(0.0),
            serde_json::Value::String(text) => !text.is_empty(),
            serde_json::Value::Array(list) => !list.is_empty(),
            serde_json::Value::Object(fields) => !fields.is_empty(),
        })
    }
}

/// The template with its guards. An expression is put in braces.
fn guarded(kind: Kind, source: &str, is_stored: bool) -> Result<String, TemplateError> {
    let options = scan::Options {
        value_guard: match kind {
            Kind::Speech => Some(guards::SPOKEN),
            Kind::Message => Some(guards::WRITTEN),
            Kind::Url | Kind::Line | Kind::Plain | Kind::Expression => None,
        },
        is_stored,
    };
    let guarded = if kind == Kind::Expression {
        scan::guarded(&format!("{{{{ {source} }}}}"), options)
    } else {
        scan::guarded(source, options)
    };
    guarded.map_err(TemplateError)
}

/// Whether a template has no expression, statement or comment.
pub fn is_literal(source: &str) -> bool {
    !source.contains("{{") && !source.contains("{%") && !source.contains("{#")
}

/// The expression, if the text consists of a single `{{ expression }}`. Its value then keeps its type.
pub fn lone_expression(source: &str) -> Option<&str> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.trim();
    (!inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%")).then_some(inner)
}

fn template_name(kind: Kind, source: &str) -> String {
    format!("{}:{source}", kind.name())
}

/// An undefined value at the outermost level becomes null: back ends omit fields that have no value.
fn as_template(expression: &str) -> String {
    format!("{{{{ ({expression}) | or_null }}}}")
}

/// The error of a template that does not compile: the message of the engine, and the line inside the template.
fn syntax_error(error: &Error) -> TemplateError {
    let detail = error.detail().unwrap_or("is not a valid template");
    match error.line() {
        Some(line) if line > 1 => TemplateError(format!("{detail} (line {line} of the template)")),
        _ => TemplateError(detail.to_owned()),
    }
}

/// The error of a template that could not be rendered. Messages of the engine may quote a value, so only the kind is
/// reported.
fn render_error(error: &Error) -> TemplateError {
    let message = match error.kind() {
        ErrorKind::UndefinedError => "a variable is undefined",
        ErrorKind::OutOfFuel => "takes too many steps",
        ErrorKind::WriteFailure => "produces too much output",
        ErrorKind::UnknownFilter => "unknown filter",
        ErrorKind::UnknownTest => "unknown test",
        ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => "unknown function",
        ErrorKind::BadEscape => "a value cannot be inserted here: it is null, empty, a list or an object",
        _ => "an operation is not defined for these values",
    };
    match error.line() {
        Some(line) if line > 1 => TemplateError(format!("{message} (line {line} of the template)")),
        _ => TemplateError(message.to_owned()),
    }
}
