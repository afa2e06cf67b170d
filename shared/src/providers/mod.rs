//! Clients of the voice providers: the types of their wires and nothing else.

#[cfg(feature = "chain")]
pub mod agent4;
mod lenient;
mod masked;
pub mod protegee;
pub mod routee;
#[cfg(test)]
pub(crate) mod testing;
pub mod twilio;
