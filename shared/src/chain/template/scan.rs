//! A look at a template's tokens before it is compiled.
//!
//! The engine finds out about an unknown filter when a caller is on the line, and has statements that a sentence does
//! not need. Both are found here, on upload.

use super::filters::{FILTERS, TESTS};

/// Statements that are allowed.
const STATEMENTS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];

/// Checks the tokens of a template.
///
/// # Errors
/// What is not allowed in it.
pub(super) fn check(source: &str) -> Result<(), String> {
    let mut rest = source;
    loop {
        let Some(start) = rest
            .find("{{")
            .into_iter()
            .chain(rest.find("{%"))
            .chain(rest.find("{#"))
            .min()
        else {
            return Ok(());
        };
        let opening = rest.get(start..start + 2).unwrap_or_default();
        let inside = rest.get(start + 2..).unwrap_or_default();
        rest = match opening {
            "{#" => inside.split_once("#}").map_or("", |(_, rest)| rest),
            "{%" => block(inside, "%}", true)?,
            _ => block(inside, "}}", false)?,
        };
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Sign(char),
    Text,
}

/// Checks up to `end`; gives back what comes after it.
fn block<'a>(inside: &'a str, end: &str, is_statement: bool) -> Result<&'a str, String> {
    let mut rest = inside.trim_start_matches(['-', '+']);
    let mut before = [Token::Sign(' '); 2];
    let mut first = is_statement;
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(end) {
            return Ok(after);
        }
        let Some((token, after)) = next(rest)? else {
            return Err("is not closed".into());
        };
        rest = after;
        match (before, token) {
            (_, Token::Word(word)) if first && !STATEMENTS.contains(&word) => {
                return Err(format!(
                    "`{{% {word} %}}` is not allowed; there are: {}",
                    STATEMENTS.join(", ")
                ));
            }
            ([_, Token::Sign('|')], Token::Word(name)) if !FILTERS.contains(&name) => {
                return Err(format!(
                    "the filter `{name}` is not known; there are: {}",
                    known(&FILTERS)
                ));
            }
            ([_, Token::Word("is")], Token::Word(name)) if name != "not" && !TESTS.contains(&name) => {
                return Err(format!("the test `{name}` is not known; there are: {}", known(&TESTS)));
            }
            ([Token::Word("is"), Token::Word("not")], Token::Word(name)) if !TESTS.contains(&name) => {
                return Err(format!("the test `{name}` is not known; there are: {}", known(&TESTS)));
            }
            ([Token::Sign('.'), Token::Word(name)], Token::Sign('(')) => {
                return Err(format!("`.{name}(…)` is not possible: values have no methods"));
            }
            _ => {}
        }
        first = false;
        before = [before[1], token];
    }
}

fn known(names: &[&str]) -> String {
    names
        .iter()
        .filter(|name| **name != "or_null")
        .copied()
        .collect::<Vec<_>>()
        .join(", ")
}

fn next(rest: &str) -> Result<Option<(Token<'_>, &str)>, String> {
    let Some(first) = rest.chars().next() else {
        return Ok(None);
    };
    if first == '"' || first == '\'' {
        let mut escaped = false;
        for (at, c) in rest.char_indices().skip(1) {
            if c == first && !escaped {
                return Ok(Some((Token::Text, rest.get(at + 1..).unwrap_or_default())));
            }
            escaped = c == '\\' && !escaped;
        }
        return Err("a text is not closed".into());
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if is_word(first) {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        return Ok(Some((Token::Word(word), after)));
    }
    Ok(Some((
        Token::Sign(first),
        rest.get(first.len_utf8()..).unwrap_or_default(),
    )))
}
