//! Checks a chain: its names, its links, and that every link can be reached.

use std::collections::{BTreeSet, VecDeque};

use serde_json::Value;

use super::document::{Document, Invalid, Link, Reply};
use super::reply::{Scratch, Target};
use super::state::OWN_STATE;
use crate::flow::schema;
use crate::flow::source::{element, field};
use crate::flow::template::Templates;
use crate::flow::{self, Issue, Names};
use crate::providers::agent4::RESPONSES;

/// Maximum number of links of a chain.
const MAX_LINKS: usize = 50;
/// Maximum number of retries.
const MAX_RETRIES: u8 = 5;

type Checker<'a> = flow::Checker<'a, Reply>;

impl flow::Document for Document {
    type Reply = Reply;
    type Prepared = ();

    fn scratch(&self) -> Scratch<'_> {
        Scratch {
            document: self,
            targets: BTreeSet::new(),
            is_initial: false,
        }
    }

    fn check<'a>(&'a self, checker: &mut Checker<'a>) {
        for name in self.state.keys() {
            checker.name(&field("state", name), name);
            if name == OWN_STATE {
                checker.report(field("state", name), "is a name that patchbay reserves");
            }
        }
        for name in self.metadata.keys() {
            checker.name(&field("metadata", name), name);
        }
        if self.links.is_empty() || self.links.len() > MAX_LINKS {
            checker.report("links", format!("a chain has 1 to {MAX_LINKS} links"));
        }
        let common = names(self);
        if let Some(fallback) = &self.fallback {
            checker.reply(fallback, "fallback", &common);
        }
        let fallback_targets = std::mem::take(&mut checker.scratch.targets);
        let mut seen = BTreeSet::new();
        let mut targets_of_links = Vec::new();
        for (index, link) in self.links.iter().enumerate() {
            let path = element("links", index);
            let is_valid =
                !link.name.is_empty() && link.name.chars().count() <= 100 && !link.name.chars().any(char::is_control);
            if !is_valid {
                checker.report(
                    field(&path, "name"),
                    "must have 1 to 100 characters, and no control characters",
                );
            }
            if !seen.insert(link.name.as_str()) {
                checker.report(field(&path, "name"), "is already the name of an earlier link");
            }
            check_link(link, &path, &common, checker);
            let mut targets = std::mem::take(&mut checker.scratch.targets);
            targets.extend(&fallback_targets);
            targets_of_links.push(targets);
        }
        check_reach(&self.links, &targets_of_links, checker);
        checker.count_rules("links");
    }

    fn prepare(&self, _: &Templates, _: bool, _: &mut Vec<Issue>) {}
}

/// The names that every template of a chain may use. `context` exists only where the model has returned arguments.
fn names(document: &Document) -> Names {
    Names::default()
        .fields("caller", ["number", "line"], "a caller has")
        .fields("state", document.state.keys(), "the chain's `state` declares")
        .fields("metadata", document.metadata.keys(), "the chain's `metadata` declares")
        .unavailable(
            "context",
            "`context` is only defined when the model has returned valid arguments",
        )
        .value("link")
        .value("key")
        .value("code")
        .value("state_kept")
}

/// `names` with the arguments of the model.
fn with_context(names: &Names, parameters: Option<&Value>) -> Names {
    let context = parameters.map_or_else(|| vec![RESPONSES.to_owned()], schema::property_names);
    names.clone().fields("context", context, "the link's parameters are")
}

/// `names` at `interrupt`, for a link that declares no parameters for it.
fn at_interrupt(names: &Names) -> Names {
    names.clone().unavailable(
        "context",
        "`context` may be missing: by its documentation Agent4 sends none at `interrupt`; keep what you need in \
         `state`, or declare `interrupt_parameters` and expect null",
    )
}

fn check_link<'a>(link: &'a Link, path: &str, common: &Names, checker: &mut Checker<'a>) {
    for (name, parameters) in [
        ("qualified_parameters", &link.qualified_parameters),
        ("disqualified_parameters", &link.disqualified_parameters),
        ("interrupt_parameters", &link.interrupt_parameters),
    ] {
        if let Some(parameters) = parameters {
            checker.schema(parameters, &field(path, name));
        }
    }
    let with = |parameters: &Option<Value>| with_context(common, parameters.as_ref());
    checker.scratch.is_initial = true;
    checker.rules(&link.initial, &field(path, "initial"), common);
    checker.scratch.is_initial = false;
    for (rules, name, parameters) in [
        (&link.qualified, "qualified", &link.qualified_parameters),
        (&link.disqualified, "disqualified", &link.disqualified_parameters),
    ] {
        checker.rules(rules, &field(path, name), &with(parameters));
    }
    if !link.interrupt.is_empty() {
        // Agent4 has parameters for this event, but by its documentation sends no context with it (agent4/CONTRACT.md
        // 2). A link that declares parameters is prepared for that: missing ones are null.
        let names = if checker.is_stored() || link.interrupt_parameters.is_some() {
            with(&link.interrupt_parameters)
        } else {
            at_interrupt(common)
        };
        checker.rules(&link.interrupt, &field(path, "interrupt"), &names);
    }
    if let Some(invalid) = &link.invalid {
        check_invalid(link, invalid, &field(path, "invalid"), common, checker);
    }
}

fn check_invalid<'a>(link: &Link, invalid: &'a Invalid, path: &str, common: &Names, checker: &mut Checker<'a>) {
    if link.qualified_parameters.is_none() {
        checker.report(
            path,
            "handles violations of `qualified_parameters`, but the link declares none",
        );
    }
    if invalid.retries.is_some_and(|retries| retries > MAX_RETRIES) {
        checker.report(field(path, "retries"), format!("must be from 0 to {MAX_RETRIES}"));
    }
    if let Some(retry) = &invalid.retry {
        checker.reply(retry, &field(path, "retry"), common);
    }
    if let Some(give_up) = &invalid.give_up {
        checker.reply(give_up, &field(path, "give_up"), common);
    }
}

/// Checks that every link can be reached from the first.
fn check_reach(links: &[Link], targets_of_links: &[BTreeSet<Target<'_>>], checker: &mut Checker<'_>) {
    let mut reached = BTreeSet::from([0]);
    let mut open = VecDeque::from([0]);
    while let Some(index) = open.pop_front() {
        for target in targets_of_links.get(index).into_iter().flatten() {
            let next = match target {
                Target::Next => (index + 1 < links.len()).then_some(index + 1),
                Target::Named(name) => links.iter().position(|link| link.name == *name),
            };
            open.extend(next.filter(|next| reached.insert(*next)));
        }
    }
    for index in 0..links.len() {
        if !reached.contains(&index) {
            checker.report(
                field(&element("links", index), "name"),
                "cannot be reached: no `switch_task` or `next_task` leads to it",
            );
        }
    }
}
