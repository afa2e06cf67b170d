//! Agent4's task chains: what its webhook calls bring, and what they take. The types of the wire and nothing else; what is
//! answered is `chain`'s.

mod answer;
mod request;

pub use answer::{Action, Answer, Notification, NotificationWebhook};
pub use request::{BadRequest, Moment, RESPONSES, Request};
