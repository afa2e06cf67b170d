//! How a reply is written out: templates with what they may see, at one place of a document.

use serde_json::Value;

use super::addresses::{is_address, is_tame};
use super::run::Trouble;
use super::source::field;
use super::template::{Kind, Scope, TemplateError, Templates, lone_expression};

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
