//! Checks that all required pages exist and that README.md is short.

#[path = "../common/template.rs"]
mod template;

use super::{Finding, Tree};

/// Maximum number of lines of README.md: what a reader takes in before trying the project. Everything else has its own
/// page.
const README_LINES: usize = 150;

const REQUIRED: [&str; 5] = [
    "README.md",
    "infra/CHANGELOG.md",
    "infra/README.md",
    "shared/README.md",
    "tests/README.md",
];

/// Reports missing pages, and a README.md that is too long.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    check_for(tree, template::names())
}

fn check_for(tree: &Tree, functions: impl IntoIterator<Item = String>) -> Vec<Finding> {
    let pages = REQUIRED.into_iter().map(str::to_owned);
    let pages = pages.chain(functions.into_iter().map(|name| format!("functions/{name}/README.md")));
    let missing = pages.chain(contracts(tree)).filter(|page| !tree.contains_key(page));
    let mut findings: Vec<Finding> = missing.map(|page| Finding::new(&page, 0, "is missing")).collect();
    let lines = tree.get("README.md").map_or(0, |text| text.lines().count());
    if lines > README_LINES {
        let message = format!("has {lines} lines; {README_LINES} are allowed");
        findings.push(Finding::new("README.md", 0, message));
    }
    findings
}

/// The contract of each provider. Each folder in `shared/src/providers` is one, except those that belong to a file: what
/// several providers share.
fn contracts(tree: &Tree) -> Vec<String> {
    let inside = tree
        .keys()
        .filter_map(|path| path.strip_prefix("shared/src/providers/"));
    let mut providers: Vec<&str> = inside.filter_map(|path| Some(path.split_once('/')?.0)).collect();
    providers.dedup();
    providers.retain(|provider| !tree.contains_key(&format!("shared/src/providers/{provider}.rs")));
    let contract = |provider: &str| format!("shared/src/providers/{provider}/CONTRACT.md");
    providers.into_iter().map(contract).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Tree {
        let more = [
            "functions/dialer/README.md",
            "shared/src/providers/routee/CONTRACT.md",
            "shared/src/providers/routee/tests/calls.rs",
            "shared/src/providers/mod.rs",
        ];
        let paths = REQUIRED.into_iter().chain(more);
        paths.map(|path| (path.to_owned(), String::new())).collect()
    }

    fn found(tree: &Tree) -> Vec<String> {
        let findings = check_for(tree, ["dialer".to_owned()]);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_complete_repository_is_accepted() {
        let mut tree = complete();
        tree.insert("README.md".to_owned(), "line\n".repeat(README_LINES));
        assert_eq!(found(&tree), [""; 0]);
    }

    #[test]
    fn every_missing_page_is_found() {
        for page in complete().keys().filter(|path| crate::is_page(path)) {
            let mut tree = complete();
            tree.remove(page);
            assert_eq!(found(&tree), [format!("{page}:0: is missing")]);
        }
    }

    #[test]
    fn a_long_readme_is_found() {
        let mut tree = complete();
        tree.insert("README.md".to_owned(), "line\n".repeat(README_LINES + 1));
        assert_eq!(found(&tree), ["README.md:0: has 151 lines; 150 are allowed"]);
    }
}
