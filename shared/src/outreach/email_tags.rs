//! What the events about an e-mail carry: which attempt of which interaction it was.

use crate::ids::{InteractionKey, Nonce};
use crate::providers::ses::{InvalidPart, TagValue, Tags};

/// Separates the parts of a tag. No part has it.
const SEPARATOR: char = '_';

/// The tags of an attempt.
///
/// # Errors
/// Never for keys that were parsed: their characters are those of tags.
pub fn write(interaction: &InteractionKey, attempt: Nonce) -> Result<Tags, InvalidPart> {
    let InteractionKey { tenant, id } = interaction;
    Ok(Tags {
        interaction: TagValue::parse(&format!("{tenant}{SEPARATOR}{id}{SEPARATOR}{attempt}"))?,
        // The attempt is part of the other tag: its id is no number.
        attempt: 1,
    })
}

/// The attempt that these tags are of; `None` for the tags of another program.
pub fn read(tags: &Tags) -> Option<(InteractionKey, Nonce)> {
    let mut parts = tags.interaction.as_str().split(SEPARATOR);
    let (tenant, id, attempt) = (parts.next()?, parts.next()?, parts.next()?);
    let key = InteractionKey {
        tenant: tenant.parse().ok()?,
        id: id.parse().ok()?,
    };
    Some((key, attempt.parse().ok()?)).filter(|_| parts.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::InteractionId;

    #[test]
    fn tags_name_the_attempt() {
        let key = InteractionKey {
            tenant: "main-1".parse().expect("a tenant"),
            id: InteractionId::new(7),
        };
        let tags = write(&key, Nonce::new(9)).expect("tags");
        assert_eq!(read(&tags), Some((key, Nonce::new(9))));
    }

    #[test]
    fn tags_of_another_program_are_none_of_ours() {
        for text in [
            "main",
            "main_7_9",
            "main_00000000-0000-8000-8000-000000000007_9_1",
            "_",
            "a_b_c_d",
        ] {
            let tags = Tags {
                interaction: TagValue::parse(text).expect("a tag"),
                attempt: 1,
            };
            assert_eq!(read(&tags), None, "{text}");
        }
    }
}
