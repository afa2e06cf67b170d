//! Dispatches, the main job: phone employees, one at a time, until one accepts the ticket.
//!
//! Everything here is pure. [`decide()`] takes a [`Dispatch`], an [`Event`] and the current time, and returns the new
//! state of the dispatch and the side effects to perform. It has no side effects itself and reads neither clock nor
//! randomness.

pub mod availability;
mod builder;
pub mod decide;
pub mod employee;
pub mod event;
pub mod health;
pub mod limits;
pub mod pending;
pub mod plan;
pub mod policy;
pub mod request;
mod rounds;
pub mod route;
pub mod script;
pub mod sentence;
pub mod state;
pub mod texts;
pub mod ticket;
pub mod timeline;
pub mod work;

pub use availability::{Availability, Unavailable};
pub use decide::{Decision, DecisionContext, EmployeeLease, create, decide};
pub use employee::{Employee, Gender, Language};
pub use event::{CallLookup, Ending, Event, EventOutcome, Limit, NotPlaced};
pub use pending::pending_work;
pub use policy::Policy;
pub use request::DispatchRequest;
pub use route::{AvoidReason, Route};
pub use state::{
    Acceptance, Attempt, Dispatch, DispatchPriority, NewDispatch, Phase, Progress, State, Wait, WaitReason,
};
pub use ticket::Ticket;
pub use timeline::{CallReport, CallStatus, Entry, Fact, NoAnswerReason};
