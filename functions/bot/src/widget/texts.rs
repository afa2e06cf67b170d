//! The texts of the page and of its errors, in every language.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use patchbay::conversation::widget::Language;

static EN: LazyLock<Texts> = LazyLock::new(|| read(include_str!("page/en.json")));
static DE: LazyLock<Texts> = LazyLock::new(|| read(include_str!("page/de.json")));

/// Texts by name.
pub(super) type Texts = BTreeMap<String, String>;

/// The texts in a language.
pub(super) fn texts(language: Language) -> &'static Texts {
    match language {
        Language::En => &EN,
        Language::De => &DE,
    }
}

/// The text with this name.
pub(super) fn text<'a>(texts: &'a Texts, name: &str) -> &'a str {
    texts.get(name).map_or("", String::as_str)
}

/// A test proves that both files can be read.
fn read(json: &str) -> Texts {
    serde_json::from_str(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = include_str!("page/widget.js");
    const PAGE: &str = include_str!("page/index.html");

    /// The names of texts in the script: `texts.NAME`, and those that it builds from a state.
    fn names_in_script() -> Vec<String> {
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        let named = SCRIPT.split("texts.").skip(1).map(|rest| {
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            rest[..end].to_owned()
        });
        let states = ["bot", "waiting", "human", "person", "finished"];
        let built = states
            .iter()
            .flat_map(|state| [format!("state_{state}"), format!("event_{state}")]);
        named.chain(built).collect()
    }

    #[test]
    fn every_language_has_every_text_that_is_used_and_no_other() {
        let mut used = names_in_script();
        used.extend(
            PAGE.split("{{")
                .skip(1)
                .map(|rest| rest.split("}}").next().unwrap_or_default().to_owned()),
        );
        used.extend(["missing", "topic", "email", "phone", "long", "details"].map(|name| format!("error_{name}")));
        used.push("language".to_owned());
        let values = ["title", "reference", "version", "settings"];
        used.retain(|name| !values.contains(&name.as_str()));
        used.sort_unstable();
        used.dedup();
        for language in Language::ALL {
            let texts = texts(language);
            let names: Vec<&str> = texts.keys().map(String::as_str).collect();
            assert_eq!(names, used, "{language:?}");
            assert!(texts.values().all(|text| !text.trim().is_empty()), "{language:?}");
        }
    }

    #[test]
    fn every_language_has_the_same_placeholders() {
        let placeholders = |text: &str| -> Vec<bool> {
            ["{name}", "{seconds}"]
                .iter()
                .map(|placeholder| text.contains(placeholder))
                .collect()
        };
        for (name, text) in texts(Language::En) {
            let other = super::text(texts(Language::De), name);
            assert_eq!(placeholders(text), placeholders(other), "{name}");
        }
    }
}
