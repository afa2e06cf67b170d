//! Clients of the voice providers: the types of their wires and nothing else.

#[cfg(feature = "chain")]
pub mod agent4;
pub mod protegee;
pub mod routee;
pub mod twilio;
