//! A chain is checked whole: its names, its links and where they lead.

use std::collections::{BTreeSet, VecDeque};

use serde_json::Value;

use super::document::{Document, Invalid, Link, Reply};
use super::reply::{Notes, Target};
use super::state::OWN_STATE;
use crate::flow::schema;
use crate::flow::source::{element, field};
use crate::flow::{self, Names};
use crate::providers::agent4::RESPONSES;

/// Most links of a chain.
const MAX_LINKS: usize = 50;
/// Most times that a caller may be asked again.
const MAX_RETRIES: u8 = 5;

type Checker<'a> = flow::Checker<'a, Reply>;

impl flow::Document for Document {
    type Reply = Reply;

    fn notes(&self) -> Notes<'_> {
        Notes {
            document: self,
            targets: BTreeSet::new(),
            is_initial: false,
        }
    }

    fn check<'a>(&'a self, checker: &mut Checker<'a>) {
        for name in self.state.keys() {
            checker.name(&field("state", name), name);
            if name == OWN_STATE {
                checker.wrong(field("state", name), "is a name that patchbay keeps for itself");
            }
        }
        for name in self.metadata.keys() {
            checker.name(&field("metadata", name), name);
        }
        if self.links.is_empty() || self.links.len() > MAX_LINKS {
            checker.wrong("links", format!("a chain has 1 to {MAX_LINKS} links"));
        }
        let outer = names(self);
        if let Some(fallback) = &self.fallback {
            checker.reply(fallback, "fallback", &outer);
        }
        let from_everywhere = std::mem::take(&mut checker.notes.targets);
        let mut seen = BTreeSet::new();
        let mut leads = Vec::new();
        for (index, link) in self.links.iter().enumerate() {
            let path = element("links", index);
            let has_form =
                !link.name.is_empty() && link.name.chars().count() <= 100 && !link.name.chars().any(char::is_control);
            if !has_form {
                checker.wrong(field(&path, "name"), "has 1 to 100 characters");
            }
            if !seen.insert(link.name.as_str()) {
                checker.wrong(field(&path, "name"), "is the name of an earlier link too");
            }
            check_link(link, &path, &outer, checker);
            let mut targets = std::mem::take(&mut checker.notes.targets);
            targets.extend(&from_everywhere);
            leads.push(targets);
        }
        check_reach(&self.links, &leads, checker);
        checker.count_rules("links");
    }
}

/// What every template of a chain may use. The model's answer is there only where it has given one.
fn names(document: &Document) -> Names {
    Names::default()
        .fields("caller", ["number", "line"], "a caller has")
        .fields("state", document.state.keys(), "the chain's `state` declares")
        .fields("metadata", document.metadata.keys(), "the chain's `metadata` declares")
        .missing(
            "context",
            "`context` is only there when the model has returned something valid",
        )
        .plain("link")
        .plain("key")
        .plain("code")
        .plain("state_kept")
}

/// The same, with what the model returned.
fn with_context(names: &Names, parameters: Option<&Value>) -> Names {
    let context = parameters.map_or_else(|| vec![RESPONSES.to_owned()], schema::names);
    names.clone().fields("context", context, "the link's parameters are")
}

/// The same, when the caller has gone and the link declares nothing for that moment.
fn at_interrupt(names: &Names) -> Names {
    names.clone().missing(
        "context",
        "`context` need not be there: Agent4 is said to send none at `interrupt`; keep what is needed in \
         `state`, or declare `interrupt_parameters` and reckon with null",
    )
}

fn check_link<'a>(link: &'a Link, path: &str, outer: &Names, checker: &mut Checker<'a>) {
    for (name, parameters) in [
        ("qualified_parameters", &link.qualified_parameters),
        ("disqualified_parameters", &link.disqualified_parameters),
        ("interrupt_parameters", &link.interrupt_parameters),
    ] {
        if let Some(parameters) = parameters {
            checker.schema(parameters, &field(path, name));
        }
    }
    let with = |parameters: &Option<Value>| with_context(outer, parameters.as_ref());
    checker.notes.is_initial = true;
    checker.rules(&link.initial, &field(path, "initial"), outer);
    checker.notes.is_initial = false;
    for (rules, name, parameters) in [
        (&link.qualified, "qualified", &link.qualified_parameters),
        (&link.disqualified, "disqualified", &link.disqualified_parameters),
    ] {
        checker.rules(rules, &field(path, name), &with(parameters));
    }
    if !link.interrupt.is_empty() {
        // Agent4 has parameters for this moment, and is said to send no context in it. Whoever declares some has thought
        // of it; what is missing is null.
        let names = if checker.is_kept() || link.interrupt_parameters.is_some() {
            with(&link.interrupt_parameters)
        } else {
            at_interrupt(outer)
        };
        checker.rules(&link.interrupt, &field(path, "interrupt"), &names);
    }
    if let Some(invalid) = &link.invalid {
        check_invalid(link, invalid, &field(path, "invalid"), outer, checker);
    }
}

fn check_invalid<'a>(link: &Link, invalid: &'a Invalid, path: &str, outer: &Names, checker: &mut Checker<'a>) {
    if link.qualified_parameters.is_none() {
        checker.wrong(
            path,
            "says what happens when `qualified_parameters` are not kept, and there are none",
        );
    }
    if invalid.retries.is_some_and(|retries| retries > MAX_RETRIES) {
        checker.wrong(field(path, "retries"), format!("must be from 0 to {MAX_RETRIES}"));
    }
    if let Some(retry) = &invalid.retry {
        checker.reply(retry, &field(path, "retry"), outer);
    }
    if let Some(give_up) = &invalid.give_up {
        checker.reply(give_up, &field(path, "give_up"), outer);
    }
}

/// That every link can be reached from the first.
fn check_reach(links: &[Link], leads: &[BTreeSet<Target<'_>>], checker: &mut Checker<'_>) {
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
            checker.wrong(
                field(&element("links", index), "name"),
                "cannot be reached: no `switch_task` names it, and no `next_task` leads to it",
            );
        }
    }
}
