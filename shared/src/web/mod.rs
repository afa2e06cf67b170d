//! HTTP for the functions: requests and responses, authorization, signatures, and the outbound client.
//!
//! - [`gateway`]: converts API Gateway events to requests.
//! - [`problem`], [`body`]: error responses (RFC 9457), and parsing of request bodies.
//! - [`media`]: media types of requests and responses.
//! - [`auth`]: API tokens.
//! - [`mod@reference`], [`callbacks`], [`transfer`]: callback URLs and the signed references at their end. [`widget`]:
//!   the URL of a chat page, and the tokens of its visitors.
//! - [`standard_webhooks`]: signatures of the webhooks that we send.
//! - [`target`] and `outbound` (a cargo feature): which URLs we send requests to, and the client that sends them.

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
pub mod widget;
