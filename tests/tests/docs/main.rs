//! Checks the documentation: citations and links resolve, all required pages exist and are reachable, README.md is
//! short, and the prose is plain American English.
//!
//! Each check is a function of a path and a text. Its tests use made-up files to show what it finds and what it must
//! accept. `tests/docs/run` executes the commands on the pages.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod citations;
mod links;
mod pages;
mod source;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All text files of the repository, by their path from the root.
type Tree = BTreeMap<String, String>;

/// A problem to fix. Displayed as `path:line: message`.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counted from 1; 0 for the file as a whole.
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        let (path, message) = (path.to_owned(), message.into());
        Self { path, line, message }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files that git tracks or would add. Without git, as in a downloaded archive, all files.
fn repository() -> Tree {
    let root = root();
    let list = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output();
    let paths: Vec<String> = match list {
        Ok(list) if list.status.success() => {
            let paths = String::from_utf8(list.stdout).unwrap();
            paths.split_terminator('\0').map(str::to_owned).collect()
        }
        _ => walk(&root, ""),
    };
    let files = paths.into_iter().filter_map(|path| {
        // Git lists a deleted file until its deletion is staged.
        let bytes = fs::read(root.join(&path)).ok()?;
        Some((path, String::from_utf8(bytes).ok()?))
    });
    let files: Tree = files.collect();
    assert!(files.len() > 300, "only {} files", files.len());
    files
}

/// All files below a folder of the repository, except what builds write.
fn walk(root: &Path, folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if folder.is_empty() {
            name.clone()
        } else {
            format!("{folder}/{name}")
        };
        if !entry.file_type().unwrap().is_dir() {
            found.push(path);
        } else if ![".git", "target", ".aws-sam", ".venv", "__pycache__"].contains(&name.as_str()) {
            found.extend(walk(root, &path));
        }
    }
    found
}

fn is_page(path: &str) -> bool {
    has_extension(path, "md")
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Resolves a path relative to a folder of the repository. `None` if it leaves the repository.
fn resolve(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Fails with all findings, not only the first.
fn expect_none(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} to fix:\n{}", findings.len(), lines.join("\n"));
}

#[test]
fn every_citation_leads_to_a_section_of_a_page() {
    let tree = repository();
    let findings: Vec<Finding> = tree
        .iter()
        .flat_map(|(path, text)| citations::check(path, text, &tree))
        .collect();
    expect_none(&findings);
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let tree = repository();
    let pages = tree.iter().filter(|(path, _)| is_page(path));
    let findings: Vec<Finding> = pages.flat_map(|(path, text)| links::check(path, text, &tree)).collect();
    expect_none(&findings);
}

#[test]
fn every_page_is_reachable_from_the_readme() {
    expect_none(&links::unreachable(&repository()));
}

#[test]
fn the_prose_is_plain_american_english() {
    let tree = repository();
    let findings: Vec<Finding> = tree.iter().flat_map(|(path, text)| words::check(path, text)).collect();
    expect_none(&findings);
}

#[test]
fn every_exception_for_a_phrase_is_needed() {
    expect_none(&words::unneeded_exceptions(&repository()));
}

#[test]
fn every_required_page_exists_and_the_readme_is_short() {
    expect_none(&pages::check(&repository()));
}

#[test]
fn without_git_the_same_files_are_found() {
    let walked = walk(&root(), "");
    for path in repository().keys() {
        assert!(walked.contains(path), "{path}");
    }
}
