//! The wire types and the client of Twilio (CONTRACT.md, protegee/CONTRACT.md 6).
//!
//! - [`mod@calls`]: the REST API that places, ends and looks up calls.
//! - [`mod@messages`]: the REST API that sends messages, their statuses, and messages from customers.
//! - [`mod@status`]: status callbacks and key presses of such a call.
//! - [`mod@signature`]: the header `X-Twilio-Signature`.
//! - [`mod@webhook`]: the forms that Twilio posts.
//! - [`mod@twiml`]: the documents that tell Twilio what to do with a call.

pub mod calls;
pub mod messages;
pub mod signature;
pub mod status;
pub mod twiml;
pub mod webhook;
