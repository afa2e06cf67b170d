//! Text of customers in headers: subjects and display names (CONTRACT.md 7).
//!
//! What could end a header or begin an encoded word is replaced before anything is built, so that a name or a subject
//! is never a reason not to write to somebody.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longest subject, in characters. Of four bytes each and as encoded words, they still fit into one header line of 998
/// characters, which SES need not fold.
const MAX_SUBJECT_CHARS: usize = 140;
/// Longest display name, in characters.
const MAX_NAME_CHARS: usize = 64;
/// Bytes of UTF-8 in one encoded word. In base64 and with its frame it has at most 75 characters (RFC 2047).
const WORD_BYTES: usize = 45;

/// Whether the character ends a line for some reader, or is another control character.
pub(super) const fn breaks_lines(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}')
}

/// Whether the character changes the order in which the text around it is shown, or is a byte order mark.
const fn is_reordering(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `text` on one line, without control characters, and without anything that a mail program decodes; `None` if nothing
/// is left.
fn cleaned(text: &str, max_chars: usize) -> Option<String> {
    let mut out = String::new();
    let mut chars = 0;
    let mut is_gap = false;
    for c in text.chars() {
        if is_reordering(c) {
            continue;
        }
        if c.is_whitespace() || breaks_lines(c) {
            is_gap = !out.is_empty();
            continue;
        }
        // `=?` begins an encoded word, which mail programs decode even where it is not allowed.
        is_gap |= c == '?' && out.ends_with('=');
        chars += if is_gap { 2 } else { 1 };
        if chars > max_chars {
            break;
        }
        if std::mem::take(&mut is_gap) {
            out.push(' ');
        }
        out.push(c);
    }
    (!out.is_empty()).then_some(out)
}

/// The text as encoded words (RFC 2047), split at characters and separated by spaces.
fn encoded_words(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD_BYTES));
        words.push(format!("=?UTF-8?B?{}?=", STANDARD.encode(word)));
        rest = after;
    }
    words.join(" ")
}

/// The subject of an e-mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(String);

impl Subject {
    /// Puts `text` on one line and cuts it off after 140 characters; `None` if nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        cleaned(text, MAX_SUBJECT_CHARS).map(Self)
    }

    /// The subject as people read it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The subject in ASCII: as encoded words, unless it is ASCII anyway.
    pub(super) fn encoded(&self) -> String {
        if self.0.is_ascii() {
            return self.0.clone();
        }
        encoded_words(&self.0)
    }
}

/// The name that a mail program shows instead of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Puts `text` on one line and cuts it off after 64 characters; `None` if nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        cleaned(text, MAX_NAME_CHARS).map(Self)
    }

    /// The name as people read it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a header has it in front of an address: a quoted string, or encoded words.
    pub(super) fn encoded(&self) -> String {
        if !self.0.is_ascii() {
            return encoded_words(&self.0);
        }
        let escaped = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subject(text: &str) -> Option<String> {
        Subject::new(text).map(|subject| subject.0)
    }

    /// What a mail program makes of encoded words.
    fn decoded(words: &str) -> String {
        let decode = |word: &str| {
            let base64 = word.strip_prefix("=?UTF-8?B?")?.strip_suffix("?=")?;
            String::from_utf8(STANDARD.decode(base64).ok()?).ok()
        };
        words.split(' ').map(|word| decode(word).expect(word)).collect()
    }

    #[test]
    fn text_that_would_end_a_header_stays_on_its_line() {
        for (text, expected) in [
            ("Hello\r\nBcc: evil@example.net", "Hello Bcc: evil@example.net"),
            ("a\nb\rc\0d\u{85}e\u{2028}f\u{2029}g\u{b}h\u{7f}i", "a b c d e f g h i"),
            ("  many \t spaces \n ", "many spaces"),
            ("Grüße 🙂", "Grüße 🙂"),
            ("\u{202e}gpj.exe\u{202c} \u{2067}x", "gpj.exe x"),
            ("=?UTF-8?Q?=0ABcc:_x?=", "= ?UTF-8?Q?=0ABcc:_x?="),
            ("==??=\u{202e}?", "== ??= ?"),
        ] {
            assert_eq!(subject(text).as_deref(), Some(expected), "{text:?}");
        }
        for nothing in ["", " \r\n ", "\u{202e}\u{feff}", "\0"] {
            assert_eq!(subject(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn long_text_is_cut_off_at_a_character() {
        assert_eq!(subject(&"ü".repeat(1_000_000)), Some("ü".repeat(MAX_SUBJECT_CHARS)));
        // The last word does not fit with the space in front of it.
        let text = format!("{} xy", "a".repeat(MAX_SUBJECT_CHARS - 1));
        assert_eq!(subject(&text), Some("a".repeat(MAX_SUBJECT_CHARS - 1)));
    }

    #[test]
    fn display_name_is_quoted_or_encoded() {
        for (text, expected) in [
            ("Acme Care", r#""Acme Care""#),
            (
                "Acme, \"Care\" \\ <evil@example.net>",
                r#""Acme, \"Care\" \\ <evil@example.net>""#,
            ),
            ("Jürgen", "=?UTF-8?B?SsO8cmdlbg==?="),
            ("=?UTF-8?B?SGk=?=", r#""= ?UTF-8?B?SGk= ?=""#),
        ] {
            assert_eq!(DisplayName::new(text).expect(text).encoded(), expected, "{text}");
        }
    }

    #[test]
    fn longest_subject_fits_into_one_line_in_every_script() {
        for c in ["a", "ü", "例", "🙂"] {
            let subject = Subject::new(&c.repeat(500)).expect("a subject");
            assert_eq!(subject.as_str(), c.repeat(MAX_SUBJECT_CHARS));
            assert!("Subject: ".len() + subject.encoded().len() <= 998, "{c}");
        }
    }

    proptest! {
        #[test]
        fn encoded_words_have_75_characters_at_most_and_whole_characters(text in "\\PC{1,200}") {
            let words = encoded_words(&text);
            prop_assert!(words.split(' ').all(|word| word.len() <= 75), "{}", words);
            prop_assert_eq!(decoded(&words), text);
        }

        #[test]
        fn any_text_becomes_one_line_without_encoded_words(text in any::<String>()) {
            let Some(name) = DisplayName::new(&text) else { return Ok(()) };
            let shown = name.as_str();
            prop_assert!(!shown.contains("=?") && !shown.chars().any(breaks_lines), "{:?}", shown);
            prop_assert!(shown.chars().count() <= MAX_NAME_CHARS && shown.trim() == shown);
            prop_assert!(name.encoded().bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
        }
    }
}
