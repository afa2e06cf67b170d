//! Rule engine: documents that people write, validated as a whole on upload and evaluated per request.
//!
//! A document has rules. A rule matches when its `when` is true. It then sends requests to back ends (`fetch`), names
//! values (`let`), and either answers or continues with nested rules. The application defines what an answer is and
//! where rules occur: it implements [`Reply`] and [`Document`], and declares what its templates may use.
//!
//! - [`source`]: parses YAML and JSON and records the line of every value.
//! - [`template`]: templates and expressions. [`schema`]: JSON Schema of what another system must return.
//! - [`document`]: rules, requests and values as written in a document.
//! - [`check`]: reports on upload every error that can be detected statically. [`CompiledDocument`] is a document that
//!   passed.
//! - [`run`]: selects the rule, determines the next request, and renders the reply. [`fetch`]: requests to back ends
//!   and their results.
//! - [`reply`]: the traits that an application implements. [`sample`]: sample responses of back ends.
//!
//! All of it is pure. The caller performs the requests and calls again with their results. The same input with the same
//! results always has the same answer.

pub mod addresses;
pub mod check;
pub mod compiled;
pub mod document;
pub mod fetch;
pub mod reply;
mod rule;
pub mod run;
pub mod sample;
pub mod schema;
pub mod source;
pub mod template;
#[cfg(test)]
mod tests;

pub use check::{Checker, Names, ReplySite};
pub use compiled::{CompiledDocument, MAX_DOCUMENT};
pub use document::{Fetch, Rule};
pub use fetch::{FetchOutcome, FetchRequest, FetchResult, FetchResults};
pub use reply::{Document, Reply};
pub use run::{EvalError, Evaluated, Evaluator, Renderer, RuleError};
pub use source::{Issue, Position};
