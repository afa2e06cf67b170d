//! What two patchbay functions share.
//!
//! - `flow` (a cargo feature): rules as data, for any job that answers by documents; pure. `fetch`: what they look up.
//! - `chain` (a cargo feature): what Agent4's task chains answer by them; pure too.
//! - [`dispatch`]: the domain of the main job, pure: no I/O, no clock, no randomness of its own.
//! - [`context`]: what voice agents share about a caller, pure.
//! - [`providers`]: clients of the voice providers: the types of their wires and nothing else; [`voice`]: one seam for
//!   all who place calls.
//! - [`foreign`]: JSON of other people's, the one reader for all of it.
//! - [`speech`]: what a text becomes before a voice says it, at every provider.
//! - [`store`], [`queue`]: DynamoDB and SQS; [`patience`]: how long they are waited for.
//! - [`mail`], [`outbox`]: messages to ourselves: sent before the commit, fenced and consumed after it.
//! - [`web`]: problem documents, signed callback references, tokens, outgoing webhooks.
//! - [`webhooks`]: what became of the webhooks to a requester.
//! - [`api`], [`tokens`]: what the functions with an API have in common.
//! - [`engine`]: load, decide, send, commit: the one way in which a dispatch changes.
//! - [`function`]: what a function's `main` does.

#[cfg(feature = "flow")]
pub use patchbay_domain::flow;
pub use patchbay_domain::{
    access, context, dispatch, field, foreign, ids, mail, number, percent, phone, secret, speech, target,
};

pub mod api;
pub mod aws;
pub mod aws_error;
#[cfg(feature = "chain")]
pub mod chain;
pub mod clock;
pub mod config;
pub mod engine;
#[cfg(feature = "flow")]
pub mod fetch;
pub mod function;
pub mod http;
pub mod keyring;
pub mod outbox;
pub mod parameters;
pub mod partition;
pub mod patience;
pub mod providers;
pub mod queue;
pub mod signing;
mod ssm;
pub mod store;
pub mod telemetry;
pub mod tokens;
mod trust;
pub mod voice;
pub mod web;
pub mod webhooks;
