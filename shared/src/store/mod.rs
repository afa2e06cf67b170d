//! DynamoDB: one table, and the only module that knows how things lie in it.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | dispatch, versioned | `T#{tenant}#D#{dispatch}` | `D` |
//! | its timeline, one item an entry | same | `E#{entry}` |
//! | how the webhook about an entry stands | same | `W#{entry}` |
//! | a receiver of webhooks that does not answer | `T#{tenant}#H#{host}` | `H` |
//! | whose turn it is to find out whether one of them answers again | `TURN` | `H` |
//! | lease on an employee's phone, and when it was called | `T#{tenant}#L#{hash of the number}` | `L` |
//! | how often a number may be called | `T#{tenant}#LIMITS` | `LIMITS` |
//! | pacing slots of a provider, and how it goes with it | `PACE#{provider}` | `P` |
//! | task chain, versioned | `T#{tenant}#C` | `C#{chain}` |
//! | the state of a caller's last call of a chain | `T#{tenant}#A#{hash of chain and number}` | `A` |
//! | what is known of a caller | `T#{tenant}#X#{hash of the number}` | `X` |
//! | API token | `TOKEN#{SHA-256 of the secret}` | `T` |
//! | its line in the list of tokens | `T#{tenant}#TOKENS` | the SHA-256 |
//!
//! The index `by_day` (`day_pk` = `T#{tenant}#D#{day}`, `day_sk` = `{created_at}#{dispatch}`) lists dispatches; it also
//! finds a context by the call that it was set in (`day_pk` = `T#{tenant}#K#{hash of the call}`).
//!
//! The index `by_due` (`due_pk` = `DUE#0` to `DUE#3`, `due_sk` = the moment, rounded up to 5 minutes) has the dispatches
//! that something is still to come of, by when (`due.rs`).

mod calls;
mod commit;
mod context;
mod deliveries;
mod due;
mod erase;
mod error;
mod items;
mod lease;
mod links;
mod list;
mod pace;
mod read;
mod retry;
mod setup;
mod token;

use std::sync::{Arc, LazyLock};

use aws_sdk_dynamodb::Client;

pub use calls::{CALL_WINDOW_SECONDS, KeptCall};
pub use commit::Committed;
pub use context::{Begun, Ended, OutcomePut};
pub use deliveries::{NoticeSubject, Probe, Silence};
pub use due::{DUE_SHARDS, Postponed, SentAgain, Unmoved};
pub use error::StoreError;
pub use items::{INDEX_BY_DAY, INDEX_BY_DUE, PARTITION_KEY, SORT_KEY};
pub use lease::Line;
pub use links::{ChainPage, ChainSummary, DeletedChain, Expected, KnownChain, PutChain, StoredChain};
pub use list::{Listed, Page, Summary};
pub use pace::{KnownStanding, Priority, Slot};
pub use read::TimelinePage;
pub use retry::{client, patient};
pub use setup::Setup;
pub use token::TokenEntry;

/// How long a dispatch and its timeline are kept after their last change.
pub const RETENTION_SECONDS: i64 = 90 * 86_400;

/// The table.
#[derive(Clone, Debug)]
pub struct Store {
    client: Arc<LazyLock<Client, MakeClient>>,
    table: String,
}

type MakeClient = Box<dyn FnOnce() -> Client + Send>;

impl Store {
    /// The table called `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self::on_demand(|| client, table)
    }

    /// The table called `table`, with a client that is made for the first request: to make it is a tenth of a start, and
    /// whoever comes with a forged reference never needs it.
    pub fn on_demand(client: impl FnOnce() -> Client + Send + 'static, table: impl Into<String>) -> Self {
        Self {
            client: Arc::new(LazyLock::new(Box::new(client))),
            table: table.into(),
        }
    }
}
