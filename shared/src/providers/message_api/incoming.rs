//! A message from a customer.

use std::fmt;

use super::Channel;
use crate::opt_out::{self, OptOutWord};
use crate::phone::PhoneNumber;

/// A message from a customer. Providers may post it more than once, with the same id.
#[derive(Clone, PartialEq, Eq)]
pub struct IncomingMessage {
    /// The provider's id of the message.
    pub id: String,
    /// The customer.
    pub from: PhoneNumber,
    /// Our number; `None` if it is a short code.
    pub to: Option<PhoneNumber>,
    /// The channel.
    pub channel: Channel,
    /// The text. May be empty if there are media.
    pub text: String,
    /// Number of attached pictures and other media.
    pub media_count: u32,
    /// URLs of the media, as far as the provider gave them: at most ten. They are private: fetching them needs the
    /// credentials of the account, which must be sent to no other host than the provider's.
    pub media_urls: Vec<String>,
    /// The id of our message that the customer replied to, if the channel tells it.
    pub replied_to: Option<String>,
    /// What the provider itself read in the text. If present, the provider has already acted on it and answered the
    /// customer: do not answer again.
    pub handled_opt_out: Option<OptOutWord>,
}

impl IncomingMessage {
    /// Whether the customer ends, resumes or asks about our messages: as the provider read it, or else as we read it.
    pub fn opt_out_word(&self) -> Option<OptOutWord> {
        self.handled_opt_out.or_else(|| opt_out::read(&self.text))
    }
}

/// Shows neither the text nor the media, which are private.
impl fmt::Debug for IncomingMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingMessage")
            .field("id", &self.id)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("channel", &self.channel)
            .field("text_bytes", &self.text.len())
            .field("media_count", &self.media_count)
            .field("replied_to", &self.replied_to)
            .field("handled_opt_out", &self.handled_opt_out)
            .finish_non_exhaustive()
    }
}

/// The body is not the webhook that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessageWebhook {
    /// Not a JSON object, where one is expected.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// A status callback without a status.
    #[error("the body has no status")]
    NoStatus,
    /// A message without an id: duplicates could not be recognized.
    #[error("the body has no message id")]
    NoId,
    /// The sender is not a phone number, such as a short code or a company's name: it is no customer.
    #[error("the sender is not a phone number")]
    SenderIsNoNumber,
}
