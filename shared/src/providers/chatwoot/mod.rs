//! Chatwoot: its events, which Sangoma CX appears to send too, their signature, and a client (CONTRACT.md).

mod client;
mod event;
pub mod signature;

pub use self::client::{Chatwoot, Settings, Tokens};
pub use self::event::{ReceivedEvent, read_event};
