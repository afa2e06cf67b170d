//! AWS errors in words that may be logged.

use std::error::Error;
use std::fmt::Write as _;

/// The error and all its sources, as they display themselves.
///
/// Not as they debug themselves, and not by the SDK's `DisplayErrorContext`: those write the raw response along, which
/// may be a whole item with telephone numbers in it.
pub(crate) fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a String cannot fail.
        let _ = write!(words, ": {error}");
        source = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer {
        secret: &'static str,
        #[source]
        source: std::fmt::Error,
    }

    #[test]
    fn every_source_is_named_and_nothing_else_is_shown() {
        let error = Outer {
            secret: "+12025550101",
            source: std::fmt::Error,
        };
        let words = in_words(&error);
        assert!(words.starts_with("outer: "), "{words}");
        assert!(!words.contains(error.secret), "{words}");
    }
}
