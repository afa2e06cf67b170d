//! Bounds what a turn posts.

use crate::conversation::Offer;
use crate::conversation::limits::{MAX_ANSWER_CHARS, MAX_POST_CHARS, MAX_POSTS};

/// A numbered list of quick replies.
pub(super) fn numbered(offers: &[Offer]) -> String {
    let lines = offers.iter().enumerate();
    let lines = lines.map(|(index, offer)| format!("{}. {}", index + 1, offer.title));
    lines.collect::<Vec<_>>().join("\n")
}

/// The texts, split where a platform could not take them, and cut off where nobody would read on.
pub(super) fn bounded(texts: Vec<String>) -> Vec<String> {
    let mut posts: Vec<String> = Vec::new();
    let mut left = MAX_ANSWER_CHARS;
    for text in texts {
        let mut rest = text.trim();
        while !rest.is_empty() && posts.len() < MAX_POSTS && left > 0 {
            let (post, after) = split(rest, MAX_POST_CHARS.min(left));
            left -= post.chars().count();
            posts.push(post.to_owned());
            rest = after;
        }
    }
    posts
}

/// A text of at most `max` characters.
pub(super) fn shortened(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// At most `max` characters of a text, and the rest: divided at the last end of a paragraph, a line or a word.
fn split(text: &str, max: usize) -> (&str, &str) {
    let Some((end, _)) = text.char_indices().nth(max) else {
        return (text, "");
    };
    let head = text.get(..end).unwrap_or(text);
    // Not so early that the post is nearly empty.
    let least = head.len() / 2;
    let at = ["\n\n", "\n", " "]
        .iter()
        .find_map(|gap| head.rfind(gap).filter(|at| *at >= least));
    let (head, rest) = text.split_at(at.unwrap_or(end));
    (head.trim_end(), rest.trim_start())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_text_is_split_at_a_paragraph_or_a_word() {
        let text = format!("{}\n\n{}", "a ".repeat(1_500), "b".repeat(2_000));
        let posts = bounded(vec![text]);
        let lengths: Vec<usize> = posts.iter().map(String::len).collect();
        assert_eq!(lengths, [2_999, 2_000]);
        let posts = bounded(vec!["c".repeat(4_001)]);
        assert_eq!(posts.iter().map(String::len).collect::<Vec<_>>(), [4_000, 1]);
    }

    proptest! {
        #[test]
        fn no_answer_exceeds_the_limits(parts in proptest::collection::vec(("[äa \n]{0,9}", 0_usize..3_000), 0..15)) {
            let posts = bounded(parts.iter().map(|(text, times)| text.repeat(*times)).collect());
            prop_assert!(posts.len() <= MAX_POSTS);
            prop_assert!(posts.iter().all(|post| (1..=MAX_POST_CHARS).contains(&post.chars().count())));
            prop_assert!(posts.iter().map(|post| post.chars().count()).sum::<usize>() <= MAX_ANSWER_CHARS);
        }
    }
}
