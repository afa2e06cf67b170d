//! Conversations on a chat platform, which a bot answers until a person takes over.
//!
//! Everything here is pure. [`decide()`] takes a [`Conversation`], an [`Event`] and the current time, and returns the new
//! state and the messages to send. It reads neither clock nor randomness, and knows no platform.
//!
//! - [`event`]: what a platform reports, independent of its wire format.
//! - [`state`]: the conversation: who holds it, and the current turn. [`step`]: what is still to be done on the platform.
//!   [`session`]: what the bot remembers.
//! - [`turn`]: the result of a turn of the bot, and the plan of a hand-over.
//! - [`limits`]: how much a conversation keeps, and how long it waits.
//! - [`widget`]: the settings of our own chat page.
//! - [`work`]: queue messages. [`pending`]: the messages that a state needs. [`timeline`]: what happened, for people.

pub mod decide;
pub mod event;
pub mod limits;
pub mod pending;
pub mod session;
pub mod state;
pub mod step;
pub mod timeline;
pub mod turn;
pub mod widget;
pub mod work;

mod texts;

pub use decide::{Decision, Event, EventOutcome, IgnoreReason, Request, StepResult, decide};
pub use event::{Author, Contact, Direction, EventKind, PlatformEvent, PlatformMessage, PlatformStatus};
pub use pending::{all_pending_work, pending_work};
pub use session::{FormProgress, Offer, Session};
pub use state::{
    Conversation, ConversationKey, CustomerMessage, HandOver, Holder, Lease, PlatformId, SentMessage, Speaker,
    TranscriptLine, Turn,
};
pub use step::{PostKind, Step, StepAction, StepState};
pub use timeline::{ChangeReason, DropReason, Entry, Fact, HandOverReason, HolderChange};
pub use turn::{CallPlan, HandOverPlan, Heard, Settings, TurnAction, TurnResult, WaitAction};
pub use work::{Message, Work};

pub use crate::ledger::DecisionContext;
