//! Everything around patchbay, in process: DynamoDB, SQS, Routee and the phones, on one clock.
//!
//! [`world::World`] puts the deployed handlers between them; [`audit`] says what must be true when it comes to rest.

pub mod audit;
pub mod aws;
pub mod gateway;
pub mod phones;
pub mod routee;
pub mod table;
pub mod twilio;
pub mod world;
