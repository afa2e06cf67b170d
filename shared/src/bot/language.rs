//! Selects the variant of a text for a customer.

use std::collections::BTreeMap;

use super::document::{Document, Text};
use crate::conversation::Contact;

/// The document's language when it states none.
pub(super) const DEFAULT_LANGUAGE: &str = "en";

/// The languages of a customer: their own, and the document's for texts that they have none of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Languages<'a> {
    /// The tag of the customer's language, if it is known.
    pub(super) wanted: Option<&'a str>,
    /// The tag of the document's language.
    pub(super) default: &'a str,
}

impl<'a> Languages<'a> {
    /// The languages of a customer.
    pub(super) fn new(document: Option<&'a Document>, contact: &'a Contact) -> Self {
        let wanted = contact.language.as_deref().map(str::trim);
        Self {
            wanted: wanted.filter(|tag| !tag.is_empty()),
            default: document.map_or(DEFAULT_LANGUAGE, default_language),
        }
    }

    /// The tag of the language that the bot uses, as far as its texts have it.
    pub(super) fn tag(&self) -> &'a str {
        self.wanted.unwrap_or(self.default)
    }

    /// The variant for the customer: of their exact tag, else of its language, else in the document's language.
    pub(super) fn pick<'t>(&self, text: &'t Text) -> &'t str {
        match text {
            Text::One(text) => text,
            Text::ByLanguage(variants) => self.variant(variants).unwrap_or_default(),
        }
    }

    fn variant<'t>(&self, variants: &'t BTreeMap<String, String>) -> Option<&'t str> {
        let with = |tag: &str| variants.iter().find(|(known, _)| same_tag(known, tag));
        let of = |tag: &'a str| with(tag).or_else(|| with(primary(tag)));
        let found = self.wanted.and_then(of).or_else(|| of(self.default));
        found.map(|(_, text)| text.as_str())
    }

    /// The variant of a built-in text: German for who reads German, else English.
    pub(super) fn pick_built_in(&self, [english, german]: [&'static str; 2]) -> &'static str {
        let tags = self.wanted.into_iter().chain([self.default]);
        let known = tags.map(|tag| primary(tag).to_ascii_lowercase());
        match known.into_iter().find(|tag| matches!(tag.as_str(), "en" | "de")) {
            Some(tag) if tag == "de" => german,
            _ => english,
        }
    }
}

/// The tag of the document's language.
pub(super) fn default_language(document: &Document) -> &str {
    document.language.as_deref().unwrap_or(DEFAULT_LANGUAGE)
}

/// The language of a tag: `pt` of `pt-BR`.
fn primary(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or_default()
}

/// The region of a tag: `BR` of `pt-BR`.
pub(super) fn region(tag: &str) -> Option<&str> {
    let mut parts = tag.split(['-', '_']).skip(1);
    parts.find(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

/// Whether two tags are the same: neither case nor the separator matters.
pub(super) fn same_tag(one: &str, other: &str) -> bool {
    let normal = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.bytes().map(normal).eq(other.bytes().map(normal))
}

/// Whether the text has the form of a language tag.
pub(crate) fn is_tag(text: &str) -> bool {
    let mut parts = text.split(['-', '_']);
    let is_language = |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 35 && parts.next().is_some_and(is_language) && parts.all(is_subtag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn languages<'a>(wanted: &'a str, default: &'a str) -> Languages<'a> {
        Languages {
            wanted: Some(wanted),
            default,
        }
    }

    #[test]
    fn exact_tag_comes_first_then_its_language_then_the_default() {
        let tags = ["de", "de-CH", "en", "pt-BR"].map(|tag| (tag.to_owned(), format!("in {tag}")));
        let text = Text::ByLanguage(tags.into());
        for (wanted, default, expected) in [
            ("de-CH", "en", "in de-CH"),
            ("DE_ch", "en", "in de-CH"),
            ("de-AT", "en", "in de"),
            ("pt", "en", "in en"),
            ("pt-br", "en", "in pt-BR"),
            ("fr", "de-AT", "in de"),
            ("fr", "fr", ""),
        ] {
            assert_eq!(languages(wanted, default).pick(&text), expected, "{wanted} {default}");
        }
        assert_eq!(languages("fr", "de").pick(&Text::One("same".into())), "same");
    }

    #[test]
    fn built_in_text_is_german_only_for_who_reads_german() {
        let built_in = |wanted, default| languages(wanted, default).pick_built_in(["en", "de"]);
        assert_eq!(built_in("de-AT", "en"), "de");
        assert_eq!(built_in("fr", "de"), "de");
        assert_eq!(built_in("en-US", "de"), "en");
        assert_eq!(built_in("fr", "es"), "en");
    }

    #[test]
    fn tag_has_a_form() {
        for tag in ["en", "pt-BR", "zh-Hant-TW", "es-419", "de_AT"] {
            assert!(is_tag(tag), "{tag}");
        }
        for tag in ["", "e", "en-", "english language", "12"] {
            assert!(!is_tag(tag), "{tag}");
        }
        assert_eq!(region("zh-Hant-TW"), Some("TW"));
        assert_eq!(region("es-419"), None);
    }
}
