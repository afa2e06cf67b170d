//! What stands between patchbay and the web: answers and request bodies, who may do what, what is signed, and where
//! requests may go.
//!
//! - [`gateway`]: what API Gateway hands over, as requests.
//! - [`problem`], [`body`]: answers for what went wrong (RFC 9457), and reading what was sent.
//! - [`media`]: media types of requests and answers.
//! - [`auth`]: API tokens.
//! - [`mod@reference`], [`callbacks`], [`transfer`]: the signed references that callback URLs end in, and those URLs.
//! - [`standard_webhooks`]: the signatures on webhooks that we send.
//! - [`target`], and `outbound` (a cargo feature): which URLs are fetched, and the client that fetches them.

pub use crate::target;

pub mod auth;
pub mod body;
pub mod callbacks;
pub mod gateway;
pub(crate) mod mac;
pub mod media;
#[cfg(feature = "outbound")]
pub mod outbound;
pub mod problem;
pub mod reference;
pub mod standard_webhooks;
pub mod transfer;
