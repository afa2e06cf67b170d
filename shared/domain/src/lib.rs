//! The domain logic of patchbay: pure decisions, without table, queue, provider or clock. The compiler enforces this:
//! none of these is among the dependencies of the crate.
//!
//! - [`dispatch`]: the main job. Phone employees, one at a time, until one accepts.
//! - [`context`]: what voice agents share about a caller.
//! - [`conversation`]: a chat with a customer, which a bot answers until a person takes over.
//! - `flow` (a cargo feature): rules as data, for functions that answer from documents.
//! - [`speech`]: turns a text into what a voice can speak, the same for every provider.
//! - [`phone`]: parses phone numbers in the notations of every country.
//! - [`lenient_json`], [`json_number`]: lenient parsing of JSON from other systems.
//! - [`message`]: queue messages, and their relation to commits. [`ledger`]: decisions about what has a ledger.
//! - [`interaction`]: an agent contacts a customer, over one channel after the other.
//! - [`opt_out`]: recognizes the words with which a customer ends our messages.
//! - [`access`]: scopes of API tokens. [`target`]: which URLs may be fetched.
//! - [`webhook`]: where a requester receives the events of a dispatch or an interaction.
//! - [`percent`]: percent-encoding sets for the parts of a URL.
//! - [`ids`], [`timestamp`], [`secret`], [`field`]: types that all of them use.

pub mod access;
pub mod context;
pub mod conversation;
pub mod dispatch;
pub mod field;
#[cfg(feature = "flow")]
pub mod flow;
pub mod ids;
pub mod interaction;
pub mod json_number;
pub mod ledger;
pub mod lenient_json;
pub mod message;
pub mod opt_out;
pub mod percent;
pub mod phone;
pub mod secret;
pub mod speech;
pub mod target;
pub mod timestamp;
pub mod webhook;
