use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn english(text: &str) -> String {
    spoken(text, Language::EnUs)
}

#[test]
fn references_are_decoded_however_often_they_were_escaped() {
    for (written, said) in [
        ("It isn&#039;t running", "It isn't running"),
        (
            "It isn&#x27;t, isn&#X2019;t and isn&#8217;t",
            "It isn't, isn’t and isn’t",
        ),
        ("Server f&uuml;r M&uuml;ller", "Server für Müller"),
        (
            "It isn&amp;#039;t, &amp;amp;#39; &amp;quot;so&amp;quot;",
            "It isn't, ' \"so\"",
        ),
        ("R&D and M&amp;A &amp; T&amp;amp;E", "R and D and M and A and T and E"),
        ("It isn&#146;t, and costs &#128;5", "It isn’t, and costs €5"),
        ("Room&nbsp;5&#160;B&nbsp C", "Room 5 B C"),
        ("a &lt; b &amp;gt; c", "a less than b more than c"),
        (
            "this&that, &unknown; &#; &#xZ",
            "this and that, and unknown; and #; and #xZ",
        ),
        ("a&#0;b&#x1b;c&#xD800;d&#99999999999;e", "a b c d e"),
        ("co&shy;operate &rarr; &hellip;", "cooperate → …"),
        ("one&#10;two&#30;three", "one two three"),
        // The replacement character is not spoken; the rest of its word is.
        ("cut \u{fffd}", "cut"),
        ("caf\u{fffd} \u{fffd}\u{fffd} down", "caf down"),
        ("a &#xfffd; b", "a b"),
    ] {
        assert_eq!(english(written), said, "{written}");
    }
}

#[test]
fn tags_are_removed_and_block_ends_become_pauses() {
    for (written, said) in [
        ("<b>Pump</b> down", "Pump down"),
        ("<p>Pump down</p><p>Call <i>Anna</i></p>", "Pump down. Call Anna"),
        (
            "Pump down!<br>Call Anna<br/>now<BR />or later",
            "Pump down! Call Anna. now. or later",
        ),
        ("<ul><li>one</li><li>two</li></ul>", "one. two"),
        ("<h1>Room 5</h1>Floor 3<hr>End", "Room 5; Floor 3; End"),
        (
            "<table><tr><td>Host</td><td>db1</td></tr><tr><td>Disk</td></tr></table>",
            "Host db1; Disk",
        ),
        ("&lt;p&gt;Pump&lt;/p&gt;&lt;p&gt;down&lt;/p&gt;", "Pump. down"),
        ("&amp;lt;b&amp;gt;Pump&amp;lt;/b&amp;gt;", "Pump"),
        (
            "<a href=\"https://a.example.org/x?y=1&amp;z=2\">Pump &gt; valve</a>",
            "Pump more than valve",
        ),
        ("<a href=https://a.example.org/x target=_blank>Pump</a>", "Pump"),
        ("<td nowrap class='x'>Pump</td>", "Pump"),
        (
            "<o:p>Pump</o:p><alert level=\"5\"/>on<host>db1</host>off",
            "Pump on db1 off",
        ),
        ("a<script>alert('<b>x</b>')</script>b<STYLE>p{}</Style >c", "a b c"),
        (
            "<!DOCTYPE html><?xml version=\"1.0\"?><!-- no --><![CDATA[<b>Pump</b>]]> <![if mso]>x",
            "Pump x",
        ),
        ("<speak><break time=\"9s\"/>Hi</speak>", "Hi"),
        ("<img alt=\"x\" src=\"data:image/png;base64,AAAA\">Pump", "Pump"),
    ] {
        assert_eq!(english(written), said, "{written}");
    }
}

#[test]
fn text_that_is_not_a_tag_stays() {
    for (written, said) in [
        ("a < b and c > d", "a less than b and c more than d"),
        ("5<6", "5 less than 6"),
        ("a<b and c>d", "a b and c d"),
        ("a <b and temperature > 90", "a b and temperature more than 90"),
        ("pressure > 5 bar", "pressure more than 5 bar"),
        ("T>=90", "T more than =90"),
        ("<5 bar left", "less than 5 bar left"),
        ("pump -> valve", "pump - valve"),
        ("> quoted\n> 5 times", "quoted 5 times"),
        ("Anna <Smith>, List<String>", "Anna Smith , List String"),
        ("cannot reach <db1:5432>", "cannot reach db1:5432"),
        ("<script>alert and <style>no end", "alert and no end"),
        ("<!-- no end", "!-- no end"),
        ("<a href=\"no end", "a href=\"no end"),
        ("<<<x>>>", "x"),
    ] {
        assert_eq!(english(written), said, "{written}");
    }
}

#[test]
fn url_is_shortened_to_its_host() {
    for (written, said) in [
        (
            "See https://status.example.org/incidents/4711?x=1&y=2#z.",
            "See status.example.org.",
        ),
        ("(HTTPS://u:p@db1.example.org:5432/x), then", "(db1.example.org), then"),
        (
            "[runbook](http://a.example.org/x) <https://b.example.org/y>",
            "[runbook](a.example.org) b.example.org",
        ),
        ("postgres://db1, s3://bucket/key", "db1, bucket"),
        ("https://füße.example.org", "füße.example.org"),
        ("x://valve&pump now", "valve now"),
        ("a://", "a://"),
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("http://---/word", "http://---/word"),
        ("://b", "://b"),
    ] {
        assert_eq!(english(written), said, "{written}");
    }
}

#[test]
fn white_space_collapses_and_control_characters_are_removed() {
    assert_eq!(
        english(" \u{0}Pump\t\tfour\r\n\r\nis\u{7}  down\u{200b}\u{202e} now\u{1e}"),
        "Pump four is down now"
    );
}

#[test]
fn signs_are_spoken_in_the_language() {
    assert_eq!(spoken("a &amp; b &lt; c", Language::DeDe), "a und b kleiner als c");
}

#[test]
fn hostile_texts_take_linear_time() {
    for part in [
        "<",
        ">",
        "&",
        "&amp;",
        "&#",
        "&#x",
        "<a ",
        "</a",
        "</",
        "<!--",
        "<![",
        "<![CDATA[",
        "<!doctype",
        "<?xml",
        "<script>",
        "<style>",
        "</script",
        "<a b=\"",
        "<a b='<a b=\"",
        "<a x=\"1\" ",
        "://",
        "a://",
        "http://a",
        "<p>",
        "&lt;",
        "&amp;lt;p",
        "a<",
        "\u{1e}",
        "a<p>",
    ] {
        let text = part.repeat(64 * 1024 / part.len());
        let started = Instant::now();
        let said = english(&text);
        let took = started.elapsed();
        assert!(took < Duration::from_secs(2), "{part} took {took:?}");
        assert!(!said.contains(['<', '>', '&']), "{part}");
    }
}

/// Pieces of markup, and words.
const PARTS: [&str; 45] = [
    "valve",
    "ключ",
    "x",
    "Ω",
    "\u{1f525}",
    "7",
    " ",
    " ",
    "\n",
    "\t",
    "\u{0}",
    "\u{1e}",
    "\u{200b}",
    "\u{85}",
    "<",
    ">",
    "&",
    "&amp;",
    "amp;",
    "&lt;",
    "&gt;",
    "&#39;",
    "#39;",
    "&#x",
    "&#30;",
    "&nbsp",
    "<b>",
    "</b>",
    "<br>",
    "<p class=\"",
    "\"",
    "'",
    "=",
    "/",
    "</",
    "<script>",
    "</script>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "://",
    ":",
    ". ",
    "!",
];

fn texts_of_any_kind() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        proptest::collection::vec(proptest::sample::select(PARTS.to_vec()), 0..200).prop_map(|parts| parts.concat()),
    ]
}

proptest! {
    #[test]
    fn any_text_becomes_words_and_punctuation(
        text in texts_of_any_kind(), language in proptest::sample::select(Language::ALL.to_vec()),
    ) {
        let said = spoken(&text, language);
        prop_assert!(!said.chars().any(|c| matches!(c, '<' | '>' | '&') || c.is_control()), "{said:?}");
        prop_assert!(!said.contains("  ") && said.trim() == said, "{said:?}");
        prop_assert_eq!(spoken(&said, language), said);
    }

    #[test]
    fn words_outside_markup_are_always_spoken(text in texts_of_any_kind()) {
        let said = english(&format!("first {text} last"));
        prop_assert!(said.starts_with("first") && said.ends_with("last"), "{said:?}");
    }
}
