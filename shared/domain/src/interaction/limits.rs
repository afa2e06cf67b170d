//! How much an interaction keeps, and how long it waits. What is stored in one item stays below 400 KB even if every
//! character takes four bytes.

/// Legs of a plan: one for each channel.
pub const MAX_LEGS: usize = 5;
/// Attempts of a leg.
pub const MAX_ATTEMPTS: u16 = 10;
/// Ended attempts that are kept, so that late reports find them. More than all legs can have.
pub const MAX_PAST: usize = MAX_LEGS * MAX_ATTEMPTS as usize;
/// Messages of the thread. The oldest are dropped; the timeline has them all.
pub const MAX_THREAD: usize = 40;
/// Characters of a message of the thread; the timeline has the whole text.
pub const MAX_TEXT_CHARS: usize = 1_000;
/// Ids of received messages that are kept, to recognize duplicates.
pub const MAX_SEEN: usize = 200;
/// Characters of a note.
pub const MAX_NOTE_CHARS: usize = 4_000;
/// Characters of a transcript. What exceeds it is cut off.
pub const MAX_TRANSCRIPT_CHARS: usize = 20_000;
/// Characters of the reason of a failure.
pub const MAX_DETAIL_CHARS: usize = 200;
/// Characters of a received message in the timeline, and of a note at creation. What exceeds it is cut off.
pub const MAX_RECEIVED_CHARS: usize = 10_000;
/// Bytes of an id or name that a provider gave. A longer one is replaced by its hash.
pub const MAX_NAME_BYTES: usize = 200;
/// Bytes of the URL of a recording: a signed one is long. A longer one is replaced by its hash.
pub const MAX_RECORDING_BYTES: usize = 2_000;
/// Bytes of the plan and the parties as JSON.
pub const MAX_PLAN_BYTES: usize = 100_000;
/// Names of variables and fields in the entry about the creation, of each kind.
pub const MAX_REMARKS: usize = 50;
/// Tries to send one attempt while another channel follows. Afterwards the plan goes on with that one. The last channel is
/// tried until the latest time.
pub const MAX_TRIES: u16 = 10;
/// Earlier ids of an attempt that are kept, so that a report about a try that seemed to have failed is recognized.
pub const MAX_EARLIER: usize = 20;

/// How long a function may take to send. No function runs longer than 30 seconds.
pub const SEND_SECONDS: u32 = 60;
/// Longest pause before a send that certainly had no effect is tried again, unless the provider states a longer one.
pub const MAX_BACKOFF_SECONDS: u32 = 300;
/// Longest pause that a provider can state.
pub const MAX_RETRY_AFTER_SECONDS: u32 = 3_600;
/// How long after the end of a call a key that was pressed in it, or a verdict that a machine picked up, may arrive.
pub const GRACE_SECONDS: u32 = 15;
/// How far ahead an interaction can be scheduled. Until then its message is sent again every 15 minutes.
pub const MAX_SCHEDULE_SECONDS: u32 = 30 * 86_400;
/// How long a conversation stays open after its last message.
pub const IDLE_SECONDS: u32 = 86_400;
/// Pauses before a provider is asked for the status of an attempt.
pub const POLL_SECONDS: [u32; 5] = [15, 30, 60, 300, 900];
/// The pause after these.
pub const LAST_POLL_SECONDS: u32 = 3_600;
