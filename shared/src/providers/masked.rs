//! Redacts provider messages so that they are safe to log.

/// Longest redacted text, in characters.
pub(in crate::providers) const MAX_DETAIL_CHARS: usize = 300;
/// A run of more characters than this that contains a digit may be a token, a signature or an id.
const LONGEST_PLAIN_RUN: usize = 19;
/// A run with at least this many digits may be a phone number.
const FEWEST_PHONE_DIGITS: usize = 8;

/// `text` on one line, cut to [`MAX_DETAIL_CHARS`], without secrets that the provider may echo: URLs (which carry a
/// signed reference), tokens ("Invalid access token: ...") and phone numbers.
pub(in crate::providers) fn redact(text: &str) -> String {
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .map(mask_word)
        .collect();
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ").chars().take(MAX_DETAIL_CHARS).collect()
}

fn mask_word(word: &str) -> String {
    if word.contains("://") {
        return "[url]".to_owned();
    }
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let in_run = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+');
        let end = rest.find(|c| !in_run(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        let digits = run.chars().filter(char::is_ascii_digit).count();
        if digits > 0 && run.len() > LONGEST_PLAIN_RUN {
            out.push_str("[id]");
        } else if digits >= FEWEST_PHONE_DIGITS {
            out.push_str("[number]");
        } else {
            out.push_str(run);
        }
        rest = after;
        if run.is_empty() {
            out.push(first);
            rest = rest.split_at(first.len_utf8()).1;
        }
    }
    out
}
