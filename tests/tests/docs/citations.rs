//! Checks citations such as `routee/CONTRACT.md` 5.4 in comments and on pages: the page and the section must exist.

use super::source::{Block, prose};
use super::{Finding, Tree, links, parent, resolve};

/// Reports the broken citations of one file.
pub(crate) fn check(path: &str, text: &str, tree: &Tree) -> Vec<Finding> {
    let blocks = prose(path, text);
    blocks.iter().flat_map(|block| check_block(path, block, tree)).collect()
}

fn check_block(path: &str, block: &Block, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (offset, name) in names(&block.text) {
        let line = block.line(offset);
        let cited = sections(&block.text[offset + name.len()..]);
        let page = match cited_page(path, name, tree) {
            Ok(page) => page,
            // "The `CONTRACT.md` of each provider" names no particular page.
            Err(_) if cited.is_empty() && is_common_name(name, tree) => continue,
            Err(message) => {
                findings.push(Finding::new(path, line, message));
                continue;
            }
        };
        let headings = links::headings(&tree[&page]);
        for section in cited {
            let exists = headings.iter().any(|heading| match &section {
                Section::Number(number) => section_number(heading) == Some(number),
                Section::Title(title) => heading == title || section_title(heading) == title,
            });
            if !exists {
                findings.push(Finding::new(path, line, format!("{page} has no section {section}")));
            }
        }
    }
    findings
}

/// The names of pages that a text mentions, each with its offset. Patterns (`*.md`, `<provider>/CONTRACT.md`) and URLs
/// are not names.
fn names(text: &str) -> Vec<(usize, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let mut found = Vec::new();
    for (at, _) in text.match_indices(".md") {
        let end = at + ".md".len();
        if text[end..].starts_with(|c: char| c.is_alphanumeric() || "_/".contains(c)) {
            continue;
        }
        let start = text[..at]
            .char_indices()
            .rev()
            .take_while(|(_, c)| is_part(*c))
            .last()
            .map_or(at, |(start, _)| start);
        let name = &text[start..end];
        let is_pattern = name.starts_with('/') || text[..start].ends_with(['*', '<', '>', '{', '}', '…', '$', ':']);
        if start < at && !is_pattern && !name.contains("//") {
            found.push((start, name));
        }
    }
    found
}

/// Resolves a name relative to the file's folder or any folder above it. If there is no such page, the name must be the
/// end of exactly one page's path.
fn cited_page(path: &str, name: &str, tree: &Tree) -> Result<String, String> {
    let folder = parent(path);
    if name.starts_with("./") || name.starts_with("../") {
        let page = resolve(folder, name).filter(|page| tree.contains_key(page));
        return page.ok_or_else(|| format!("there is no {name} from here"));
    }
    let mut above = Some(folder);
    while let Some(folder) = above {
        if let Some(page) = resolve(folder, name).filter(|page| tree.contains_key(page)) {
            return Ok(page);
        }
        above = (!folder.is_empty()).then(|| parent(folder));
    }
    let ending = format!("/{name}");
    // A bare name must be in this folder or above: another provider's CONTRACT.md is not meant.
    let mut pages = tree.keys().filter(|page| name.contains('/') && page.ends_with(&ending));
    match (pages.next(), pages.next()) {
        (Some(page), None) => Ok(page.clone()),
        (Some(one), Some(other)) => Err(format!("{name} is ambiguous: {one}, {other}")),
        (None, _) => Err(format!("there is no page {name}")),
    }
}

/// Whether several pages have this name.
fn is_common_name(name: &str, tree: &Tree) -> bool {
    let ending = format!("/{name}");
    tree.keys().filter(|page| page.ends_with(&ending)).count() > 1
}

/// A part of a page as a citation names it.
#[derive(Debug, PartialEq, Eq)]
enum Section {
    Number(String),
    Title(String),
}

impl std::fmt::Display for Section {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => f.write_str(number),
            Self::Title(title) => write!(f, "\"{title}\""),
        }
    }
}

/// The sections that follow the name of a page: `5.4`, `5.4, 7`, `5.4 and 7`, `section 5.4`, `, "The title"`.
fn sections(after: &str) -> Vec<Section> {
    let mut found = Vec::new();
    let mut rest = after.trim_start_matches(['`', ')', ']']);
    if after.starts_with([')', ']']) {
        return found;
    }
    let title = rest.trim_start_matches(',').trim_start();
    if let Some(quoted) = title.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        let words: Vec<&str> = quoted.0.split_whitespace().collect();
        return vec![Section::Title(words.join(" "))];
    }
    loop {
        let next = rest.trim_start_matches(',').trim_start();
        let next = ["sections ", "section ", "§ ", "§", "and ", "or ", "to "]
            .iter()
            .find_map(|word| next.strip_prefix(word))
            .map_or(next, str::trim_start);
        let length = next
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(next.len());
        let number = next[..length].trim_end_matches('.');
        let after = &next[number.len()..];
        let is_number = number.starts_with(|c: char| c.is_ascii_digit()) && rest.len() > next.len();
        // A further number may belong to the sentence: "routee/CONTRACT.md 5.4, 3 times".
        let is_listed = after.is_empty() || after.starts_with(['.', ',', ';', ':', ')', '`', '\n']) || {
            let word = after.trim_start();
            ["and ", "or ", "to "].iter().any(|join| word.starts_with(join))
        };
        if !is_number || !(found.is_empty() || is_listed) || after.starts_with(char::is_alphanumeric) {
            return found;
        }
        found.push(Section::Number(number.to_owned()));
        rest = after;
    }
}

/// The number in front of a heading: `5.4` of `5.4 Title` and of `5.4. Title`.
fn section_number(heading: &str) -> Option<&str> {
    let number = heading.split_whitespace().next()?.trim_end_matches(['.', ':']);
    let is_number =
        number.starts_with(|c: char| c.is_ascii_digit()) && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    is_number.then_some(number)
}

/// A heading without its number.
fn section_title(heading: &str) -> &str {
    match section_number(heading) {
        Some(number) => heading[number.len()..].trim_start_matches(['.', ':']).trim_start(),
        None => heading,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRACT: &str =
        "# Routee\n\n## 5 Webhooks\n\n### 5.4 When `COLLECT` fires\n\n## 7. Limits\n\n## The published flow\n";

    fn tree() -> Tree {
        let pages = [
            ("README.md", "# patchbay\n\n## Operate\n"),
            ("infra/README.md", "# Infrastructure\n\n## 5 Alarms\n"),
            ("shared/src/providers/routee/CONTRACT.md", CONTRACT),
            ("shared/src/providers/twilio/CONTRACT.md", "# Twilio\n\n## 1 Calls\n"),
        ];
        pages.map(|(path, text)| (path.to_owned(), text.to_owned())).into()
    }

    /// The findings in a file of this tree, as `line: message`.
    fn found(path: &str, text: &str) -> Vec<String> {
        let findings = check(path, text, &tree());
        findings
            .iter()
            .map(|finding| format!("{}: {}", finding.line, finding.message))
            .collect()
    }

    const INSIDE: &str = "shared/src/providers/routee/tests/calls.rs";

    #[test]
    fn citations_of_existing_sections_are_accepted() {
        for text in [
            "/// (CONTRACT.md 5.4)",
            "/// (`CONTRACT.md` 5.4, 7)",
            "/// (CONTRACT.md 5.4 and 7)",
            "/// See CONTRACT.md sections 5, 5.4 and 7.",
            "/// (routee/CONTRACT.md,\n/// \"The published\n/// flow\")",
            "/// (twilio/CONTRACT.md 1), infra/README.md, `README.md`, \"Operate\"",
            "/// CONTRACT.md, \"When COLLECT fires\" and CONTRACT.md, \"Limits\"",
            "/// It is tried again (CONTRACT.md 5.4, 3 times) and as CONTRACT.md states.",
            "/// ../CONTRACT.md 7",
            "/// Each provider has its README.md.",
        ] {
            assert_eq!(found(INSIDE, text), [""; 0], "{text}");
        }
        let page = "[Routee](shared/src/providers/routee/CONTRACT.md) 9: `routee/CONTRACT.md` 5";
        assert_eq!(found("README.md", page), [""; 0]);
        assert_eq!(
            found("README.md", "The `CONTRACT.md` of each provider has 9 sections."),
            [""; 0]
        );
    }

    #[test]
    fn a_missing_page_is_found() {
        let text = "//! One\n//! (`routee.md` 5.4)\n\nfn f() {} // DESIGN.md\n";
        assert_eq!(
            found(INSIDE, text),
            ["2: there is no page routee.md", "4: there is no page DESIGN.md"]
        );
        assert_eq!(
            found("infra/a.yaml", "# CONTRACT.md 1"),
            ["1: there is no page CONTRACT.md"]
        );
        assert_eq!(
            found("infra/a.py", "\"\"\"../STYLE.md\"\"\""),
            ["1: there is no ../STYLE.md from here"]
        );
        assert_eq!(
            found(".ci/run", "#!/bin/sh\n# See PEERS.md."),
            ["2: there is no page PEERS.md"]
        );
        assert_eq!(
            found("README.md", "As LAMBDA.md has it"),
            ["1: there is no page LAMBDA.md"]
        );
    }

    #[test]
    fn a_missing_section_is_found() {
        let page = "shared/src/providers/routee/CONTRACT.md";
        let expect = |text: &str, section: &str| {
            assert_eq!(
                found(INSIDE, text),
                [format!("1: {page} has no section {section}")],
                "{text}"
            );
        };
        expect("/// (CONTRACT.md 5.5)", "5.5");
        expect("/// (CONTRACT.md 5.4, 9)", "9");
        expect("/// (CONTRACT.md 5.4 and 9)", "9");
        expect("/// (CONTRACT.md\n/// 6)", "6");
        expect("/// (CONTRACT.md section 54)", "54");
        expect("/// (CONTRACT.md, \"The flow\")", "\"The flow\"");
    }

    #[test]
    fn an_ambiguous_name_is_found() {
        let mut tree = tree();
        tree.insert("other/routee/CONTRACT.md".to_owned(), String::new());
        let findings = check("shared/src/voice/mod.rs", "// routee/CONTRACT.md 5", &tree);
        assert!(findings[0].message.contains("is ambiguous"), "{findings:?}");
    }

    #[test]
    fn names_in_code_and_urls_and_patterns_are_not_citations() {
        let text = "let page = \"example.md\"; // *.md, <provider>/CONTRACT.md, `functions/{name}/README.md`\n\
                    // https://example.com/guide.md and a.mdx\n";
        assert_eq!(found(INSIDE, text), [""; 0]);
        assert_eq!(found("README.md", "```sh\ncat example.md\n```\n"), [""; 0]);
    }
}
