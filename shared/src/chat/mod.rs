//! One platform-neutral interface over the chat platforms, for every function and command that talks to one.
//!
//! - [`ChatClient`]: posts messages, hands conversations to people, and sets up bots, whatever the platform.
//! - [`read_event`]: reads an event that a platform posted to us. [`signature`]: whether the platform signed it.
//! - `ChatConfig`: builds the client from a function's environment and secrets.
//! - [`callbacks`]: the URLs under which a platform reaches us. [`Destination`]: whom a platform phones.

pub mod callbacks;
mod client;
#[cfg(feature = "outbound")]
mod config;
mod destination;

use std::fmt;

pub use self::client::ChatClient;
#[cfg(feature = "outbound")]
pub use self::config::ChatConfig;
pub use self::destination::{Destination, InvalidDestination};
pub use crate::providers::chat_api::{ChatError, CreatedContact, Inbox, NewContact, NewConversation, Priority};
pub use crate::providers::chatwoot::{ReceivedEvent, read_event, signature};

/// A chat platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Sangoma CX.
    Sangoma,
    /// Chatwoot.
    Chatwoot,
}

impl Platform {
    /// All platforms.
    pub const ALL: [Self; 2] = [Self::Sangoma, Self::Chatwoot];

    /// The name in URLs and settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sangoma => "sangoma",
            Self::Chatwoot => "chatwoot",
        }
    }

    /// The platform with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.name() == name)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
