//! The opt-out button of mail programs (RFC 8058; CONTRACT.md 5).
//!
//! The URL of the button identifies the customer and was checked before. Programs fetch every link in a mail, so only
//! the exact request of the button stops anything. The button on our own page makes the same request.

use http::Method;

/// Name and value of the only field of the request.
const FIELD: &str = "List-Unsubscribe";
const VALUE: &str = "One-Click";
/// Longest body, in bytes. A mail program posts 26, or a few hundred as `multipart/form-data`.
const MAX_BYTES: usize = 8 * 1024;
/// Most fields or parts that are read.
const MAX_FIELDS: usize = 16;

/// What a request for the URL of the button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneClick {
    /// The customer opts out. The answer is a plain 200 and no redirect, also when they already have.
    Stop,
    /// Shows a page with a button, and changes nothing.
    ShowPage,
    /// Another method (405) or another body (400). Changes nothing.
    Refused,
}

/// Decides what a request does. The body tells in which of the two forms it is: the header `Content-Type` need not be
/// right.
pub fn decide(method: &Method, body: &[u8]) -> OneClick {
    match *method {
        Method::GET | Method::HEAD => OneClick::ShowPage,
        Method::POST if body.len() <= MAX_BYTES && is_one_click(body) => OneClick::Stop,
        _ => OneClick::Refused,
    }
}

fn is_one_click(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    if body.starts_with(b"--") {
        return is_multipart_one_click(&String::from_utf8_lossy(body));
    }
    url::form_urlencoded::parse(body)
        .take(MAX_FIELDS)
        .any(|(name, value)| is_field(&name, &value))
}

/// As `multipart/form-data` (RFC 7578). The first line of the body is the boundary.
fn is_multipart_one_click(body: &str) -> bool {
    let boundary = body.lines().next().unwrap_or_default().trim_end();
    // Without a boundary, any line of a text could be the start of a part.
    if boundary.len() <= "--".len() {
        return false;
    }
    let parts = body.split(boundary).skip(1).take(MAX_FIELDS);
    let mut fields = parts.filter_map(part);
    fields.any(|(name, value)| is_field(name, value))
}

/// Name and value of a part.
fn part(part: &str) -> Option<(&str, &str)> {
    let part = part.strip_prefix("\r\n").or_else(|| part.strip_prefix('\n'))?;
    let (headers, value) = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n"))?;
    let (_, disposition) = headers
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("Content-Disposition"))?;
    let name = disposition
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("name"))
        .map(|(_, value)| value.trim().trim_matches('"'))?;
    Some((name, value))
}

fn is_field(name: &str, value: &str) -> bool {
    name.trim().eq_ignore_ascii_case(FIELD) && value.trim().eq_ignore_ascii_case(VALUE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn multipart(boundary: &str, disposition: &str, value: &str) -> String {
        format!("--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n{value}\r\n--{boundary}--\r\n")
    }

    fn post(body: &str) -> OneClick {
        decide(&Method::POST, body.as_bytes())
    }

    #[test]
    fn button_posts_in_either_form() {
        let form_data = "form-data; name=\"List-Unsubscribe\"";
        for body in [
            "List-Unsubscribe=One-Click".to_owned(),
            "List-Unsubscribe=One-Click\r\n".to_owned(),
            "List%2DUnsubscribe=One%2DClick".to_owned(),
            "list-unsubscribe=one-click".to_owned(),
            "a=b&List-Unsubscribe=One-Click".to_owned(),
            multipart("x123", form_data, "One-Click"),
            multipart("x123", "form-data; name=List-Unsubscribe", "One-Click"),
            multipart("----WebKitFormBoundaryAbC", form_data, "One-Click"),
            multipart("x", form_data, "One-Click").replace("\r\n", "\n"),
            multipart("x", form_data, "One-Click").replace("Content-D", "Content-Type: text/plain\r\ncontent-d"),
            format!(
                "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n{}",
                multipart("x", form_data, "One-Click")
            ),
        ] {
            assert_eq!(post(&body), OneClick::Stop, "{body}");
        }
    }

    #[test]
    fn another_body_changes_nothing() {
        let form_data = "form-data; name=\"List-Unsubscribe\"";
        for body in [
            String::new(),
            "List-Unsubscribe".to_owned(),
            "List-Unsubscribe=".to_owned(),
            "List-Unsubscribe=No".to_owned(),
            "List-Unsubscribe=One-Click-x".to_owned(),
            "One-Click=List-Unsubscribe".to_owned(),
            "{\"List-Unsubscribe\":\"One-Click\"}".to_owned(),
            multipart("x", form_data, "No"),
            multipart("x", "form-data; name=\"other\"", "One-Click"),
            multipart("x", "form-data; filename=\"List-Unsubscribe\"", "One-Click"),
            multipart("x", "List-Unsubscribe", "One-Click"),
            "--\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--".to_owned(),
            "--x".to_owned(),
            "--x\r\n\r\n".to_owned(),
            format!("List-Unsubscribe=One-Click&x={}", "a".repeat(MAX_BYTES)),
            format!("{}List-Unsubscribe=One-Click", "a=b&".repeat(MAX_FIELDS)),
        ] {
            assert_eq!(post(&body), OneClick::Refused, "{body:.100}");
        }
    }

    #[test]
    fn only_a_post_stops_anything() {
        let body = b"List-Unsubscribe=One-Click";
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(decide(&method, body), OneClick::ShowPage, "{method}");
        }
        let custom = Method::from_bytes(b"post").expect("a method");
        for method in [
            Method::OPTIONS,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::TRACE,
            custom,
        ] {
            assert_eq!(decide(&method, body), OneClick::Refused, "{method}");
        }
        assert_eq!(decide(&Method::GET, b""), OneClick::ShowPage);
    }

    proptest! {
        #[test]
        fn no_body_panics_and_noise_stops_nothing(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "(--x|\r\n|\n|name=|;|:|=|\"|a){0,40}") {
            prop_assert_eq!(decide(&Method::POST, &bytes), OneClick::Refused);
            prop_assert_eq!(post(&text), OneClick::Refused);
            prop_assert_eq!(decide(&Method::GET, &bytes), OneClick::ShowPage);
        }
    }
}
