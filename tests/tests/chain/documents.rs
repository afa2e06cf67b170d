//! The shipped documents, and those in the README, are valid.

use patchbay::chain::Chain;

use crate::{PIN, SHIPSTATION, SMS};

#[test]
fn the_shipped_documents_are_valid() {
    for (name, text) in [("shipstation", SHIPSTATION), ("pin", PIN), ("sms", SMS)] {
        if let Err(issues) = Chain::read(text) {
            panic!(
                "{name}: {}",
                issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            );
        }
    }
}

/// Code blocks of a language in the README.
fn blocks(language: &str) -> Vec<String> {
    let readme = include_str!("../../../functions/chain-link/README.md");
    let fence = format!("```{language}\n");
    readme
        .split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split_once("```").map(|(block, _)| block.to_owned()))
        .collect()
}

#[test]
fn the_documents_in_the_readme_are_valid() {
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
