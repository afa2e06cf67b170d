//! Compatibility of formats: items of the table, messages, references in URLs, documents, answers, webhooks and names of
//! the stack.
//!
//! `tests/formats/` has examples of all of them, written by this version or an earlier one. The tests compare them with
//! the code in both directions: every example is read and written back unchanged, and what is written today looks like
//! the examples. So a field that is renamed, dropped or added fails here, and not with a ticket that a new version
//! cannot read.
//!
//! | in `tests/formats/` | compared | written by |
//! |---|---|---|
//! | `items/KIND.json`, `answers/KIND.json` | by shape: paths, and the form of each value | `PATCHBAY_ACCEPT_FORMATS=1` |
//! | `earlier/KIND.json` | not compared, only read | `PATCHBAY_ACCEPT_FORMATS=1`, see below |
//! | `messages.json`, `notices.json`, `chat-messages.json`, `interaction-messages.json`, `references.json`, `webhooks.json`, `words.json`, `chat-words.json`, `interaction-words.json`, `links/`, `bots/`, `agents/`, `skills/` | exactly | people |
//! | `stack.json` | every name in it must still exist, see [`stack`] | people |
//!
//! A format may change together with its fixtures: `PATCHBAY_ACCEPT_FORMATS=1 cargo test --workspace --test formats`
//! rewrites those that are compared by shape. Without that variable no test writes a file. Replaced items that today's
//! version would write differently are moved to `earlier/`: they must stay readable as long as any deployed table may
//! have such an item. Only a deliberate deletion removes them.
//!
//! The matches in [`kinds`] have no wildcard, so every kind has a fixture: a new variant does not compile until it has
//! a name there, and the tests then require a fixture of that name.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod agents;
mod bots;
mod chats;
#[path = "../common/mod.rs"]
mod common;
mod fields;
mod fixtures;
mod interaction_messages;
mod interactions;
mod items;
mod kinds;
mod links;
mod messages;
mod pages;
mod references;
mod shape;
mod stack;
#[path = "../common/template.rs"]
mod template;
mod unknown_fields;
mod webhooks;
mod words;
