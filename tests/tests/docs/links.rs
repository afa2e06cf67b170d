//! Checks links: each leads to a file of the repository and an existing heading, or is a well-formed URL. Every page is
//! reachable from README.md.

use std::collections::{BTreeMap, BTreeSet};

use super::source::without_fences;
use super::{Finding, Tree, is_page, parent, resolve};

/// A link on a page.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Link {
    line: usize,
    target: String,
}

/// Reports the broken links of one page.
pub(crate) fn check(path: &str, text: &str, tree: &Tree) -> Vec<Finding> {
    let links = links(text).into_iter();
    let wrong = links.filter_map(|link| Some(Finding::new(path, link.line, problem(path, &link.target, tree)?)));
    wrong.collect()
}

/// Reports every page that no chain of links from README.md reaches.
pub(crate) fn unreachable(tree: &Tree) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    let mut next = vec!["README.md".to_owned()];
    while let Some(page) = next.pop() {
        let Some(text) = tree.get(&page) else { continue };
        if reached.insert(page.clone()) {
            let targets = links(text).into_iter();
            next.extend(targets.filter_map(|link| target_page(&page, &link.target, tree)));
        }
    }
    let unreachable = tree.keys().filter(|path| is_page(path) && !reached.contains(*path));
    unreachable
        .map(|path| Finding::new(path, 0, "no chain of links from README.md leads here"))
        .collect()
}

fn problem(path: &str, target: &str, tree: &Tree) -> Option<String> {
    if target.starts_with("http://") || target.starts_with("https://") {
        return url_problem(target);
    }
    if let Some(address) = target.strip_prefix("mailto:") {
        return (!address.contains('@')).then(|| format!("{target} is no address"));
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let Some(found) = linked_file(path, file, tree) else {
        return Some(format!("there is no {file} to link to"));
    };
    if anchor.is_empty() {
        return target.ends_with('#').then(|| format!("{target} has an empty anchor"));
    }
    let Some(page) = target_page(path, file, tree) else {
        return Some(format!("{found} is no page and has no anchor #{anchor}"));
    };
    (!anchors(&tree[&page]).contains(anchor)).then(|| format!("{page} has no heading for #{anchor}"))
}

fn url_problem(target: &str) -> Option<String> {
    let Ok(url) = url::Url::parse(target) else {
        return Some(format!("{target} is no URL"));
    };
    let host = url.host_str().unwrap_or_default();
    let is_loopback = ["127.0.0.1", "localhost", "[::1]"].contains(&host);
    if !is_loopback && !host.contains('.') {
        return Some(format!("{target} has no domain"));
    }
    (url.scheme() == "http" && !is_loopback).then(|| format!("{target} is not https"))
}

/// The file or folder that a relative link leads to. An empty link leads to the page itself.
fn linked_file(path: &str, file: &str, tree: &Tree) -> Option<String> {
    if file.is_empty() {
        return Some(path.to_owned());
    }
    // GitHub resolves `/` against the repository, other viewers against the file system.
    if file.starts_with('/') {
        return None;
    }
    let file = resolve(parent(path), file)?;
    let inside = format!("{file}/");
    let exists = file.is_empty() || tree.contains_key(&file) || tree.keys().any(|path| path.starts_with(&inside));
    exists.then_some(file)
}

/// The page that a relative link opens. For a folder it is the README.md in it.
fn target_page(path: &str, target: &str, tree: &Tree) -> Option<String> {
    if target.contains(':') {
        return None;
    }
    let file = target.split('#').next()?;
    let file = linked_file(path, file, tree)?;
    let page = if tree.contains_key(&file) {
        file
    } else {
        resolve(&file, "README.md")?
    };
    (is_page(&page) && tree.contains_key(&page)).then_some(page)
}

/// The links of a page outside of code: `[text](target)`, `![text](target)`, `[name]: target`, `<URL>`, the `href` and
/// `src` of HTML, and bare URLs.
fn links(text: &str) -> Vec<Link> {
    let text = without_code_spans(&without_fences(text));
    let line_of = |offset: usize| 1 + text[..offset].matches('\n').count();
    let mut found = Vec::new();
    let mut add = |offset: usize, target: &str| {
        let target = target.trim().trim_start_matches('<').trim_end_matches('>').to_owned();
        found.push(Link {
            line: line_of(offset),
            target,
        });
    };
    for (at, marks) in text.match_indices("](") {
        let start = at + marks.len();
        let mut depth = 1;
        let end = text[start..].find(|c| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        // A title may follow the target.
        let inside = text[start..].get(..end.unwrap_or(0)).unwrap_or_default();
        add(at, inside.split_whitespace().next().unwrap_or_default());
    }
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if let Some((name, target)) = line
            .trim_start()
            .strip_prefix('[')
            .and_then(|line| line.split_once("]:"))
            && !name.contains(']')
        {
            add(offset, target.split_whitespace().next().unwrap_or_default());
        }
        offset += line.len();
    }
    for attribute in ["href=\"", "src=\""] {
        for (at, marks) in text.match_indices(attribute) {
            add(at, text[at + marks.len()..].split('"').next().unwrap_or_default());
        }
    }
    for scheme in ["http://", "https://"] {
        for (at, _) in text.match_indices(scheme) {
            // After `](` it is a link that is already found.
            if !text[..at].ends_with("](") {
                let is_end = |c: char| c.is_whitespace() || ")>\"'|]".contains(c);
                let url = text[at..].split(is_end).next().unwrap_or_default();
                add(at, url.trim_end_matches(['.', ',', ';', ':']));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// A text with the code between backticks blanked. Lines keep their numbers.
fn without_code_spans(text: &str) -> String {
    let mut clean = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        let marks: String = rest[start..].chars().take_while(|c| *c == '`').collect();
        let inside = start + marks.len();
        // Code may continue on the next line, but not after an empty one.
        let paragraph = rest[inside..].find("\n\n").map_or(rest.len(), |end| inside + end);
        clean.push_str(&rest[..start]);
        if let Some(length) = rest[inside..paragraph].find(&marks) {
            clean.push('`');
            clean.extend(rest[inside..inside + length].chars().filter(|c| *c == '\n'));
            rest = &rest[inside + length + marks.len()..];
        } else {
            clean.push_str(&marks);
            rest = &rest[inside..];
        }
    }
    clean.push_str(rest);
    clean
}

/// The headings of a page as they are displayed: links are their text, and marks of code and emphasis are removed.
pub(crate) fn headings(text: &str) -> Vec<String> {
    let page = without_fences(text);
    let headings = page.lines().filter_map(|line| {
        let title = line.trim_start_matches('#');
        let level = line.len() - title.len();
        ((1..=6).contains(&level) && title.starts_with(' ')).then_some(title)
    });
    headings.map(plain).collect()
}

/// A heading without the marks of Markdown.
fn plain(title: &str) -> String {
    let mut title = title.trim().trim_end_matches('#').trim_end().to_owned();
    // [text](target)
    while let Some(middle) = title.find("](") {
        let (Some(start), Some(length)) = (title[..middle].rfind('['), title[middle..].find(')')) else {
            break;
        };
        let text = title[start + 1..middle].to_owned();
        title.replace_range(start..=middle + length, &text);
    }
    title.replace(['`', '*'], "")
}

/// The anchors that GitHub derives from the headings of a page, and those that the page defines.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for heading in headings(text) {
        let anchor: String = heading
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut unique = anchor.clone();
        while seen.contains_key(&unique) {
            let count = seen.entry(anchor.clone()).or_default();
            *count += 1;
            unique = format!("{anchor}-{count}");
        }
        seen.insert(unique, 0);
    }
    let text = without_fences(text);
    let set = ["<a id=\"", "<a name=\""]
        .into_iter()
        .flat_map(|mark| text.split(mark).skip(1));
    let set = set.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    seen.keys().cloned().chain(set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(readme: &str) -> Tree {
        let files = [
            ("README.md", readme),
            (
                "infra/README.md",
                "# Infra\n\n## Alarms & dashboards\n\n[up](../README.md#patchbay)\n",
            ),
            ("infra/template.yaml", "Resources:\n"),
            (
                "shared/guide.md",
                "# Guide\n\n## Part\n\n## Part\n\n## `put`: *store* [one](x.md)\n\n## Part 1\n",
            ),
            ("shared/src/lib.rs", ""),
        ];
        files.map(|(path, text)| (path.to_owned(), text.to_owned())).into()
    }

    fn found(readme: &str) -> Vec<String> {
        let findings = check("README.md", readme, &tree(readme));
        findings
            .iter()
            .map(|finding| format!("{}: {}", finding.line, finding.message))
            .collect()
    }

    #[test]
    fn links_to_existing_targets_are_accepted() {
        let text = "# patchbay\n\n[a](infra/README.md#alarms--dashboards) [b](shared/guide.md#part-1)\n\
                    [c](shared) [d](./infra/) [e](#patchbay) [f](infra/template.yaml \"title\") [g]: infra/README.md\n\
                    [h](shared/guide.md#put-store-one) [i](infra#infra) [j](shared/guide.md#part-1-1)\n\
                    <https://example.com/a> https://example.com/b, [k](https://example.com/c_(d))\n\
                    http://127.0.0.1:8080 \
                    `[l](nowhere.md)` ``http://`a` `` [m](mailto:a@example.com)\n\
                    ```\n[n](nowhere.md) http://example.com\n```\n\n[o]: infra/README.md\n";
        assert_eq!(found(text), [""; 0]);
    }

    #[test]
    fn a_broken_link_is_found() {
        assert_eq!(
            found("\n[a](infra/none.md)"),
            ["2: there is no infra/none.md to link to"]
        );
        assert_eq!(found("![a](none.png)"), ["1: there is no none.png to link to"]);
        assert_eq!(found("[a](../README.md)"), ["1: there is no ../README.md to link to"]);
        assert_eq!(found("[a](/README.md)"), ["1: there is no /README.md to link to"]);
        assert_eq!(found("[a]: none.md"), ["1: there is no none.md to link to"]);
        assert_eq!(found("<a href=\"none.md\">"), ["1: there is no none.md to link to"]);
        assert_eq!(found("[a](inf)"), ["1: there is no inf to link to"]);
    }

    #[test]
    fn an_anchor_without_a_heading_is_found() {
        assert_eq!(found("[a](#none)"), ["1: README.md has no heading for #none"]);
        assert_eq!(found("[a](#)"), ["1: # has an empty anchor"]);
        let page = "shared/guide.md";
        assert_eq!(
            found("[a](shared/guide.md#part-3)"),
            [format!("1: {page} has no heading for #part-3")]
        );
        assert_eq!(
            found("[a](shared/guide.md#Part)"),
            [format!("1: {page} has no heading for #Part")]
        );
        assert_eq!(
            found("[a](infra/template.yaml#L1)"),
            ["1: infra/template.yaml is no page and has no anchor #L1"]
        );
    }

    #[test]
    fn a_bad_url_is_found() {
        assert_eq!(found("[a](http://example.com)"), ["1: http://example.com is not https"]);
        assert_eq!(found("see http://example.com."), ["1: http://example.com is not https"]);
        assert_eq!(found("<http://example.com>"), ["1: http://example.com is not https"]);
        assert_eq!(found("(http://example.com)"), ["1: http://example.com is not https"]);
        assert_eq!(found("[a](https://)"), ["1: https:// is no URL"]);
        assert_eq!(found("[a](https://example)"), ["1: https://example has no domain"]);
    }

    #[test]
    fn an_unreachable_page_is_found() {
        let unreachable_pages = |readme: &str| -> Vec<String> {
            unreachable(&tree(readme))
                .into_iter()
                .map(|finding| finding.path)
                .collect()
        };
        assert_eq!(unreachable_pages("[a](infra) [b](shared/guide.md#part)"), [""; 0]);
        assert_eq!(
            unreachable_pages("[a](infra/template.yaml)"),
            ["infra/README.md", "shared/guide.md"]
        );
        assert_eq!(
            unreachable_pages("[a](infra/README.md) `[b](shared/guide.md)`"),
            ["shared/guide.md"]
        );
    }
}
