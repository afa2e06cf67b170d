//! Mails as programs write them, and as nobody should.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn read(raw: &str) -> MailText {
    read_mail(raw.replace('\n', "\r\n").as_bytes())
}

/// The text of a mail with one part.
fn single(headers: &str, body: &[u8]) -> String {
    let mut raw = format!("{headers}\r\n\r\n").into_bytes();
    raw.extend_from_slice(body);
    read_mail(&raw).whole
}

#[test]
fn plain_reply_is_read_with_and_without_its_quote() {
    let raw = "From: Ana <ana@example.net>\nContent-Type: text/plain; charset=utf-8\n\nPlease call me.\n\nOn Thu, 26 Nov \
               2026 Acme <care@example.org> wrote:\n> To opt out, reply STOP.\n";
    let mail = read(raw);
    assert_eq!(mail.new, "Please call me.");
    assert!(mail.whole.ends_with("> To opt out, reply STOP."), "{}", mail.whole);
    assert_eq!((mail.automatic, mail.is_cut), (None, false));
}

#[test]
fn plainest_alternative_is_read_and_attachments_are_not() {
    let raw = "Content-Type: multipart/mixed; boundary=\"outer; x\"\n\npreamble\n--outer; x\nContent-Type: \
               multipart/alternative;\n boundary=inner\n\n--inner\nContent-Type: text/plain\n\nHello\n--inner\n\
               Content-Type: text/html\n\n<p>Hello in HTML</p>\n--inner--\n--outer; x\nContent-Type: text/plain; \
               name=a.txt\nContent-Disposition: attachment; filename=a.txt\n\nSTOP\n--outer; x\nContent-Type: \
               image/png\n\nSTOP\n--outer; x\nContent-Type: message/rfc822\n\nSubject: x\n\nSTOP\n--outer; x\n\nBye\n\
               --outer; x--\nSTOP\n";
    let mail = read(raw);
    assert_eq!(mail.whole.split_whitespace().collect::<Vec<_>>(), ["Hello", "Bye"]);
    assert_eq!(mail.new, mail.whole);
}

#[test]
fn an_empty_alternative_is_replaced_by_html() {
    let raw = "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\n \n--b\nContent-Type: \
               text/html\n\n<p>Hello</p>\n--b--\n";
    assert_eq!(read(raw).whole, "Hello");
}

#[test]
fn html_becomes_lines_without_quotes() {
    for quote in [
        "<div class=\"gmail_quote\">On 26 Nov 2026 Acme wrote:<blockquote>reply STOP</blockquote></div>",
        "<blockquote type=\"cite\">a<blockquote>b</blockquote>reply STOP</blockquote>",
        "<BlockQuote>reply STOP",
        "<div id=\"divRplyFwdMsg\"><b>From:</b> Acme</div>reply STOP",
        "<hr><div>-----Original Message-----</div>reply STOP",
        "<div>On 26 Nov 2026 Acme &lt;care@example.org&gt; wrote:</div><div>reply STOP</div>",
    ] {
        let raw = format!(
            "Content-Type: text/html; charset=utf-8\n\n<html><head><style>p {{}}</style></head><body><div>Hi &amp;\n \
             bye</div><div>Gr&uuml;&szlig;e</div>{quote}</body></html>"
        );
        let mail = read(&raw);
        assert_eq!(mail.new, "Hi & bye\nGrüße", "{quote}");
        assert!(mail.whole.ends_with("reply STOP"), "{}", mail.whole);
    }
    // What follows a quote is kept.
    for above in [
        "",
        "<div>On 26 Nov 2026 Acme wrote:</div>",
        "2026年11月26日 Acme &lt;care@example.org&gt;:<br>",
    ] {
        let raw = format!("Content-Type: text/html\n\n{above}<blockquote>reply START</blockquote><div>Stop</div>");
        assert_eq!(read(&raw).new, "Stop", "{above}");
    }
}

#[test]
fn transfer_encodings_and_charsets_are_decoded() {
    for (headers, body, expected) in [
        (
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64",
            &b"R3LDvMOf\r\nZQ=="[..],
            "Grüße",
        ),
        ("Content-Transfer-Encoding: BASE64", b"R3LDvMOfZQ", "Grüße"),
        ("Content-Transfer-Encoding: base64", b"SGkgeW91I", "Hi you"),
        (
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
            b"Gr=C3=BC=\r\n=C3=9fe = 1=2",
            "Grüße = 1=2",
        ),
        ("Content-Type: text/plain; charset=ISO-8859-1", b"Gr\xfc\xdfe", "Grüße"),
        ("Content-Type: text/plain; charset=\"windows-1252\"", b"\x80 5", "€ 5"),
        (
            "Content-Type: text/plain; charset=iso-8859-7",
            b"\xc3\xe5\xe9\xdc",
            "Γειά",
        ),
        ("Content-Type: text/plain; charset=koi8-r", b"\xf3\xf4\xef\xf0", "СТОП"),
        ("Content-Type: text/plain; charset=Shift_JIS", b"\x92\xe2\x8e~", "停止"),
        (
            "Content-Type: text/plain; charset=iso-2022-jp",
            b"\x1b$BDd;_\x1b(B",
            "停止",
        ),
        (
            "Content-Type: text/plain; charset=us-ascii",
            "Grüße".as_bytes(),
            "Grüße",
        ),
        ("Content-Type: text/plain; charset=made-up", b"Gr\xfc\xdfe", "Grüße"),
        ("Subject: x", "Grüße".as_bytes(), "Grüße"),
        (
            "Content-Type: text/plain; format=flowed;\r\n\tcharset=utf-8",
            "Grüße".as_bytes(),
            "Grüße",
        ),
        ("Content-Type: text/plain; charset=utf-8", b"a\0b\x1bc\x7f", "abc"),
    ] {
        assert_eq!(single(headers, body), expected, "{headers}");
    }
}

#[test]
fn automatic_mail_is_recognized_by_all_headers() {
    let mut raw = String::new();
    for n in 0..200 {
        let _ = writeln!(raw, "X-Noise-{n}: {}", "x".repeat(60));
    }
    raw.push_str("Auto-Submitted:\n auto-replied\n\nI am away.");
    assert_eq!(read(&raw).automatic, Some(Automatic::AutoSubmitted));
    // A body is no header.
    assert_eq!(read("Subject: x\n\nAuto-Submitted: auto-replied").automatic, None);
}

#[test]
fn nested_and_huge_mails_are_read_in_part() {
    let mut raw = String::new();
    for depth in 0..30_000 {
        let _ = write!(raw, "Content-Type: multipart/mixed; boundary={depth}\n\n--{depth}\n");
    }
    assert_eq!(read(&raw).whole, "");
    let messages = "Content-Type: message/rfc822\n\n".repeat(30_000);
    assert_eq!(read(&messages).whole, "");
    let parts = format!(
        "Content-Type: multipart/mixed; boundary=b\n\n{}",
        "--b\n\nx\n".repeat(100_000)
    );
    assert_eq!(read(&parts).whole.matches('x').count(), MAX_PARTS - 1);

    let long = format!("Subject: x\n\n{}", "ü".repeat(MAX_TEXT_BYTES));
    let mail = read(&long);
    assert_eq!((mail.whole.len(), mail.is_cut), (MAX_TEXT_BYTES, true));
    let longer = format!("Subject: x\n\nhello\n{}", " ".repeat(MAX_RAW_BYTES));
    assert_eq!((read(&longer).whole.as_str(), read(&longer).is_cut), ("hello", true));

    // Takes about a second. Were the time not linear in the length, it would take minutes.
    let start = Instant::now();
    for html in [
        "<blockquote>",
        "</blockquote>",
        "<blockquote",
        "<",
        "&",
        "<b",
        "<!--",
        "yahoo_quoted",
    ] {
        let mail = read(&format!(
            "Content-Type: text/html\n\n{}",
            html.repeat(400_000 / html.len())
        ));
        assert!(mail.new.len() <= MAX_TEXT_BYTES, "{html}");
    }
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn mail_without_text_is_empty() {
    for raw in [
        "",
        "\n",
        "Subject: x",
        "Subject: x\n\n",
        "Content-Type: multipart/mixed\n\n--\nx",
        "Content-Type: multipart/mixed; boundary=\"\"\n\n--\nx",
        "Content-Type: multipart/mixed; boundary=b\n\nno part",
        "Content-Type: image/png\n\nx",
        "Content-Disposition: attachment\n\nx",
    ] {
        let mail = read(raw);
        assert_eq!((mail.whole.as_str(), mail.new.as_str()), ("", ""), "{raw}");
    }
}

proptest! {
    #[test]
    fn no_mail_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        text in "(Content-Type: |multipart/mixed|text/html|; boundary=|; charset=|b|--b|--|\n|\r\n|=|\"|<|blockquote|>|/|ü| ){0,40}",
    ) {
        let _ = read_mail(&bytes);
        let mail = read_mail(text.as_bytes());
        prop_assert!(mail.whole.len() <= MAX_TEXT_BYTES && mail.new.len() <= MAX_TEXT_BYTES);
        let _ = read(&format!("Content-Type: text/html\n\n{text}"));
        let _ = (decode_base64(&bytes), decode_quoted_printable(&bytes), without_html_quotes(&text));
    }
}
