//! The id that SES gives to a message, sent or received.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// Longest id that we accept, in bytes. Ids have 60 at most as far as we know; the limit is not documented
/// (CONTRACT.md 8).
const MAX_BYTES: usize = 200;

/// The text is not the id of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a message")]
pub struct InvalidMessageId;

/// The id of a message, without `<`, `>` and host. Safe in a key, a path and a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(String);

impl MessageId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn from_json(value: Option<&Value>) -> Option<Self> {
        value?.as_str()?.trim().parse().ok()
    }
}

impl FromStr for MessageId {
    type Err = InvalidMessageId;

    fn from_str(text: &str) -> Result<Self, InvalidMessageId> {
        let is_id = (1..=MAX_BYTES).contains(&text.len())
            && text.bytes().any(|byte| byte != b'.')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.+=~".contains(&byte));
        if is_id {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidMessageId)
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_cannot_leave_its_place_in_a_path_or_a_line() {
        for id in [
            "0100018c-0000-4000-8000-0000000000a4-000000",
            "o3vrnil0e2ic28tr",
            "a_b.c+d=~",
        ] {
            assert_eq!(id.parse::<MessageId>().expect(id).as_str(), id);
        }
        for wrong in ["", ".", "..", "a/b", "a b", "a\n", "<a@b>", "ü", &"a".repeat(201)] {
            assert_eq!(wrong.parse::<MessageId>(), Err(InvalidMessageId), "{wrong}");
        }
    }
}
