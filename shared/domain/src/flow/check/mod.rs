//! Checks and compiles a document as a whole: every error that can be detected statically is reported on upload, not
//! when a caller waits for an answer.

mod names;
mod rules;

use std::collections::BTreeSet;

use serde_json::Value;

use super::addresses::is_email;
use super::reply::Reply;
use super::schema;
use super::source::{Issue, element, field};
use super::template::{Kind, Templates, is_literal, lone_expression};
pub use names::Names;

/// Maximum number of rules of a document, nested ones included.
const MAX_RULES: usize = 1_000;

/// A place in a document where a reply occurs.
#[derive(Clone, Copy, Debug)]
pub struct ReplySite<'n> {
    /// Path of the reply.
    pub path: &'n str,
    /// The names that its templates may use.
    pub names: &'n Names,
    /// Whether it is the reply of a rule. False for a reply to a failure, such as a failed request.
    pub in_rule: bool,
}

/// Checks one document and compiles its templates.
#[derive(Debug)]
pub struct Checker<'a, R: Reply> {
    /// Scratch data of the application.
    pub scratch: R::Scratch<'a>,
    /// Whether this or an earlier version has checked the document before.
    is_stored: bool,
    templates: Templates,
    issues: Vec<Issue>,
    /// Variables used by the templates checked so far.
    used: BTreeSet<String>,
    rules: usize,
}

impl<'a, R: Reply> Checker<'a, R> {
    pub(super) fn new(scratch: R::Scratch<'a>, is_stored: bool) -> Self {
        Self {
            scratch,
            is_stored,
            templates: Templates::default(),
            issues: Vec::new(),
            used: BTreeSet::new(),
            rules: 0,
        }
    }

    pub(super) fn finish(self) -> (Templates, Vec<Issue>) {
        (self.templates, self.issues)
    }

    /// Whether the document was checked before. Checks that were added since then are skipped.
    pub const fn is_stored(&self) -> bool {
        self.is_stored
    }

    /// Reports too many rules. Call it after all rules have been checked.
    pub fn count_rules(&mut self, path: &str) {
        if self.rules > MAX_RULES {
            self.report(path, format!("has {} rules; the maximum is {MAX_RULES}", self.rules));
        }
    }

    /// Reports an issue.
    pub fn report(&mut self, path: impl Into<String>, detail: impl Into<String>) {
        self.issues.push(Issue::new(path, detail));
    }

    /// Checks a reply outside a rule.
    pub fn reply(&mut self, reply: &'a R, path: &str, names: &Names) {
        let in_rule = false;
        reply.check(ReplySite { path, names, in_rule }, self);
    }

    /// Checks a JSON Schema of what another system must return. A stored schema is not checked again.
    pub fn schema(&mut self, schema: &Value, path: &str) {
        if !self.is_stored {
            schema::check(schema, path, &mut self.issues);
        }
    }

    /// Checks a template of an email address.
    pub fn email(&mut self, email: &'a str, path: &str, names: &Names) {
        if is_literal(email) && !is_email(email) {
            self.report(path, "is not an email address");
        }
        self.template(Kind::Line, email, path, names);
    }

    /// Compiles a template and checks that every variable in it is defined.
    pub fn template(&mut self, kind: Kind, source: &str, path: &str, names: &Names) {
        let added = if self.is_stored {
            self.templates.add_stored(kind, source)
        } else {
            self.templates.add(kind, source)
        };
        match added {
            Err(error) => self.report(path, error.to_string()),
            Ok(variables) => {
                for variable in variables {
                    if let Err(reason) = names.check(&variable) {
                        self.report(path, reason);
                    }
                    self.used.insert(variable);
                }
            }
        }
    }

    /// Checks JSON whose strings are templates.
    pub fn data(&mut self, value: &'a Value, path: &str, names: &Names) {
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

    /// Checks a name that templates refer to.
    pub fn name(&mut self, path: &str, name: &str) {
        if !schema::is_name(name) {
            self.report(
                path,
                "a name has 1 to 64 characters of a-z, A-Z, 0-9 and _, and does not begin with a digit",
            );
        }
    }
}
