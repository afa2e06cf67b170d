//! How a customer gets the link to a web chat.

use serde::Deserialize;

use crate::flow::Issue;
use crate::flow::source::field;
use crate::interaction::{Channel, LINK};
use crate::outreach::document::check_text;

/// Longest text, in characters, before its variables are filled in.
const MAX_TEXT_CHARS: usize = 500;

/// The message with the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatLink {
    /// The channel by which it goes.
    pub by: Channel,
    /// What it says before the link; a template.
    pub before: String,
    /// What it says after the link; a template.
    pub after: String,
}

/// A message with the link to a web chat.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ChatLink"))]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// The channel by which it goes: `sms`, `whatsapp` or `email`. The agent needs a sender for it, which is not
    /// `elemente`.
    #[cfg_attr(feature = "schema", schemars(required))]
    link_by: Option<String>,
    /// What it says: a text with variables such as `{{firstName}}`, and once `{{link}}`.
    #[cfg_attr(feature = "schema", schemars(required))]
    text: Option<String>,
}

impl Fields {
    pub(super) fn check(&self, path: &str, issues: &mut Vec<Issue>) -> Option<ChatLink> {
        let is_message = |channel: &Channel| matches!(channel, Channel::Sms | Channel::Whatsapp | Channel::Email);
        let by = self.link_by.as_deref().and_then(Channel::named).filter(is_message);
        if by.is_none() {
            issues.push(Issue::new(
                field(path, "link_by"),
                "must be one of sms, whatsapp and email",
            ));
        }
        let (text, path) = (self.text.as_deref().unwrap_or_default(), field(path, "text"));
        let earlier = issues.len();
        check_text(text, MAX_TEXT_CHARS, &path, issues);
        let parts = text.split_once(LINK).filter(|(_, after)| !after.contains(LINK));
        // A missing text has no link either.
        if parts.is_none() && issues.len() == earlier {
            issues.push(Issue::new(path, format!("must have {LINK} once")));
        }
        let (before, after) = parts?;
        Some(ChatLink {
            by: by?,
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }
}
