//! URLs and mail addresses in a document. A URL is a template, but never its host.

use url::Url;

use crate::target::Targets;

/// The host of a URL template: what stands before the first value.
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

/// # Errors
/// What is wrong with a URL template.
pub(super) fn check(template: &str) -> Result<(), String> {
    if template.chars().any(|c| c.is_control() || c == '\\') {
        return Err("must be one line without backslashes".into());
    }
    let rest = template.strip_prefix("https://").ok_or("must begin with https://")?;
    if host(template).is_none() {
        return Err("must have its host written out, with no value in it".into());
    }
    let fixed = rest.find("{{").map_or(rest, |end| rest.get(..end).unwrap_or_default());
    if fixed.contains('#') || template.contains('#') && !template.contains("{#") {
        return Err("must have no fragment".into());
    }
    let authority = fixed.split(['/', '?']).next().unwrap_or_default();
    let url = Url::parse(&format!("https://{authority}/")).map_err(|error| format!("is no URL: {error}"))?;
    Targets::public_only()
        .check_url(&url)
        .map_err(|error| error.to_string())
}

/// Whether a URL, written out, stays where its template says: a value such as `..` must not climb out of its place.
pub(super) fn is_tame(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.split('/').all(|segment| !matches!(segment, "." | ".."))
}

/// Whether something has the form of a mail address; only its server knows more.
pub fn is_address(text: &str) -> bool {
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
    fn a_host_is_written_out() {
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
    fn a_url_that_would_never_be_fetched_is_refused_at_once() {
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
    fn a_value_does_not_climb() {
        assert!(is_tame("https://example.org/a/%2E%2E%2Fb?x=.."));
        assert!(!is_tame("https://example.org/a/../b"));
        assert!(!is_tame("https://example.org/a/."));
    }
}
