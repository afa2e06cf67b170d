//! Cuts a requester's text to what one step can speak. [`speech`] decides how the text is spoken.

use super::MAX_SAY_CHARS;
use crate::dispatch::texts::Sentences;
use crate::speech;

/// A ticket's text as it is spoken: without markup, at most [`MAX_SAY_CHARS`] long, never empty.
pub(crate) fn ticket(text: &str, texts: &Sentences) -> String {
    let clean = speech::lines(text, texts);
    if !is_speakable(&clean) {
        return texts.no_text.to_owned();
    }
    cut(&clean, texts.more).replace('\n', " ")
}

/// A requester's own short text as it is spoken; none if it has nothing that a voice can speak.
pub(crate) fn phrase(text: &str, texts: &Sentences, max_chars: usize) -> Option<String> {
    let clean = speech::lines(text, texts).replace('\n', " ");
    let short: String = clean.chars().take(max_chars).collect();
    is_speakable(&short).then(|| short.trim_end().to_owned())
}

fn is_speakable(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// Whether a sentence may end with `c`.
const fn ends_sentence(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…')
}

/// `clean`, or if it is too long, its beginning up to the end of a sentence or a line, or else of a word, with `suffix`
/// added.
///
/// Lengths are counted in UTF-16 units: the provider may count these or characters, and a text never has more
/// characters than UTF-16 units.
fn cut(clean: &str, suffix: &str) -> String {
    let units = |text: &str| text.encode_utf16().count();
    if units(clean) <= MAX_SAY_CHARS {
        return clean.to_owned();
    }
    let room = MAX_SAY_CHARS.saturating_sub(units(suffix) + ". ".len());
    let (mut sentence, mut word, mut anywhere) = ("", "", "");
    let mut used = 0;
    let mut chars = clean.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        used += c.len_utf16();
        if used > room {
            break;
        }
        let (before, _) = clean.split_at(start);
        let (with, _) = clean.split_at(start + c.len_utf8());
        anywhere = with;
        if c.is_whitespace() {
            word = before;
        }
        if c == '\n' {
            sentence = before;
        } else if ends_sentence(c) && chars.peek().is_none_or(|(_, next)| next.is_whitespace()) {
            sentence = with;
        }
    }
    // Dropping more than half of the text is worse than a cut inside a sentence or a word.
    let kept = [sentence, word]
        .into_iter()
        .find(|part| units(part) >= room / 2)
        .unwrap_or(anywhere);
    let kept = kept.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-'));
    match kept.chars().next_back() {
        None => suffix.to_owned(),
        Some(last) if ends_sentence(last) => format!("{kept} {suffix}"),
        Some(_) => format!("{kept}. {suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dispatch::employee::Language;
    use crate::dispatch::texts::sentences;

    fn english(text: &str) -> String {
        ticket(text, sentences(Language::EnUs))
    }

    #[test]
    fn ticket_is_spoken_without_markup_and_urls() {
        assert_eq!(
            english("<p>Pump 4 isn&#039;t running.</p><p>See <a href=\"x\">https://status.example.org/i/4711</a></p>"),
            "Pump 4 isn't running. See status.example.org"
        );
    }

    #[test]
    fn ticket_without_speakable_text_is_announced_as_such() {
        for text in [
            "",
            " \n ",
            "!!! ---",
            "<>&lt;",
            "<br>",
            "<script>x()</script>",
            "\u{1f525}",
        ] {
            assert_eq!(english(text), sentences(Language::EnUs).no_text, "{text:?}");
        }
        let german = sentences(Language::DeDe);
        assert_eq!(ticket("", german), german.no_text);
    }

    #[test]
    fn text_of_maximum_length_is_not_cut() {
        let text = "x".repeat(MAX_SAY_CHARS);
        assert_eq!(english(&text), text);
    }

    #[test]
    fn long_ticket_is_cut_at_the_end_of_a_sentence() {
        let sentence = "Valve 4.2 at db1.example.org is stuck. ";
        let spoken = english(&sentence.repeat(40));
        let kept = spoken
            .strip_suffix(" There is more in the ticket.")
            .expect("the suffix");
        assert_eq!(kept, sentence.repeat(kept.len() / sentence.len() + 1).trim_end());
        assert!(kept.chars().count() > 900, "{spoken}");
    }

    #[test]
    fn line_break_ends_a_sentence() {
        let line = "Valve four is stuck\n";
        let spoken = english(&line.repeat(80));
        assert!(
            spoken.ends_with("Valve four is stuck. There is more in the ticket."),
            "{spoken}"
        );
    }

    #[test]
    fn text_without_sentences_is_cut_at_a_word_and_without_words_anywhere() {
        let spoken = english(&"valve ".repeat(300));
        assert!(
            spoken.ends_with("valve valve. There is more in the ticket."),
            "{spoken}"
        );
        let early = format!("Hello. {}", "valve ".repeat(300));
        assert!(
            english(&early).chars().count() > 900,
            "the rest is not dropped because of one early full stop"
        );
        let spoken = english(&"x".repeat(2_000));
        assert_eq!(spoken.chars().count(), MAX_SAY_CHARS);
        assert!(spoken.ends_with("xx. There is more in the ticket."));
    }

    #[test]
    fn cut_text_fits_if_the_provider_counts_utf16_units() {
        let spoken = english(&"fire \u{1f525} ".repeat(300));
        assert!(spoken.encode_utf16().count() <= MAX_SAY_CHARS);
        assert!(spoken.ends_with("There is more in the ticket."));
    }

    #[test]
    fn phrase_is_cleaned_and_cut_or_none() {
        let texts = sentences(Language::EnUs);
        assert_eq!(phrase(" Anna\n<Smith> ", texts, 80).as_deref(), Some("Anna Smith"));
        assert_eq!(phrase("Anna Smith", texts, 5).as_deref(), Some("Anna"));
        assert_eq!(phrase("J&amp;ouml;rg M&uuml;ller", texts, 4).as_deref(), Some("Jörg"));
        assert_eq!(phrase("<>", texts, 80), None);
    }

    const PARTS: [&str; 22] = [
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
        "\u{200b}",
        "<",
        ">",
        "&",
        "&amp;",
        "&lt;",
        "<b>",
        ". ",
        "! ",
        "…",
        "。",
    ];

    fn texts_of_any_kind() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            proptest::collection::vec(proptest::sample::select(PARTS.to_vec()), 0..500)
                .prop_map(|parts| parts.concat()),
        ]
    }

    proptest! {
        #[test]
        fn any_ticket_text_becomes_speakable(
            text in texts_of_any_kind(),
            language in proptest::sample::select(Language::ALL.to_vec()),
        ) {
            let texts = sentences(language);
            let spoken = ticket(&text, texts);
            prop_assert!(!spoken.chars().any(|c| matches!(c, '<' | '>' | '&') || c.is_control()), "{spoken:?}");
            prop_assert!((1..=MAX_SAY_CHARS).contains(&spoken.chars().count()));
            prop_assert!(!spoken.contains("  ") && spoken.trim() == spoken);
            let whole = speech::lines(&text, texts).replace('\n', " ");
            if spoken != texts.no_text && spoken != whole {
                let kept = spoken.strip_suffix(texts.more).expect("a cut text says that there is more");
                let kept = kept.strip_suffix(". ").or_else(|| kept.strip_suffix(' ')).unwrap_or(kept);
                prop_assert!(whole.starts_with(kept), "{kept:?} of {whole:?}");
                prop_assert!(whole.encode_utf16().count() > MAX_SAY_CHARS);
            }
        }
    }
}
