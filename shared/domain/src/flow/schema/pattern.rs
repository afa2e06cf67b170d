//! Compiles patterns, with a limit on what a search may cost.

use regex_lite::{Regex, RegexBuilder};

/// Maximum length of a pattern, in bytes.
pub(super) const MAX_PATTERN: usize = 500;
/// Maximum size of a compiled pattern, in bytes. A search takes as many steps for each character.
const MAX_COMPILED: usize = 64 * 1024;

/// Compiles a pattern under the current limit.
pub(super) fn pattern(text: &str) -> Result<Regex, regex_lite::Error> {
    compile(text, MAX_COMPILED)
}

fn compile(text: &str, limit: usize) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(text).size_limit(limit).build()
}

/// Compiles a pattern of a stored document. Also returns the factor by which a character may cost more than under the
/// current limit: earlier versions accepted every pattern that the library accepts.
pub(super) fn stored_pattern(text: &str) -> Option<(Regex, usize)> {
    let sized = |factor: usize| Some((compile(text, MAX_COMPILED * factor).ok()?, factor));
    [1, 8, 64, 512].into_iter().find_map(sized)
}
