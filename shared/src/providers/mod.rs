//! Clients and wire types of the voice providers and of the chat platforms, without any logic of ours.

#[cfg(feature = "chain")]
pub mod agent4;
mod chat_answer;
pub mod chat_api;
pub mod chatwoot;
mod lenient;
mod masked;
mod oauth;
pub mod protegee;
mod retry_after;
pub mod routee;
pub mod sangoma;
#[cfg(test)]
pub(crate) mod testing;
pub mod twilio;
