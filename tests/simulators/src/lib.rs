//! In-process simulators of everything around patchbay, on one clock: DynamoDB, SQS, Routee, Twilio, phones, Agent4,
//! `ShipStation` and a chat platform.
//!
//! [`world::World`] connects them to the deployed handlers. [`audit`] checks the invariants of a world that is idle.

pub mod agent4;
pub mod audit;
pub mod aws;
pub mod back_ends;
pub mod chat;
pub mod elemente;
pub mod exchange;
pub mod gateway;
pub mod journal;
pub mod messages;
pub mod phones;
pub mod rng;
pub mod routee;
mod script_runner;
pub mod ses;
pub mod shipstation;
pub mod table;
pub mod twilio;
pub mod webhook_faults;
pub mod world;
