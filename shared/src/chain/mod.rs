//! Task chains for Agent4, links as data: pure, no I/O, no clock. The rules are [`crate::flow`]'s; here is what Agent4's
//! webhook answers by them.
//!
//! - [`document`]: the link document; [`reply`]: an answer in it; `check`: what a chain must be besides.
//! - [`run`]: one request, one answer; [`state`]: what is ours in the state that travels with a call.
//! - [`sample`]: the same without a network, for trying a document out.
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
//! let call = run::Call { request: &request, key: "0b2f6c1e-0000-4000-8000-000000000001", code: "000000", state_kept: true };
//! let run::Step::Done(done) = run::advance(&chain, &call, &Default::default()) else { unreachable!() };
//! assert_eq!(done.answer.content.as_deref(), Some("Goodbye."));
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

pub use crate::flow::{Issue, MAX_DOCUMENT, Place};
pub use document::Document;

/// A link document that has been checked, ready to answer.
pub type Chain = crate::flow::Compiled<Document>;
