//! Announcements: what a customer hears in a call, and what the keys mean that they press.

use super::plan::{Content, KeyAction, KeyOption};
use crate::dispatch::script::{MAX_SAY_CHARS, Script, SpokenLine, Step, spoken};
use crate::dispatch::texts::{Sentences, sentences};
use crate::dispatch::{Gender, Language};

/// Seconds of silence before the first word: the customer takes the phone to the ear.
const GREETING_SECONDS: u32 = 1;
/// Seconds of silence after the text and before the keys are offered.
const OFFER_SECONDS: u32 = 1;
/// Seconds of silence before the keys are offered again.
const REPEAT_SECONDS: u32 = 10;
/// How often the keys are offered again.
const REPEATS: usize = 2;
/// Seconds in which a key may still come at the end.
const CLOSING_SECONDS: u32 = 8;
/// The voice.
const VOICE: Gender = Gender::Female;

/// An announcement as it is played.
#[derive(Clone, Copy, Debug)]
pub struct Announcement<'a> {
    text: &'a str,
    keys: &'a [KeyOption],
    language: Language,
}

impl<'a> Announcement<'a> {
    /// The announcement in the content of a leg; `None` if it has another content.
    pub fn of(content: &'a Content) -> Option<Self> {
        let Content::Announcement { text, keys, language } = content else {
            return None;
        };
        Some(Self {
            text,
            keys,
            language: voice_language(language),
        })
    }

    /// Whether there is a key that can be pressed.
    pub const fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// What is played when the customer picks up. It listens from the start: somebody who knows the question may answer
    /// it at once.
    pub fn opening(&self) -> Script {
        let text = spoken::ticket(self.text, self.sentences());
        let mut steps = vec![silence(GREETING_SECONDS), self.say(text, false)];
        if self.keys.is_empty() {
            return Script { steps };
        }
        steps.push(silence(OFFER_SECONDS));
        steps.extend(self.offer());
        listening(steps)
    }

    /// The keys are offered again, after one without meaning.
    pub fn offer_again(&self) -> Script {
        listening(self.offer())
    }

    /// What is said after a key.
    pub fn reply(&self, option: &KeyOption) -> Script {
        match option.action {
            KeyAction::Repeat => self.opening(),
            KeyAction::Answer | KeyAction::OptOut => {
                let reply = option.reply.as_deref().and_then(|reply| self.phrase(reply));
                self.only(reply.unwrap_or_else(|| self.sentences().goodbye.to_owned()))
            }
        }
    }

    /// Says goodbye: nothing is expected any more.
    pub fn goodbye(&self) -> Script {
        self.only(self.sentences().goodbye.to_owned())
    }

    /// The answer could not be stored: asks for it once more, and confirms nothing.
    pub fn one_moment(&self) -> Script {
        let mut steps = vec![
            self.say(self.sentences().one_moment.to_owned(), true),
            silence(REPEAT_SECONDS),
        ];
        steps.extend(self.offer());
        listening(steps)
    }

    /// What the last key means; `None` if it is not offered.
    pub fn pressed(&self, keys: &str) -> Option<&'a KeyOption> {
        let last = last_key(keys)?;
        self.keys.iter().find(|option| option.key == last)
    }

    /// What the keys of a whole call mean, as a provider lists them after it; `None` if none is an answer. An opt-out
    /// counts whatever else was pressed.
    pub fn pressed_in_call(&self, keys: &str) -> Option<&'a KeyOption> {
        let options = || {
            keys.chars()
                .rev()
                .filter_map(|key| self.keys.iter().find(|option| option.key == key))
        };
        let opt_out = options().find(|option| option.action == KeyAction::OptOut);
        opt_out.or_else(|| options().find(|option| option.action == KeyAction::Answer))
    }

    /// The most seconds that a call takes from the moment the customer picks up, if no key is pressed.
    pub fn longest_seconds(&self) -> u32 {
        self.opening().longest_seconds()
    }

    fn offer(&self) -> Vec<Step> {
        let offers: Vec<String> = self
            .keys
            .iter()
            .filter_map(|option| self.phrase(&option.offer))
            .collect();
        let text: String = offers.join(" ").chars().take(MAX_SAY_CHARS).collect();
        let offer = self.say(text, true);
        let mut steps = vec![offer.clone()];
        for _ in 0..REPEATS {
            steps.extend([silence(REPEAT_SECONDS), offer.clone()]);
        }
        steps.push(silence(CLOSING_SECONDS));
        steps
    }

    fn phrase(&self, text: &str) -> Option<String> {
        spoken::phrase(text, self.sentences(), MAX_SAY_CHARS)
    }

    fn only(&self, text: String) -> Script {
        Script {
            steps: vec![self.say(text, false)],
        }
    }

    const fn say(&self, text: String, interruptible: bool) -> Step {
        let line = SpokenLine {
            text,
            language: self.language,
            gender: VOICE,
        };
        Step::Say { line, interruptible }
    }

    const fn sentences(&self) -> &'static Sentences {
        sentences(self.language)
    }
}

/// The key that was pressed last. Providers may repeat earlier ones before it.
pub fn last_key(keys: &str) -> Option<char> {
    keys.chars().rev().find(char::is_ascii_digit)
}

/// As [`Announcement::one_moment`], while the announcement cannot be read: in English, and without what the keys mean.
pub fn one_moment_unread() -> Script {
    let unread = Announcement {
        text: "",
        keys: &[],
        language: Language::default(),
    };
    listening(vec![
        unread.say(unread.sentences().one_moment.to_owned(), true),
        silence(REPEAT_SECONDS),
    ])
}

/// The voice for a language tag: of the same region, else of the same language, else English.
pub fn voice_language(tag: &str) -> Language {
    let same_tag = |language: &&Language| tag_of(**language).eq_ignore_ascii_case(tag);
    let language_of = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let same_language = |language: &&Language| language_of(tag_of(**language)) == language_of(tag);
    let all = Language::ALL.iter();
    let found = all.clone().find(same_tag).or_else(|| all.clone().find(same_language));
    found.copied().unwrap_or_default()
}

const fn tag_of(language: Language) -> &'static str {
    crate::dispatch::texts::tag(language)
}

const fn silence(seconds: u32) -> Step {
    Step::Silence { seconds }
}

fn listening(mut steps: Vec<Step>) -> Script {
    steps.insert(0, Step::Listen);
    Script { steps }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(key: char, offer: &str, action: KeyAction) -> KeyOption {
        KeyOption {
            key,
            offer: offer.to_owned(),
            reply: (key == '1').then(|| "Thank you, it is confirmed.".to_owned()),
            action,
        }
    }

    fn content(keys: Vec<KeyOption>, language: &str) -> Content {
        Content::Announcement {
            text: "Your appointment is tomorrow at ten.".to_owned(),
            keys,
            language: language.to_owned(),
        }
    }

    fn three() -> Vec<KeyOption> {
        vec![
            option('1', "Press 1 to confirm.", KeyAction::Answer),
            option('2', "Press 2 to hear it again.", KeyAction::Repeat),
            option('9', "Press 9 to get no more calls.", KeyAction::OptOut),
        ]
    }

    #[test]
    fn keys_are_offered_three_times_and_may_come_at_any_time() {
        let content = content(three(), "en-US");
        let script = Announcement::of(&content).expect("an announcement").opening();
        assert_eq!(script.steps.first(), Some(&Step::Listen));
        let offer = "Press 1 to confirm. Press 2 to hear it again. Press 9 to get no more calls.";
        let offers = script
            .steps
            .iter()
            .filter(|step| matches!(step, Step::Say { line, interruptible: true } if line.text == offer));
        assert_eq!(offers.count(), 3);
        assert!(script.says("Your appointment is tomorrow at ten."));
    }

    #[test]
    fn an_announcement_without_keys_listens_to_none() {
        let content = content(Vec::new(), "en-US");
        let script = Announcement::of(&content).expect("an announcement").opening();
        assert!(!script.steps.contains(&Step::Listen));
    }

    #[test]
    fn the_last_key_counts_and_an_unknown_one_is_none() {
        let content = content(three(), "en-US");
        let announcement = Announcement::of(&content).expect("an announcement");
        let action = |keys: &str| announcement.pressed(keys).map(|option| option.action);
        assert_eq!(action("1"), Some(KeyAction::Answer));
        assert_eq!(action("21#"), Some(KeyAction::Answer));
        assert_eq!(action("19"), Some(KeyAction::OptOut));
        for keys in ["", "#", "5", "x", "15"] {
            assert_eq!(action(keys), None, "{keys}");
        }
    }

    #[test]
    fn an_opt_out_in_a_call_counts_whatever_else_was_pressed() {
        let content = content(three(), "en-US");
        let announcement = Announcement::of(&content).expect("an announcement");
        let key = |keys: &str| announcement.pressed_in_call(keys).map(|option| option.key);
        for (keys, expected) in [
            ("1", Some('1')),
            ("21", Some('1')),
            ("1,2", Some('1')),
            ("15", Some('1')),
            ("91", Some('9')),
            ("19", Some('9')),
            ("", None),
            ("2", None),
            ("5#", None),
        ] {
            assert_eq!(key(keys), expected, "{keys}");
        }
    }

    #[test]
    fn a_reply_is_the_documents_own_or_a_goodbye_in_the_language() {
        let content = content(three(), "de-AT");
        let announcement = Announcement::of(&content).expect("an announcement");
        let reply = |keys: &str| announcement.reply(announcement.pressed(keys).expect("a key"));
        assert!(reply("1").says("Thank you, it is confirmed."));
        assert!(reply("9").says(sentences(Language::DeDe).goodbye));
        assert_eq!(reply("2"), announcement.opening());
    }

    #[test]
    fn a_voice_is_found_for_every_language_tag() {
        for (tag, language) in [
            ("en-GB", Language::EnGb),
            ("EN-us", Language::EnUs),
            ("es-MX", Language::EsEs),
            ("de", Language::DeDe),
            ("ja-JP", Language::EnUs),
            ("", Language::EnUs),
        ] {
            assert_eq!(voice_language(tag), language, "{tag}");
        }
    }
}
