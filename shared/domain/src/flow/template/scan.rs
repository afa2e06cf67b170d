//! Checks the tokens of a template before it is compiled, and adds guards.
//!
//! The engine detects an unknown filter only when it renders, and has statements that a sentence does not need. Both
//! are detected here, on upload. Operations that the engine does not bound, and values that render as nothing, go
//! through guards: filters that are inserted around operands and around spoken values.

use super::filters::{FILTERS, SAME_NUMBER, TESTS};
use super::guards;
use crate::phone::CallingCode;

/// Allowed statements.
const STATEMENTS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];
/// Maximum number of tokens between two braces. The engine recurses along a chain of operators: some thousands, which a
/// template has space for, would overflow the stack.
pub(super) const MAX_TOKENS: usize = 1_000;
/// Words after which a sign is unary: it has no left operand.
const OPERAND_PREFIXES: [&str; 8] = ["and", "elif", "else", "if", "in", "is", "not", "or"];

/// How a template is checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// The guard of every value, if there is one.
    pub(super) value_guard: Option<&'static str>,
    /// Whether it belongs to a stored document. Checks that were added since then are skipped.
    pub(super) is_stored: bool,
}

/// Checks the tokens of a template and returns the template with its guards.
///
/// # Errors
/// What the template must not contain.
pub(super) fn guarded(source: &str, options: Options) -> Result<String, String> {
    let mut guarded = String::with_capacity(source.len());
    let mut rest = source;
    loop {
        let Some(start) = rest
            .find("{{")
            .into_iter()
            .chain(rest.find("{%"))
            .chain(rest.find("{#"))
            .min()
        else {
            guarded.push_str(rest);
            return Ok(guarded);
        };
        guarded.push_str(rest.get(..start + 2).unwrap_or_default());
        let opening = rest.get(start..start + 2).unwrap_or_default();
        let inside = rest.get(start + 2..).unwrap_or_default();
        rest = match opening {
            "{#" => {
                let (comment, rest) = inside.split_once("#}").unwrap_or((inside, ""));
                guarded.push_str(comment);
                guarded.push_str("#}");
                rest
            }
            "{%" => block(inside, "%}", true, options, &mut guarded)?,
            _ => block(inside, "}}", false, options, &mut guarded)?,
        };
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Sign(char),
    Text(&'a str),
}

/// A token with its start and end, in bytes.
type Span<'a> = (Token<'a>, usize, usize);

/// Checks the tokens up to `end`, and appends them with their guards to `guarded`. Returns the rest.
fn block<'a>(
    inside: &'a str,
    end: &str,
    is_statement: bool,
    options: Options,
    guarded: &mut String,
) -> Result<&'a str, String> {
    let begin = inside.len() - inside.trim_start_matches(['-', '+']).len();
    let (tokens, length) = tokens(inside, begin, end)?;
    if !options.is_stored {
        if tokens.len() > MAX_TOKENS {
            return Err(format!("has more than {MAX_TOKENS} words and signs between two braces"));
        }
        (0..tokens.len()).try_for_each(|at| check_country(&tokens, at))?;
    }
    check(&tokens, is_statement)?;
    let mut guards = Vec::new();
    for at in 0..tokens.len() {
        if let Some(guard) = guard(&tokens, at) {
            let left = at.checked_sub(1).and_then(|left| tokens.get(left)).map(|token| token.2);
            let right = operand(&tokens, at + 1)
                .and_then(|right| tokens.get(right))
                .map(|token| token.2);
            guards.extend(left.into_iter().chain(right).map(|place| (place, format!("|{guard}"))));
        }
    }
    // The sign for white-space control stays outside the guard.
    let is_value = |token: &Span<'_>| !matches!(token.0, Token::Sign('-' | '+'));
    let value = tokens.iter().rposition(is_value).and_then(|last| tokens.get(..=last));
    let value = value.unwrap_or_default();
    if let Some(value_guard) = options.value_guard
        && !is_statement
        && !allows_empty(value)
        && let (Some(first), Some(last)) = (value.first(), value.last())
    {
        guards.push((first.1, "(".to_owned()));
        guards.push((last.2, format!(")|{value_guard}")));
    }
    // A stable sort: of two guards at one position the one that was found first comes first.
    guards.sort_by_key(|(place, _)| *place);
    let mut written = 0;
    for (place, guard) in guards {
        guarded.push_str(inside.get(written..place).unwrap_or_default());
        guarded.push_str(&guard);
        written = place;
    }
    guarded.push_str(inside.get(written..length).unwrap_or_default());
    Ok(inside.get(length..).unwrap_or_default())
}

/// The tokens up to `end`, and the offset behind it.
fn tokens<'a>(inside: &'a str, begin: usize, end: &str) -> Result<(Vec<Span<'a>>, usize), String> {
    let mut tokens = Vec::new();
    let mut at = begin;
    // As in the engine, `end` does not count inside brackets: `{{ {'a': {'b': 1}} }}`.
    let mut depth = 0_usize;
    loop {
        let rest = inside.get(at..).unwrap_or_default();
        at += rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        if depth == 0 && rest.starts_with(end) {
            return Ok((tokens, at + end.len()));
        }
        let Some((token, after)) = next(rest)? else {
            return Err("has an opening brace that is not closed".into());
        };
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        let stop = inside.len() - after.len();
        tokens.push((token, at, stop));
        at = stop;
    }
}

fn check(tokens: &[Span<'_>], is_statement: bool) -> Result<(), String> {
    let mut before = [Token::Sign(' '); 2];
    let mut first = is_statement;
    for (token, _, _) in tokens {
        match (before, *token) {
            (_, Token::Word(word)) if first && !STATEMENTS.contains(&word) => {
                return Err(format!(
                    "`{{% {word} %}}` is not allowed; allowed: {}",
                    STATEMENTS.join(", ")
                ));
            }
            ([_, Token::Sign('|')], Token::Word(name)) if !FILTERS.contains(&name) => {
                return Err(format!("unknown filter `{name}`; available: {}", list_names(&FILTERS)));
            }
            ([_, Token::Word("is")], Token::Word(name)) if name != "not" && !TESTS.contains(&name) => {
                return Err(format!("unknown test `{name}`; available: {}", list_names(&TESTS)));
            }
            ([Token::Word("is"), Token::Word("not")], Token::Word(name)) if !TESTS.contains(&name) => {
                return Err(format!("unknown test `{name}`; available: {}", list_names(&TESTS)));
            }
            ([Token::Sign('.'), Token::Word(name)], Token::Sign('(')) => {
                return Err(format!("`.{name}(…)` is not allowed: values have no methods"));
            }
            _ => {}
        }
        first = false;
        before = [before[1], *token];
    }
    Ok(())
}

/// Whether an expression allows an empty result: by an empty string literal that may become its value, as in `x if y
/// else ''`, `x or ''` and `x | default('')`. A literal that is an argument of something else, or compared, does not
/// count.
fn allows_empty(tokens: &[Span<'_>]) -> bool {
    // For every open bracket: whether its content may be the value of the whole expression.
    let mut open = vec![true];
    for (at, (token, _, _)) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| tokens.get(at)).map(|token| token.0);
        let after = tokens.get(at + 1).map(|token| token.0);
        match token {
            Token::Sign('(') => {
                let is_group = match before {
                    Some(Token::Word("default")) => {
                        at >= 2 && tokens.get(at - 2).is_some_and(|token| token.0 == Token::Sign('|'))
                    }
                    Some(Token::Word(word)) => OPERAND_PREFIXES.contains(&word),
                    Some(Token::Sign(sign)) => !matches!(sign, ')' | ']'),
                    Some(Token::Text(_)) => false,
                    None => true,
                };
                open.push(is_group && open.last() == Some(&true));
            }
            Token::Sign('[' | '{') => open.push(false),
            Token::Sign(')' | ']' | '}') => drop(open.pop()),
            Token::Text("\"\"" | "''") if open.last() == Some(&true) => {
                let is_start = matches!(before, None | Some(Token::Word("else" | "or") | Token::Sign('(')));
                let is_end = matches!(after, None | Some(Token::Word("if") | Token::Sign(')')));
                if is_start && is_end {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Checks that a comparison of phone numbers names a country. Without one, a number without `+` matches nothing.
fn check_country(tokens: &[Span<'_>], at: usize) -> Result<(), String> {
    let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at)).map(|token| token.0);
    // The filter itself, or `map` with its name as first argument.
    let (open, first) = match (tokens.get(at).map(|token| token.0), before(1), before(2)) {
        (Some(Token::Word(SAME_NUMBER)), Some(Token::Sign('|')), _) => (at + 1, 0),
        (Some(Token::Text(text)), Some(Token::Sign('(')), Some(Token::Word("map")))
            if text.trim_matches(['\'', '"']) == SAME_NUMBER =>
        {
            (at - 1, 1)
        }
        _ => return Ok(()),
    };
    let country = argument(tokens, open, first + 1);
    let is_code = match country {
        None | Some([]) => false,
        Some([(Token::Text(text), _, _)]) => text.trim_matches(['\'', '"']).parse::<CallingCode>().is_ok(),
        Some(_) => true,
    };
    if is_code {
        return Ok(());
    }
    Err(format!(
        "`{SAME_NUMBER}` needs the calling code for numbers without +, such as `{SAME_NUMBER}(other, '1')`: \
         without it they match nothing"
    ))
}

/// The tokens of argument `number`, counted from 0, of the call whose bracket opens at `open`.
fn argument<'a, 'b>(tokens: &'b [Span<'a>], open: usize, number: usize) -> Option<&'b [Span<'a>]> {
    if sign(tokens, open) != Some('(') {
        return None;
    }
    let inside = tokens.get(open + 1..closing(tokens, open)?)?;
    let mut depth = 0_usize;
    let mut arguments = inside.split(|(token, _, _)| {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && *token == Token::Sign(',')
    });
    arguments.nth(number)
}

fn sign(tokens: &[Span<'_>], at: usize) -> Option<char> {
    match tokens.get(at)?.0 {
        Token::Sign(sign) => Some(sign),
        _ => None,
    }
}

/// The guard for both operands of the operator at this position, if it is one.
fn guard(tokens: &[Span<'_>], at: usize) -> Option<&'static str> {
    let has_left = match tokens.get(at.checked_sub(1)?)?.0 {
        Token::Word(word) => !OPERAND_PREFIXES.contains(&word),
        Token::Text(_) => true,
        Token::Sign(sign) => matches!(sign, ')' | ']' | '}'),
    };
    match sign(tokens, at)? {
        '*' if has_left && sign(tokens, at + 1) != Some('*') => Some(guards::FACTOR),
        '~' if has_left => Some(guards::PART),
        '+' if has_left => Some(guards::TERM),
        _ => None,
    }
}

/// The last token of the operand that begins at this position: a value with its attributes, indexes and filters, such
/// as `a.b[1] | c(2)`.
fn operand(tokens: &[Span<'_>], mut at: usize) -> Option<usize> {
    while matches!(tokens.get(at)?.0, Token::Sign('-' | '+') | Token::Word("not")) {
        at += 1;
    }
    let mut last = match tokens.get(at)?.0 {
        Token::Sign('(' | '[' | '{') => closing(tokens, at)?,
        Token::Sign(_) => return None,
        _ => at,
    };
    loop {
        let is_word = matches!(tokens.get(last + 2), Some((Token::Word(_), _, _)));
        last = match sign(tokens, last + 1) {
            Some('.' | '|') if is_word => last + 2,
            Some('(' | '[') => closing(tokens, last + 1)?,
            _ => return Some(last),
        };
    }
}

/// The position of the bracket that closes the one at `at`.
fn closing(tokens: &[Span<'_>], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for position in at..tokens.len() {
        match sign(tokens, position) {
            Some('(' | '[' | '{') => depth += 1,
            Some(')' | ']' | '}') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(position);
                }
            }
            _ => {}
        }
    }
    None
}

fn list_names(names: &[&str]) -> String {
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
                let (text, after) = rest.split_at(at + 1);
                return Ok(Some((Token::Text(text), after)));
            }
            escaped = c == '\\' && !escaped;
        }
        return Err("a string is not closed".into());
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
