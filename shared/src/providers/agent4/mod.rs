//! Wire types of Agent4's task chains: requests to the webhook, and its answers. The module `chain` computes the
//! answers.

mod answer;
mod request;

pub use answer::{Action, Answer, Notification, NotificationWebhook};
pub use request::{BadRequest, LinkEvent, RESPONSES, Request};
