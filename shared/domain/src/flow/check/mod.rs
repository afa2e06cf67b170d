//! A document is checked whole, and compiled: whatever can be known to go wrong is said when it is uploaded, not when
//! somebody waits for an answer.

mod names;
mod rules;

use std::collections::BTreeSet;

use serde_json::Value;

use super::addresses::is_address;
use super::reply::Reply;
use super::schema;
use super::source::{Issue, element, field};
use super::template::{Kind, Templates, is_literal, lone_expression};
pub use names::Names;

/// Most rules of a document, those inside others included.
const MAX_RULES: usize = 1_000;

/// Where a reply stands.
#[derive(Clone, Copy, Debug)]
pub struct At<'n> {
    /// Its path.
    pub path: &'n str,
    /// What its templates may use.
    pub names: &'n Names,
    /// Whether a rule answers it in the end; else it is for what went wrong.
    pub is_of_rule: bool,
}

/// Checks one document, and compiles its templates.
#[derive(Debug)]
pub struct Checker<'a, R: Reply> {
    /// What the job keeps in mind.
    pub notes: R::Notes<'a>,
    /// Whether it was checked before, by this or an earlier version.
    is_kept: bool,
    templates: Templates,
    issues: Vec<Issue>,
    /// Variables that the templates looked at so far need.
    used: BTreeSet<String>,
    rules: usize,
}

impl<'a, R: Reply> Checker<'a, R> {
    pub(super) fn new(notes: R::Notes<'a>, is_kept: bool) -> Self {
        Self {
            notes,
            is_kept,
            templates: Templates::default(),
            issues: Vec::new(),
            used: BTreeSet::new(),
            rules: 0,
        }
    }

    pub(super) fn done(self) -> (Templates, Vec<Issue>) {
        (self.templates, self.issues)
    }

    /// Whether the document was checked before: what has been refused only since then is let through.
    pub const fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// That there are not too many rules, once all have been checked.
    pub fn count_rules(&mut self, path: &str) {
        if self.rules > MAX_RULES {
            self.wrong(path, format!("has {} rules; there may be {MAX_RULES}", self.rules));
        }
    }

    /// Something is wrong.
    pub fn wrong(&mut self, path: impl Into<String>, detail: impl Into<String>) {
        self.issues.push(Issue::new(path, detail));
    }

    /// A reply outside of a rule.
    pub fn reply(&mut self, reply: &'a R, path: &str, names: &Names) {
        let is_of_rule = false;
        reply.check(
            At {
                path,
                names,
                is_of_rule,
            },
            self,
        );
    }

    /// A JSON Schema of what somebody else must return. One that was taken before is taken.
    pub fn schema(&mut self, schema: &Value, path: &str) {
        if !self.is_kept {
            schema::check(schema, path, &mut self.issues);
        }
    }

    /// A template of a mail address.
    pub fn address(&mut self, address: &'a str, path: &str, names: &Names) {
        if is_literal(address) && !is_address(address) {
            self.wrong(path, "is no mail address");
        }
        self.template(Kind::Line, address, path, names);
    }

    /// A template of this kind: compiled, and all that it needs is there.
    pub fn template(&mut self, kind: Kind, source: &str, path: &str, names: &Names) {
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

    /// A name that templates use.
    pub fn name(&mut self, path: &str, name: &str) {
        if !schema::is_name(name) {
            self.wrong(path, "a name has 1 to 64 of a-z, A-Z, 0-9 and _, and no digit first");
        }
    }
}
