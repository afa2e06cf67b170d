//! Elemente's API for outbound calls and messages, both ways: its requests read and its answers written as a compatible
//! server, and a client for a real one (CONTRACT.md).

mod answer;
mod client;
mod customer;
pub(crate) mod fields;
mod query;
mod request;
mod status;

pub use answer::{Feedback, FeedbackMessage, MAX_MESSAGES};
pub use client::{Change, Credentials, ENDPOINT, Elemente};
pub use customer::{Customer, MAX_CUSTOM_FIELDS, MAX_CUSTOM_VALUE_CHARS};
pub use fields::IgnoredFields;
pub use query::{DateRange, DateRangeStyle, ListQuery, MAX_HOURS};
pub use request::{
    AgentOverride, BadRequest, CreateRequest, MAX_ID_CHARS, MAX_INITIAL_MESSAGE_CHARS, MAX_NOTE_CHARS,
    MAX_PROMPT_CHARS, UpdateRequest,
};
pub use status::Word;
