//! Everything around patchbay, in process: DynamoDB, SQS, Routee, Twilio and the phones, Agent4 and `ShipStation`, on one
//! clock.
//!
//! [`world::World`] puts the deployed handlers between them; [`audit`] says what must be true when it comes to rest.

pub mod agent4;
pub mod audit;
pub mod aws;
pub mod back_ends;
pub mod exchange;
pub mod gateway;
mod hand;
pub mod journal;
pub mod mishaps;
pub mod phones;
pub mod rng;
pub mod routee;
pub mod shipstation;
pub mod table;
pub mod twilio;
pub mod world;
