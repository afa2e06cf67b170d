//! Clients and wire types of the voice providers, of the chat platforms and of Amazon SES, without any logic of ours.

#[cfg(feature = "chain")]
pub mod agent4;
mod chat_answer;
pub mod chat_api;
pub mod chatwoot;
pub mod elemente;
mod lenient;
mod masked;
pub mod message_api;
mod oauth;
pub mod protegee;
mod retry_after;
pub mod routee;
pub mod sangoma;
pub mod ses;
#[cfg(test)]
pub(crate) mod testing;
pub mod twilio;
