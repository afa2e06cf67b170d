//! The page and its assets.
//!
//! The page is rendered with its settings and texts in it, so that one request shows it. It has neither inline scripts
//! nor styles, no cookies, and nothing from another host.

use std::fmt::Write as _;
use std::sync::LazyLock;

use lambda_http::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, HeaderName, HeaderValue, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use lambda_http::http::{HeaderMap, StatusCode};
use lambda_http::{Body, Request, RequestExt as _, Response};
use patchbay::conversation::widget::{Language, Widget};
use patchbay::ids::Tenant;
use patchbay::secret::sha256_hex;
use patchbay::web::media;
use patchbay::web::problem::Problem;
use serde::Serialize;
use serde_json::json;

use super::texts::{Texts, text, texts};
use super::{has_etag, settings};
use crate::{Answer, Deps};

const PAGE: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/widget.js");
const STYLE: &str = include_str!("page/widget.css");
const ICON: &str = include_str!("page/icon.svg");

/// What the page may load and do, besides who may embed it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; require-trusted-types-for 'script'; frame-ancestors";
/// Changes with every version of the assets, so that a new page never runs an old script.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = sha256_hex(format!("{SCRIPT}\n{STYLE}").as_bytes());
    hash.truncate(12);
    hash
});

/// What the script has to know.
#[derive(Serialize)]
struct Settings<'a> {
    language: Language,
    /// The names of the offered languages, by tag.
    languages: serde_json::Map<String, serde_json::Value>,
    topics: Vec<serde_json::Value>,
    phone_required: bool,
    privacy_url: Option<&'a str>,
    texts: &'a Texts,
}

/// `GET /chat/{ref}`: the page, in the language of the query `language`, or of the browser.
pub(super) async fn page(deps: &Deps, request: &Request, tenant: &Tenant, reference: &str) -> Answer {
    let widget = settings(deps, tenant).await?;
    let query = request.query_string_parameters();
    let accepted = accepted_languages(request.headers());
    let preferences = query.first("language").into_iter();
    let language = widget.language(preferences.chain(accepted.iter().map(String::as_str)));
    let mut response = media::response(
        StatusCode::OK,
        "text/html; charset=utf-8",
        render(&widget, language, reference),
    );
    let headers = response.headers_mut();
    harden(headers);
    headers.insert(VARY, HeaderValue::from_static("accept-language"));
    let policy = format!("{POLICY} {}", ancestors(&widget));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// `GET /chat/{ref}/{name}`: an asset of the page.
pub(super) fn asset(request: &Request, name: &str) -> Answer {
    let (media_type, text) = match name {
        "widget.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "widget.css" => ("text/css; charset=utf-8", STYLE),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return Err(Problem::not_found()),
    };
    let etag = format!("\"{}\"", VERSION.as_str());
    let mut response = if has_etag(request.headers(), &etag) {
        let mut unchanged = Response::new(Body::Empty);
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        unchanged
    } else {
        media::response(StatusCode::OK, media_type, text)
    };
    let headers = response.headers_mut();
    harden(headers);
    // The page names the version in the URL.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    Ok(response)
}

fn harden(headers: &mut HeaderMap) {
    let fixed: [(HeaderName, &'static str); 2] =
        [(X_CONTENT_TYPE_OPTIONS, "nosniff"), (REFERRER_POLICY, "no-referrer")];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Who may embed the page.
fn ancestors(widget: &Widget) -> String {
    // Settings are checked when they are stored; these may be from a version with other checks.
    if widget.embedded_by.is_empty() || widget.check().is_err() {
        return "'none'".to_owned();
    }
    widget.embedded_by.join(" ")
}

fn render(widget: &Widget, language: Language, reference: &str) -> String {
    let texts = texts(language);
    let name = |language: &Language| {
        let name = text(super::texts::texts(*language), "language");
        (language.tag().to_owned(), name.into())
    };
    let topics = widget.topics.iter();
    let settings = Settings {
        language,
        languages: widget.languages.iter().map(name).collect(),
        topics: topics
            .map(|topic| json!({ "name": topic.name, "title": topic.title.in_language(language) }))
            .collect(),
        phone_required: widget.phone_required,
        privacy_url: widget.privacy_url.as_deref(),
        texts,
    };
    // Serialization cannot fail: the settings are texts.
    let settings = serde_json::to_string(&settings).unwrap_or_default();
    fill(PAGE, |name| match name {
        "language" => language.tag(),
        "title" => widget.title.in_language(language),
        "reference" => reference,
        "version" => VERSION.as_str(),
        "settings" => &settings,
        other => text(texts, other),
    })
}

/// Replaces every `{{name}}` of a template by its value as HTML text.
fn fill<'a>(template: &str, value: impl Fn(&str) -> &'a str) -> String {
    let mut html = String::with_capacity(2 * template.len());
    let mut parts = template.split("{{");
    html.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or_default();
        escape(&mut html, value(name));
        html.push_str(rest);
    }
    html
}

/// Writes a text so that it is safe in an element and in a quoted attribute.
fn escape(html: &mut String, text: &str) {
    for c in text.chars() {
        if matches!(c, '&' | '<' | '>' | '"' | '\'') {
            // Writing to a String cannot fail.
            let _ = write!(html, "&#{};", u32::from(c));
        } else {
            html.push(c);
        }
    }
}

/// The tags of the `Accept-Language` header, best first.
fn accepted_languages(headers: &HeaderMap) -> Vec<String> {
    let header = headers.get("accept-language").and_then(|value| value.to_str().ok());
    let mut tags: Vec<(f32, &str)> = header
        .unwrap_or_default()
        .split(',')
        .take(20)
        .filter_map(|part| {
            let (tag, quality) = part.split_once(";q=").unwrap_or((part, "1"));
            let (quality, tag) = (quality.trim().parse().ok()?, tag.trim());
            (quality > 0.0 && !tag.is_empty()).then_some((quality, tag))
        })
        .collect();
    // Stable, so tags of the same quality keep their order.
    tags.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    tags.into_iter().map(|(_, tag)| tag.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widget() -> Widget {
        serde_json::from_value(json!({
            "title": "Questions? <We> \"help\" & {{listen}}",
            "topics": [{ "name": "orders", "title": { "en": "Orders", "de": "Bestellungen" }, "inbox": "7" }],
        }))
        .expect("settings")
    }

    #[test]
    fn page_is_in_the_language_with_the_settings_for_the_script() {
        let html = render(&widget(), Language::De, "acme.00");
        assert!(html.contains("<html lang=\"de\">"), "{html}");
        assert!(html.contains("src=\"acme.00/widget.js?"), "{html}");
        assert!(html.contains(">Ihre Nachricht</label>"), "{html}");
        let settings = html
            .split("data-settings=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let settings = settings.expect("settings").replace("&#34;", "\"").replace("&#39;", "'");
        let settings: serde_json::Value = serde_json::from_str(&settings).expect("JSON");
        assert_eq!(
            settings["topics"],
            json!([{ "name": "orders", "title": "Bestellungen" }])
        );
        assert_eq!(settings["languages"], json!({ "en": "English", "de": "Deutsch" }));
        assert_eq!(settings["texts"]["send"], "Senden");
    }

    #[test]
    fn texts_are_escaped_and_not_filled_again() {
        let html = render(&widget(), Language::En, "acme.00");
        assert!(
            html.contains("<title>Questions? &#60;We&#62; &#34;help&#34; &#38; {{listen}}</title>"),
            "{html}"
        );
    }

    #[test]
    fn only_the_configured_sites_embed_the_page() {
        let mut widget = widget();
        assert_eq!(ancestors(&widget), "'none'");
        widget.embedded_by = vec!["https://a.example".to_owned(), "https://b.example".to_owned()];
        assert_eq!(ancestors(&widget), "https://a.example https://b.example");
        widget.embedded_by.push("https://c.example; script-src *".to_owned());
        assert_eq!(ancestors(&widget), "'none'");
    }

    #[test]
    fn languages_of_the_browser_are_ordered_by_quality() {
        for (header, expected) in [
            ("de-AT,de;q=0.9,en;q=0.8", &["de-AT", "de", "en"][..]),
            ("en;q=0.5, de", &["de", "en"]),
            ("fr;q=0, en;q=x, de;q=0.1", &["de"]),
        ] {
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static("accept-language"),
                HeaderValue::from_static(header),
            )]);
            assert_eq!(accepted_languages(&headers), expected, "{header}");
        }
        assert_eq!(accepted_languages(&HeaderMap::new()), Vec::<String>::new());
    }

    #[test]
    fn page_asks_for_nothing_from_elsewhere_and_has_no_inline_code() {
        for forbidden in [
            "http://",
            "https://",
            "//",
            "<style",
            "style=",
            "onclick",
            "javascript:",
            "data:",
        ] {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
        assert_eq!(PAGE.matches("<script").count(), 1);
        for forbidden in [
            "innerHTML",
            "insertAdjacentHTML",
            "document.write",
            "document.cookie",
            "eval(",
            "localStorage",
        ] {
            assert!(!SCRIPT.contains(forbidden), "{forbidden}");
        }
        assert!(!STYLE.contains("url("), "the style loads something");
    }
}
