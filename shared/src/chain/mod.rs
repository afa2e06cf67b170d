//! Task chains for Agent4, defined by link documents: answers the requests of Agent4's webhook. Pure: no I/O, no clock.
//! The rule engine is [`crate::flow`].
//!
//! - [`document`]: the link document. [`reply`]: an answer in it. `check`: validation that is specific to chains.
//! - [`run`]: answers one request. [`state`]: patchbay's own entry in the state that travels with a call.
//! - [`sample`]: answers a sample request without a network, to try out a document.
//!
//! ```
//! use patchbay::chain::{Chain, run};
//! use patchbay::providers::agent4::Request;
//!
//! let chain = Chain::read(
//!     "links:\n  - name: hello\n    initial: [{content: 'Greet the caller, then call qualified.'}]\n    \
//!      qualified: [{content: Goodbye., actions: [{name: end_call}]}]\n    \
//!      disqualified: [{actions: [{name: end_call}]}]\n",
//! )
//! .map_err(|issues| issues[0].to_string())?;
//! let request = Request::parse(br#"{"name": "hello", "action": "qualified"}"#).map_err(|error| error.to_string())?;
//! let context = run::RequestContext { request: &request, key: "0b2f6c1e-0000-4000-8000-000000000001", code: "000000", state_kept: true };
//! let run::Step::Answer(chain_answer) = run::advance(&chain, &context, &Default::default()) else { unreachable!() };
//! assert_eq!(chain_answer.answer.content.as_deref(), Some("Goodbye."));
//! # Ok::<(), String>(())
//! ```

mod check;
pub mod document;
pub mod reply;
pub mod run;
pub mod sample;
pub mod state;
#[cfg(test)]
mod tests;

pub use crate::flow::{Issue, MAX_DOCUMENT, Position};
pub use document::Document;

/// A link document that passed the check, ready to answer.
pub type Chain = crate::flow::CompiledDocument<Document>;
