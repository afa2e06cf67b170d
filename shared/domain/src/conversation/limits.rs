//! How much a conversation keeps, and how long it waits. What is stored in one item stays below 400 KB even if every
//! character takes four bytes.

use super::event::MAX_TEXT_CHARS;

/// Messages of the customer that wait for an answer. Further ones are joined into the last one.
pub const MAX_PENDING: usize = 20;
/// Characters of all these messages. What exceeds it is not answered, and the timeline says so.
pub const MAX_PENDING_CHARS: usize = 16_000;
/// Posted messages whose ids are kept. An older id counts as handled, so its echo is recognized still.
pub const MAX_SENT: usize = 50;
/// Characters of a posted message that are kept to recognize its echo.
pub const MAX_SENT_CHARS: usize = 200;
/// Ids of handled messages.
pub const MAX_SEEN: usize = 200;
/// Lines of the transcript.
pub const MAX_TRANSCRIPT: usize = 30;
/// Characters of a line of the transcript.
pub const MAX_LINE_CHARS: usize = 500;
/// Steps that wait. A further one is not taken, and the timeline says so.
pub const MAX_STEPS: usize = 40;
/// Steps among these that the customer's next answer does not wait for.
pub const MAX_BACKGROUND_STEPS: usize = 20;
/// Messages in which a turn answers. Further ones are joined into the last one.
pub const MAX_POSTS: usize = 10;
/// Characters of a message that the bot posts.
pub const MAX_POST_CHARS: usize = MAX_TEXT_CHARS;
/// Characters of all messages in which a turn answers. What exceeds it is not posted, and the timeline says so.
pub const MAX_ANSWER_CHARS: usize = 16_000;
/// Bytes of the body of a request for a dispatch. A longer one is not sent, and the timeline says so.
pub const MAX_REQUEST_BYTES: usize = 16_384;
/// Bytes of a session. A larger one is dropped: the session begins again, and the timeline says so.
pub const MAX_SESSION_BYTES: usize = 65_536;
/// Characters of a name, an e-mail address, and other details of a person.
pub const MAX_DETAIL_CHARS: usize = 200;

/// Longest time from a message of the customer until the turn that answers it, however fast further ones follow.
pub const MAX_DEBOUNCE_SECONDS: u32 = 10;
/// How old the customer's first unanswered message is when a running turn is no longer replaced by a newer one.
pub const PATIENCE_SECONDS: u32 = 20;
/// How long a function may run a turn.
pub const LEASE_SECONDS: u32 = 30;
/// How long a function may take a step. No function runs longer than 30 seconds.
pub const STEP_SECONDS: u32 = 60;
/// Longest pause before a step is tried again, unless the platform states a longer one.
pub const MAX_BACKOFF_SECONDS: u32 = 60;
/// Longest pause that a platform can state.
pub const MAX_RETRY_AFTER_SECONDS: u32 = 900;
/// How long after the beginning of a conversation a message can be the one with which our own chat page began it.
pub const INITIAL_SECONDS: u32 = 60;
/// How long after a post without an id a message with the same text is its echo. Events can come minutes late, and a
/// bot that takes its own message for a person's is silent from then on. Each post has one echo, so a person who repeats
/// the bot's words is noticed at the second time at the latest.
pub const ECHO_SECONDS: u32 = 900;
/// Pause before a message is examined again that may be the echo of a post whose result is still unknown.
pub const ECHO_RETRY_SECONDS: u32 = 5;
/// How long after a return to the bot an assigned person is no sign: the platform may still show the former state.
pub const RETURN_SECONDS: u32 = 60;
/// How long after the bot finished a conversation a report that it is resolved is the echo of that.
pub const FINISH_ECHO_SECONDS: u32 = 30;
