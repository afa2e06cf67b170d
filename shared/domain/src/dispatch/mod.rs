//! The main job: phone employees, one at a time, until one accepts.
//!
//! Everything here is pure. [`decide()`] takes a [`Dispatch`], an [`Event`] and the moment, and says what the dispatch
//! becomes and what has to be done; it performs nothing, and draws no time and no randomness of its own.

pub mod availability;
pub mod decide;
pub mod delivery;
mod draft;
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
pub mod state;
pub mod story;
pub mod texts;
pub mod ticket;
pub mod timeline;
pub mod work;

pub use availability::{Availability, Unavailable};
pub use decide::{Context, Decision, Hold, create, decide};
pub use employee::{Employee, Gender, Language};
pub use event::{Ending, Event, Limit, NotPlaced, Sighting, Verdict};
pub use pending::pending_work;
pub use policy::Policy;
pub use request::DispatchRequest;
pub use route::{Detour, Route};
pub use state::{Acceptance, Attempt, Dispatch, NewDispatch, Phase, Progress, State, Urgency, Wait, WaitReason};
pub use ticket::Ticket;
pub use timeline::{CallReport, CallStatus, Entry, Fact, Reason};
