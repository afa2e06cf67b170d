//! Amazon SES v2: e-mail to customers, the events about it, and their replies (CONTRACT.md).
//!
//! An [`Email`] consists of checked parts only, so no customer data can add a recipient or a header. [`Ses`] sends it,
//! once. [`read_events`] reads whether it arrived, [`read_inbound`] the replies, and [`one_click`] what the opt-out
//! button of a mail program posts.

mod address;
mod client;
mod email;
mod error;
mod event;
mod header;
mod inbound;
mod message_id;
#[cfg(feature = "mail")]
mod mime;
pub mod one_click;
mod quoted;

pub use self::address::{EmailAddress, InvalidAddress, ReplyDomain};
pub use self::client::{Account, Enforcement, Quota, Ses, Settings, SuppressionReason};
pub use self::email::{
    BodyText, ConfigurationSet, Email, Html, InvalidPart, OptOutUrl, Sender, SubjectForm, TagValue, Tags,
};
pub use self::error::{Refusal, SesError};
pub use self::event::{Bounce, BounceCause, EmailEvent, EmailStatus, Occurrence, ReceivedEvent, read_events};
pub use self::header::{DisplayName, Subject};
pub use self::inbound::{Automatic, InboundEmail, Verdict, Verdicts, read_inbound};
pub use self::message_id::{InvalidMessageId, MessageId};
#[cfg(feature = "mail")]
pub use self::mime::{MAX_RAW_BYTES, MailText, read_mail};
pub use self::quoted::without_quotes;
