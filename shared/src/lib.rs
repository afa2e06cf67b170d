#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! - `flow` (a cargo feature): rules as data, for functions that answer from documents; pure. `fetch`: the HTTP lookups
//!   of these rules.
//! - `chain` (a cargo feature): the task chains of Agent4, answered from such documents; pure.
//! - `bot` (a cargo feature): chat bots, answered from such documents; pure. `bot_source`: finds the bot that answers a
//!   conversation.
//! - [`dispatch`]: the domain of the main job; pure: it does no I/O and gets time and randomness passed in.
//! - [`context`]: what voice agents share about a caller; pure.
//! - [`conversation`]: a chat with a customer, which a bot answers until a person takes over; pure.
//! - [`interaction`]: an agent contacts a customer over one channel after the other, until one answers; pure.
//!   [`opt_out`]: the words with which a customer ends that.
//! - [`providers`]: clients and wire types of the voice providers, the chat platforms and of Amazon SES. [`voice`]: one
//!   provider-neutral interface over the voice providers, for every function that places calls.
//! - [`messaging`]: one provider-neutral interface over the providers of text messages.
//! - [`chat`]: one platform-neutral interface over the chat platforms.
//! - [`lenient_json`]: the one reader for JSON that other parties send.
//! - [`speech`]: prepares a text for speech synthesis, the same way for every provider.
//! - [`store`], [`queue`]: DynamoDB and SQS. [`timeouts`]: how long we wait for them.
//! - [`message`], [`outbox`]: messages to ourselves: sent before the commit, fenced and consumed after it.
//! - [`web`]: problem documents, signed callback references, API tokens, outgoing webhooks.
//! - [`webhooks`]: the delivery status of webhooks to a requester.
//! - [`api`], [`tokens`]: what the functions behind the API have in common. [`caller_note`]: notes about a caller, from
//!   any function.
//! - [`engine`]: load, decide, send, commit: the only way in which a dispatch changes. [`ledger`]: the same for
//!   conversations and interactions.
//! - `outreach` (a cargo feature): agents, skills and customers; how interactions reach providers.
//! - [`function`]: the `main` of every function.

#[cfg(feature = "flow")]
pub use patchbay_domain::flow;
pub use patchbay_domain::{
    access, context, conversation, dispatch, field, ids, interaction, json_number, lenient_json, message, opt_out,
    percent, phone, secret, speech, target, webhook,
};

pub mod api;
pub mod aws;
pub mod aws_error;
#[cfg(feature = "bot")]
pub mod bot;
#[cfg(feature = "bot")]
pub mod bot_source;
pub mod caller_note;
#[cfg(feature = "chain")]
pub mod chain;
pub mod chat;
pub mod clock;
pub mod config;
pub mod engine;
#[cfg(feature = "flow")]
pub mod fetch;
pub mod function;
pub mod http;
pub mod keyring;
pub mod ledger;
pub mod messaging;
pub mod outbox;
#[cfg(feature = "outreach")]
pub mod outreach;
pub mod parameters;
pub mod partition;
pub mod providers;
pub mod queue;
pub mod signing;
mod ssm;
pub mod store;
pub mod telemetry;
pub mod timeouts;
pub mod tokens;
mod trust;
pub mod voice;
pub mod web;
pub mod webhooks;
