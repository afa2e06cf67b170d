//! Conversations on a chat platform, which a bot answers until a person takes over.
//!
//! Everything here is pure. [`decide()`] takes a [`Conversation`], an [`Event`] and the current time, and returns the new
//! state and the messages to send. It reads neither clock nor randomness, and knows no platform.
//!
//! - [`event`]: what a platform reports, independent of its wire format.
//! - [`state`]: the conversation: who holds it, the current turn, and the steps that are still to be taken.
//! - [`turn`]: the result of a turn of the bot, and the plan of a hand-over.
//! - [`work`]: queue messages. [`timeline`]: what happened, for people.

pub mod decide;
pub mod event;
pub mod state;
pub mod timeline;
pub mod turn;
pub mod work;

pub use decide::{Decision, DecisionContext, Event, EventOutcome, IgnoreReason, Request, StepResult, decide};
pub use event::{Author, Contact, Direction, EventKind, PlatformEvent, PlatformMessage, PlatformStatus};
pub use state::{
    Conversation, ConversationKey, FormProgress, Holder, Offer, PlatformId, PostKind, SentMessage, Session, Speaker,
    Step, StepAction, StepState, TranscriptLine, Turn,
};
pub use timeline::{Entry, Fact, HandOverReason, HolderChange};
pub use turn::{CallPlan, HandOverPlan, Heard, Settings, TurnAction, TurnResult, WaitAction};
pub use work::{Message, Work};
