//! Clients and wire types of the voice providers, without any logic of ours.

#[cfg(feature = "chain")]
pub mod agent4;
mod lenient;
mod masked;
pub mod protegee;
pub mod routee;
#[cfg(test)]
pub(crate) mod testing;
pub mod twilio;
