//! Task chains for Agent4, links as data: pure, no I/O, no clock.
//!
//! - [`wire`]: what Agent4 posts and what it gets.
//! - [`document`]: the link document; [`source`]: how it is read, with the line of everything in it.
//! - [`schema`]: what the caller's model must return.
//! - [`template`]: sentences and expressions.
//! - [`check`]: a document is checked whole when it is uploaded, and compiled.
//! - [`run`]: one request, one answer; [`sample`]: the same without a network, for trying a document out.
//!
//! ```
//! use patchbay::chain::{Chain, run, wire::Request};
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

pub mod check;
pub mod document;
pub mod run;
pub mod sample;
pub mod schema;
pub mod source;
pub mod template;
pub mod wire;

pub use check::Chain;
pub use document::Document;
pub use source::{Issue, Place};

/// Most bytes of a document, as text and as it is kept: an item of the table has 400 KB.
pub const MAX_DOCUMENT: usize = 350 * 1024;
