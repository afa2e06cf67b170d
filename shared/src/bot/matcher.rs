//! Finds the FAQ entry that a message asks for.
//!
//! Every word has a weight: [`STOP_WEIGHT`] for a word that says little, else from 1 to 2, the greater the fewer entries
//! have it: `1 + ln((n + 1) / (d + 1)) / ln(n + 1)` for a word in `d` of `n` entries. A word that no entry has weighs
//! 1.
//!
//! Two words match as [`similarity`] says. The *coverage* of a question is the part of its weight that words of the
//! message match, each as far as it is similar. The *precision* of the message is the part of the message's weight that
//! words of the question match. Their weighted harmonic mean is the score, from 0 to 1, in which coverage counts twice
//! as much: `3 · p · c / (2 · p + c)`. So a long message may ask a short question, and what it says besides costs less
//! than what the question has and the message has not.
//!
//! A message that has all words of one of the entry's groups has the score 1. Of several entries with the same score
//! the one that matches more weight is the best, then the first one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::document::Faq;
use super::words::{has_digit, is_stop_word, similarity, tolerated, words};

/// The weight of a word that says little.
const STOP_WEIGHT: f64 = 0.15;
/// The weight of a word that no entry has.
const UNKNOWN_WEIGHT: f64 = 1.0;
/// How much more coverage counts than precision.
const COVERAGE_WEIGHT: f64 = 2.0;
/// Maximum number of distinct words of a message that are compared.
const MAX_QUERY_WORDS: usize = 48;

/// An entry that a message may ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Match {
    /// Index of the entry.
    pub(super) entry: usize,
    /// How well the message matches, from 0 to 1.
    pub(super) score: f64,
    /// The weight of the words that match.
    weight: f64,
}

/// An index of the FAQ.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    vocabulary: Vec<Word>,
    by_text: HashMap<String, usize>,
    questions: Vec<Question>,
    groups: Vec<Group>,
}

/// A word of the FAQ.
#[derive(Clone, Debug)]
struct Word {
    text: String,
    length: usize,
    /// The letters that occur in it: two words with one typing error differ in at most two of them.
    letters: u64,
    weight: f64,
    /// Whether a misspelled word may be this one.
    is_fuzzy: bool,
    /// The questions that have it.
    questions: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Question {
    entry: usize,
    weight: f64,
}

#[derive(Clone, Debug)]
struct Group {
    entry: usize,
    words: Vec<usize>,
    weight: f64,
}

/// Collects the words of the entries before their weights are known.
#[derive(Default)]
struct Builder {
    index: Index,
    /// The entries that have a word.
    entries: Vec<BTreeSet<usize>>,
    question_words: Vec<Vec<usize>>,
}

impl Builder {
    /// The distinct words of a text, by their place in the vocabulary.
    fn words(&mut self, text: &str, entry: usize) -> Vec<usize> {
        let distinct: BTreeSet<String> = words(text).into_iter().collect();
        distinct.into_iter().map(|word| self.word(word, entry)).collect()
    }

    fn word(&mut self, text: String, entry: usize) -> usize {
        let next = self.index.vocabulary.len();
        let id = *self.index.by_text.entry(text.clone()).or_insert(next);
        if id == next {
            let length = text.chars().count();
            self.index.vocabulary.push(Word {
                length,
                letters: letters(&text),
                weight: 0.0,
                is_fuzzy: tolerated(length) > 0 && !has_digit(&text),
                questions: Vec::new(),
                text,
            });
            self.entries.push(BTreeSet::new());
        }
        if let Some(entries) = self.entries.get_mut(id) {
            entries.insert(entry);
        }
        id
    }

    fn finish(mut self, entries: usize) -> Index {
        for (word, having) in self.index.vocabulary.iter_mut().zip(&self.entries) {
            word.weight = if is_stop_word(&word.text) {
                STOP_WEIGHT
            } else {
                1.0 + (logarithm(entries) - logarithm(having.len())) / logarithm(entries)
            };
        }
        let weight = |words: &[usize]| {
            words
                .iter()
                .map(|id| weight_of(&self.index.vocabulary, *id))
                .sum::<f64>()
        };
        let weights: Vec<f64> = self.question_words.iter().map(|words| weight(words)).collect();
        let group_weights: Vec<f64> = self.index.groups.iter().map(|group| weight(&group.words)).collect();
        for (question, weight) in self.index.questions.iter_mut().zip(weights) {
            question.weight = weight;
        }
        for (group, weight) in self.index.groups.iter_mut().zip(group_weights) {
            group.weight = weight;
        }
        for (question, words) in self.question_words.iter().enumerate() {
            for id in words {
                if let Some(word) = self.index.vocabulary.get_mut(*id) {
                    word.questions.push(question);
                }
            }
        }
        self.index
    }
}

fn weight_of(vocabulary: &[Word], id: usize) -> f64 {
    vocabulary.get(id).map_or(0.0, |word| word.weight)
}

/// `ln(count + 1)`.
fn logarithm(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)).ln_1p()
}

/// A bit for each letter of a word. Letters other than `a` to `z` share the rest.
fn letters(word: &str) -> u64 {
    word.chars().fold(0, |letters, c| {
        let bit = match c {
            'a'..='z' => u32::from(c) - u32::from('a'),
            other => 26 + u32::from(other) % 38,
        };
        letters | 1 << bit
    })
}

/// What matches the words of one message.
struct Tally {
    /// By word of the vocabulary: how similar the most similar word of the message is.
    similarities: BTreeMap<usize, f64>,
    /// By question: the weight of the message's words that it matches.
    matched: Vec<f64>,
    /// The weight of the message.
    weight: f64,
}

impl Index {
    /// An index of the entries.
    pub(super) fn new(faq: &Faq) -> Self {
        let mut builder = Builder::default();
        for (entry, item) in faq.entries.iter().enumerate() {
            for question in &item.questions {
                let words = builder.words(question, entry);
                if !words.is_empty() {
                    builder.index.questions.push(Question { entry, weight: 0.0 });
                    builder.question_words.push(words);
                }
            }
            for group in &item.words {
                let words = builder.words(group, entry);
                if !words.is_empty() {
                    let weight = 0.0;
                    builder.index.groups.push(Group { entry, words, weight });
                }
            }
        }
        builder.finish(faq.entries.len())
    }

    /// The entries that a message may ask for, best first, at most one match for each.
    pub(super) fn matches(&self, message: &[String]) -> Vec<Match> {
        let tally = self.tally(message);
        let mut best: BTreeMap<usize, Match> = BTreeMap::new();
        let mut keep = |found: Match| {
            let known = best.entry(found.entry).or_insert(found);
            if is_better(&found, known) {
                *known = found;
            }
        };
        for found in self.matching_questions(&tally) {
            keep(found);
        }
        for group in &self.groups {
            if group.words.iter().all(|id| tally.similarities.contains_key(id)) {
                keep(Match {
                    entry: group.entry,
                    score: 1.0,
                    weight: group.weight,
                });
            }
        }
        let mut matches: Vec<Match> = best.into_values().collect();
        matches.sort_by(|one, other| {
            let by_score = other
                .score
                .total_cmp(&one.score)
                .then(other.weight.total_cmp(&one.weight));
            by_score.then(one.entry.cmp(&other.entry))
        });
        matches
    }

    fn matching_questions(&self, tally: &Tally) -> Vec<Match> {
        let mut covered = vec![0.0; self.questions.len()];
        for (id, similarity) in &tally.similarities {
            let Some(word) = self.vocabulary.get(*id) else { continue };
            for question in &word.questions {
                if let Some(covered) = covered.get_mut(*question) {
                    *covered += word.weight * similarity;
                }
            }
        }
        let questions = self.questions.iter().zip(covered.iter().zip(&tally.matched));
        let matching = questions.filter(|(_, (covered, matched))| **covered > 0.0 && **matched > 0.0);
        matching
            .map(|(question, (covered, matched))| {
                let (coverage, precision) = (covered / question.weight, matched / tally.weight);
                let score = (1.0 + COVERAGE_WEIGHT) * precision * coverage / (COVERAGE_WEIGHT * precision + coverage);
                Match {
                    entry: question.entry,
                    score: (score * 1_000.0).round() / 1_000.0,
                    weight: *covered,
                }
            })
            .collect()
    }

    fn tally(&self, message: &[String]) -> Tally {
        let mut tally = Tally {
            similarities: BTreeMap::new(),
            matched: vec![0.0; self.questions.len()],
            weight: 0.0,
        };
        let mut seen = BTreeSet::new();
        let distinct = message.iter().filter(|word| seen.insert(word.as_str()));
        // By question: how similar its most similar word is to the present word of the message.
        let mut best = vec![0.0_f64; self.questions.len()];
        for word in distinct.take(MAX_QUERY_WORDS) {
            let similar = self.similar(word);
            let weight = self.query_weight(word, &similar);
            tally.weight += weight;
            for (id, similarity) in &similar {
                let known = tally.similarities.entry(*id).or_insert(0.0);
                *known = known.max(*similarity);
                for question in self.vocabulary.get(*id).into_iter().flat_map(|word| &word.questions) {
                    if let (Some(best), Some(matched)) = (best.get_mut(*question), tally.matched.get_mut(*question))
                        && *best < *similarity
                    {
                        *matched += weight * (similarity - *best);
                        *best = *similarity;
                    }
                }
            }
            for (id, _) in &similar {
                for question in self.vocabulary.get(*id).into_iter().flat_map(|word| &word.questions) {
                    if let Some(best) = best.get_mut(*question) {
                        *best = 0.0;
                    }
                }
            }
        }
        tally
    }

    /// The weight of a word of the message: that of the most similar word of the vocabulary.
    fn query_weight(&self, word: &str, similar: &[(usize, f64)]) -> f64 {
        let most_similar = similar.iter().max_by(|one, other| one.1.total_cmp(&other.1));
        match most_similar {
            Some((id, _)) => weight_of(&self.vocabulary, *id),
            None if is_stop_word(word) => STOP_WEIGHT,
            None => UNKNOWN_WEIGHT,
        }
    }

    /// The words of the vocabulary that a word of the message may be, and how similar each is. A word that says little
    /// is spelled right.
    fn similar(&self, word: &str) -> Vec<(usize, f64)> {
        let exact = self.by_text.get(word).map(|id| (*id, 1.0));
        let length = word.chars().count();
        if tolerated(length) == 0 || is_stop_word(word) || has_digit(word) {
            return exact.into_iter().collect();
        }
        let letters = letters(word);
        let may_be = |candidate: &Word| {
            let errors = tolerated(length.min(candidate.length));
            let differing = (letters ^ candidate.letters).count_ones() as usize;
            candidate.is_fuzzy && length.abs_diff(candidate.length) <= errors && differing <= 2 * errors
        };
        let candidates = self.vocabulary.iter().enumerate().filter(|(_, word)| may_be(word));
        candidates
            .filter_map(|(id, candidate)| Some((id, similarity(word, &candidate.text, 2)?)))
            .collect()
    }
}

/// Whether a match of an entry is better than another one of it.
fn is_better(one: &Match, other: &Match) -> bool {
    (one.score, one.weight) > (other.score, other.weight)
}
