//! The settings of our own chat page, which a platform's inbox can have instead of the platform's widget.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::state::PlatformId;
use crate::field::FieldError;
use crate::ids::DocumentName;

/// Most topics of a page.
const MAX_TOPICS: usize = 20;
/// Longest title, in characters.
const MAX_TITLE_CHARS: usize = 80;
/// Longest initial message, in characters.
const MAX_INITIAL_CHARS: usize = 500;
/// Most sites that may embed the page, and the longest URL.
const MAX_SITES: usize = 20;
const MAX_URL_BYTES: usize = 500;

/// The settings of the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Widget {
    /// The title of the page.
    pub title: Wording,
    /// What a visitor may choose from, in this order. With a single topic there is no choice.
    pub topics: Vec<Topic>,
    /// The languages that the page offers; the first one is for visitors whose browser prefers none of them.
    #[serde(default = "all_languages")]
    pub languages: Vec<Language>,
    /// Whether a visitor has to state a phone number.
    #[serde(default)]
    pub phone_required: bool,
    /// A page about the use of personal data, linked below the form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy_url: Option<String>,
    /// Sites that may embed the page, as origins such as `https://shop.example.com`. Without any the page stands alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub embedded_by: Vec<String>,
    /// Most conversations that all visitors together may start in a minute.
    #[serde(default = "default_starts")]
    pub starts_per_minute: u32,
}

/// What a conversation is about. It decides the inbox, and with it the bot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// The name in requests.
    pub name: DocumentName,
    /// What the visitor reads.
    pub title: Wording,
    /// The inbox of its conversations.
    pub inbox: PlatformId,
    /// How urgent they are.
    #[serde(default)]
    pub priority: Priority,
    /// The first message of a conversation, before what the visitor wrote; the title when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_message: Option<Wording>,
}

/// A text, or texts by language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Wording {
    /// The same in every language.
    Same(String),
    /// By language.
    ByLanguage(BTreeMap<Language, String>),
}

/// A language of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English.
    En,
    /// German.
    De,
}

/// How urgent a conversation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// The lowest.
    Low,
    /// The usual one.
    #[default]
    Medium,
    /// Above the usual one.
    High,
    /// The highest.
    Urgent,
}

impl Priority {
    /// The number that stands for it in requests to a platform.
    pub const fn number(self) -> u8 {
        match self {
            Self::Low => 0,
            Self::Medium => 1,
            Self::High => 2,
            Self::Urgent => 3,
        }
    }
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// The language's tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// The language with this tag, whatever region the tag adds: `de` and `de-AT` are the same.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default().trim();
        Self::ALL
            .into_iter()
            .find(|language| language.tag().eq_ignore_ascii_case(primary))
    }
}

impl Wording {
    /// The text in `language`, or in another language if it has none.
    pub fn in_language(&self, language: Language) -> &str {
        match self {
            Self::Same(text) => text,
            Self::ByLanguage(texts) => {
                let any = || texts.values().next();
                texts.get(&language).or_else(any).map_or("", String::as_str)
            }
        }
    }

    /// All texts, each with the end of its path.
    fn texts(&self) -> Vec<(String, &str)> {
        match self {
            Self::Same(text) => vec![(String::new(), text)],
            Self::ByLanguage(texts) => texts
                .iter()
                .map(|(language, text)| (format!(".{}", language.tag()), text.as_str()))
                .collect(),
        }
    }

    fn check(&self, path: &str, max_chars: usize, errors: &mut Vec<FieldError>) {
        let texts = self.texts();
        if texts.is_empty() {
            errors.push(FieldError::new(path, "needs a text in at least one language"));
        }
        for (end, text) in texts {
            let is_valid = !text.trim().is_empty() && text.chars().count() <= max_chars;
            if !is_valid {
                let detail = format!("must have 1 to {max_chars} characters");
                errors.push(FieldError::new(format!("{path}{end}"), detail));
            }
        }
    }
}

impl Widget {
    /// Checks the settings. Names every invalid field.
    ///
    /// # Errors
    /// The invalid fields.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        self.title.check("title", MAX_TITLE_CHARS, &mut errors);
        if self.topics.is_empty() || self.topics.len() > MAX_TOPICS {
            errors.push(FieldError::new(
                "topics",
                format!("must have 1 to {MAX_TOPICS} entries"),
            ));
        }
        let mut names = BTreeSet::new();
        for (index, topic) in self.topics.iter().enumerate() {
            let path = format!("topics[{index}]");
            if !names.insert(topic.name.as_str()) {
                errors.push(FieldError::new(
                    format!("{path}.name"),
                    "is the name of an earlier topic",
                ));
            }
            topic
                .title
                .check(&format!("{path}.title"), MAX_TITLE_CHARS, &mut errors);
            if let Some(message) = &topic.initial_message {
                message.check(&format!("{path}.initial_message"), MAX_INITIAL_CHARS, &mut errors);
            }
        }
        if self.languages.is_empty() {
            errors.push(FieldError::new("languages", "must have at least one entry"));
        }
        if self.privacy_url.as_ref().is_some_and(|url| !is_https(url)) {
            errors.push(FieldError::new(
                "privacy_url",
                "must be a URL that begins with https://",
            ));
        }
        if self.embedded_by.len() > MAX_SITES {
            errors.push(FieldError::new(
                "embedded_by",
                format!("must have at most {MAX_SITES} entries"),
            ));
        }
        for (index, site) in self.embedded_by.iter().enumerate() {
            if !is_origin(site) {
                let detail = "must be an origin such as https://shop.example.com";
                errors.push(FieldError::new(format!("embedded_by[{index}]"), detail));
            }
        }
        if self.starts_per_minute == 0 {
            errors.push(FieldError::new("starts_per_minute", "must be at least 1"));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The topic with this name.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.name.as_str() == name)
    }

    /// The offered language that a visitor prefers most. `preferences` are tags, best first.
    pub fn language<'a>(&self, preferences: impl IntoIterator<Item = &'a str>) -> Language {
        let offered = |language: &Language| self.languages.contains(language);
        let known = preferences.into_iter().filter_map(Language::from_tag).find(offered);
        known.unwrap_or_else(|| self.languages.first().copied().unwrap_or(Language::En))
    }
}

impl Topic {
    /// The first message of a conversation about it.
    pub fn initial_message(&self, language: Language) -> &str {
        let wording = self.initial_message.as_ref().unwrap_or(&self.title);
        wording.in_language(language)
    }
}

fn all_languages() -> Vec<Language> {
    Language::ALL.to_vec()
}

const fn default_starts() -> u32 {
    30
}

fn is_https(text: &str) -> bool {
    let url = url::Url::parse(text).ok();
    text.len() <= MAX_URL_BYTES && url.is_some_and(|url| url.scheme() == "https" && url.has_host())
}

/// Whether `text` is an origin, without anything that would end a header or a directive in one. Plain HTTP is for
/// pages under development.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
    host.is_some_and(|host| !host.is_empty() && host.len() <= MAX_URL_BYTES && host.bytes().all(allowed))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn smallest() -> Value {
        json!({ "title": "Help", "topics": [{ "name": "orders", "title": "Orders", "inbox": "7" }] })
    }

    fn read(value: Value) -> Widget {
        serde_json::from_value(value).expect("settings")
    }

    fn errors(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut value = smallest();
        change(&mut value);
        let errors = read(value).check().err().unwrap_or_default();
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn the_smallest_settings_offer_every_language_and_stand_alone() {
        let widget = read(smallest());
        assert_eq!(widget.check(), Ok(()));
        assert_eq!(widget.languages, Language::ALL);
        assert_eq!((widget.embedded_by.len(), widget.phone_required), (0, false));
        let topic = widget.topic("orders").expect("a topic");
        assert_eq!(topic.priority, Priority::Medium);
        assert_eq!(topic.initial_message(Language::De), "Orders");
        assert_eq!(widget.topic("returns"), None);
    }

    #[test]
    fn every_invalid_field_is_named() {
        assert_eq!(errors(|value| value["title"] = json!("  ")), ["title"]);
        assert_eq!(errors(|value| value["title"] = json!({})), ["title"]);
        let long = "x".repeat(MAX_TITLE_CHARS + 1);
        assert_eq!(
            errors(|value| value["title"] = json!({ "de": long, "en": "x" })),
            ["title.de"]
        );
        assert_eq!(errors(|value| value["topics"] = json!([])), ["topics"]);
        let twice = errors(|value| {
            let topic = value["topics"][0].clone();
            value["topics"] = json!([topic, topic]);
        });
        assert_eq!(twice, ["topics[1].name"]);
        assert_eq!(
            errors(|value| {
                value["languages"] = json!([]);
                value["privacy_url"] = json!("http://example.org");
                value["topics"][0]["initial_message"] = json!("");
                value["starts_per_minute"] = json!(0);
            }),
            [
                "topics[0].initial_message",
                "languages",
                "privacy_url",
                "starts_per_minute"
            ]
        );
    }

    #[test]
    fn only_an_origin_may_embed_the_page() {
        for good in [
            "https://shop.example.com",
            "https://example.org:8443",
            "http://localhost:3000",
        ] {
            assert_eq!(
                errors(|value| value["embedded_by"] = json!([good])),
                Vec::<String>::new()
            );
        }
        for bad in [
            "*",
            "https://",
            "https://a.example/path",
            "https://a.example; script-src *",
            "https://a.example b",
            "https://a.example\r\nset-cookie: a",
            "ftp://a.example",
        ] {
            assert_eq!(
                errors(|value| value["embedded_by"] = json!([bad])),
                ["embedded_by[0]"],
                "{bad}"
            );
        }
    }

    #[test]
    fn a_visitor_reads_the_offered_language_that_they_prefer_most() {
        let widget = read(smallest());
        for (preferences, expected) in [
            (&["de-AT", "en"][..], Language::De),
            (&["fr", "en-US", "de"], Language::En),
            (&["DE"], Language::De),
            (&["fr"], Language::En),
            (&[], Language::En),
        ] {
            assert_eq!(
                widget.language(preferences.iter().copied()),
                expected,
                "{preferences:?}"
            );
        }
        let german = Widget {
            languages: vec![Language::De],
            ..widget
        };
        assert_eq!(german.language(["en"]), Language::De);
    }

    #[test]
    fn a_text_without_the_language_is_shown_in_another() {
        let wording: Wording = serde_json::from_value(json!({ "de": "Hilfe" })).expect("a wording");
        assert_eq!(wording.in_language(Language::De), "Hilfe");
        assert_eq!(wording.in_language(Language::En), "Hilfe");
    }
}
