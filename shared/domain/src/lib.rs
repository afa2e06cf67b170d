//! What patchbay decides, and why: no table, no queue, no provider, no clock of its own. The compiler holds that: nothing
//! of the kind is among the dependencies of this crate.
//!
//! - [`dispatch`]: the main job. Phone employees, one at a time, until one accepts.
//! - [`context`]: what voice agents share about a caller.
//! - `flow` (a cargo feature): rules as data, for any job that answers by documents.
//! - [`speech`]: what a text becomes before a voice says it, at every provider.
//! - [`phone`]: telephone numbers, read as they are written in every country.
//! - [`foreign`], [`number`]: JSON of other people's, the one reader for all of it.
//! - [`mail`]: messages to ourselves, and how they stand to their commits.
//! - [`access`]: what an API token allows; [`target`]: which URLs are fetched.
//! - [`percent`]: what is encoded where in a URL.
//! - [`ids`], [`timestamp`], [`secret`], [`field`]: words that all of them use.

pub mod access;
pub mod context;
pub mod dispatch;
pub mod field;
#[cfg(feature = "flow")]
pub mod flow;
pub mod foreign;
pub mod ids;
pub mod mail;
pub mod number;
pub mod percent;
pub mod phone;
pub mod secret;
pub mod speech;
pub mod target;
pub mod timestamp;
