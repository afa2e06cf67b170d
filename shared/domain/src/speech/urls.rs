//! Shortens URLs to their hosts, because nobody can follow a URL by ear: `https://status.example.org/i/4711?x=1` is
//! spoken as `status.example.org`.

/// `text` with every URL replaced by its host. A URL without a valid host may be ordinary text, so it stays.
pub(super) fn as_hosts(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let before_scheme =
            before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        let has_scheme = before_scheme.len() < before.len();
        if let Some(host) = host(after).filter(|_| has_scheme) {
            out.push_str(before_scheme);
            out.push_str(host);
            rest = after_url(after);
        } else {
            out.push_str(before);
            out.push_str("://");
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// The host that `authority` begins with, without user and port.
fn host(authority: &str) -> Option<&str> {
    let end = authority.find(|c: char| ends_url(c) || matches!(c, '/' | '?' | '#' | '&' | '\\'));
    let (authority, _) = authority.split_at(end.unwrap_or(authority.len()));
    let host = authority.rsplit('@').next()?.split(':').next()?;
    let host = host.trim_end_matches(is_punctuation);
    let is_host = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    (host.chars().all(is_host) && host.contains(char::is_alphanumeric)).then_some(host)
}

/// The rest after the URL that `text` begins with. Punctuation at the end of the URL belongs to the sentence.
fn after_url(text: &str) -> &str {
    let (url, _) = text.split_at(text.find(ends_url).unwrap_or(text.len()));
    let (_, after) = text.split_at(url.trim_end_matches(is_punctuation).len());
    after
}

fn ends_url(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '\'' | '`' | ')' | ']' | '}' | '|')
}

const fn is_punctuation(c: char) -> bool {
    matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '*' | '…')
}
