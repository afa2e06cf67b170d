//! Clients of the voice providers: the types of their wires and nothing else.

pub mod protegee;
pub mod routee;
pub mod twilio;
