//! The page itself: its language, its policy and its assets.

use crate::common::request;
use crate::{Page, widget};

/// The body as text.
async fn text(page: &Page, part: &str, language: &str) -> String {
    let request = request("GET", &format!("{}{part}", page.path)).header("accept-language", language);
    let response = page
        .world
        .send(request.body(bytes::Bytes::new()).unwrap())
        .await
        .unwrap();
    String::from_utf8(response.into_body().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_page_is_in_the_language_of_the_browser_unless_another_is_chosen() {
    let page = Page::open().await;
    for (part, accepted, title) in [
        ("", "de-AT, en;q=0.5", "Fragen?"),
        ("", "fr", "Questions?"),
        ("?language=de", "en", "Fragen?"),
        ("?language=fr", "de", "Fragen?"),
    ] {
        let html = text(&page, part, accepted).await;
        assert!(html.contains(&format!("<title>{title}</title>")), "{part} {accepted}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_allows_nothing_but_itself_and_sets_no_cookie() {
    let page = Page::open().await;
    let answer = page.get("", &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("set-cookie"), "");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(policy.ends_with("; frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");

    let mut settings = widget();
    settings.embedded_by = vec!["https://shop.example.org".to_owned()];
    page.world.put_widget(settings).await.unwrap();
    let answer = page.get("", &[]).await;
    let policy = answer.header("content-security-policy");
    assert!(
        policy.ends_with("; frame-ancestors https://shop.example.org"),
        "{policy}"
    );
}

#[tokio::test(start_paused = true)]
async fn assets_are_cached_and_named_with_their_version() {
    let page = Page::open().await;
    let html = text(&page, "", "en").await;
    for (name, media_type) in [
        ("widget.js", "text/javascript; charset=utf-8"),
        ("widget.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let part = format!("/{name}");
        let answer = page.get(&part, &[]).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, media_type));
        assert_eq!(answer.header("cache-control"), "public, max-age=86400");
        let etag = answer.header("etag").to_owned();
        assert!(
            name == "icon.svg" || html.contains(&format!("{name}?{}\"", etag.trim_matches('"'))),
            "{name}"
        );
        let again = page.get(&part, &[("if-none-match", &etag)]).await;
        assert_eq!((again.status, again.header("etag")), (304, etag.as_str()));
    }
    page.get("/other.js", &[]).await.is_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn other_methods_are_refused() {
    let page = Page::open().await;
    for (part, allow) in [("", "GET"), ("/widget.js", "GET")] {
        let answer = page.post(part, "", &serde_json::json!({})).await;
        answer.is_problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), allow);
    }
    page.get("/conversations", &[])
        .await
        .is_problem(405, "method-not-allowed");
}
