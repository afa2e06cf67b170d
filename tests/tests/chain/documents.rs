//! The shipped documents, and the one in the README, are sound.

use patchbay::chain::Chain;

use crate::{PIN, SHIPSTATION, SMS};

#[test]
fn the_shipped_documents_are_sound() {
    for (name, text) in [("shipstation", SHIPSTATION), ("pin", PIN), ("sms", SMS)] {
        if let Err(issues) = Chain::read(text) {
            panic!(
                "{name}: {}",
                issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            );
        }
    }
}

/// The blocks of a language in the README.
fn blocks(language: &str) -> Vec<String> {
    let readme = include_str!("../../../README.md");
    let fence = format!("```{language}\n");
    readme
        .split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split_once("```").map(|(block, _)| block.to_owned()))
        .collect()
}

#[test]
fn the_document_in_the_readme_is_sound() {
    let documents: Vec<String> = blocks("yaml")
        .into_iter()
        .filter(|block| block.contains("links:"))
        .collect();
    assert!(!documents.is_empty());
    for document in documents {
        if let Err(issues) = Chain::read(&document) {
            panic!(
                "{document}\n{}",
                issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            );
        }
    }
}
