//! Finds the prose of a file: the comments of a source, or the text of a page.

use super::{has_extension, is_page};

/// Comments on consecutive lines, or a whole page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The line on which the text begins, counted from 1.
    first_line: usize,
    /// Without comment marks. It has as many lines as the block has in the file.
    pub(crate) text: String,
}

impl Block {
    /// The line of the file, counted from 1, that contains a byte of the text.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.first_line + self.text[..offset].matches('\n').count()
    }
}

/// The prose of a file: the comments of a source, and a page without its fenced code.
pub(crate) fn prose(path: &str, text: &str) -> Vec<Block> {
    if is_page(path) {
        return vec![Block {
            first_line: 1,
            text: without_fences(text),
        }];
    }
    let comments = if has_extension(path, "rs") {
        rust_comments(text)
    } else if has_extension(path, "py") || text.lines().next().is_some_and(|first| first.contains("python")) {
        python_comments(text)
    } else if has_extension(path, "yaml") || has_extension(path, "toml") || text.starts_with("#!") {
        hash_comments(text)
    } else {
        Vec::new()
    };
    join(comments)
}

/// Joins comments on consecutive lines, in order, into blocks.
fn join(comments: Vec<(usize, String)>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut last = 0;
    for (line, text) in comments {
        match blocks.last_mut().filter(|_| line == last + 1) {
            Some(block) => {
                block.text.push('\n');
                block.text.push_str(&text);
            }
            None => blocks.push(Block { first_line: line, text }),
        }
        last = line;
    }
    blocks
}

/// A page with its fenced code blanked. Lines keep their numbers.
pub(crate) fn without_fences(text: &str) -> String {
    let mut fence: Option<&str> = None;
    let mut lines = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        let marks = ["```", "~~~"].into_iter().find(|marks| trimmed.starts_with(marks));
        match (fence, marks) {
            (None, Some(opening)) => {
                fence = Some(opening);
                lines.push("");
            }
            (Some(opening), Some(closing)) if opening == closing => {
                fence = None;
                lines.push("");
            }
            (Some(_), _) => lines.push(""),
            (None, None) => lines.push(line),
        }
    }
    lines.join("\n")
}

/// Every `//` comment of a Rust source, with its line.
fn rust_comments(text: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let (mut index, mut line) = (0, 1);
    let mut found = Vec::new();
    while index < chars.len() {
        match at(index) {
            '/' if at(index + 1) == '/' => {
                let end = (index..chars.len()).find(|&i| at(i) == '\n').unwrap_or(chars.len());
                let comment: String = chars[index..end].iter().collect();
                let comment = comment.trim_start_matches('/');
                found.push((line, comment.strip_prefix('!').unwrap_or(comment).to_owned()));
                index = end;
                continue;
            }
            '\'' => {
                // A character, or a lifetime, which has no closing quote.
                if at(index + 1) == '\\' {
                    index = (index + 3..chars.len()).find(|&i| at(i) == '\'').unwrap_or(chars.len());
                } else if at(index + 2) == '\'' {
                    index += 2;
                }
            }
            '"' => {
                let before: String = chars[..index].iter().rev().take_while(|c| **c == '#').collect();
                let is_raw = matches!(at(index.wrapping_sub(before.len() + 1)), 'r');
                let end = if is_raw {
                    let closing = format!("\"{before}");
                    let closing: Vec<char> = closing.chars().collect();
                    (index + 1..chars.len()).find(|&i| chars[i..].starts_with(&closing))
                } else {
                    string_end(&chars, index + 1, &['"'])
                };
                let end = end.unwrap_or(chars.len());
                line += chars[index..end].iter().filter(|c| **c == '\n').count();
                index = end;
            }
            '\n' => line += 1,
            _ => {}
        }
        index += 1;
    }
    found
}

/// The index of the closing quotes of a string whose content starts at `from`. Skips escapes.
fn string_end(chars: &[char], from: usize, closing: &[char]) -> Option<usize> {
    let mut index = from;
    while index < chars.len() {
        if chars[index] == '\\' {
            index += 1;
        } else if chars[index..].starts_with(closing) {
            return Some(index);
        }
        index += 1;
    }
    None
}

/// Every comment and docstring of a Python source.
fn python_comments(text: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = text.chars().collect();
    let (mut index, mut line) = (0, 1);
    let mut found = Vec::new();
    while index < chars.len() {
        match chars[index] {
            '#' => {
                let end = (index..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len());
                let comment: String = chars[index..end].iter().collect();
                found.push((line, comment.trim_start_matches('#').to_owned()));
                index = end;
                continue;
            }
            quote @ ('"' | '\'') => {
                let triple = [quote; 3];
                let is_triple = chars[index..].starts_with(&triple);
                let closing: &[char] = if is_triple { &triple } else { &triple[..1] };
                let start = index + closing.len();
                let end = string_end(&chars, start, closing).unwrap_or(chars.len());
                let inside: String = chars[start..end].iter().collect();
                let is_first = chars[..index]
                    .iter()
                    .rev()
                    .take_while(|c| **c != '\n')
                    .all(|c| c.is_whitespace());
                if is_triple && is_first {
                    found.extend((line..).zip(inside.split('\n').map(str::to_owned)));
                }
                line += inside.matches('\n').count();
                index = end + closing.len() - 1;
            }
            '\n' => line += 1,
            _ => {}
        }
        index += 1;
    }
    found
}

/// Every comment of a shell script, YAML or TOML: from a `#` at the start of the line or after a space, outside quotes.
fn hash_comments(text: &str) -> Vec<(usize, String)> {
    let comment = |line: &str| {
        let mut quote = None;
        let mut before = ' ';
        for (index, c) in line.char_indices() {
            match (quote, c) {
                (None, '#') if before.is_whitespace() => {
                    return Some(line[index..].trim_start_matches('#').to_owned());
                }
                // An apostrophe within a word opens no string.
                (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                _ => {}
            }
            before = c;
        }
        None
    };
    let lines = (1..).zip(text.lines());
    lines
        .filter_map(|(number, line)| Some((number, comment(line)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comments(path: &str, text: &str) -> Vec<(usize, String)> {
        let blocks = prose(path, text).into_iter();
        blocks.map(|block| (block.first_line, block.text)).collect()
    }

    #[test]
    fn rust_comments_are_found_and_strings_are_not() {
        let text = r##"//! One,
//! two.
const URL: &'static str = "https://a \" // no"; // three
let (quote, raw) = ('"', r#"// no " // no
// no"#);
/// four
"##;
        let found = comments("a.rs", text);
        let expected = [(1, " One,\n two.\n three"), (6, " four")];
        // Line 3 follows line 2, so its comment joins them.
        assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn python_comments_and_docstrings_are_found() {
        let text = "#!/usr/bin/env python3\n\"\"\"One\ntwo.\"\"\"\nurl = 'a # no'\n\
            made_up = \"\"\"# no\"\"\"\nx = 1  # three\n";
        let found = comments("run", text);
        let expected = [(1, "!/usr/bin/env python3\nOne\ntwo."), (6, " three")];
        assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn comments_of_scripts_and_settings_are_found() {
        let found = comments("a.yaml", "# it's one\na: 'b # no' # two\nc: d#no\n");
        assert_eq!(found, [(1, " it's one\n two".to_owned())]);
        assert_eq!(comments("a.json", "# no"), []);
    }

    #[test]
    fn a_page_is_read_without_its_code() {
        let text = "One\n```sh\nno\n```\ntwo";
        assert_eq!(comments("a.md", text), [(1, "One\n\n\n\ntwo".to_owned())]);
    }
}
