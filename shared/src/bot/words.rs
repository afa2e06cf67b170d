//! Words of a text for comparison, and phrases that are looked for in messages.

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;

/// Maximum number of words of a text. What follows them is not compared.
const MAX_WORDS: usize = 400;
/// Words that say little about what a text is about, in English and German.
const STOP_WORDS: &str = "a aber about again all alle also am an and any anybody anyone are as at auch auf aus be \
     because been bei bin bis bitte brauche but by can cant could couldnt da danke das dass dem den denn der des did \
     didnt die dir do doch does dont du ein eine einem einen einer eines er es etwas euch euer eure for from fur get \
     gibt give going got hab habe haben had hallo has hat hatte have having hello help hey hi hilfe how i ich id if \
     ihr ihre ihren ill im in into is isnt ist it its ive ja jetzt just kann kannst know konnen konnte konnten let \
     like man may me mehr mein meine meinen meiner might mir mit mochte moin much muss must my nach need nein nicht \
     no noch not now nur ob of off okay on one only or our out please reden schon sehr sein should sich \
     sie sind so some something speak sprechen talk tell thank thanks that thats the their them then there these they \
     thing this those to too um und uns unser unsere up us very vom von vor wann want war warum was way we welche \
     welcher welches well wenn wer werden were what whats when where which who whos why wie will wir wird with wo \
     wollte wont would yes you your youre zu zum zur";
/// Words with which a mere greeting begins, in English and German.
const SALUTATIONS: &str = "greetings gruezi gruss grussgott hallo hello hey hi hiya howdy moin servus";
/// Words of a greeting that are none alone.
const SALUTATION_WORDS: &str = "abend afternoon day evening good gott gute guten morgen morning tag there";

/// The words of a text: in lower case, without accents and punctuation. Scripts that put no spaces between words have a
/// word for each character.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut splitter = Splitter::default();
    let classes = CanonicalCombiningClassMapBorrowed::new();
    for c in DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(text.chars()) {
        if splitter.words.len() >= MAX_WORDS {
            break;
        }
        if classes.get_u8(c) == 0 {
            splitter.push(c);
        }
    }
    splitter.end_word();
    splitter.words
}

#[derive(Default)]
struct Splitter {
    words: Vec<String>,
    word: String,
}

impl Splitter {
    fn push(&mut self, c: char) {
        if has_no_spaces(c) {
            self.end_word();
            self.words.push(c.to_string());
        } else if c.is_alphanumeric() {
            match base_letters(c) {
                Some(letters) => self.word.push_str(letters),
                None => self.word.extend(c.to_lowercase()),
            }
        } else if !is_apostrophe(c) {
            self.end_word();
        }
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }
}

/// Letters that do not decompose into a letter and an accent.
const fn base_letters(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' | 'ẞ' => "ss",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'ø' | 'Ø' => "o",
        'đ' | 'Đ' | 'ð' | 'Ð' => "d",
        'ł' | 'Ł' => "l",
        'þ' | 'Þ' => "th",
        'ı' => "i",
        _ => return None,
    })
}

/// `what's` is one word.
const fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | '‘' | '`' | '´' | 'ʼ')
}

/// Chinese characters, kana, and the scripts of Thailand, Laos, Myanmar and Cambodia.
const fn has_no_spaces(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}'
        | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

/// Whether the word says little about what a text is about.
pub(super) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.split(' ').any(|known| known == word)
}

/// Whether the words are a mere greeting.
pub(super) fn is_salutation(words: &[String]) -> bool {
    let is_in = |list: &str, word: &String| list.split(' ').any(|known| known == word);
    let [first, rest @ ..] = words else { return false };
    let is_begun = is_in(SALUTATIONS, first) || matches!(first.as_str(), "good" | "gute" | "guten") && !rest.is_empty();
    let goes_on = |word: &String| is_in(SALUTATIONS, word) || is_in(SALUTATION_WORDS, word);
    is_begun && rest.len() <= 3 && rest.iter().all(goes_on)
}

/// How similar two words are, from 0 to 1; none if a typing error cannot explain the difference. One error counts as
/// such in words of four letters or more, two in words of eight or more: a letter that is wrong, missing or too many,
/// or two neighboring letters swapped. The similarity is then 1 less the errors per letter. A word with a digit is
/// only similar to itself.
pub(super) fn similarity(one: &str, other: &str, max_errors: usize) -> Option<f64> {
    if one == other {
        return Some(1.0);
    }
    let (one_length, other_length) = (one.chars().count(), other.chars().count());
    let errors = max_errors.min(tolerated(one_length.min(other_length)));
    if errors == 0 || one_length.abs_diff(other_length) > errors || has_digit(one) || has_digit(other) {
        return None;
    }
    let distance = strsim::osa_distance(one, other);
    (distance <= errors).then(|| 1.0 - ratio(distance, one_length.max(other_length)))
}

/// Number of typing errors that a word of this length may have.
pub(super) const fn tolerated(length: usize) -> usize {
    match length {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    }
}

pub(super) fn has_digit(word: &str) -> bool {
    word.chars().any(char::is_numeric)
}

/// A quotient of two small numbers.
#[expect(clippy::cast_precision_loss, reason = "lengths of words are far below 2^52")]
pub(super) fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Phrases that are looked for in messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Phrases(Vec<Vec<String>>);

impl Phrases {
    /// The phrases. Blank ones are left out.
    pub(super) fn new<T: AsRef<str>>(phrases: impl IntoIterator<Item = T>) -> Self {
        let phrases = phrases.into_iter().map(|phrase| words(phrase.as_ref()));
        Self(phrases.filter(|phrase| !phrase.is_empty()).collect())
    }

    /// Whether the message is one of the phrases.
    pub(super) fn are_all_of(&self, message: &[String]) -> bool {
        self.0.iter().any(|phrase| phrase == message)
    }

    /// Whether one of the phrases occurs in the message, with at most one typing error in each word.
    pub(super) fn occur_in(&self, message: &[String]) -> bool {
        self.0.iter().any(|phrase| position(phrase, message, 1).is_some())
    }

    /// Whether the message has one of the phrases, and besides it only words that say little. Each word may have this
    /// many typing errors.
    pub(super) fn are_main_part_of(&self, message: &[String], errors: usize) -> bool {
        self.0.iter().any(|phrase| is_main_part(phrase, message, errors))
    }
}

/// Whether the message has the phrase, and besides it only words that say little.
pub(super) fn is_main_part(phrase: &[String], message: &[String], errors: usize) -> bool {
    position(phrase, message, errors).is_some_and(|start| {
        let mut others = message
            .iter()
            .take(start)
            .chain(message.iter().skip(start + phrase.len()));
        others.all(|word| is_stop_word(word))
    })
}

/// Where the words of the phrase begin in the message.
fn position(phrase: &[String], message: &[String], errors: usize) -> Option<usize> {
    if phrase.is_empty() {
        return None;
    }
    let is_same = |(one, other): (&String, &String)| similarity(one, other, errors).is_some();
    message
        .windows(phrase.len())
        .position(|window| window.iter().zip(phrase).all(is_same))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_neither_case_nor_accents_nor_punctuation() {
        for (text, expected) in [
            ("What's your E-Mail?", vec!["whats", "your", "e", "mail"]),
            ("Öffnungszeiten: Straße, Ærø", vec!["offnungszeiten", "strasse", "aero"]),
            ("ﬁnd №5", vec!["find", "no5"]),
            ("営業時間は?", vec!["営", "業", "時", "間", "は"]),
            ("Ελλάδα ЁЖ", vec!["ελλαδα", "еж"]),
            ("😀 …", vec![]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
        assert_eq!(words(&"a ".repeat(10_000)).len(), MAX_WORDS);
    }

    #[test]
    fn typing_errors_are_tolerated_by_length() {
        for (one, other, expected) in [
            ("open", "oepn", Some(0.75)),
            ("open", "oven", Some(0.75)),
            ("the", "teh", None),
            ("delivery", "delivrey", Some(0.875)),
            ("delivery", "dlivrey", None),
            ("deliveries", "delivreis", Some(0.8)),
            ("order1", "order2", None),
            ("same", "same", Some(1.0)),
        ] {
            assert_eq!(similarity(one, other, 2), expected, "{one} {other}");
            assert_eq!(similarity(other, one, 2), expected, "{other} {one}");
        }
        assert_eq!(similarity("operator", "operate", 1), None);
    }

    #[test]
    fn phrase_is_found_inside_a_message() {
        let phrases = Phrases::new(["real person", "agent", " "]);
        let occur = |text: &str| phrases.occur_in(&words(text));
        assert!(occur("I want a REAL, person!") && occur("an agnet please"));
        assert!(!occur("real estate person") && !occur("urgent") && !occur(""));
        let main = |text: &str| phrases.are_main_part_of(&words(text), 1);
        assert!(main("I want to speak to an agent, please") && !main("Agent Smith"));
        assert!(phrases.are_all_of(&words("Agent!")) && !phrases.are_all_of(&words("an agent")));
    }

    #[test]
    fn mere_greeting_is_recognized() {
        for text in ["Hi", "hello there!", "Guten Tag", "Grüß Gott", "Moin moin"] {
            assert!(is_salutation(&words(text)), "{text}");
        }
        for text in ["", "day", "hi, where is my order", "Tag", "good", "morgen"] {
            assert!(!is_salutation(&words(text)), "{text}");
        }
    }
}
