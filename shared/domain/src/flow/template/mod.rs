//! Templates and expressions: minijinja, with everything taken out that a sentence does not need.
//!
//! A template comes from the document and never from whoever is answered; what they say is a value, and a value is never
//! read as a template. Where it ends up decides how it is written ([`Kind`]): as one line without markup in speech,
//! percent-encoded in a URL, without line breaks in a header. An expression has a value, with its type, and no text.
//!
//! There are no loaders, no macros, no includes and no assignments. An undefined variable is an error, and so is a value
//! that cannot be said, such as null or a blank text: never a hole in a sentence. Where nothing may be said the template
//! says so, by an empty text of its own: `{{ x if y else '' }}`.
//!
//! What a template does is bounded by the engine's fuel: its instructions, and a 64th of every byte that it makes. What the
//! engine lets through without fuel is stopped before it, by the guards that `scan` puts around operators and by the
//! filters of our own: lists that are repeated a hundred million times, joined, or written out.

mod filters;
mod guards;
mod own;
mod scan;
#[cfg(test)]
mod tests;
mod value;
mod write;

use std::collections::BTreeMap;
use std::io;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

use write::{Bounded, filled};

/// Instructions that one template may take; each also pays for 64 bytes. So a template makes at most 3 MB.
const FUEL: u64 = 50_000;
/// Bytes that one template may write.
const MAX_OUTPUT: usize = 16 * 1024;
/// Longest template.
const MAX_SOURCE: usize = 16 * 1024;
/// Bytes of stack on which a template is compiled that was taken before there was a limit for its operators. Only what is
/// used of it takes memory.
const STACK_OF_KEPT: usize = 256 * 1024 * 1024;
/// Nesting that one template may have.
const RECURSION: usize = 64;

/// What a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Text that a person hears or reads, or a model is told.
    Speech,
    /// A URL: every value is percent-encoded.
    Url,
    /// A header, an address, a number: a value is one line.
    Line,
    /// A text inside data.
    Plain,
    /// An expression: it has a value, and no text.
    Expression,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Speech, Self::Url, Self::Line, Self::Plain, Self::Expression];

    /// The kind of this name.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Speech => "speech",
            Self::Url => "url",
            Self::Line => "line",
            Self::Plain => "plain",
            Self::Expression => "value",
        }
    }
}

/// A template went wrong. Says where in the document, never with which value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

impl TemplateError {
    /// What is wrong.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// What templates see: the roots, by their names.
#[derive(Clone, Debug, Default)]
pub struct Scope(BTreeMap<String, Value>);

impl Scope {
    /// Adds a root.
    pub fn set(&mut self, name: &str, value: impl serde::Serialize) {
        self.0.insert(name.to_owned(), Value::from(Serde(value)));
    }

    /// Adds something inside a root that is an object, or becomes one.
    pub fn set_inside(&mut self, root: &str, name: &str, value: impl serde::Serialize) {
        let mut fields: BTreeMap<String, Value> = BTreeMap::new();
        if let Some(there) = self.0.get(root) {
            for key in there.try_iter().into_iter().flatten() {
                if let (Some(name), Ok(value)) = (key.as_str(), there.get_item(&key)) {
                    fields.insert(name.to_owned(), value);
                }
            }
        }
        fields.insert(name.to_owned(), Value::from(Serde(value)));
        self.0.insert(root.to_owned(), Value::from(fields));
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
            let kind = Kind::named(name.split(':').next().unwrap_or_default());
            AutoEscape::Custom(kind.unwrap_or(Kind::Speech).name().into())
        });
        environment.set_formatter(write::format);
        Self { environment }
    }
}

impl Templates {
    /// Compiles a template, unless it is one that is compiled already; gives back the variables that it needs, such
    /// as `state.order`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add(&mut self, kind: Kind, source: &str) -> Result<Vec<String>, TemplateError> {
        self.compile(kind, source, false)
    }

    /// As [`Templates::add`], for a template that was taken before: what has been refused only since then is let through.
    ///
    /// # Errors
    /// What keeps it from being written.
    pub fn add_kept(&mut self, kind: Kind, source: &str) -> Result<Vec<String>, TemplateError> {
        // It may have as many operators as it has room for, and the engine takes a piece of the stack for each.
        if source.len() <= scan::MAX_TOKENS || guarded(kind, source, false).is_ok() {
            return self.compile(kind, source, true);
        }
        std::thread::scope(|scope| {
            let stack = std::thread::Builder::new().stack_size(STACK_OF_KEPT);
            let spawned = stack.spawn_scoped(scope, || self.compile(kind, source, true));
            let spawned = spawned.map_err(|_| TemplateError("cannot be compiled now".into()))?;
            spawned
                .join()
                .unwrap_or_else(|_| Err(TemplateError("cannot be compiled".into())))
        })
    }

    fn compile(&mut self, kind: Kind, source: &str, is_kept: bool) -> Result<Vec<String>, TemplateError> {
        if kind != Kind::Expression && is_literal(source) {
            return Ok(Vec::new());
        }
        if source.len() > MAX_SOURCE {
            return Err(TemplateError(format!("has more than {MAX_SOURCE} bytes")));
        }
        let text = guarded(kind, source, is_kept)?;
        let text = if kind == Kind::Expression {
            let inner = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
            let inner = inner.unwrap_or_default().trim();
            // Compiled as an expression too, so that nothing else hides between the braces; and not without its guards, for
            // the engine works out while it compiles what has no variables.
            self.environment
                .compile_expression_owned(inner.to_owned())
                .map_err(|error| syntax(&error))?;
            as_template(inner)
        } else {
            text
        };
        let name = name(kind, source);
        self.environment
            .add_template_owned(name.clone(), text)
            .map_err(|error| syntax(&error))?;
        let template = self.environment.get_template(&name).map_err(|error| syntax(&error))?;
        let mut variables: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        variables.sort();
        Ok(variables)
    }

    /// Writes a template.
    ///
    /// # Errors
    /// When a value is missing or cannot be written there, or the bounds are passed.
    pub fn render(&self, kind: Kind, source: &str, scope: &Scope) -> Result<String, TemplateError> {
        if is_literal(source) {
            return Ok(source.to_owned());
        }
        let mut output = Bounded {
            text: Vec::new(),
            limit: MAX_OUTPUT,
        };
        let template = self.environment.get_template(&name(kind, source));
        let written = template.and_then(|template| template.render_captured_to(scope.roots(), &mut output));
        written.map_err(|error| failed(&error))?;
        let text = String::from_utf8(output.text).map_err(|_| TemplateError::new("is not UTF-8"))?;
        if kind == Kind::Url { filled(&text) } else { Ok(text) }
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// As [`Templates::render`].
    pub fn eval(&self, source: &str, scope: &Scope) -> Result<serde_json::Value, TemplateError> {
        let template = self.environment.get_template(&name(Kind::Expression, source));
        let done = template.and_then(|template| template.render_captured_to(scope.roots(), io::sink()));
        let mut done = done.map_err(|error| failed(&error))?;
        let value = done.with_state_mut(value::take);
        value.ok_or_else(|| TemplateError::new("has no value"))
    }

    /// Whether an expression is true: neither false, null, zero nor empty.
    ///
    /// # Errors
    /// As [`Templates::render`].
    pub fn holds(&self, source: &str, scope: &Scope) -> Result<bool, TemplateError> {
        Ok(match self.eval(source, scope)? {
            serde_json::Value::Null => false,
            serde_json::Value::Bool(holds) => holds,
            serde_json::Value::Number(number) => number.as_f64() != Some(0.0),
            serde_json::Value::String(text) => !text.is_empty(),
            serde_json::Value::Array(list) => !list.is_empty(),
            serde_json::Value::Object(fields) => !fields.is_empty(),
        })
    }
}

/// The template with its guards; an expression in the braces of one.
fn guarded(kind: Kind, source: &str, is_kept: bool) -> Result<String, TemplateError> {
    let rules = scan::Rules {
        is_spoken: kind == Kind::Speech,
        is_kept,
    };
    let guarded = if kind == Kind::Expression {
        scan::guarded(&format!("{{{{ {source} }}}}"), rules)
    } else {
        scan::guarded(source, rules)
    };
    guarded.map_err(TemplateError)
}

/// Whether there is nothing to fill in.
pub fn is_literal(source: &str) -> bool {
    !source.contains("{{") && !source.contains("{%") && !source.contains("{#")
}

/// The expression, if the text is nothing but `{{ expression }}`: then its value keeps its type.
pub fn lone_expression(source: &str) -> Option<&str> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.trim();
    (!inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%")).then_some(inner)
}

fn name(kind: Kind, source: &str) -> String {
    format!("{}:{source}", kind.name())
}

/// Undefined at the outermost level is null: answers of back ends leave out what they do not have.
fn as_template(expression: &str) -> String {
    format!("{{{{ ({expression}) | or_null }}}}")
}

/// What is wrong with a template that does not compile: the engine's words, and the line inside the template.
fn syntax(error: &Error) -> TemplateError {
    let detail = error.detail().unwrap_or("is no template");
    match error.line() {
        Some(line) if line > 1 => TemplateError(format!("{detail} (line {line} of the template)")),
        _ => TemplateError(detail.to_owned()),
    }
}

/// What went wrong while a template was written. The engine's details may quote a value, so only the kind is told.
fn failed(error: &Error) -> TemplateError {
    let what = match error.kind() {
        ErrorKind::UndefinedError => "a variable is undefined",
        ErrorKind::OutOfFuel => "takes too many steps",
        ErrorKind::WriteFailure => "writes too much",
        ErrorKind::UnknownFilter => "a filter is not known",
        ErrorKind::UnknownTest => "a test is not known",
        ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => "a function is not known",
        ErrorKind::BadEscape => "a value cannot be written here: it is null or empty, or no text and no number",
        _ => "an operation is not possible with these values",
    };
    match error.line() {
        Some(line) if line > 1 => TemplateError(format!("{what} (line {line} of the template)")),
        _ => TemplateError(what.to_owned()),
    }
}
