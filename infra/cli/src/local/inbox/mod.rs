//! `GET /simulated/chat/inbox`: a page on which a person plays the team of the simulated chat platform, and its
//! customers.
//!
//! The page contains no data. Its script fetches `/simulated/chat` about once a second, and acts through the same path.
//! It has neither inline scripts nor styles, no cookies, and nothing from another host.

use axum::body::Body;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};

/// Path of the page. Its assets have the same path with an extension.
pub(super) const PATH: &str = "/simulated/chat/inbox";

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");
const ICON: &str = include_str!("page.svg");

/// What the page may load and do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; require-trusted-types-for 'script'; frame-ancestors 'none'";

/// Answers a request for the page or one of its assets. `None` for any other path.
pub(super) fn answer(method: &Method, path: &str) -> Option<Response<Body>> {
    let (media_type, text) = match path.strip_prefix(PATH)? {
        "" => ("text/html; charset=utf-8", PAGE),
        ".js" => ("text/javascript; charset=utf-8", SCRIPT),
        ".css" => ("text/css; charset=utf-8", STYLE),
        ".svg" => ("image/svg+xml", ICON),
        _ => return None,
    };
    if method != Method::GET {
        return Some(method_not_allowed());
    }
    let mut response = Response::new(Body::from(text));
    let headers: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, media_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        // The next build may have another page at the same address.
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

fn method_not_allowed() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [(&str, &str, &str); 4] = [
        (PATH, "text/html; charset=utf-8", PAGE),
        ("/simulated/chat/inbox.js", "text/javascript; charset=utf-8", SCRIPT),
        ("/simulated/chat/inbox.css", "text/css; charset=utf-8", STYLE),
        ("/simulated/chat/inbox.svg", "image/svg+xml", ICON),
    ];

    #[tokio::test]
    async fn page_and_assets_have_their_media_type_and_a_strict_policy() {
        for (path, media_type, text) in PATHS {
            let response = answer(&Method::GET, path).expect(path);
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let header = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
            assert_eq!(header(CONTENT_TYPE), Some(media_type), "{path}");
            assert_eq!(header(CACHE_CONTROL), Some("no-store"), "{path}");
            assert_eq!(header(X_CONTENT_TYPE_OPTIONS), Some("nosniff"), "{path}");
            let policy = header(CONTENT_SECURITY_POLICY).expect(path);
            assert!(policy.starts_with("default-src 'none';"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
            assert_eq!(body.expect(path), text.as_bytes(), "{path}");
        }
    }

    #[test]
    fn every_other_path_is_not_the_pages() {
        for path in [
            "/simulated/chat",
            "/simulated/chat/inbox/",
            "/simulated/chat/inbox.html",
        ] {
            assert!(answer(&Method::GET, path).is_none(), "{path}");
        }
    }

    #[test]
    fn other_methods_are_refused() {
        for method in [Method::HEAD, Method::POST, Method::DELETE] {
            let response = answer(&method, PATH).expect("the page's path");
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
            assert_eq!(
                response.headers().get(ALLOW),
                Some(&HeaderValue::from_static("GET")),
                "{method}"
            );
        }
    }

    #[test]
    fn page_names_only_its_own_assets() {
        let named: Vec<&str> = PAGE
            .split(['"', ' '])
            .filter(|word| word.starts_with("inbox."))
            .collect();
        assert_eq!(named, ["inbox.svg", "inbox.css", "inbox.js"]);
        for forbidden in ["//", "<style", "style=", "onclick", "javascript:", "data:"] {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
        assert_eq!(PAGE.matches("<script").count(), 1);
    }

    #[test]
    fn assets_load_nothing_from_elsewhere_and_write_no_html() {
        for forbidden in [
            "http:",
            "https:",
            "innerHTML",
            "insertAdjacentHTML",
            "document.write",
            "document.cookie",
            "eval(",
            "localStorage",
        ] {
            assert!(!SCRIPT.contains(forbidden), "{forbidden}");
        }
        for forbidden in ["url(", "@import", "http"] {
            assert!(!STYLE.contains(forbidden), "{forbidden}");
        }
    }
}
