//! Bots, defined by documents: what a bot answers to a customer, and when it hands over to people. Pure: no I/O, no
//! clock. The rule engine is [`crate::flow`].
//!
//! - [`document`]: the bot document. `check`: validation that is specific to bots.
//! - [`run`]: runs a turn, and answers what the document says about events and hand-overs.
//! - [`sample`]: runs the exchanges of a sample file.

mod built_in;
mod call;
mod chat;
mod check;
pub mod document;
mod form;
pub(crate) mod hours;
pub(crate) mod language;
mod matcher;
mod prepared;
mod reply;
pub mod run;
pub mod sample;
mod scope;
#[cfg(test)]
mod tests;
pub mod window;
mod words;

pub use crate::flow::{Issue, MAX_DOCUMENT, Position};
pub use document::Document;
pub use run::{Step, TurnContext, advance, fallback, hand_over_plan, heard, settings};

/// A bot document that passed the check, ready to answer.
pub type Bot = crate::flow::CompiledDocument<Document>;
