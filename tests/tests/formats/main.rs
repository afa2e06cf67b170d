//! What a later version must be able to read: items of the table, messages, references in URLs, documents, and what
//! others read of us.
//!
//! `tests/formats/` has examples of all of it, as this version or an earlier one wrote them. Every test here holds them
//! against the code from both sides: what stands there is read and comes out as it went in, and what is written today
//! looks like what stands there. So a field that is renamed, dropped or added fails here, and not with a ticket that a
//! new version cannot read.
//!
//! | in `tests/formats/` | compared | who writes it |
//! |---|---|---|
//! | `items/KIND.json` | in shape: paths, and the form of what stands there | `PATCHBAY_ACCEPT_FORMATS=1` |
//! | `answers/KIND.json` | the same | `PATCHBAY_ACCEPT_FORMATS=1` |
//! | `earlier/KIND.json` | not: only read | the same, see below |
//! | `messages.json`, `notices.json`, `references.json`, `webhooks.json`, `words.json`, `links/` | exactly | people |
//!
//! A format may change, with its fixtures: `PATCHBAY_ACCEPT_FORMATS=1 cargo test --workspace --test formats` writes those
//! that are compared in shape anew. Without it no test writes a file. Of what it replaces, it keeps in `earlier/` every
//! item that today's version would write otherwise: that is to be read for as long as the table of anybody may have it,
//! and goes only by a deletion that somebody answers for.
//!
//! That every kind has a fixture is held by matches without a wildcard ([`kinds`]): a new variant does not compile before
//! it has a name there, and the name then asks for a fixture.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

#[path = "../common/mod.rs"]
mod common;
mod fields;
mod fixtures;
mod items;
mod kinds;
mod links;
mod messages;
mod references;
mod shape;
mod webhooks;
mod words;
