//! Patterns, and what they may cost.

use regex_lite::{Regex, RegexBuilder};

/// Longest pattern.
pub(super) const MAX_PATTERN: usize = 500;
/// Bytes that a pattern may have once it is compiled: a search takes as many steps for each character.
const MAX_COMPILED: usize = 64 * 1024;

/// A pattern as it is taken today.
pub(super) fn pattern(text: &str) -> Result<Regex, regex_lite::Error> {
    compiled(text, MAX_COMPILED)
}

fn compiled(text: &str, most: usize) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(text).size_limit(most).build()
}

/// A pattern of a document that is kept, and how many times longer than the largest of today it may take for a character:
/// once, all that the library takes were taken.
pub(super) fn kept_pattern(text: &str) -> Option<(Regex, usize)> {
    let sized = |times: usize| Some((compiled(text, MAX_COMPILED * times).ok()?, times));
    [1, 8, 64, 512].into_iter().find_map(sized)
}
