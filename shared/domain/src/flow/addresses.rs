//! URLs and email addresses in a document. A URL is a template, but its host is literal.

use url::Url;

use crate::target::Targets;

/// The host of a URL template, which must be literal.
pub(super) fn host(template: &str) -> Option<String> {
    let rest = template.strip_prefix("https://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end)?;
    if authority.contains(['{', '}', '@', '\\']) {
        return None;
    }
    let url = Url::parse(&format!("https://{authority}/")).ok()?;
    url.host_str().map(str::to_owned)
}

/// Checks a URL template.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(template: &str) -> Result<(), String> {
    if template.chars().any(|c| c.is_control() || c == '\\') {
        return Err("must be a single line without backslashes".into());
    }
    let rest = template.strip_prefix("https://").ok_or("must begin with https://")?;
    if host(template).is_none() {
        return Err("must have a literal host, without a template value in it".into());
    }
    let fixed = rest.find("{{").map_or(rest, |end| rest.get(..end).unwrap_or_default());
    if fixed.contains('#') || template.contains('#') && !template.contains("{#") {
        return Err("must have no fragment (#…)".into());
    }
    let authority = fixed.split(['/', '?']).next().unwrap_or_default();
    let url = Url::parse(&format!("https://{authority}/")).map_err(|error| format!("is not a valid URL: {error}"))?;
    Targets::public_only()
        .check_url(&url)
        .map_err(|error| error.to_string())
}

/// Whether the path of a rendered URL has no `.` or `..` segment: an inserted value must not lead out of its directory.
pub(super) fn has_no_dot_segments(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.split('/').all(|segment| !matches!(segment, "." | ".."))
}

/// Whether `text` has the form of an email address. Only its mail server knows whether the address exists.
pub fn is_email(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_graphic() && !"()<>[]:;,\\\"@".contains(c);
    let Some((name, host)) = text.split_once('@') else {
        return false;
    };
    let parts = |text: &str| {
        text.split('.')
            .all(|part| !part.is_empty() && part.chars().all(allowed))
    };
    text.len() <= 254 && parts(name) && parts(host) && host.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_must_be_literal() {
        assert_eq!(
            host("https://api.example.org/a/{{ b }}"),
            Some("api.example.org".into())
        );
        assert_eq!(
            host("https://api.example.org?x={{ b }}"),
            Some("api.example.org".into())
        );
        for wrong in [
            "https://{{ host }}/",
            "https://api.{{ x }}.example.org/",
            "https://a@example.org/",
            "http://example.org/",
            "https:///x",
        ] {
            assert_eq!(host(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn url_that_could_never_be_fetched_is_refused() {
        for wrong in [
            "https://127.0.0.1/x",
            "https://10.0.0.1/",
            "https://example.org:25/",
            "https://example.org/#a",
            "http://example.org/",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        assert_eq!(check("https://example.org:8443/a/{{ b }}?c={{ d }}"), Ok(()));
    }

    #[test]
    fn dot_segment_is_detected() {
        assert!(has_no_dot_segments("https://example.org/a/%2E%2E%2Fb?x=.."));
        assert!(!has_no_dot_segments("https://example.org/a/../b"));
        assert!(!has_no_dot_segments("https://example.org/a/."));
    }
}
