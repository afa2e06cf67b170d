//! Twilio: what it sends, what it is answered, and how it proves that it is Twilio. Written from the wire contracts
//! `twilio.md` and `protegee.md` (section 6).
//!
//! - [`mod@calls`]: the API by which it is asked to phone somebody.
//! - [`mod@status`]: what it says about such a call.
//! - [`mod@signature`]: the header `X-Twilio-Signature`.
//! - [`mod@webhook`]: the forms that it posts.
//! - [`mod@twiml`]: the documents that tell it what to do with a call.

pub mod calls;
pub mod signature;
pub mod status;
pub mod twiml;
pub mod webhook;
