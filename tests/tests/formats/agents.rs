//! Documents of agents and skills: one that was uploaded years ago must still be valid.

use std::fmt::Debug;

use patchbay::flow::{CompiledDocument, Document, Issue};
use patchbay::outreach::agent::{self, Agent};
use patchbay::outreach::skill::{self, Skill};
use serde::Serialize;
use serde_json::{Value, json};

use crate::fixtures;

#[track_caller]
fn accepted<T>(read: Result<T, Vec<Issue>>) -> T {
    match read {
        Ok(document) => document,
        Err(issues) => panic!("the document is refused: {issues:?}"),
    }
}

/// Asserts that a document is stored as in its fixture, and means the same when it was read from there, or downloaded and
/// uploaded again.
#[track_caller]
fn assert_stored<D>(folder: &str, from_stored: impl Fn(&Value) -> Result<D::Prepared, Vec<Issue>>)
where
    D: Document + Serialize,
    D::Prepared: Debug + PartialEq,
{
    let written = accepted(CompiledDocument::<D>::read(&fixtures::text(&format!(
        "{folder}/every-field.yaml"
    ))));
    let stored = json!(written.document());
    let expected = fixtures::json(&format!("{folder}/every-field.json"));
    assert_eq!(stored, expected, "it is stored as\n{stored:#}");
    assert_eq!(&accepted(from_stored(&expected)), written.prepared());
    let again = accepted(CompiledDocument::<D>::read(&expected.to_string()));
    assert_eq!(json!(again.document()), expected);
    assert_eq!(again.prepared(), written.prepared());
}

#[test]
fn an_agent_is_stored_as_in_its_fixture_and_valid() {
    assert_stored::<agent::Document>("agents", Agent::from_stored);
}

#[test]
fn a_skill_is_stored_as_in_its_fixture_and_valid() {
    assert_stored::<skill::Document>("skills", Skill::from_stored);
}
