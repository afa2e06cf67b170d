//! Which web pages may use the local server. A developer visits other pages too, and these can send requests to every
//! port of the developer's machine.

use std::net::IpAddr;

use http::header::ORIGIN;
use http::{HeaderMap, Uri};

/// Whether a page of another host sent the request. Programs send none of these headers.
///
/// The origin decides even if a name of that host leads to this machine. A picture or a script has no origin; for it,
/// browsers say that it is of another site, as they do for a link that somebody follows.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(origin) = headers.get(ORIGIN) {
        return !origin.to_str().is_ok_and(is_loopback);
    }
    text("sec-fetch-site") == Some("cross-site") && text("sec-fetch-mode") != Some("navigate")
}

/// Whether an origin is a server on this machine.
fn is_loopback(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_local_name = host.eq_ignore_ascii_case("localhost");
    uri.scheme().is_some() && (is_local_name || address.is_ok_and(|address| address.is_loopback()))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn programs_and_pages_of_this_machine_are_served() {
        for pairs in [
            &[][..],
            &[("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")],
            &[("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")],
            &[("origin", "http://[::1]:3000"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")],
            // A link to the simulated inbox.
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
        ] {
            assert!(!is_foreign(&headers(pairs)), "{pairs:?}");
        }
    }

    #[test]
    fn pages_of_other_hosts_are_not_served() {
        for pairs in [
            &[("origin", "https://www.example.org")][..],
            &[("origin", "http://127.0.0.1.example.org:8080")],
            &[("origin", "http://localhost.example.org")],
            &[("origin", "null")],
            &[("origin", "127.0.0.1")],
            // A name that leads to this machine: to the browser it is the page's own server.
            &[
                ("origin", "http://www.example.org:8080"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
        ] {
            assert!(is_foreign(&headers(pairs)), "{pairs:?}");
        }
    }
}
