//! Checks forms.

use std::collections::BTreeSet;

use super::{Checker, MAX_FORMS, optional_text};
use crate::bot::document::{Document, Done, Field, FieldKind, Form};
use crate::bot::form::value::{Limit, whole_pattern};
use crate::flow::source::{element, field};
use crate::flow::{Names, schema};

/// Maximum number of fields of a form.
const MAX_FIELDS: usize = 20;
/// Maximum number of choices of a field.
const MAX_CHOICES: usize = 10;

pub(super) fn check<'a>(document: &'a Document, names: &Names, checker: &mut Checker<'a>) {
    if document.forms.len() > MAX_FORMS {
        checker.report("forms", format!("a bot has at most {MAX_FORMS} forms"));
    }
    for (name, form) in &document.forms {
        let path = field("forms", name);
        checker.name(&path, name);
        check_form(form, &path, names, checker);
    }
}

fn check_form<'a>(form: &'a Form, path: &str, names: &Names, checker: &mut Checker<'a>) {
    let fields = field(path, "fields");
    if form.fields.is_empty() || form.fields.len() > MAX_FIELDS {
        checker.report(&fields, format!("a form has 1 to {MAX_FIELDS} fields"));
    }
    let field_names = form.fields.iter().map(|field| field.name.clone());
    let names = &names.clone().fields("form", field_names, "the form's fields are");
    let mut seen = BTreeSet::new();
    for (index, item) in form.fields.iter().enumerate() {
        let path = element(&fields, index);
        checker.name(&field(&path, "name"), &item.name);
        if !seen.insert(item.name.as_str()) {
            checker.report(field(&path, "name"), "is already the name of an earlier field");
        }
        check_field(item, &path, names, checker);
    }
    optional_text(form.confirm.as_ref(), &field(path, "confirm"), names, checker);
    let path = field(path, "done");
    match &form.done {
        Done::Reply(reply) => super::parts(reply.parts(), &path, names, checker),
        Done::Rules(rules) => checker.rules(rules, &path, names),
    }
}

fn check_field<'a>(item: &'a Field, path: &str, names: &Names, checker: &mut Checker<'a>) {
    super::text(&item.ask, &field(path, "ask"), names, checker);
    optional_text(item.title.as_ref(), &field(path, "title"), names, checker);
    optional_text(item.invalid.as_ref(), &field(path, "invalid"), names, checker);
    let choices = field(path, "choices");
    super::reply::quick_replies(&item.choices, &choices, names, checker);
    match (item.kind, item.choices.len()) {
        (FieldKind::Choice, 2..=MAX_CHOICES) => {}
        (FieldKind::Choice, _) => checker.report(choices, format!("a choice has 2 to {MAX_CHOICES} choices")),
        (_, 0) => {}
        (_, _) => checker.report(choices, "only a field of the type `choice` has choices"),
    }
    if let Some(pattern) = &item.pattern {
        if item.kind != FieldKind::Text {
            checker.report(field(path, "pattern"), "only a field of the type `text` has a pattern");
        }
        check_pattern(pattern, &field(path, "pattern"), checker);
    }
    for (limit, name) in [(&item.min, "min"), (&item.max, "max")] {
        if let Some(limit) = limit
            && let Err(reason) = Limit::parse(item.kind, limit)
        {
            checker.report(field(path, name), reason);
        }
    }
}

fn check_pattern(pattern: &str, path: &str, checker: &mut Checker<'_>) {
    if checker.is_stored() {
        return;
    }
    let mut issues = Vec::new();
    schema::check(&whole_pattern(pattern), "", &mut issues);
    for issue in issues {
        checker.report(path, issue.detail);
    }
}
