//! Twilio: what it sends, what it is answered, and how it proves that it is Twilio. Written from the wire contracts
//! `twilio.md` and `protegee.md` (section 6).
//!
//! - [`signature`]: `X-Twilio-Signature`.
//! - [`webhook`]: the forms that it posts.
//! - [`twiml`]: the documents that tell it what to do with a call.

pub mod signature;
pub mod twiml;
pub mod webhook;
