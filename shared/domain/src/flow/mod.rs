//! Rules as data: documents that people write, checked whole when they are uploaded, and what comes of them in a moment.
//!
//! A document has rules. A rule is taken when its `when` is true, asks back ends (`fetch`), names values (`let`), and
//! either answers or goes on to rules of its own. What an answer is, and around what rules stand, is the job's: a job has
//! a [`Reply`] and a [`Document`] with rules of it, and knows what its templates may see.
//!
//! - [`source`]: YAML and JSON, with the line of everything in it.
//! - [`template`]: sentences and expressions; [`schema`]: what somebody else must return.
//! - [`document`]: rules, requests and values, as they stand in a document.
//! - [`check`]: whatever can be known to go wrong is said on upload; [`Compiled`] is a document that passed.
//! - [`run`]: which rule is taken, what is to be looked up first, and how a reply is written out; [`lookup`]: requests to
//!   back ends, and what came back.
//! - [`reply`]: what a job has to say of itself.
//!
//! All of it is pure: whoever looks things up comes again with what was found, and the same question with the same
//! findings has the same answer always.

pub mod addresses;
pub mod check;
pub mod compiled;
pub mod document;
pub mod lookup;
pub mod reply;
mod rule;
pub mod run;
pub mod schema;
pub mod source;
pub mod template;
#[cfg(test)]
mod tests;

pub use check::{At, Checker, Names};
pub use compiled::{Compiled, MAX_DOCUMENT};
pub use document::{Fetch, Rule};
pub use lookup::{Findings, Found, Lookup, Outcome};
pub use reply::{Document, Reply};
pub use run::{Answered, Pen, Run, Stop, Trouble};
pub use source::{Issue, Place};
